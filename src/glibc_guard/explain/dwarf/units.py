"""The units of ``.debug_info``: their headers, their first entries, and the values of entries."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, TypeAlias

from msgspec import Struct, field

from glibc_guard.elf.dwarf import (
    ADDRESS_INDEXES,
    DW_FORM_ADDR,
    DW_FORM_IMPLICIT_CONST,
    DW_FORM_LINE_STRP,
    DW_FORM_REF_ADDR,
    DW_FORM_STRING,
    DW_FORM_STRP,
    STRING_INDEXES,
    UNIT_REFERENCES,
    Cursor,
    DwarfError,
    Shape,
)
from glibc_guard.explain.debug_sections import Content, Sections
from glibc_guard.explain.dwarf.abbreviations import Abbreviation, Abbreviations
from glibc_guard.explain.dwarf.budget import OF_HEADER, OF_UNIT, Budget

DW_AT_NAME, DW_AT_STMT_LIST, DW_AT_COMP_DIR = 0x03, 0x10, 0x1B
DW_AT_STR_OFFSETS_BASE, DW_AT_ADDR_BASE, DW_AT_RNGLISTS_BASE, DW_AT_DWO_NAME = 0x72, 0x73, 0x74, 0x76
DW_AT_GNU_DWO_NAME, DW_AT_GNU_DWO_ID, DW_AT_GNU_RANGES_BASE, DW_AT_GNU_ADDR_BASE = 0x2130, 0x2131, 0x2132, 0x2133
DW_UT_TYPE, DW_UT_SKELETON, DW_UT_SPLIT_COMPILE, DW_UT_SPLIT_TYPE = 0x02, 0x04, 0x05, 0x06
MAX_UNITS: Final = 500_000
NOT_ZERO: Final = re.compile(rb"[^\0]")

Attributes: TypeAlias = Mapping[int, tuple[int, int, bytes]]  # name → form, number, string


class Entry(Struct, frozen=True):
    """One debugging information entry."""

    tag: int
    children: bool
    attributes: Attributes
    end: int  # where the next one begins

    def number(self, name: int) -> int | None:
        """Return a value as it is stored: a constant, an offset, an index."""
        return self.attributes[name][1] if name in self.attributes else None


class Unit(Struct, eq=False):
    """A unit, of an object or of its split debug information."""

    sections: Sections
    start: int  # of the header, in .debug_info
    end: int
    first: int  # where its first entry begins
    shape: Shape
    identity: int | None  # of a skeleton and of its split unit: they have the same
    abbreviations: Abbreviations
    budget: Budget
    split: bool = False  # of split debug information
    skeleton: Unit | None = None  # of a split unit: has the addresses
    range_lists: dict[tuple[int, int], list[tuple[int, int]]] = field(default_factory=dict)
    _root: Entry | None = field(default=None)

    @property
    def root(self) -> Entry:
        """The first entry, which tells of the unit as a whole."""
        if self._root is None:
            self._root = self.entry(self.first)
        return self._root

    def entry(self, at: int) -> Entry:
        """Return the entry at ``at`` of .debug_info.

        Raises:
            DwarfError: it is damaged, lies outside, or there is none but the end of a list.
        """
        if not self.first <= at < self.end:
            raise DwarfError
        cursor = Cursor(self.sections.get("info"), at, self.sections.order)
        return self.entry_of(self.abbreviations[cursor.leb128()], cursor)

    def entry_of(self, abbreviation: Abbreviation, cursor: Cursor) -> Entry:
        """Return the entry whose code was read by ``cursor``."""
        found: dict[int, tuple[int, int, bytes]] = {}
        for name, form, constant in abbreviation.attributes:
            number, string = cursor.value(form, self.shape)
            found[name] = (form, constant if form == DW_FORM_IMPLICIT_CONST else number, string)
        if cursor.at > self.end:
            raise DwarfError
        return Entry(abbreviation.tag, abbreviation.children, found, cursor.at)

    def string(self, entry: Entry, name: int) -> bytes | None:
        """Return an attribute of ``entry`` that is a string; None where it has none, or it lies in another file."""
        if name not in entry.attributes:
            return None
        form, number, string = entry.attributes[name]
        if form == DW_FORM_STRING:
            return string
        if form in STRING_INDEXES:
            at = self._strings_base(entry) + number * self.shape.wide
            number = Cursor(self.sections.get("str_offsets"), at, self.sections.order).integer(self.shape.wide)
        elif form not in {DW_FORM_STRP, DW_FORM_LINE_STRP}:
            return None
        table = self.sections.get("line_str" if form == DW_FORM_LINE_STRP else "str")
        return Cursor(table, number, self.sections.order).string()

    def address(self, form: int, number: int) -> int:
        """Return the address that a value of this form stands for."""
        return self.indexed_address(number) if form in ADDRESS_INDEXES else number

    def is_address(self, form: int) -> bool:
        """Tell whether a value of this form is an address; DW_AT_high_pc is the length of the range otherwise."""
        return form == DW_FORM_ADDR or form in ADDRESS_INDEXES

    def indexed_address(self, index: int) -> int:
        """Return an entry of .debug_addr."""
        owner = self.skeleton or self
        base = owner.root.number(DW_AT_ADDR_BASE if self.shape.version >= 5 else DW_AT_GNU_ADDR_BASE)
        if base is None:
            raise DwarfError
        at = base + index * self.shape.address
        return Cursor(owner.sections.get("addr"), at, self.sections.order).integer(self.shape.address)

    def reference(self, entry: Entry, name: int, units: Units) -> tuple[Unit, int] | None:
        """Return the unit and the place of the entry that an attribute refers to; None where it is in another file."""
        if name not in entry.attributes:
            return None
        form, number, _ = entry.attributes[name]
        if form in UNIT_REFERENCES:
            return self, self.start + number
        if form == DW_FORM_REF_ADDR:
            unit = units.containing(number)
            return None if unit is None else (unit, number)
        return None

    def _strings_base(self, entry: Entry) -> int:
        root = self._root or entry  # the root itself may have such strings
        base = root.number(DW_AT_STR_OFFSETS_BASE)
        if base is not None:
            return base
        if self.shape.version < 5:
            return 0
        return 8 if self.shape.wide == 4 else 16  # behind the header of the only table (DWARF 5, 7.26)


class Units:
    """All units of one file, by where they begin; their content is read when it is wanted."""

    def __init__(self, sections: Sections, budget: Budget, *, split: bool = False) -> None:
        """Go over the headers of the units of ``sections``, as far as they make sense and ``budget`` allows."""
        self._sections, self._split, self.budget = sections, split, budget
        self._tables: dict[tuple[int, Shape], Abbreviations] = {}
        self.units: list[Unit] = []
        with suppress(DwarfError):  # what was found before is true all the same
            self._read_headers()
        self._starts = [unit.start for unit in self.units]

    def containing(self, at: int) -> Unit | None:
        """Return the unit that the byte ``at`` of .debug_info belongs to."""
        index = bisect_right(self._starts, at) - 1
        return self.units[index] if index >= 0 and at < self.units[index].end else None

    def at(self, start: int) -> Unit | None:
        """Return the unit whose header is at ``start``."""
        unit = self.containing(start)
        return unit if unit is not None and unit.start == start else None

    def _read_headers(self) -> None:
        info = self._sections.get("info")
        at = 0
        while at + 11 <= len(info) and len(self.units) < MAX_UNITS:
            cursor = Cursor(info, at, self._sections.order)
            length, wide = cursor.initial_length()
            start, at = at, cursor.at + length
            if at > len(info):
                raise DwarfError
            self.budget.take(OF_HEADER)
            if not length:  # linkers may fill up with zeros
                at += _zeros(info, at) // 4 * 4
                continue
            unit = self._unit(cursor, start, at, wide)
            if unit is not None:
                self.budget.take(OF_UNIT)
                self.units.append(unit)

    def _unit(self, cursor: Cursor, start: int, end: int, wide: int) -> Unit | None:
        """Read the rest of a header; None for a unit of types."""
        version = cursor.integer(2)
        if not 2 <= version <= 5:
            return None
        kind = 0
        if version < 5:
            table, address = cursor.integer(wide), cursor.integer(1)
        else:
            kind, address, table = cursor.integer(1), cursor.integer(1), cursor.integer(wide)
        identity = cursor.integer(8) if kind in {DW_UT_SKELETON, DW_UT_SPLIT_COMPILE} else None
        if kind in {DW_UT_TYPE, DW_UT_SPLIT_TYPE} or address not in {4, 8} or cursor.at >= end:
            return None
        shape = Shape(version, wide, address)
        abbreviations = self._abbreviations(table, shape)
        return Unit(self._sections, start, end, cursor.at, shape, identity, abbreviations, self.budget, self._split)

    def _abbreviations(self, at: int, shape: Shape) -> Abbreviations:
        found = self._tables.get((at, shape))
        if found is None:
            found = Abbreviations(self._sections.get("abbrev"), at, self._sections.order, shape, self.budget)
            self._tables[at, shape] = found
        return found


def _zeros(data: Content, at: int) -> int:
    """Return how many bytes from ``at`` on are 0."""
    found = NOT_ZERO.search(data, at)
    return (len(data) if found is None else found.start()) - at
