"""The floor: the highest version of each namespace that the system must provide."""

from __future__ import annotations

from collections.abc import Iterable

from glibc_guard.model import NOT_LOADED, ElfObject
from glibc_guard.rules.linkage import Linkage
from glibc_guard.targets.symbol_version import highest, parse


def floor(versions: Iterable[str]) -> dict[str, str]:
    """Return the highest of ``versions`` by namespace: ``{"GLIBC": "2.29"}``; names without a number do not count."""
    found = highest(version for name in versions if (version := parse(name)) is not None)
    return {namespace: found[namespace].number for namespace in sorted(found)}


def system_versions(item: ElfObject, linkage: Linkage) -> list[str]:
    """Return the versions that ``item`` needs of libraries that the artifact does not carry."""
    if item.kind in NOT_LOADED:
        return []
    return [need.version for need in item.version_needs if linkage.carried(need.library) is None]
