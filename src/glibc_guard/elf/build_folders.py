"""The folders in which the compilation units of an object were compiled (DW_AT_comp_dir), where DWARF is present.

A small decoder of the first entry of each unit, for DWARF 2 to 5: pyelftools reads whole sections, and importing it
takes longer than judging a small wheel.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from glibc_guard.elf.dwarf import (
    DW_FORM_IMPLICIT_CONST,
    DW_FORM_LINE_STRP,
    DW_FORM_STRP,
    STRING_INDEXES,
    Cursor,
    DwarfError,
    Shape,
)
from glibc_guard.elf.image import Bytes, decode
from glibc_guard.elf.layout import Layout
from glibc_guard.elf.sections import Section, content

DW_AT_COMP_DIR, DW_AT_STR_OFFSETS_BASE = 0x1B, 0x72
DW_UT_COMPILE, DW_UT_SKELETON = 0x01, 0x04
SECTION_BYTES: Final = 1024 * 1024  # of each section; what lies behind is not looked at
STRINGS_BYTES: Final = 4 * SECTION_BYTES
MAX_UNITS: Final = 64
MAX_FOLDERS: Final = 8
LONGEST: Final = 512  # bytes of one folder
#: Entries of abbreviation tables, and attributes in them, that are gone through for one object. The first entry of a
#: unit is mostly the first abbreviation, or among some hundred that gcc sorts by use.
MAX_STEPS: Final = 100_000


class _Unit(Struct, frozen=True):
    """What the header of a compilation unit tells."""

    start: int  # of its first entry
    shape: Shape
    abbreviations: int


def build_folders(data: Bytes, sections: Mapping[str, Section], layout: Layout) -> tuple[str, ...]:
    """Return the absolute folders of the first compilation units, each once; ``sections`` by name."""
    found: dict[str, None] = {}
    dwarf = _Dwarf(data, sections, layout)
    try:
        for unit in dwarf.units():
            folder = decode(dwarf.folder(unit)[:LONGEST])
            if folder.startswith("/"):
                found[folder] = None
            if len(found) == MAX_FOLDERS:
                break
    except (DwarfError, struct.error):  # what was found before is true all the same
        pass
    return tuple(found)


class _Dwarf:
    """The debug sections of one object, each read when it is first wanted."""

    def __init__(self, data: Bytes, sections: Mapping[str, Section], layout: Layout) -> None:
        self._data, self._sections, self._layout = data, sections, layout
        self._contents: dict[str, bytes] = {}
        self._steps = MAX_STEPS  # that are left

    def units(self) -> Iterator[_Unit]:
        info = self._content("info", SECTION_BYTES)
        at = 0
        for _ in range(MAX_UNITS):
            if at + 11 > len(info):
                return
            cursor = Cursor(info, at, self._layout.order)
            length, wide = cursor.initial_length()
            at = cursor.at + length
            unit = _unit(cursor, wide)
            if unit is not None:
                yield unit

    def folder(self, unit: _Unit) -> bytes:
        """Return DW_AT_comp_dir of the first entry of ``unit``; empty where it has none."""
        cursor = Cursor(self._content("info", SECTION_BYTES), unit.start, self._layout.order)
        form, value = 0, b""
        number = base = 0
        for attribute, form_of_it in self._attributes(unit, cursor.leb128()):
            number_of_it, value_of_it = cursor.value(form_of_it, unit.shape)
            if attribute == DW_AT_COMP_DIR:
                form, number, value = form_of_it, number_of_it, value_of_it
            elif attribute == DW_AT_STR_OFFSETS_BASE:
                base = number_of_it
        if form in STRING_INDEXES:
            offsets = Cursor(self._content("str_offsets", SECTION_BYTES), base + unit.shape.wide * number, cursor.order)
            form, number = DW_FORM_STRP, offsets.integer(unit.shape.wide)
        if form in {DW_FORM_STRP, DW_FORM_LINE_STRP}:
            return self._string("str" if form == DW_FORM_STRP else "line_str", number)
        return value

    def _attributes(self, unit: _Unit, code: int) -> Iterator[tuple[int, int]]:
        """Yield attribute and form of the abbreviation ``code``."""
        cursor = Cursor(self._content("abbrev", SECTION_BYTES), unit.abbreviations, self._layout.order)
        while (found := cursor.leb128()) != 0:
            self._take_step()
            cursor.leb128()  # the tag
            cursor.integer(1)  # whether it has children
            while (attribute := cursor.leb128()) | (form := cursor.leb128()):
                self._take_step()
                if form == DW_FORM_IMPLICIT_CONST:
                    cursor.leb128()
                if found == code:
                    yield attribute, form
            if found == code:
                return

    def _take_step(self) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise DwarfError

    def _string(self, name: str, offset: int) -> bytes:
        strings = self._content(name, STRINGS_BYTES)
        return strings[offset : strings.find(b"\0", offset, offset + LONGEST + 1)] if offset < len(strings) else b""

    def _content(self, name: str, limit: int) -> bytes:
        if name not in self._contents:
            section = self._sections.get(f".debug_{name}") or self._sections.get(f".zdebug_{name}")
            self._contents[name] = b"" if section is None else content(self._data, section, self._layout, limit)
        return self._contents[name]


def _unit(cursor: Cursor, wide: int) -> _Unit | None:
    """Read the rest of a unit's header; None for a unit that describes types or parts alone."""
    version = cursor.integer(2)
    if not 2 <= version <= 5:
        raise DwarfError
    if version < 5:
        abbreviations, address = cursor.integer(wide), cursor.integer(1)
        return _Unit(cursor.at, Shape(version, wide, address), abbreviations)
    kind, address, abbreviations = cursor.integer(1), cursor.integer(1), cursor.integer(wide)
    if kind not in {DW_UT_COMPILE, DW_UT_SKELETON}:
        return None
    cursor.at += 8 if kind == DW_UT_SKELETON else 0  # the identity of the file that has the rest
    return _Unit(cursor.at, Shape(version, wide, address), abbreviations)
