"""Where functions begin and end, by the unwind tables that stripping leaves: ``.eh_frame`` through its search table.

Linux Standard Base, "Exception Frames" and "The .eh_frame_hdr section".
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from glibc_guard.elf.errors import ElfError
from glibc_guard.explain.object_file import LoadedObject

PT_GNU_EH_FRAME: Final = 0x6474E550
DW_EH_PE_OMIT, FORMAT_MASK = 0xFF, 0x0F
DATA_RELATIVE_4: Final = 0x3B  # DW_EH_PE_datarel | DW_EH_PE_sdata4, as every linker writes the search table
SIZES: Final = {0x02: 2, 0x03: 4, 0x04: 8, 0x0A: 2, 0x0B: 4, 0x0C: 8}
CIE_BYTES: Final = 64  # up to the end of the augmentation data, of which compilers write eleven bytes
FDE_BYTES: Final = 16  # of which none has less: its length, where its CIE lies, address and size of the function
LONG_FORMAT: Final = 0xFFFFFFFF
MAX_ENTRIES: Final = 1 << 24


class FrameTable:
    """The functions of an object that have unwind information."""

    def __init__(self, loaded: LoadedObject) -> None:
        """Read the search table; a missing or odd one is an empty one."""
        self._image, self._order = loaded.image, loaded.header.layout.order
        self._word = loaded.header.layout.word
        self._pointer_sizes: dict[int, int | None] = {}
        self._sizes: dict[int, int] = {}
        self._base, self._starts, self._entries = 0, array("i"), array("i")
        for segment in loaded.header.segments:
            if segment.type == PT_GNU_EH_FRAME:
                self._load(segment.vaddr)

    def __bool__(self) -> bool:
        """Tell whether there is a table at all."""
        return bool(self._starts)

    def function_at(self, address: int) -> tuple[int, int] | None:
        """Return first address and end of the function around ``address``; None where none is known."""
        place = bisect_right(self._starts, address - self._base) - 1
        if place < 0:
            return None
        start = self._base + self._starts[place]
        if place not in self._sizes:
            self._sizes[place] = self._size(self._base + self._entries[place])
        size = self._sizes[place]
        return (start, start + size) if address < start + size else None

    def _load(self, address: int) -> None:
        try:
            version, pointer, count_encoding, table = self._image.read(address, 4)
            size = self._size_of(pointer)
            if version != 1 or table != DATA_RELATIVE_4 or size is None or self._size_of(count_encoding) != 4:
                return
            (count,) = struct.unpack(f"{self._order}I", self._image.read(address + 4 + size, 4))
            start = address + 8 + size
            count = min(count, MAX_ENTRIES, self._image.mapped_after(start) // 8)
            values = array("i", self._image.read(start, 8 * count))
        except ElfError:
            return
        if (self._order == "<") != (sys.byteorder == "little"):
            values.byteswap()
        self._base, self._starts, self._entries = address, values[0::2], values[1::2]

    def _size_of(self, encoding: int) -> int | None:
        form = encoding & FORMAT_MASK
        return None if encoding == DW_EH_PE_OMIT else self._word if form == 0 else SIZES.get(form)

    def _size(self, entry: int) -> int:
        """Return how many bytes the function of the FDE at ``entry`` has; 0 where that cannot be read."""
        try:
            start = self._image.read(entry, FDE_BYTES)
            length, back = struct.unpack_from(f"{self._order}II", start)
            if length == LONG_FORMAT:
                return 0
            size = self._pointer_size(entry + 4 - back) or 0
            raw = (
                start[8 + size : 8 + 2 * size]
                if 8 + 2 * size <= FDE_BYTES
                else self._image.read(entry + 8 + size, size)
            )
        except ElfError:
            return 0
        return int.from_bytes(raw, "little" if self._order == "<" else "big")

    def _pointer_size(self, cie: int) -> int | None:
        if cie not in self._pointer_sizes:
            raw = self._image.read(cie, min(CIE_BYTES, self._image.mapped_after(cie)))
            encoding = _pointer_encoding(raw, self._size_of)
            self._pointer_sizes[cie] = None if encoding is None else self._size_of(encoding)
        return self._pointer_sizes[cie]


def _pointer_encoding(cie: bytes, size_of: Callable[[int], int | None]) -> int | None:
    """Return how the addresses in the FDEs of a CIE are encoded (its augmentation "R"); None where that is not told."""
    end = cie.find(b"\0", 9)
    letters = cie[9:end]
    if len(cie) < 16 or end < 0 or not letters.startswith(b"z"):
        return 0 if end == 9 else None  # without an augmentation: DW_EH_PE_absptr
    at = end + 1
    # The code and data alignments, the column of the return address (a byte in version 1), the length of what follows.
    for number in range(4):
        while at < len(cie) and cie[at] & 0x80 and not (number == 2 and cie[8] == 1):
            at += 1
        at += 1
    for letter in letters[1:]:
        if letter == ord("R"):
            return cie[at] if at < len(cie) else None
        if letter == ord("P"):
            at += size_of(cie[at]) or 0 if at < len(cie) else 0
        at += 0 if letter in b"SB" else 1
    return None
