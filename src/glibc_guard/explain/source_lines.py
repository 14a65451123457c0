"""From an address of an object to the source: file and line, and the functions that were inlined there."""

from __future__ import annotations

import posixpath
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Final, TypeVar

from msgspec import Struct

from glibc_guard.elf.dwarf import DwarfError
from glibc_guard.elf.image import decode
from glibc_guard.explain.debug_files import DebugFiles
from glibc_guard.explain.debug_sections import PF_X, Data, ElfFile
from glibc_guard.explain.dwarf.address_index import AddressIndex
from glibc_guard.explain.dwarf.budget import WORK_BYTES, Budget
from glibc_guard.explain.dwarf.functions import Function, Functions
from glibc_guard.explain.dwarf.line_table import LineTable, Place
from glibc_guard.explain.dwarf.units import (
    DW_AT_COMP_DIR,
    DW_AT_NAME,
    DW_AT_STMT_LIST,
    Unit,
    Units,
)
from glibc_guard.explain.split_units import SplitUnits
from glibc_guard.model import Frame

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
COMPARED_UNITS: Final = 4  # that cover the same address
MOST_NAMED: Final = 5_000  # units whose files are told
MOST_DIGESTS: Final = 100_000  # about, of files
HELD_UNITS: Final = 16  # whose functions and lines are kept for the next address
HELD_ROWS: Final = 8_000_000  # of their lines, 16 bytes each


class Level(Struct, frozen=True):
    """One level of calls at an address; None where it is not known."""

    function: Function | None
    place: Place


class SourceLines:
    """The source lines of one object; nothing is read before it is asked for."""

    def __init__(
        self,
        data: Data,
        path: str,
        companions: DebugFiles,
        demangle: Callable[[str], str] = str,
        work: int = WORK_BYTES,
    ) -> None:
        """Look for the debug information of the object.

        Args:
            data: The bytes of the ELF file; they are not copied, and are in use for as long as this is.
            path: Its path, for remarks.
            companions: Where its debug information may be, if not in itself.
            demangle: Makes the name of a function from its linkage name.
            work: Bytes of debug information that are gone through at most.
        """
        self._demangle, self._budget, self._path = demangle, Budget(work), path
        self._debug: _DebugInformation | None = None
        try:
            elf = ElfFile(data)
            self._executable = [(s.vaddr, s.vaddr + s.memsz) for s in elf.segments if s.flags & PF_X]
            self._holder = elf if elf.has_lines else companions.find(elf, path)
        except DwarfError:
            self._holder = None
        self._companions = companions

    @property
    def is_here(self) -> bool:
        """Whether there is any information on lines."""
        return self._holder is not None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader should know of how far this went."""
        if not self._budget.spent:
            return ()
        return (f"{self._path}: its debug information is too large to be followed to the end: some lines are unknown",)

    def frames(self, address: int) -> tuple[Frame, ...]:
        """Return the levels of calls at ``address``, the innermost first; none where nothing is known.

        ``address`` is that of the instruction itself, as the object has it, not one that a call returns to.
        """
        return tuple(
            Frame(self._name(level.function), level.place.file, level.place.line) for level in self.levels(address)
        )

    def levels(self, address: int) -> tuple[Level, ...]:
        """Return the same with linkage names.

        Where several units cover the address, since linkers keep one copy of what is alike, their lines have to agree.
        """
        debug = self._information()
        return () if debug is None or not self._executes(address) else debug.levels(address)

    def _information(self) -> _DebugInformation | None:
        if self._debug is None and self._holder is not None:
            split = SplitUnits(self._companions, self._path, self._budget)
            self._debug = _DebugInformation(self._holder, self._executes, split, self._budget)
        return self._debug

    def sources(self) -> Iterator[str]:
        """Go over the files that units are named by, as they were called in the compilation."""
        debug = self._information()
        return iter(()) if debug is None else debug.sources()

    def source_at(self, address: int) -> str | None:
        """Return the file that the unit around ``address`` is named by; None where that is not told."""
        debug = self._information()
        return None if debug is None else debug.source_at(address)

    def digest(self, file: str) -> bytes | None:
        """Return the MD5 of a file that a frame named, as it was compiled; None where that is not told."""
        return None if self._debug is None else self._debug.digests.get(file)

    def _name(self, function: Function | None) -> str | None:
        if function is None or function.linkage_name is None:
            return None if function is None else function.name
        return self._demangle(function.linkage_name)

    def _executes(self, address: int) -> bool:
        """Tell whether code can be at ``address``; 0 and 1 stand for functions that the linker dropped."""
        return address > 1 and any(low <= address < high for low, high in self._executable)


class _DebugInformation:
    """What one file tells, of which the last used units are held."""

    def __init__(self, holder: ElfFile, executes: Callable[[int], bool], split: SplitUnits, budget: Budget) -> None:
        self._holder, self._executes, self._split, self._budget = holder, executes, split, budget
        self.units = Units(holder, budget)
        self.index = AddressIndex(holder, self.units, executes)
        self.digests: dict[str, bytes] = {}
        self._tables: OrderedDict[tuple[int, str], LineTable | None] = OrderedDict()
        self._functions: OrderedDict[int, Functions | None] = OrderedDict()

    def sources(self) -> Iterator[str]:
        """Go over the files that units are named by, joined with the folder of the compilation."""
        return filter(None, map(_source, self.units.units[:MOST_NAMED]))

    def source_at(self, address: int) -> str | None:
        """Return the file that the first unit at ``address`` is named by."""
        return next(map(_source, self.index.units_at(address)), None)

    def levels(self, address: int) -> tuple[Level, ...]:
        """Return what the unit tells that covers ``address``: of several the first, whose copy linkers keep."""
        units = self.index.units_at(address)[:COMPARED_UNITS]
        tables = [(unit, table) for unit in units if (table := self._held_table(unit)) is not None]
        places = {_tried(lambda: table.place(address)) for _, table in tables}  # noqa: B023  # called at once
        if not tables or len(places - {None}) > 1:
            return ()
        for unit, table in tables:
            levels = self._levels(unit, table, address)
            if levels:
                return levels
        return ()

    def _levels(self, unit: Unit, table: LineTable, address: int) -> tuple[Level, ...]:
        place = _tried(lambda: table.place(address))
        functions = _held(self._functions, unit.start, lambda: self._functions_of(unit))
        found = _tried(lambda: functions.at(address)) if functions is not None else None
        return _levels(table, place, found or ())

    def _held_table(self, unit: Unit) -> LineTable | None:
        key = _tried(lambda: self._table_of(unit))
        if key is None:
            return None
        table = _held(self._tables, key, lambda: self._table(*key))
        while len(self._tables) > 1 and sum(one.size for one in self._tables.values() if one) > HELD_ROWS:
            self._tables.popitem(last=False)
        return table

    def _table_of(self, unit: Unit) -> tuple[int, str] | None:
        """Return where the line table of ``unit`` is, which others may share, and the folder of its compilation."""
        at = unit.root.number(DW_AT_STMT_LIST)
        return None if at is None else (at, decode(unit.string(unit.root, DW_AT_COMP_DIR) or b""))

    def _table(self, at: int, folder: str) -> LineTable:
        table = LineTable(self._holder, at, folder, self._executes, self._budget)
        if len(self.digests) < MOST_DIGESTS:
            self.digests.update(table.digests())
        return table

    def _functions_of(self, unit: Unit) -> Functions:
        """Return the functions of ``unit``: a skeleton has none, its split unit has them."""
        whole, units = self._split.of(unit) or (unit, self.units)
        return Functions(whole, units, self._executes, self._budget)


def _source(unit: Unit) -> str | None:
    """Return the file that ``unit`` is named by, joined with the folder of the compilation."""
    name = _tried(lambda: unit.string(unit.root, DW_AT_NAME))
    folder = _tried(lambda: unit.string(unit.root, DW_AT_COMP_DIR))
    if not name:
        return None
    file = decode(name).partition("/@/")[0]  # rustc adds the name of the part that it compiled
    return posixpath.normpath(posixpath.join(decode(folder or b""), file))


def _levels(table: LineTable, place: Place | None, functions: tuple[Function, ...]) -> tuple[Level, ...]:
    """Give each function the place where it is at, which its inlined callee tells."""
    if not functions:
        return (Level(None, place),) if place is not None else ()
    place = place or Place(None, None)
    levels = []
    for function in functions:
        levels.append(Level(function, place))
        if function.call is not None:
            file, line = function.call
            place = _tried(lambda: table.named(file, line)) or Place(None, None)  # noqa: B023
    return tuple(levels)


def _tried(ask: Callable[[], T]) -> T | None:
    """Return what ``ask`` returns; None where the debug information is damaged."""
    try:
        return ask()
    except DwarfError:
        return None


def _held(kept: OrderedDict[K, T | None], key: K, make: Callable[[], T | None]) -> T | None:
    """Return what is kept under ``key``, made if it is not there; the oldest is dropped."""
    if key in kept:
        kept.move_to_end(key)
    else:
        kept[key] = _tried(make)
        if len(kept) > HELD_UNITS:
            kept.popitem(last=False)
    return kept[key]
