"""The places that use the symbols of findings, in words: several symbols at one place read as one line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from glibc_guard.explain.demangle import MANGLED
from glibc_guard.model import Finding, Site
from glibc_guard.report.spelling import brief

SHOWN: Final = 5  # places of a group of findings
LARGEST_LINE: Final = 2**31 - 1  # that GitHub and SARIF readers take; debug information may say anything
SYMBOLS_SHOWN: Final = 5  # at one place
MANGLED_SHOWN: Final = 2  # of them, where some are of C++ or Rust
LONGEST_FUNCTION: Final = 160  # characters of a name before its place, which must not be cut off
#: What precedes the telling part of the path of a Rust library, a crate of a registry, or one from a Git repository.
FOREIGN_FOLDERS: Final = re.compile(r"/rustc/[0-9a-f]+/|.*/(?:registry/src/[^/]+|git/checkouts|lib/rustlib/src/rust)/")


class Use(Struct, frozen=True):
    """A place, and which of the findings' symbols it uses; none where all findings are about the same one."""

    site: Site
    symbols: tuple[str, ...]


def uses_of(findings: Sequence[Finding]) -> list[Use]:
    """Return the places of ``findings`` (of one object), each once: those in the repository first.

    What only differs in how the code came to be inlined reads alike, and is one place.
    """
    places: dict[Site, dict[str, None]] = {}
    ranks: dict[Site, int] = {}  # so that each symbol has its first place among the first
    for finding in findings:
        for rank, inlined in enumerate(finding.sites):
            site = replace(inlined, frames=())
            places.setdefault(site, {})[finding.symbol or ""] = None
            ranks[site] = min(rank, ranks.get(site, rank))
    several = len({finding.symbol for finding in findings}) > 1
    ordered = sorted(places, key=lambda site: (not site.in_repository, ranks[site], site.line is None))
    return [Use(site, tuple(places[site]) if several else ()) for site in ordered]


def named(use: Use) -> list[str]:
    """Return the first of the symbols of ``use`` for people, and "…" where there are more."""
    shown = use.symbols[: MANGLED_SHOWN if any(map(MANGLED.match, use.symbols)) else SYMBOLS_SHOWN]
    return [*dict.fromkeys(map(brief, shown)), *(["…"] if len(shown) < len(use.symbols) else [])]


def places_in_all(findings: Sequence[Finding]) -> int:
    """Return at how many places the symbols of ``findings`` are used."""
    return sum(finding.uses for finding in findings)


def where(site: Site) -> str | None:
    """Return file and line of ``site``; None where the file is unknown.

    Of a foreign file the folders of the machine that built are left out: ``library/std/src/fs.rs``.
    """
    if site.file is None:
        return None
    file = site.file if site.in_repository else FOREIGN_FOLDERS.sub("", site.file, count=1)
    return file if site.line is None else f"{file}:{site.line}"


def package_in_words(site: Site) -> str:
    """Return " in PACKAGE through CRATE": the one where function and file do not begin with it, the other if any."""
    begins = (site.function or "").lstrip("<&").startswith(f"{site.package}::")
    tells = begins or (where(site) or "").startswith(f"{site.package}-")
    package = f" in {site.package}" if site.package and not tells else ""
    return f"{package} through {site.through}" if site.through else package


def function_of(site: Site) -> str:
    """Return the name of the function, without the end of what is long."""
    name = site.function or "code"
    return name if len(name) <= LONGEST_FUNCTION else f"{name[: LONGEST_FUNCTION - 1]}…"


def in_words(site: Site) -> str:
    """Return ``site`` as one phrase: "ray::core::Score(double) at src/score.cc:6"."""
    place = where(site)
    return f"{function_of(site)}{package_in_words(site)}{f' at {place}' if place else ''}"
