"""One ELF file in memory: its segments, and its debug sections, inflated where they are compressed."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from typing import Final, Protocol, TypeAlias

from msgspec import Struct

from glibc_guard.elf.dwarf import DwarfError
from glibc_guard.elf.errors import ElfError
from glibc_guard.elf.image import Bytes, ProgramHeader
from glibc_guard.elf.layout import LAYOUTS, Layout
from glibc_guard.elf.reader import PT_LOAD, read_program_headers
from glibc_guard.elf.sections import SHF_COMPRESSED, SHT_NOBITS, Section, content, read_sections
from glibc_guard.limits import Limits

Data: TypeAlias = bytes | bytearray | memoryview | mmap.mmap
Content: TypeAlias = bytes | memoryview

PF_X: Final = 1
#: Bytes of all sections of a file together when inflated; what is beyond is not read.
INFLATED_BYTES: Final = 512 * 1024 * 1024


class Sections(Protocol):
    """The debug sections that belong together."""

    order: str  # of bytes: "<" or ">"

    def get(self, name: str) -> Content:
        """Return the section ``.debug_NAME``; empty where there is none."""


class ElfFile:
    """One ELF file, of whatever kind."""

    def __init__(self, data: Data, suffix: str = "") -> None:
        """Read the headers; ``suffix`` is that of the names of the debug sections (".dwo" in split debug information).

        Raises:
            DwarfError: it is no ELF file, or its headers are damaged.
        """
        self.data = memoryview(data)
        self._suffix = suffix
        self._inflated: dict[str, Content] = {}
        found = headers_of(_InMemory(self.data))
        self.layout, self.order = found.layout, found.layout.order
        self.type, self.machine, self.segments = found.type, found.machine, found.segments
        self.sections: Mapping[str, Section] = {section.name: section for section in reversed(found.sections)}

    def get(self, name: str) -> Content:
        """Return the section ``.debug_NAME``, inflated; empty where there is none, or it is damaged or too large."""
        section = self.sections.get(f".debug_{name}{self._suffix}") or self.sections.get(
            f".zdebug_{name}{self._suffix}"
        )
        return b"" if section is None else self.content(section)

    def content(self, section: Section) -> Content:
        """Return what is in ``section``, inflated; empty where it is not in the file, is damaged or too large."""
        if section.type == SHT_NOBITS:
            return b""
        if not section.flags & SHF_COMPRESSED and not section.name.startswith(".zdebug"):
            return self.data[section.offset : section.offset + section.size]
        if section.name not in self._inflated:
            left = INFLATED_BYTES - sum(map(len, self._inflated.values()))
            inflated = content(_InMemory(self.data), section, self.layout, left) if left > 0 else b""
            self._inflated[section.name] = b"" if len(inflated) >= left else inflated
        return self._inflated[section.name]

    @property
    def has_lines(self) -> bool:
        """Whether there are units and line tables."""
        return bool(len(self.get("info")) and len(self.get("line")))


class Headers(Struct, frozen=True):
    """What the headers of an ELF file tell."""

    layout: Layout
    type: int
    machine: int
    segments: tuple[ProgramHeader, ...]
    sections: tuple[Section, ...]


def headers_of(data: Bytes) -> Headers:
    """Read the headers of an ELF file of any kind; raises DwarfError where they are damaged."""
    ident = data.read(0, 16)
    layout = LAYOUTS.get((ident[4], ident[5])) if len(ident) == 16 and ident.startswith(b"\x7fELF") else None
    raw = data.read(16, layout.header.size) if layout is not None else b""
    if layout is None or len(raw) < layout.header.size:
        raise DwarfError
    kind, machine, _, _, offset, table, _, _, size, count, *sizes = layout.header.unpack(raw)
    sections = read_sections(data, layout, (table, *_sizes(data, layout, table, sizes)))
    return Headers(layout, kind, machine, _segments(data, layout, offset, size, count), sections)


def _segments(data: Bytes, layout: Layout, offset: int, size: int, count: int) -> tuple[ProgramHeader, ...]:
    if size != layout.program_header.size or count > Limits().program_headers:
        return ()
    try:
        found = read_program_headers(data, layout, offset, count)
    except ElfError as error:
        raise DwarfError from error
    return tuple(segment for segment in found if segment.type == PT_LOAD)


def _sizes(data: Bytes, layout: Layout, table: int, sizes: list[int]) -> list[int]:
    """Return e_shentsize, e_shnum and e_shstrndx; of 65,280 sections and more the first one tells the number."""
    entry_size, count, names = sizes
    if table and (count == 0 or names == 0xFFFF):
        first = struct.Struct(f"{layout.order}{'IIQQQQII' if layout.bits == 64 else 'IIIIIIII'}")
        raw = data.read(table, first.size)
        if len(raw) == first.size:
            *_, size, link, _ = first.unpack(raw)
            count, names = count or size, link if names == 0xFFFF else names
    return [entry_size, count, names]


class _InMemory:
    """What the reader of section tables reads from."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self._data[offset : offset + size])

    def keep(self, offset: int, size: int) -> None:
        """Everything stays at hand."""

    def at_hand(self, offset: int, size: int) -> bool:  # noqa: ARG002  # the protocol asks
        return True
