"""The floor: the highest version of each namespace that the system must provide."""

from __future__ import annotations

from collections.abc import Iterable

from glibc_guard.model import NOT_LOADED, ElfObject
from glibc_guard.rules.linkage import Linkage
from glibc_guard.targets import glibc_symbols
from glibc_guard.targets.glibc import ARCHITECTURES
from glibc_guard.targets.symbol_version import highest, parse


def floor(versions: Iterable[str]) -> dict[str, str]:
    """Return the highest of ``versions`` by namespace: ``{"GLIBC": "2.29"}``; names without a number do not count."""
    found = highest(version for name in versions if (version := parse(name)) is not None)
    return {namespace: found[namespace].number for namespace in sorted(found)}


def system_versions(item: ElfObject, linkage: Linkage) -> list[str]:
    """Return the versions that ``item`` needs of libraries that the artifact does not carry.

    A symbol without a version that came late to glibc, and a marker (``GLIBC_ABI_DT_RELR``), count as a need for the
    release that brought them.
    """
    if item.kind in NOT_LOADED:
        return []
    needs = [need.version for need in item.version_needs if not linkage.brings(item, need.library)]
    late = {*_late_unversioned(item, linkage).values()} | _releases_of_markers(needs, item.architecture)
    return [*needs, *(f"GLIBC_{release}" for release in late)]


def system_imports(item: ElfObject, linkage: Linkage) -> tuple[str, ...]:
    """Return what ``item`` asks of libraries that the artifact does not carry, sorted, each once.

    "pow@GLIBC_2.29" is a symbol by version, "@GLIBC_ABI_DT_RELR" a version that no symbol refers to, and "statx" a
    symbol without a version that came late to glibc.
    """
    if item.kind in NOT_LOADED:
        return ()
    libraries = {need.library for need in item.version_needs}
    of_the_system = {name for name in libraries if not linkage.brings(item, name)}
    wanted = [symbol for symbol in item.undefined if symbol.version is not None and symbol.library in of_the_system]
    named = {(symbol.library, symbol.version) for symbol in wanted}
    alone = (need for need in item.version_needs if need.library in of_the_system)
    return tuple(sorted({
        *(f"{symbol.name}@{symbol.version}" for symbol in wanted),
        *(f"@{need.version}" for need in alone if (need.library, need.version) not in named),
        *_late_unversioned(item, linkage),
    }))  # fmt: skip


def _releases_of_markers(versions: Iterable[str], architecture: str) -> set[str]:
    wanted = {version for version in versions if version.startswith("GLIBC_ABI_")}
    markers = glibc_symbols.extra().markers if wanted else ()
    return {marker.release for marker in markers if marker.version in wanted and marker.concerns(architecture)}


def _late_unversioned(item: ElfObject, linkage: Linkage) -> dict[str, str]:
    """Return the symbols without a version that came late to glibc, and the release of each."""
    if item.architecture not in ARCHITECTURES or not linkage.closure(item)[1]:
        return {}
    table = glibc_symbols.load(item.architecture)
    found: dict[str, str] = {}
    known = table.symbols()  # asked first, since most names without a version are not glibc's, but Python's
    for symbol in item.undefined:
        if symbol.version is None and symbol.name in known and symbol.relocated and symbol.binding != "weak":
            first = min((one.first for one in table.definitions(symbol.name)), key=table.releases.index)
            if first != table.releases[0] and not linkage.defines(item, symbol.name):
                found[symbol.name] = first
    return found
