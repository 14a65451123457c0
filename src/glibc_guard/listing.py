"""Lists the artifacts of a store, so that they can be parted among machines: folders, simple indexes, releases."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from glibc_guard.globs import glob_matches
from glibc_guard.urls import file_name, is_url, refused, shown
from glibc_guard.web import Answer, Web, WebError

#: In the order of PEP 691, which old servers answer with HTML (PEP 503).
SIMPLE: Final = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
JSON_TYPES: Final = ("application/vnd.pypi.simple.v1+json", "application/json")
HTML_TYPES: Final = ("application/vnd.pypi.simple.v1+html", "text/html", "application/xhtml+xml")
RELEASE: Final = re.compile(r"release:([\w.-]{1,100})/([\w.-]{1,100})@(\S{1,200})")
DEFAULT_MATCH: Final = ("*linux*.whl",)
LARGEST_PAGE: Final = 128 * 1024 * 1024  # bytes; the first page of the largest index has 40 million
MOST_PROJECTS: Final = 20_000  # of one index: each is a request
MOST_ARTIFACTS: Final = 5_000_000
LISTED: Final = 5  # file names that a message shows


class ListingError(Exception):
    """A store that cannot be listed; the message says which, and why."""


@dataclass(frozen=True, slots=True)  # a struct would show the token
class GitHub:
    """Where releases are asked for, and the token for that alone; without one there are few requests an hour."""

    api: str = "https://api.github.com"
    token: str = field(default="", repr=False)


class Listing(Struct):
    """What was found, and how much of it has another name than was asked for."""

    artifacts: list[str]
    left_out: int


class _File(Struct, frozen=True):
    name: str
    place: str  # path or URL


def listing(sources: Sequence[str], match: Sequence[str], github: GitHub, web: Web | None = None) -> Listing:
    """Return what ``sources`` hold whose file name matches one of the globs ``match``, sorted, each once.

    A source is a folder, with all folders in it; ``https://…/``, a page of a simple index (of one project, or of all);
    or ``release:OWNER/NAME@TAG``, whose tag may be ``latest``. Files and URLs of files stand for themselves.

    Raises:
        ListingError: a source is none, cannot be read, or holds nothing that matches.
    """
    asked = web or Web()
    found: set[str] = set()
    left_out = 0
    try:
        for source in sources:
            files = [*_files(source, github, asked)]
            taken = [file for file in files if file.place == source or _matches(file.name, match)]
            if not taken:
                raise ListingError(_nothing(source, files, match))
            left_out += len(files) - len(taken)
            found.update(file.place for file in taken)
            if len(found) > MOST_ARTIFACTS:
                raise ListingError(f"more than {MOST_ARTIFACTS:,} artifacts: list them in parts")
    except WebError as error:
        raise ListingError(f"cannot be listed: {error}") from error
    finally:
        asked.close()
    return Listing(sorted(found), left_out)


def _matches(name: str, match: Sequence[str]) -> bool:
    return any(glob_matches(pattern, name) for pattern in match)


def _nothing(source: str, files: Sequence[_File], match: Sequence[str]) -> str:
    name = shown(source) if is_url(source) else source
    if not files:
        return f"{name}: holds no file"
    names = ", ".join(file.name for file in files[:LISTED]) + (" …" if len(files) > LISTED else "")
    return f"{name}: none of {len(files):,} files matches {' or '.join(match)}: {names}"


def _files(source: str, github: GitHub, web: Web) -> Iterator[_File]:
    if is_url(source):
        refusal = refused(source)
        if refusal is not None:
            raise ListingError(refusal)
        if urllib.parse.urlsplit(source).path.endswith("/"):
            return _of_index(source, web)
        return iter([_File(file_name(source), source)])
    if source.startswith("release:"):
        return _of_release(source, github, web)
    path = Path(source)
    if path.is_dir():
        return _of_folder(path)
    if not path.exists():
        raise ListingError(f"{source}: no such file or folder")
    return iter([_File(path.name, source)])


def _of_folder(folder: Path) -> Iterator[_File]:
    for path in folder.rglob("*"):
        if path.is_file() and "\n" not in str(path):
            yield _File(path.name, str(path))


# --- simple indexes -------------------------------------------------------------------------------


class _Page(Struct, frozen=True):
    """What a page of a simple index says: projects, or files of one."""

    url: str  # after redirects
    projects: tuple[str, ...]  # URLs
    files: tuple[_File, ...]


def _of_index(url: str, web: Web) -> Iterator[_File]:
    page = _page(url, web)
    yield from page.files
    if len(page.projects) > MOST_PROJECTS:
        number = f"{len(page.projects):,} projects, more than {MOST_PROJECTS:,}"
        raise ListingError(f"{shown(url)}: has {number}: name the pages of projects instead")
    for project in page.projects if not page.files else ():
        yield from _page(project, web).files


def _page(url: str, web: Web) -> _Page:
    return web.get(url, {"Accept": SIMPLE}, _understood)


def _understood(answer: Answer) -> _Page:
    if answer.status != 200:
        raise ListingError(f"{shown(answer.url)}: no page of a simple index: the server answers {answer.status}")
    kind = answer.headers.get_content_type()
    if kind not in (*JSON_TYPES, *HTML_TYPES):
        raise ListingError(f"{shown(answer.url)}: no page of a simple index, but {kind[:50]}")
    text = answer.body(LARGEST_PAGE).decode("utf-8", "replace")
    return _of_json(answer.url, text) if kind in JSON_TYPES else _of_html(answer.url, text)


def _of_json(url: str, text: str) -> _Page:
    """Read a page of PEP 691."""
    document = _decoded(text, f"{shown(url)}: no page of a simple index")
    meta = document.get("meta")
    _refuse_version(url, meta.get("api-version") if isinstance(meta, dict) else None)
    projects = tuple(
        _resolved(url, f"{urllib.parse.quote(re.sub(r'[-_.]+', '-', name).lower(), safe='')}/")
        for name in _texts(document.get("projects"), "name")
    )
    files = []
    for entry in _entries(document.get("files")):
        place, hashes = entry.get("url"), entry.get("hashes")
        if isinstance(place, str):
            digest = hashes.get("sha256") if isinstance(hashes, dict) else None
            known = isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest)
            files.append(_file(_resolved(url, f"{place.partition('#')[0]}{f'#sha256={digest}' if known else ''}")))
    return _Page(url, projects, tuple(files))


def _of_html(url: str, text: str) -> _Page:
    """Read a page of PEP 503."""
    parser = _Links()
    parser.feed(text)
    parser.close()
    _refuse_version(url, parser.version)
    base = _resolved(url, parser.base) if parser.base else url
    links = [_resolved(base, link) for link in parser.links]
    projects = tuple(dict.fromkeys(link for link in links if urllib.parse.urlsplit(link).path.endswith("/")))
    files = tuple(_file(link) for link in links if not urllib.parse.urlsplit(link).path.endswith("/"))
    return _Page(url, projects, files)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.base = ""
        self.version = "1.0"  # PEP 629: of a page that does not say

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag == "base" and not self.base:
            self.base = given.get("href", "")
        elif tag == "meta" and given.get("name") == "pypi:repository-version":
            self.version = given.get("content", "")


def _refuse_version(url: str, version: object) -> None:
    if not isinstance(version, str) or version.partition(".")[0] != "1":
        raise ListingError(f"{shown(url)}: a simple index of a version that is not known: {str(version)[:20]}")


def _resolved(page: str, link: str) -> str:
    """Return where ``link`` on ``page`` leads to, if that may be asked for."""
    try:
        place = urllib.parse.urljoin(page, link.strip())
    except ValueError as error:
        raise ListingError(f"{shown(page)}: leads to what is no URL") from error
    refusal = refused(place)
    if refusal is None and page.startswith("https:") and not place.startswith("https:"):
        refusal = f"{shown(place)}: is not https"
    if refusal is not None:
        raise ListingError(f"{shown(page)}: leads to {refusal}")
    return place


def _file(url: str) -> _File:
    return _File(file_name(url), url)


# --- releases -------------------------------------------------------------------------------------


def _of_release(source: str, github: GitHub, web: Web) -> Iterator[_File]:
    found = RELEASE.fullmatch(source)
    if found is None:
        raise ListingError(f"{source}: write release:OWNER/NAME@TAG, or @latest")
    owner, name, tag = found.groups()
    which = "latest" if tag == "latest" else f"tags/{urllib.parse.quote(tag, safe='')}"
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    if github.token:
        headers["Authorization"] = f"Bearer {github.token}"

    def take(answer: Answer) -> list[_File]:
        if answer.status != 200:
            raise ListingError(f"{source}: {_refusal(answer.status)} (HTTP {answer.status})")
        document = _decoded(answer.body(LARGEST_PAGE).decode("utf-8", "replace"), f"{source}: no answer of GitHub")
        places = _texts(document.get("assets"), "browser_download_url")
        return [_file(_resolved(answer.url, place)) for place in places]

    yield from web.get(f"{github.api.rstrip('/')}/repos/{owner}/{name}/releases/{which}", headers, take)


def _refusal(status: int) -> str:
    if status == 404:
        return "there is no such release, or it is not public"
    if status in {401, 403, 429}:
        return "GitHub does not tell: too many requests without a token, or one that may not read it"
    return "GitHub does not tell"


# --- hostile JSON ---------------------------------------------------------------------------------


def _decoded(text: str, complaint: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ListingError(f"{complaint}: {error}") from error
    if not isinstance(document, dict):
        raise ListingError(complaint)
    return document


def _entries(found: object) -> Iterator[dict[str, Any]]:
    yield from (entry for entry in found if isinstance(entry, dict)) if isinstance(found, list) else ()


def _texts(found: object, key: str) -> Iterator[str]:
    yield from (entry[key] for entry in _entries(found) if isinstance(entry.get(key), str))
