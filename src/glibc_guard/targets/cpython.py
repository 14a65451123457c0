"""Which CPython exports which symbol of its C-API, and since when one is part of the stable ABI.

The table ``data/python.symbols`` is made by ``scripts/update_python_symbols.py`` from real interpreters;
docs/python-symbols.md names them and says what depends on the build. The stable ABI is what ``abi3info`` lists, that is
``Misc/stable_abi.toml`` of CPython. Both are read when they are first asked for.

An interpreter is named by its version and flag: "3.12", "3.13t" (free-threaded), "3.13d" (debug build).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Final, TypeAlias

from msgspec import Struct

from glibc_guard.targets.glibc_symbols import SymbolTableError, unpack
from glibc_guard.targets.tables import DATA

TABLE: Final = DATA / "python.symbols"

#: What the C-API's symbols are called. ``PyInit_`` and ``PyInitU_`` are what modules define.
NAME: Final = re.compile(r"_{0,2}Py(?!InitU?_)\w|PY_TIMEOUT_MAX$")
PYTHON2: Final = "2.7"
INTERPRETER: Final = re.compile(r"(?P<major>\d)\.(?P<minor>\d+)(?P<flag>[td]?)")

Version: TypeAlias = tuple[int, int]


class Build(Struct, frozen=True):
    """One interpreter that was read for the table."""

    interpreter: str  # "3.13t"
    release: str  # "3.13.5"
    architecture: str
    source: str  # "Debian trixie"

    @property
    def patch(self) -> int:
        """The third number of the release."""
        return int(self.release.rsplit(".", 1)[1])


class PythonTable(Struct, frozen=True, dict=True):
    """What the interpreters export: the union over all builds of a version that were read.

    A symbol that only some builds have (by patch release, processor or option) counts as exported.
    """

    builds: tuple[Build, ...]
    _masks: Mapping[str, int]  # symbol → the builds that export it, the first one in the lowest bit

    @cached_property
    def interpreters(self) -> tuple[str, ...]:
        """Every interpreter of the table, the oldest first."""
        return tuple(sorted({build.interpreter for build in self.builds}, key=order))

    def knows(self, symbol: str) -> bool:
        """Whether any interpreter exports ``symbol``."""
        return symbol in self._masks

    def exports(self, interpreter: str, symbol: str) -> bool:
        """Whether any build of ``interpreter`` exports ``symbol``."""
        return bool(self._masks.get(symbol, 0) & self._members.get(interpreter, 0))

    def exported_by(self, build: Build) -> frozenset[str]:
        """What one build exports."""
        bit = 1 << self.builds.index(build)
        return frozenset(name for name, mask in self._masks.items() if mask & bit)

    def exporters(self, symbol: str) -> tuple[str, ...]:
        """The interpreters that export ``symbol``, the oldest first."""
        return tuple(name for name in self.interpreters if self.exports(name, symbol))

    def split(self, interpreter: str, symbol: str, architecture: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The releases of ``interpreter`` that have ``symbol``, and those that lack it, of the builds that were read.

        Those for ``architecture`` count, and for x86_64 where there are none. A release may be in both: the symbol
        depends on how it was built then.
        """
        asked = self._asked(interpreter, architecture)
        key = asked, self._masks.get(symbol, 0) & asked
        if key not in self._splits:
            chosen = [(index, build) for index, build in enumerate(self.builds) if asked >> index & 1]
            having = dict.fromkeys(build.release for index, build in chosen if key[1] >> index & 1)
            lacking = dict.fromkeys(build.release for index, build in chosen if not key[1] >> index & 1)
            self._splits[key] = tuple(having), tuple(lacking)
        return self._splits[key]

    def _asked(self, interpreter: str, architecture: str) -> int:
        """The builds that speak for ``interpreter`` on ``architecture``, as a mask."""
        key = interpreter, architecture
        if key not in self._asked_builds:
            built = [(index, build) for index, build in enumerate(self.builds) if build.interpreter == interpreter]
            own = [index for index, build in built if build.architecture == architecture]
            chosen = own or [index for index, build in built if build.architecture == "x86_64"]
            self._asked_builds[key] = sum(1 << index for index in chosen)
        return self._asked_builds[key]

    @cached_property
    def _asked_builds(self) -> dict[tuple[str, str], int]:
        return {}

    @cached_property
    def _splits(self) -> dict[tuple[int, int], tuple[tuple[str, ...], tuple[str, ...]]]:
        return {}

    @cached_property
    def _members(self) -> dict[str, int]:
        found = dict.fromkeys(self.interpreters, 0)
        for index, build in enumerate(self.builds):
            found[build.interpreter] |= 1 << index
        return found


@lru_cache(maxsize=1)
def table() -> PythonTable:
    """Read the table, once in a process.

    Raises:
        SymbolTableError: it is missing or damaged.
    """
    try:
        content = TABLE.read_bytes()
    except OSError as error:
        raise SymbolTableError(f"{TABLE.name} cannot be read: {error}; install glibc-guard again") from error
    return parse(unpack(content, TABLE.name))


def parse(text: str) -> PythonTable:
    """Read the text of a table: a ``build`` line for each interpreter, an empty line, a line for each symbol.

    Raises:
        SymbolTableError: it is not of that form.
    """
    head, _, body = text.partition("\n\n")
    try:
        builds = tuple(Build(*line.split(" ", 4)[1:]) for line in head.splitlines() if line.startswith("build "))
        masks = {name: int(mask, 16) for name, mask in (line.split(" ") for line in body.splitlines())}
    except (TypeError, ValueError) as error:
        raise SymbolTableError(f"the table of Python's symbols holds a line that is none: {error}") from error
    if not builds or not all(INTERPRETER.fullmatch(build.interpreter) for build in builds):
        raise SymbolTableError("the table of Python's symbols names no interpreter")
    if any(mask >> len(builds) for mask in masks.values()):
        raise SymbolTableError("the table of Python's symbols speaks of more interpreters than it names")
    return PythonTable(builds, masks)


@lru_cache(maxsize=16_384)  # a large wheel asks for a few hundred symbols, each from many modules
def in_every_release(symbol: str, interpreters: tuple[str, ...], architecture: str) -> bool:
    """Whether each of ``interpreters`` exports ``symbol``, in every release that was read for ``architecture``."""
    found = table()
    return all(
        found.exports(name, symbol) and not all(found.split(name, symbol, architecture)) for name in interpreters
    )


@lru_cache(maxsize=1)
def judged() -> tuple[str, ...]:
    """Return the interpreters that artifacts are held against, the oldest first: CPython 3 without debug builds."""
    return tuple(name for name in table().interpreters if name.startswith("3") and not name.endswith("d"))


@lru_cache(maxsize=1)
def stable_abi() -> Mapping[str, Version]:
    """Symbol of the stable ABI → the version of CPython since which it is one."""
    import abi3info  # noqa: PLC0415  # lazy, since it costs 60 ms and only modules for the stable ABI want it

    members = (*abi3info.FUNCTIONS.values(), *abi3info.DATAS.values())
    return {item.symbol.name: (item.added.major, item.added.minor) for item in members}


def version_of(interpreter: str) -> Version:
    """Return (3, 13) for "3.13t"."""
    match = INTERPRETER.fullmatch(interpreter)
    if match is None:
        raise ValueError(f"no name of a CPython: {interpreter!r}")
    return int(match["major"]), int(match["minor"])


def order(interpreter: str) -> tuple[int, int, str]:
    """Sort by version, the free-threaded and the debug build after the usual one."""
    return (*version_of(interpreter), interpreter.lstrip("0123456789."))
