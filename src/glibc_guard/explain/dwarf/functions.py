"""The functions of a unit, and what was inlined into them at an address (DWARF 5, 3.3)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from glibc_guard.elf.dwarf import DW_FORM_INDIRECT, UNIT_REFERENCES, Cursor, DwarfError
from glibc_guard.elf.image import decode
from glibc_guard.explain.dwarf.abbreviations import (
    SKIP_BLOCK_LEB128,
    SKIP_INDIRECT,
    SKIP_LEB128,
    SKIP_STRING,
    Abbreviation,
)
from glibc_guard.explain.dwarf.budget import BETWEEN_LOOKS, OF_ENTRY, OF_KEPT_RANGE, Budget
from glibc_guard.explain.dwarf.ranges import DW_AT_LOW_PC, DW_AT_RANGES, ranges
from glibc_guard.explain.dwarf.units import DW_AT_NAME, Entry, Unit, Units

DW_TAG_CLASS_TYPE, DW_TAG_ENUMERATION_TYPE, DW_TAG_LEXICAL_BLOCK = 0x02, 0x04, 0x0B
DW_TAG_STRUCTURE_TYPE, DW_TAG_UNION_TYPE, DW_TAG_INLINED_SUBROUTINE = 0x13, 0x17, 0x1D
DW_TAG_TRY_BLOCK, DW_TAG_CATCH_BLOCK, DW_TAG_SUBPROGRAM = 0x32, 0x25, 0x2E
DW_AT_SIBLING, DW_AT_ABSTRACT_ORIGIN, DW_AT_SPECIFICATION = 0x01, 0x31, 0x47
DW_AT_CALL_FILE, DW_AT_CALL_LINE = 0x58, 0x59
DW_AT_LINKAGE_NAME, DW_AT_MIPS_LINKAGE_NAME = 0x6E, 0x2007

BLOCKS: Final = frozenset({DW_TAG_LEXICAL_BLOCK, DW_TAG_TRY_BLOCK, DW_TAG_CATCH_BLOCK})
#: Entries that gcc gives the place of the next one, with no code inside.
TYPES: Final = frozenset({DW_TAG_CLASS_TYPE, DW_TAG_ENUMERATION_TYPE, DW_TAG_STRUCTURE_TYPE, DW_TAG_UNION_TYPE})
MAX_ORIGINS: Final = 16  # from an inlined copy to where its name stands: mostly two
MAX_DEPTH: Final = 1024  # of inlined calls
MAX_OVERLAP: Final = 256  # functions that are looked at for one address; mostly one


class Function(Struct, frozen=True):
    """A function at an address, itself or inlined into the next one."""

    linkage_name: str | None  # mangled, where it is C++ or Rust
    name: str | None
    call: tuple[int, int] | None  # the file (by its number) and the line where it was inlined; None for the outermost

    @property
    def symbol(self) -> str | None:
        """The linkage name where it has one, else the name."""
        return self.linkage_name or self.name


class Functions:
    """The functions of one unit, by address."""

    def __init__(self, unit: Unit, units: Units, executes: Callable[[int], bool], budget: Budget) -> None:
        """Go over all entries of ``unit``.

        Raises:
            DwarfError: they are damaged, or more than ``budget`` allows.
        """
        self._unit, self._units, self._budget = unit, units, budget
        budget.take(unit.end - unit.first)
        self._covered: list[tuple[int, int, int]] = []  # first address, the one behind, and the entry
        for at in _concrete(unit, budget):
            found = ranges(unit, unit.entry(at))
            budget.take(OF_KEPT_RANGE * len(found))
            self._covered += [(low, high, at) for low, high in found if executes(low) and executes(high - 1)]
        self._covered.sort()
        self._reach: list[int] = []
        for _, high, _ in self._covered:
            self._reach.append(max(high, self._reach[-1] if self._reach else 0))

    def at(self, address: int) -> tuple[Function, ...]:
        """Return the functions at ``address``, the innermost first; none where the unit does not tell.

        Raises:
            DwarfError: the debug information is damaged.
        """
        start = self._entry_at(address)
        if start is None:
            return ()
        chain = [start, *self._inlined(start, address)]
        return tuple(self._function(at, of=chain) for at in reversed(chain))

    def _entry_at(self, address: int) -> int | None:
        """Return the function at ``address``: of several the smallest; None where two are alike."""
        last = bisect_right(self._covered, (address, 1 << 64, 0)) - 1
        found = []
        for index in range(last, max(-1, last - MAX_OVERLAP), -1):
            if self._reach[index] <= address:
                break
            low, high, at = self._covered[index]
            if address < high:
                found.append((high - low, at))
        found.sort()
        if len(found) > 1 and found[0][0] == found[1][0]:
            return None
        return found[0][1] if found else None

    def _inlined(self, start: int, address: int) -> list[int]:
        """Return the inlined copies at ``address`` in the function at ``start``, the outermost first."""
        unit = self._unit
        function = unit.entry(start)
        chain: list[int] = []
        if not function.children:
            return chain
        cursor = Cursor(unit.sections.get("info"), function.end, unit.sections.order)
        open_levels = [True]  # of the entries around: whether what is in it can be at the address
        within = [1]  # how many levels there are around each link of the chain
        while cursor.at < unit.end:
            at = cursor.at
            code = cursor.leb128()
            if code == 0:
                open_levels.pop()
                if len(open_levels) < within[-1]:  # the innermost one ends
                    break
                continue
            abbreviation = unit.abbreviations[code]
            opens = False
            if open_levels[-1] and (abbreviation.tag == DW_TAG_INLINED_SUBROUTINE or abbreviation.tag in BLOCKS):
                entry = unit.entry_of(abbreviation, cursor)
                opens = self._is_at(entry, address)
                if opens and entry.tag == DW_TAG_INLINED_SUBROUTINE and len(chain) < MAX_DEPTH:
                    chain.append(at)
                    within.append(len(open_levels) + 1)
            else:
                _skip(abbreviation, cursor, unit)
            self._budget.take(OF_ENTRY + cursor.at - at)
            if abbreviation.children:
                open_levels.append(opens)
            elif chain and chain[-1] == at:
                break
        return chain

    def _is_at(self, entry: Entry, address: int) -> bool:
        """Tell whether ``entry`` covers ``address``; a block that names no addresses may hold what does."""
        if entry.tag in BLOCKS and entry.attributes.keys().isdisjoint({DW_AT_LOW_PC, DW_AT_RANGES}):
            return True
        return any(low <= address < high for low, high in ranges(self._unit, entry))

    def _function(self, at: int, of: list[int]) -> Function:
        entry = self._unit.entry(at)
        call = None
        if at != of[0]:
            call = (entry.number(DW_AT_CALL_FILE) or 0, entry.number(DW_AT_CALL_LINE) or 0)
        linkage_name, name = self._names(at)
        return Function(linkage_name, name, call)

    def _names(self, at: int) -> tuple[str | None, str | None]:
        """Return linkage name and name of the function at ``at``, or of what it is a copy of."""
        linkage = name = None
        place: tuple[Unit, int] | None = (self._unit, at)
        for _ in range(MAX_ORIGINS):
            if place is None:
                break
            unit, at = place
            unit.root  # noqa: B018  # its attributes say where the strings of the unit are
            entry = unit.entry(at)
            name = name or unit.string(entry, DW_AT_NAME)
            linkage = unit.string(entry, DW_AT_LINKAGE_NAME) or unit.string(entry, DW_AT_MIPS_LINKAGE_NAME)
            if linkage:
                break
            origin = DW_AT_ABSTRACT_ORIGIN if DW_AT_ABSTRACT_ORIGIN in entry.attributes else DW_AT_SPECIFICATION
            place = unit.reference(entry, origin, self._units)
        return (decode(linkage) if linkage else None, decode(name) if name else None)


def _concrete(unit: Unit, budget: Budget) -> Iterator[int]:  # noqa: C901, PLR0912  # one loop, since calls are what costs
    """Go over the entries of ``unit``; yield where those of functions with code are. The hot loop."""
    data = bytes(unit.sections.get("info")[unit.start : unit.end])  # faster than the view of the whole
    cursor = Cursor(data, 0, unit.sections.order)
    plans: dict[int, tuple[int, tuple[tuple[int, int], ...], bool, bool, Abbreviation]] = {}
    at, end, look = unit.first - unit.start, unit.end - unit.start, 0
    try:
        while at < end:
            if at >= look:
                budget.look()
                look = at + BETWEEN_LOOKS
            start, code = at, data[at]
            at += 1
            if code == 0:
                continue
            if code >= 0x80:
                cursor.at = start
                code, at = cursor.leb128(), cursor.at
            if code not in plans:
                plans[code] = _plan(unit.abbreviations[code])
            lead, rest, concrete, has_sibling, abbreviation = plans[code]
            if concrete:
                yield unit.start + start
            cursor.at = at
            if has_sibling:
                at = _sibling(abbreviation, cursor, unit)
                continue
            at += lead
            for kind, following in rest:
                if kind == SKIP_LEB128:
                    while data[at] >= 0x80:
                        at += 1
                    at += 1 + following
                elif kind == SKIP_BLOCK_LEB128 and data[at] < 0x80:
                    at += 1 + data[at] + following
                else:
                    cursor.at = at
                    _skip_value(kind, cursor, unit)
                    at = cursor.at + following
    except IndexError as error:
        raise DwarfError from error


def _plan(abbreviation: Abbreviation) -> tuple[int, tuple[tuple[int, int], ...], bool, bool, Abbreviation]:
    concrete = abbreviation.tag == DW_TAG_SUBPROGRAM and abbreviation.has(DW_AT_LOW_PC, DW_AT_RANGES)
    has_sibling = abbreviation.children and abbreviation.tag in TYPES and abbreviation.has(DW_AT_SIBLING)
    return abbreviation.lead, abbreviation.rest, concrete, has_sibling, abbreviation


def _sibling(abbreviation: Abbreviation, cursor: Cursor, unit: Unit) -> int:
    """Return where the entry after the one at ``cursor`` and all inside is, from the start of ``unit``."""
    for name, form, _ in abbreviation.attributes:
        number, _ = cursor.value(form, unit.shape)
        if name == DW_AT_SIBLING and form in UNIT_REFERENCES and number > cursor.at:
            return number
    return cursor.at


def _skip(abbreviation: Abbreviation, cursor: Cursor, unit: Unit) -> None:
    """Pass over the values of an entry."""
    cursor.at += abbreviation.lead
    for kind, following in abbreviation.rest:
        _skip_value(kind, cursor, unit)
        cursor.at += following


def _skip_value(kind: int, cursor: Cursor, unit: Unit) -> None:
    if kind == SKIP_LEB128:
        cursor.leb128()
    elif kind == SKIP_INDIRECT:
        cursor.value(DW_FORM_INDIRECT, unit.shape)
    elif kind == SKIP_STRING:
        cursor.string()
    else:
        size = cursor.leb128() if kind == SKIP_BLOCK_LEB128 else cursor.integer(kind)
        cursor.at += size
