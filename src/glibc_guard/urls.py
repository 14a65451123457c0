"""Which URLs may be asked, how they are shown, and where the documentation is."""

from __future__ import annotations

import posixpath
import re
import urllib.parse
from typing import Final

#: Whoever installed the package has no folder of this name.
DOCUMENTATION: Final = "https://github.com/org/glibc-guard/blob/main/docs"
#: A page of it, or a section of one; nothing in it needs an escape in HTML or Markdown.
OWN_PAGE: Final = re.compile(rf"{re.escape(DOCUMENTATION)}/[A-Za-z0-9/-]+\.md(?:#[A-Za-z0-9-]+)?")
SCHEMES: Final = ("https://", "http://")
LONGEST: Final = 8000  # characters; RFC 9110 asks servers and clients for as many, section 4.1


def page(name: str) -> str:
    """Return the address of a page of the documentation: "security.md"."""
    return f"{DOCUMENTATION}/{name}"


def is_url(path: str) -> bool:
    """Tell whether ``path`` is a URL, and no path of a file."""
    return path.lower().startswith(SCHEMES)


def refused(url: str) -> str | None:
    """Say why ``url`` is never asked for; None where it may be.

    ``http`` is for this machine alone: on its way anybody could put another file in the place of the right one.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"{shown(url)}: no URL: {error}"
    if parts.scheme not in {"https", "http"} or not host:
        return f"{shown(url)}: no URL that can be read: write https://HOST/PATH"
    if parts.username is not None or parts.password is not None:
        return f"{shown(url)}: a URL with a password would be shown in reports: download the file and check that"
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > LONGEST:
        return f"{shown(url)}: no URL: encode white space and what is not ASCII (%20)"
    if parts.scheme == "http" and not _is_this_machine(host):
        return f"{shown(url)}: http is not protected on its way: write https"
    return None


def shown(url: str) -> str:
    """Return ``url`` without its query, which may be a signature, without a password and without fragment."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return url.partition("?")[0]
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _is_this_machine(host: str) -> bool:
    import ipaddress  # noqa: PLC0415  # lazy, and seldom wanted

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def file_name(url: str) -> str:
    """Return the name that a file at ``url`` is saved under."""
    return urllib.parse.unquote(posixpath.basename(urllib.parse.urlsplit(url).path))
