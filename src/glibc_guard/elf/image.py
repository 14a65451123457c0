"""The object as the loader maps it: addresses, not file offsets; segments, never sections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

NAME_BYTES: Final = 64 * 1024  # no name that a linker writes is longer; C++ names of 10 KB exist
STRING_STEP: Final = 4096
MAX_ZEROS: Final = 1024 * 1024  # bytes of .bss in one table


class ElfError(Exception):
    """An ELF object that the loader could not map or follow; the message says what is wrong with it."""


class Bytes(Protocol):
    """The bytes of the file that holds the object."""

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer only at the end."""

    def keep(self, offset: int, size: int) -> None:
        """Hold on to these bytes when they pass by, so that they are at hand later."""

    def at_hand(self, offset: int, size: int) -> bool:
        """Tell whether reading these bytes is cheap: what nothing depends on is read only then."""


@dataclass(frozen=True, slots=True)
class ProgramHeader:
    """``Elf_Phdr``: one segment."""

    type: int
    flags: int
    offset: int
    vaddr: int
    filesz: int
    memsz: int
    align: int


class Image:
    """Reads by virtual address through the PT_LOAD segments."""

    def __init__(self, data: Bytes, segments: tuple[ProgramHeader, ...]) -> None:
        """Map ``segments``, the PT_LOAD entries, which do not share a page."""
        self._data = data
        self._segments = segments[::-1]

    def read(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes at ``address``.

        Raises:
            ElfError: nothing is mapped there, or the file ends before.
        """
        parts: list[bytes] = []
        while size > 0:
            segment = self._segment_at(address)
            into = address - segment.vaddr
            length = min(size, _extent(segment) - into)
            parts.append(self._from_file(segment, into, length))
            address += length
            size -= length
        return b"".join(parts)

    def mapped_after(self, address: int) -> int:
        """How many bytes from ``address`` to the end of its segment come from the file; 0 where nothing is mapped."""
        for segment in self._segments:
            if segment.vaddr <= address < segment.vaddr + segment.filesz:
                return segment.vaddr + segment.filesz - address
        return 0

    def offset_of(self, address: int) -> int | None:
        """Return where in the file the byte at ``address`` lies; None where it comes from none."""
        for segment in self._segments:
            if segment.vaddr <= address < segment.vaddr + segment.filesz:
                return segment.offset + address - segment.vaddr
        return None

    def string(self, address: int) -> str:
        """Return the NUL-terminated string at ``address``; raises ElfError where it does not end."""
        found = b""
        while len(found) < NAME_BYTES:
            piece = self.read(address + len(found), max(1, min(STRING_STEP, self.mapped_after(address + len(found)))))
            end = piece.find(b"\0")
            if end >= 0:
                return decode(found + piece[:end])
            found += piece
        raise ElfError(f"a name in the dynamic string table is longer than {NAME_BYTES} bytes")

    def _segment_at(self, address: int) -> ProgramHeader:
        for segment in self._segments:
            if segment.vaddr <= address < segment.vaddr + _extent(segment):
                return segment
        raise ElfError(f"the dynamic segment points to {address:#x}, where nothing is mapped")

    def _from_file(self, segment: ProgramHeader, into: int, length: int) -> bytes:
        in_file = max(0, min(length, segment.filesz - into))
        if length - in_file > MAX_ZEROS:
            raise ElfError("a table lies in memory that no file fills: a size in the object lies")
        found = self._data.read(segment.offset + into, in_file) if in_file else b""
        if len(found) < in_file:
            raise ElfError("truncated: a segment reaches beyond the end of the file")
        return found + bytes(length - in_file)


def _extent(segment: ProgramHeader) -> int:
    return max(segment.memsz, segment.filesz)


def decode(name: bytes) -> str:
    """Decode a name from a string table; bytes that are not UTF-8 are shown in hexadecimal."""
    return name.decode("utf-8", "backslashreplace")
