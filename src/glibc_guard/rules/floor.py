"""What the system must provide: the version needs that the artifact does not meet itself, and the highest of them."""

from __future__ import annotations

from collections.abc import Iterable

from glibc_guard.model import NOT_LOADED, ElfObject, VersionNeed
from glibc_guard.targets.symbol_version import highest, parse


def carried_names(objects: Iterable[ElfObject], arch: str) -> frozenset[str]:
    """Return the names under which the loader finds the libraries that the artifact brings along for ``arch``."""
    names: set[str] = set()
    for item in objects:
        if item.architecture == arch and item.kind == "shared":
            names.add(item.path.rpartition("/")[2])
            if item.soname is not None:
                names.add(item.soname)
    return frozenset(names)


def system_needs(item: ElfObject, carried: frozenset[str]) -> tuple[VersionNeed, ...]:
    """Return the version needs of ``item`` that the system must meet: those on libraries that are not ``carried``."""
    if item.kind in NOT_LOADED:
        return ()
    return tuple(need for need in item.version_needs if need.library not in carried)


def floor(versions: Iterable[str]) -> dict[str, str]:
    """Return the highest of ``versions`` by namespace: ``{"GLIBC": "2.29"}``; names without a number do not count."""
    found = highest(version for name in versions if (version := parse(name)) is not None)
    return {namespace: found[namespace].number for namespace in sorted(found)}
