"""The object as the loader maps it: addresses, not file offsets; segments, never sections."""

from __future__ import annotations

from typing import Final, Protocol

from msgspec import Struct

from glibc_guard.elf.allowance import Allowance
from glibc_guard.elf.errors import ElfError
from glibc_guard.limits import beyond

STRING_STEP: Final = 4096
MAX_ZEROS: Final = 1024 * 1024  # bytes of .bss in one table
PAGE_SIZE: Final = 4096  # bytes; no architecture has smaller pages


class Bytes(Protocol):
    """The bytes of the file that holds the object."""

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer only at the end."""

    def keep(self, offset: int, size: int) -> None:
        """Hold on to these bytes when they pass by, so that they are at hand later."""

    def at_hand(self, offset: int, size: int) -> bool:
        """Tell whether reading these bytes is cheap: what nothing depends on is read only then."""


class ProgramHeader(Struct, frozen=True):
    """``Elf_Phdr``: one segment."""

    type: int
    flags: int
    offset: int
    vaddr: int
    filesz: int
    memsz: int
    align: int


class _Mapping(Struct, frozen=True):
    """The pages that one segment is mapped to: what lies around it in the file comes along (``elf/dl-map-segments.h``).

    Behind a segment that is larger in memory than in the file the rest of the page is zeroed.
    """

    start: int
    offset: int  # in the file, of what is at ``start``
    promised: int  # bytes that the file must have
    filled: int  # bytes that come from the file, as far as it reaches
    size: int


def _mapping(segment: ProgramHeader) -> _Mapping:
    before = segment.vaddr % PAGE_SIZE
    if segment.offset < before or (segment.offset - segment.vaddr) % PAGE_SIZE:  # no loader maps it
        before = 0
    promised = before + segment.filesz
    size = to_page_end(before + max(segment.filesz, segment.memsz))
    filled = promised if segment.memsz > segment.filesz else size
    return _Mapping(segment.vaddr - before, segment.offset - before, promised, filled, size)


def to_page_end(address: int) -> int:
    """Return the end of the page that ends at or behind ``address``."""
    return -(-address // PAGE_SIZE) * PAGE_SIZE


class Image:
    """Reads by virtual address through the PT_LOAD segments."""

    def __init__(self, data: Bytes, segments: tuple[ProgramHeader, ...], allowance: Allowance | None = None) -> None:
        """Map ``segments``, the PT_LOAD entries; those that share a page map the same page of the file."""
        self._data = data
        self.allowance = allowance or Allowance()
        self._mappings = tuple(map(_mapping, segments))[::-1]

    def read(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes at ``address``.

        Raises:
            ElfError: nothing is mapped there, or the file ends before.
        """
        parts: list[bytes] = []
        while size > 0:
            mapping = self._mapping_at(address)
            into = address - mapping.start
            length = min(size, mapping.size - into)
            parts.append(self._from_file(mapping, into, length))
            address += length
            size -= length
        return b"".join(parts)

    def mapped_after(self, address: int) -> int:
        """How many bytes from ``address`` to the end of its segment come from the file; 0 where nothing is mapped."""
        for mapping in self._mappings:
            if mapping.start <= address < mapping.start + mapping.filled:
                return mapping.start + mapping.filled - address
        return 0

    def offset_of(self, address: int) -> int | None:
        """Return where in the file the byte at ``address`` lies; None where it comes from none."""
        for mapping in self._mappings:
            if mapping.start <= address < mapping.start + mapping.filled:
                return mapping.offset + address - mapping.start
        return None

    def string(self, address: int) -> str:
        """Return the NUL-terminated string at ``address``; raises ElfError where it does not end."""
        found = b""
        limit = self.allowance.limits.name_bytes
        while len(found) <= limit:
            piece = self.read(address + len(found), max(1, min(STRING_STEP, self.mapped_after(address + len(found)))))
            end = piece.find(b"\0", 0, limit - len(found) + 1)
            if end >= 0:
                self.allowance.take_names(len(found) + end)
                return decode(found + piece[:end])
            found += piece
        raise ElfError(beyond("a name in the dynamic string table does not end", "name_bytes", limit))

    def _mapping_at(self, address: int) -> _Mapping:
        for mapping in self._mappings:
            if mapping.start <= address < mapping.start + mapping.size:
                return mapping
        raise ElfError(f"the dynamic segment points to {address:#x}, where nothing is mapped")

    def _from_file(self, mapping: _Mapping, into: int, length: int) -> bytes:
        in_file = max(0, min(length, mapping.filled - into))
        if length - in_file > MAX_ZEROS:
            raise ElfError("a table lies in memory that no file fills: a size in the object lies")
        found = self._data.read(mapping.offset + into, in_file) if in_file else b""
        if into + len(found) < min(into + in_file, mapping.promised):
            raise ElfError("truncated: a segment reaches beyond the end of the file")
        return found + bytes(length - len(found))


def decode(name: bytes) -> str:
    """Decode a name from a string table; bytes that are not UTF-8 are shown in hexadecimal."""
    return name.decode("utf-8", "backslashreplace")
