"""The places that use the symbols of findings, in words: several symbols at one place read as one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from glibc_guard.model import Finding, Site

SHOWN: Final = 5  # places of a group of findings
SYMBOLS_SHOWN: Final = 5  # at one place


@dataclass(frozen=True, slots=True)
class Use:
    """A place, and which of the findings' symbols it uses; none where all findings are about the same one."""

    site: Site
    symbols: tuple[str, ...]


def uses_of(findings: Sequence[Finding]) -> list[Use]:
    """Return the places of ``findings`` (of one object), each once: those in the repository first."""
    places: dict[Site, dict[str, None]] = {}
    ranks: dict[Site, int] = {}  # so that each symbol has its first place among the first
    for finding in findings:
        for rank, site in enumerate(finding.sites):
            places.setdefault(site, {})[finding.symbol or ""] = None
            ranks[site] = min(rank, ranks.get(site, rank))
    several = len({finding.symbol for finding in findings}) > 1
    ordered = sorted(places, key=lambda site: (not site.in_repository, ranks[site], site.line is None))
    return [Use(site, tuple(places[site]) if several else ()) for site in ordered]


def places_in_all(findings: Sequence[Finding]) -> int:
    """Return at how many places the symbols of ``findings`` are used."""
    return sum(finding.uses for finding in findings)


def where(site: Site) -> str | None:
    """Return file and line of ``site``; None where the file is unknown."""
    if site.file is None:
        return None
    return site.file if site.line is None else f"{site.file}:{site.line}"


def package_in_words(site: Site) -> str:
    """Return " in PACKAGE" where the name of the function does not begin with it, else nothing."""
    begins = (site.function or "").lstrip("<&").startswith(f"{site.package}::")
    return f" in {site.package}" if site.package and not begins else ""


def in_words(site: Site) -> str:
    """Return ``site`` as one phrase: "ray::core::Score(double) at src/score.cc:6"."""
    place = where(site)
    return f"{site.function or 'code'}{package_in_words(site)}{f' at {place}' if place else ''}"
