"""The section table: what linkers and compilers say of an object, which no loader ever looks at."""

from __future__ import annotations

import struct
import sys
import zlib
from typing import Final

from msgspec import Struct

from glibc_guard.elf.image import Bytes, decode
from glibc_guard.elf.layout import Layout

SHT_NOBITS: Final = 8
SHF_ALLOC, SHF_COMPRESSED = 0x2, 0x800
ELFCOMPRESS_ZLIB, ELFCOMPRESS_ZSTD = 1, 2
MAX_SECTIONS: Final = 65_536
NAMES_BYTES: Final = 1024 * 1024


class Section(Struct, frozen=True):
    """``Elf_Shdr``: one section."""

    name: str  # "" where the table of names is not at hand
    type: int
    flags: int
    address: int
    offset: int
    size: int  # bytes in the file


def read_sections(data: Bytes, layout: Layout, table: tuple[int, int, int, int]) -> tuple[Section, ...]:
    """Return the sections; ``table`` is e_shoff, e_shentsize, e_shnum and e_shstrndx. None where there is no table."""
    offset, entry_size, count, names_index = table
    header = struct.Struct(f"{layout.order}II{'QQQQ' if layout.bits == 64 else 'IIII'}")
    if not offset or entry_size != (64 if layout.bits == 64 else 40) or count > MAX_SECTIONS:
        return ()
    raw = data.read(offset, entry_size * count)
    entries = [header.unpack_from(raw, start) for start in range(0, len(raw) - header.size + 1, entry_size)]
    names = b""
    if names_index < len(entries):
        *_, start, size = entries[names_index]
        names = _at_hand(data, start, min(size, NAMES_BYTES))
    return tuple(Section(_name(names, entry[0]), *entry[1:]) for entry in entries)


def content(data: Bytes, section: Section, layout: Layout, limit: int) -> bytes:
    """Return the first ``limit`` bytes of ``section``, inflated; none where they are not at hand or damaged."""
    if section.type == SHT_NOBITS:
        return b""
    raw = _at_hand(data, section.offset, min(section.size, limit))
    if section.flags & SHF_COMPRESSED:
        words = struct.unpack_from(f"{layout.order}I", raw) if len(raw) >= 4 else (0,)
        return _inflated(raw[24 if layout.bits == 64 else 12 :], words[0], limit)  # behind Elf_Chdr
    if section.name.startswith(".zdebug") and raw.startswith(b"ZLIB"):
        return _inflated(raw[12:], ELFCOMPRESS_ZLIB, limit)  # the older GNU form: "ZLIB" and the size as 8 bytes
    return raw


def _at_hand(data: Bytes, offset: int, size: int) -> bytes:
    return data.read(offset, size) if data.at_hand(offset, size) else b""


def _name(names: bytes, offset: int) -> str:
    end = names.find(b"\0", offset)
    return decode(names[offset:end]) if 0 <= offset < end else ""


def _inflated(raw: bytes, kind: int, limit: int) -> bytes:
    if kind == ELFCOMPRESS_ZLIB:
        try:
            return zlib.decompressobj().decompress(raw, limit)
        except zlib.error:
            return b""
    return _inflated_by_zstd(raw, limit) if kind == ELFCOMPRESS_ZSTD else b""


def _inflated_by_zstd(raw: bytes, limit: int) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415  # lazy, rarely wanted
    else:
        from backports import zstd  # noqa: PLC0415  # lazy, rarely wanted

    try:
        return zstd.ZstdDecompressor().decompress(raw, limit)
    except zstd.ZstdError:
        return b""
