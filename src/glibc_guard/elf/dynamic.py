"""The dynamic segment (PT_DYNAMIC): the loader's table of contents."""

from __future__ import annotations

from typing import Final

from glibc_guard.elf.errors import ElfError
from glibc_guard.elf.image import Image
from glibc_guard.elf.layout import Layout
from glibc_guard.limits import beyond

DT_STRTAB: Final = 5
STEP: Final = 32  # entries read at once


class Dynamic:
    """The dynamic segment: tags and values in order, read until DT_NULL."""

    def __init__(self, entries: tuple[tuple[int, int], ...]) -> None:
        """Take the entries before DT_NULL."""
        self._entries = entries
        self._last = dict(entries)  # of a repeated tag the loader takes the last (elf_get_dynamic_info)

    def every(self, tag: int) -> list[int]:
        """Return the values of a tag that may be repeated, in order."""
        return [value for found, value in self._entries if found == tag]

    def get(self, tag: int) -> int | None:
        """Return the value that the loader takes for ``tag``."""
        return self._last.get(tag)

    def string(self, image: Image, offset: int) -> str:
        """Return the string at ``offset`` of the dynamic string table; like the loader, without regard to DT_STRSZ."""
        table = self.get(DT_STRTAB)
        if table is None:
            raise ElfError("the dynamic segment has no string table (DT_STRTAB)")
        return image.string(table + offset)


def read_dynamic(image: Image, vaddr: int, layout: Layout) -> Dynamic:
    """Read from ``vaddr`` through the mapping, as the loader does; p_offset and p_filesz of PT_DYNAMIC are not used.

    Raises:
        ElfError: the table lies outside the mapped segments or does not end.
    """
    entry = layout.dynamic
    entries: list[tuple[int, int]] = []
    address = vaddr
    limit = image.allowance.limits.dynamic_entries
    while True:
        count = min(STEP, image.mapped_after(address) // entry.size) or 1
        for tag, value in entry.iter_unpack(image.read(address, count * entry.size)):
            if tag == 0:
                return Dynamic(tuple(entries))
            if len(entries) == limit:
                raise ElfError(beyond("the dynamic segment does not end", "dynamic_entries", limit))
            entries.append((tag, value))
        address += count * entry.size
