"""Linux distributions: what they provide, which of them an artifact runs on, and how many downloads that leaves out."""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from glibc_guard.model import RunsOn
from glibc_guard.targets import symbol_version, tables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from glibc_guard.targets.tables import DistributionEntry, Distributions

_REACH: Final = "reach-2026-07.csv"
_REACH_ARCHITECTURE: Final = "x86_64"  # of the others too few downloads are not from continuous integration
_REACH_DIGITS: Final = 5  # as in the table


class Distribution(Struct, frozen=True):
    """A release of a distribution as it was first published.

    ``end_of_life`` is the last day of updates that need no extra contract: for Debian that of its long-term support,
    for RHEL that of its maintenance support, for SLES that of its general support.
    """

    id: str
    name: str
    aliases: tuple[str, ...]
    ceilings: Mapping[str, Mapping[str, str]]  # architecture → namespace → the newest version
    x86_64_level: int  # x86-64-v1 … v4: what it demands of a processor, and so promises to programs
    end_of_life: date
    sources: tuple[str, ...]
    note: str | None

    @property
    def architectures(self) -> tuple[str, ...]:
        """The architectures that the distribution can be installed on."""
        return tuple(self.ceilings)

    @property
    def glibc(self) -> str:
        """The release of glibc."""
        return next(iter(self.ceilings.values()))["GLIBC"]


@lru_cache(maxsize=1)
def distributions() -> tuple[Distribution, ...]:
    """All known distributions, the oldest glibc first, then by name."""
    table = tables.distributions()
    entries = [_distribution(entry, table) for entry in table.distributions]
    return tuple(sorted(entries, key=lambda entry: (symbol_version.significant_numbers(entry.glibc), entry.name)))


def find(name: str) -> Distribution | None:
    """Look up a distribution by its id or an alias; case, spaces, ``-``, ``_`` and ``.`` do not matter."""
    return _by_key().get(_key(name))


def names() -> tuple[str, ...]:
    """Every id and alias, the ids first."""
    known = distributions()
    return (*(entry.id for entry in known), *(alias for entry in known for alias in entry.aliases))


def runs_on(floor: Mapping[str, str], arch: str) -> tuple[RunsOn, ...]:
    """Tell for every distribution of an architecture whether it meets a floor.

    Args:
        floor: namespace → the highest version that is needed ("GLIBC" → "2.29"). A namespace that the table does not
            have (say, of a library other than glibc and the compiler runtimes) says nothing about a distribution.
        arch: the architecture.
    """
    return tuple(
        RunsOn(distro=entry.id, arch=arch, loads=_meets(floor, entry.ceilings[arch]))
        for entry in distributions()
        if arch in entry.ceilings
    )


def downloads_lost(floor_glibc: str | None, arch: str) -> float | None:
    """Give the share (0…1) of downloads that come from systems with a glibc older than the floor.

    Nothing is lost without a floor. None where it is not known: for architectures other than x86_64. The source is
    named in ``data/reach-2026-07.csv``.
    """
    if arch != _REACH_ARCHITECTURE:
        return None
    if floor_glibc is None:
        return 0.0
    floor = symbol_version.significant_numbers(floor_glibc)
    if floor is None:
        return None
    return round(sum(share for release, share in _reach() if release < floor), _REACH_DIGITS)


def _meets(floor: Mapping[str, str], ceilings: Mapping[str, str]) -> bool:
    return all(
        symbol_version.at_most(number, ceilings[namespace])
        for namespace, number in floor.items()
        if namespace in ceilings
    )


def _distribution(entry: DistributionEntry, table: Distributions) -> Distribution:
    runtime = table.compiler_runtimes[entry.gcc]
    return Distribution(
        id=entry.id,
        name=entry.name,
        aliases=entry.aliases,
        ceilings={
            architecture: {
                "GLIBC": entry.glibc,
                "GLIBCXX": runtime.glibcxx,
                "CXXABI": runtime.cxxabi,
                "GCC": runtime.gcc[architecture],
            }
            for architecture in entry.architectures
        },
        x86_64_level=entry.x86_64_level,
        end_of_life=entry.end_of_life,
        sources=entry.sources,
        note=entry.note,
    )


@lru_cache(maxsize=1)
def _by_key() -> dict[str, Distribution]:
    return {_key(name): entry for entry in distributions() for name in (entry.id, *entry.aliases)}


def _key(name: str) -> str:
    return re.sub(r"[-_. ]", "", name.lower())


@lru_cache(maxsize=1)
def _reach() -> tuple[tuple[tuple[int, ...], float], ...]:
    with (tables.DATA / _REACH).open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    found = [
        (symbol_version.significant_numbers(row["glibc"]), float(row["share"]))
        for row in rows
        if row["cpu"] == _REACH_ARCHITECTURE
    ]
    return tuple((release, share) for release, share in found if release is not None)
