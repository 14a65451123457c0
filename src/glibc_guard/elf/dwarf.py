"""The forms of DWARF 2 to 5 and how their bytes are read: what every reader of debug information needs."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

DW_FORM_ADDR, DW_FORM_STRING, DW_FORM_STRP, DW_FORM_REF_ADDR = 0x01, 0x08, 0x0E, 0x10
DW_FORM_DATA16: Final = 0x1E
DW_FORM_INDIRECT, DW_FORM_LINE_STRP, DW_FORM_IMPLICIT_CONST, DW_FORM_RNGLISTX = 0x16, 0x1F, 0x21, 0x23
LONG_FORMAT: Final = 0xFFFFFFFF  # the mark of 64-bit DWARF before a length
SHORT_STRING: Final = 128  # bytes; most are shorter
LONGEST_STRING: Final = 64 * 1024  # bytes; symbols of C++ of 10 KB exist

#: DWARF 5, 7.5.6: forms of a fixed size in bytes.
FIXED: Final = {
    0x05: 2, 0x06: 4, 0x07: 8, 0x0B: 1, 0x0C: 1, 0x11: 1, 0x12: 2, 0x13: 4, 0x14: 8, 0x19: 0, 0x1C: 4, 0x1E: 16,
    0x20: 8, 0x21: 0, 0x24: 8, 0x25: 1, 0x26: 2, 0x27: 3, 0x28: 4, 0x29: 1, 0x2A: 2, 0x2B: 3, 0x2C: 4,
}  # fmt: skip
OFFSETS: Final = frozenset({0x0E, 0x17, 0x1D, 0x1F, 0x1F20, 0x1F21})  # as wide as the format of the unit
LEB128: Final = frozenset({0x0D, 0x0F, 0x15, 0x1A, 0x1B, 0x22, 0x23, 0x1F01, 0x1F02})
BLOCKS: Final = {0x03: 2, 0x04: 4, 0x0A: 1}  # how wide the length is
LEB128_BLOCKS: Final = frozenset({0x09, 0x18})
STRING_INDEXES: Final = frozenset({0x1A, 0x25, 0x26, 0x27, 0x28, 0x1F02})  # DW_FORM_strx and its kin
ADDRESS_INDEXES: Final = frozenset({0x1B, 0x29, 0x2A, 0x2B, 0x2C, 0x1F01})  # DW_FORM_addrx and its kin
UNIT_REFERENCES: Final = frozenset({0x11, 0x12, 0x13, 0x14, 0x15})  # from the start of the unit


class DwarfError(Exception):
    """Debug information that cannot be followed."""


class Shape(Struct, frozen=True):
    """What the width of values depends on: told by the header of a unit."""

    version: int
    wide: int  # bytes of an offset: 4 or 8
    address: int  # bytes of an address


def fixed_size(form: int, shape: Shape) -> int | None:
    """Return how many bytes a value of this form has; None where the value itself tells."""
    if form in OFFSETS:
        return shape.wide
    if form == DW_FORM_ADDR:
        return shape.address
    if form == DW_FORM_REF_ADDR:  # as wide as an address in DWARF 2
        return shape.address if shape.version == 2 else shape.wide
    return FIXED.get(form)


class Cursor:
    """Reads from ``data``, forward.

    Raises:
        DwarfError: by each method, where the data end before.
    """

    def __init__(self, data: bytes | memoryview, at: int, order: str) -> None:
        """Read from ``at`` on, integers in byte ``order`` "<" or ">"."""
        self.data, self.at, self.order = data, at, order

    def integer(self, size: int) -> int:
        """Read an unsigned integer of ``size`` bytes."""
        raw = self.data[self.at : self.at + size] if self.at >= 0 else b""
        if len(raw) < size:
            raise DwarfError
        self.at += size
        return int.from_bytes(raw, "little" if self.order == "<" else "big")

    def leb128(self) -> int:
        """Read an unsigned LEB128 number."""
        if 0 <= self.at < len(self.data) and self.data[self.at] < 0x80:  # nearly always
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
                raise DwarfError

    def signed_leb128(self) -> int:
        """Read a signed LEB128 number."""
        start = self.at
        value = self.leb128()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if value >> (bits - 1) & 1 else value

    def string(self) -> bytes:
        """Read up to a NUL byte, at most ``LONGEST_STRING`` bytes."""
        if self.at < 0:
            raise DwarfError
        for size in (SHORT_STRING, LONGEST_STRING):
            raw = bytes(self.data[self.at : self.at + size])
            end = raw.find(b"\0")
            if end >= 0:
                self.at += end + 1
                return raw[:end]
        raise DwarfError

    def initial_length(self) -> tuple[int, int]:
        """Read the length that a unit begins with; return it and the bytes of an offset in the unit, 4 or 8."""
        length = self.integer(4)
        return (self.integer(8), 8) if length == LONG_FORMAT else (length, 4)

    def value(self, form: int, shape: Shape) -> tuple[int, bytes]:
        """Read a value, as a number or a string; blocks are passed over. DW_FORM_implicit_const takes no bytes."""
        if form == DW_FORM_INDIRECT:
            form = self.leb128()
        if form == DW_FORM_STRING:
            return 0, self.string()
        size = fixed_size(form, shape)
        if size is not None:
            return self.integer(size), b""
        if form in LEB128:
            return self.leb128(), b""
        if form not in BLOCKS and form not in LEB128_BLOCKS:
            raise DwarfError
        size = self.integer(BLOCKS[form]) if form in BLOCKS else self.leb128()
        self.at += size
        return 0, b""
