"""What the tables tell of a symbol: its versions by release and library, and which of them an old system has."""

from __future__ import annotations

from msgspec import Struct

from glibc_guard.explain.knowledge import numbers
from glibc_guard.targets import glibc_symbols
from glibc_guard.targets.glibc_symbols import SymbolTable
from glibc_guard.targets.symbol_version import parse


class Appearance(Struct, frozen=True):
    """A symbol at one version in one library: the release that brought it there, and what became of it."""

    version: str
    library: str  # SONAME
    since: str  # a release of glibc
    until: str | None = None  # the first release without it there
    hidden: str | None = None  # from this release on new programs cannot be linked with it


def history(symbol: str, architecture: str) -> tuple[Appearance, ...]:
    """Return every appearance of ``symbol``, the oldest first; none where glibc never had it."""
    table = glibc_symbols.load(architecture)
    found = (
        Appearance(one.version, one.library, _since(table, one.version, one.first), one.removed, one.hidden)
        for one in table.definitions(symbol)
    )
    return tuple(sorted(found, key=lambda one: (numbers(one.since), _order(one.version), one.library)))


def at(symbol: str, release: str, architecture: str) -> tuple[Appearance, ...]:
    """Return the appearances of ``symbol`` that glibc ``release`` has, the newest version last."""
    found = (one for one in history(symbol, architecture) if _is_in(one, release))
    return tuple(sorted(found, key=lambda one: _order(one.version)))


def _since(table: SymbolTable, version: str, first: str) -> str:
    """Before the first release of the table, a symbol is as old as its version says."""
    named = parse(version)
    return named.number if named and named.namespace == "GLIBC" and first == table.releases[0] else first


def _is_in(one: Appearance, release: str) -> bool:
    return numbers(one.since) <= numbers(release) and (one.until is None or numbers(release) < numbers(one.until))


def _order(version: str) -> tuple[int, ...]:
    named = parse(version)
    return named.significant if named else ()
