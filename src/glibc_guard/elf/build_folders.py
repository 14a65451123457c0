"""The folders in which the compilation units of an object were compiled (DW_AT_comp_dir), where DWARF is present.

A small decoder of the first entry of each unit, for DWARF 2 to 5: pyelftools reads whole sections, and importing it
takes longer than judging a small wheel.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from glibc_guard.elf.image import Bytes, decode
from glibc_guard.elf.layout import Layout
from glibc_guard.elf.sections import Section, content

DW_AT_COMP_DIR, DW_AT_STR_OFFSETS_BASE = 0x1B, 0x72
DW_UT_COMPILE, DW_UT_SKELETON = 0x01, 0x04
DW_FORM_STRING, DW_FORM_STRP, DW_FORM_INDIRECT, DW_FORM_LINE_STRP = 0x08, 0x0E, 0x16, 0x1F
DW_FORM_IMPLICIT_CONST: Final = 0x21
LONG_FORMAT: Final = 0xFFFFFFFF  # the mark of 64-bit DWARF before a length
SECTION_BYTES: Final = 1024 * 1024  # of each section; what lies behind is not looked at
STRINGS_BYTES: Final = 4 * SECTION_BYTES
MAX_UNITS: Final = 64
MAX_FOLDERS: Final = 8
LONGEST: Final = 512  # bytes of one folder
#: Entries of abbreviation tables, and attributes in them, that are gone through for one object. The first entry of a
#: unit is mostly the first abbreviation, or among some hundred that gcc sorts by use.
MAX_STEPS: Final = 100_000

#: DWARF 5, 7.5.6: forms of a fixed size in bytes.
FIXED: Final = {
    0x05: 2, 0x06: 4, 0x07: 8, 0x0B: 1, 0x0C: 1, 0x11: 1, 0x12: 2, 0x13: 4, 0x14: 8, 0x19: 0, 0x1C: 4, 0x1E: 16,
    0x20: 8, 0x21: 0, 0x24: 8, 0x25: 1, 0x26: 2, 0x27: 3, 0x28: 4, 0x29: 1, 0x2A: 2, 0x2B: 3, 0x2C: 4,
}  # fmt: skip
OFFSETS: Final = frozenset({0x0E, 0x17, 0x1D, 0x1F, 0x1F20, 0x1F21})  # as wide as the format of the unit
LEB128: Final = frozenset({0x0D, 0x0F, 0x15, 0x1A, 0x1B, 0x22, 0x23, 0x1F01, 0x1F02})
BLOCKS: Final = {0x03: 2, 0x04: 4, 0x0A: 1}  # how wide the length is
LEB128_BLOCKS: Final = frozenset({0x09, 0x18})
INDEXES: Final = frozenset({0x1A, 0x25, 0x26, 0x27, 0x28, 0x1F02})  # of DW_FORM_strx and its kin


class _DamagedError(Exception):
    """Debug information that cannot be followed."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """What the header of a compilation unit tells."""

    start: int  # of its first entry
    wide: int  # bytes of an offset: 4 or 8
    version: int
    address: int  # bytes of an address
    abbreviations: int


class _Cursor:
    """Reads from ``data``, forward."""

    def __init__(self, data: bytes, at: int, order: str) -> None:
        self.data, self.at, self.order = data, at, order

    def integer(self, size: int) -> int:
        raw = self.data[self.at : self.at + size]
        if len(raw) < size:
            raise _DamagedError
        self.at += size
        return int.from_bytes(raw, "little" if self.order == "<" else "big")

    def leb128(self) -> int:
        if self.at < len(self.data) and self.data[self.at] < 0x80:  # nearly always
            self.at += 1
            return self.data[self.at - 1]
        value = shift = 0
        while True:
            byte = self.integer(1)
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
            if shift > 63:
                raise _DamagedError

    def string(self) -> bytes:
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise _DamagedError
        start, self.at = self.at, end + 1
        return self.data[start:end]


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
    except (_DamagedError, struct.error):  # what was found before is true all the same
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
            cursor = _Cursor(info, at, self._layout.order)
            length, wide = cursor.integer(4), 4
            if length == LONG_FORMAT:
                length, wide = cursor.integer(8), 8
            at = cursor.at + length
            unit = _unit(cursor, wide)
            if unit is not None:
                yield unit

    def folder(self, unit: _Unit) -> bytes:
        """Return DW_AT_comp_dir of the first entry of ``unit``; empty where it has none."""
        cursor = _Cursor(self._content("info", SECTION_BYTES), unit.start, self._layout.order)
        form, value = 0, b""
        number = base = 0
        for attribute, form_of_it in self._attributes(unit, cursor.leb128()):
            number_of_it, value_of_it = self._value(cursor, form_of_it, unit)
            if attribute == DW_AT_COMP_DIR:
                form, number, value = form_of_it, number_of_it, value_of_it
            elif attribute == DW_AT_STR_OFFSETS_BASE:
                base = number_of_it
        if form in INDEXES:
            offsets = _Cursor(self._content("str_offsets", SECTION_BYTES), base + unit.wide * number, cursor.order)
            form, number = DW_FORM_STRP, offsets.integer(unit.wide)
        if form in {DW_FORM_STRP, DW_FORM_LINE_STRP}:
            return self._string("str" if form == DW_FORM_STRP else "line_str", number)
        return value

    def _attributes(self, unit: _Unit, code: int) -> Iterator[tuple[int, int]]:
        """Yield attribute and form of the abbreviation ``code``."""
        cursor = _Cursor(self._content("abbrev", SECTION_BYTES), unit.abbreviations, self._layout.order)
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
            raise _DamagedError

    def _value(self, cursor: _Cursor, form: int, unit: _Unit) -> tuple[int, bytes]:
        """Read a value, and return it as a number or a string."""
        if form == DW_FORM_INDIRECT:
            form = cursor.leb128()
        if form == DW_FORM_STRING:
            return 0, cursor.string()
        if form in FIXED:
            return cursor.integer(FIXED[form]), b""
        if form in OFFSETS:
            return cursor.integer(unit.wide), b""
        if form in LEB128:
            return cursor.leb128(), b""
        if form in BLOCKS or form in LEB128_BLOCKS:
            cursor.at += cursor.integer(BLOCKS[form]) if form in BLOCKS else cursor.leb128()
            return 0, b""
        if form in {0x01, 0x10}:  # an address; a reference, as wide as one in DWARF 2
            return cursor.integer(unit.address if form == 0x01 or unit.version == 2 else unit.wide), b""
        raise _DamagedError

    def _string(self, name: str, offset: int) -> bytes:
        strings = self._content(name, STRINGS_BYTES)
        return strings[offset : strings.find(b"\0", offset, offset + LONGEST + 1)] if offset < len(strings) else b""

    def _content(self, name: str, limit: int) -> bytes:
        if name not in self._contents:
            section = self._sections.get(f".debug_{name}") or self._sections.get(f".zdebug_{name}")
            self._contents[name] = b"" if section is None else content(self._data, section, self._layout, limit)
        return self._contents[name]


def _unit(cursor: _Cursor, wide: int) -> _Unit | None:
    """Read the rest of a unit's header; None for a unit that describes types or parts alone."""
    version = cursor.integer(2)
    if not 2 <= version <= 5:
        raise _DamagedError
    if version < 5:
        abbreviations, address = cursor.integer(wide), cursor.integer(1)
        return _Unit(cursor.at, wide, version, address, abbreviations)
    kind, address, abbreviations = cursor.integer(1), cursor.integer(1), cursor.integer(wide)
    if kind not in {DW_UT_COMPILE, DW_UT_SKELETON}:
        return None
    cursor.at += 8 if kind == DW_UT_SKELETON else 0  # the identity of the file that has the rest
    return _Unit(cursor.at, wide, version, address, abbreviations)
