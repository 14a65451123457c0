"""Where in the file the tables of one object lie that a repair changes, and those around them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from msgspec import Struct

from glibc_guard.artifacts.member import MemoryFile, PlainContent
from glibc_guard.elf.dynamic import Dynamic, read_dynamic
from glibc_guard.elf.image import Image
from glibc_guard.elf.layout import Layout, as_integers
from glibc_guard.elf.properties import PT_LOAD
from glibc_guard.elf.reader import PT_DYNAMIC, read_header
from glibc_guard.elf.sections import Section, read_sections
from glibc_guard.elf.symbols import (
    DT_SYMTAB,
    DT_VERSYM,
    hashed_count,
    relocated_indexes,
    relocation_tables,
    relocations_to,
)
from glibc_guard.elf.versions import DT_VERDEF, DT_VERNEED, INDEX_MASK, VER_FLG_BASE, VERDEF, VERNAUX, VERNEED, chain
from glibc_guard.repair.changes import RepairError

SHT_DYNSYM: Final = 11
RECORD: Final = 16  # bytes of an Elf_Verneed, and of an Elf_Vernaux


class Entry(Struct, frozen=True):
    """``Elf_Vernaux``: one version that is asked for, and where it lies in the file."""

    offset: int
    version: str
    index: int  # vna_other without the hidden bit
    following: int  # vna_next


class Needs(Struct, frozen=True):
    """``Elf_Verneed``: what is asked of one library, and where it lies in the file."""

    offset: int
    library: str
    count: int  # vn_cnt
    first: int  # vn_aux
    following: int  # vn_next
    entries: tuple[Entry, ...]


class DynamicSymbol(Struct, frozen=True):
    """One entry of the dynamic symbol table."""

    number: int
    name: str
    binding: int
    type: int
    visibility: int
    section: int  # st_shndx; 0 where it is undefined
    value: int


class Anatomy:
    """The tables of one object that `read_object` has accepted. Everything raises ElfError where it is damaged."""

    def __init__(self, data: bytes) -> None:
        """Look at ``data``, the whole object."""
        self.data = data
        self._content = PlainContent(MemoryFile(data))
        self.header = read_header(self._content)
        self.layout: Layout = self.header.layout
        self.loads = tuple(segment for segment in self.header.segments if segment.type == PT_LOAD)
        self.image = Image(self._content, self.loads)

    @property
    def header_offset(self) -> int:
        """Return e_phoff: where the program headers lie in the file."""
        return int(self.layout.header.unpack_from(self.data, 16)[4])

    def offset(self, address: int, size: int) -> int:
        """Return where the ``size`` bytes at ``address`` lie in the file; raises RepairError where not in one place."""
        offset = self.image.offset_of(address)
        if offset is None or self.image.mapped_after(address) < size:
            raise RepairError("a table does not lie in one piece in the file")
        places = {one.offset - one.vaddr for one in self.loads if one.offset <= offset < one.offset + one.filesz}
        if len(places) > 1:
            raise RepairError("a part of the file is mapped to two places: what is changed in one changes in the other")
        return offset

    @cached_property
    def dynamic_address(self) -> int:
        """Return where the dynamic segment is mapped; of several the loader takes the last."""
        return [segment for segment in self.header.segments if segment.type == PT_DYNAMIC][-1].vaddr

    @cached_property
    def dynamic(self) -> Dynamic:
        """Return the dynamic segment."""
        return read_dynamic(self.image, self.dynamic_address, self.layout)

    @cached_property
    def dynamic_entries(self) -> tuple[tuple[int, int], ...]:
        """Return tag and value of each entry of the dynamic segment, in order, without DT_NULL."""
        found: list[tuple[int, int]] = []
        entry = self.layout.dynamic
        while True:
            tag, value = entry.unpack(self.image.read(self.dynamic_address + len(found) * entry.size, entry.size))
            if tag == 0:
                return tuple(found)
            found.append((tag, value))

    @cached_property
    def needs(self) -> tuple[Needs, ...]:
        """Return the version needs as the loader walks them."""
        start = self.dynamic.get(DT_VERNEED)
        return () if start is None else tuple(self._needs(start))

    def _needs(self, start: int) -> Iterator[Needs]:
        order = self.layout.order
        for address, (_, count, file, first, following) in chain(self.image, start, order + VERNEED, link=4):
            found = chain(self.image, address + first, order + VERNAUX, link=4)
            entries = (
                Entry(self.offset(place, RECORD), self.dynamic.string(self.image, name), other & INDEX_MASK, link)
                for place, (_, _, other, name, link) in found
            )
            library = self.dynamic.string(self.image, file)
            yield Needs(self.offset(address, RECORD), library, count, first, following, tuple(entries))

    @cached_property
    def definitions(self) -> tuple[tuple[int, int], ...]:
        """Return address and version index of each definition but that of the object's own name; -1 stands for that."""
        start = self.dynamic.get(DT_VERDEF)
        if start is None:
            return ()
        found = chain(self.image, start, self.layout.order + VERDEF, link=6)
        return tuple(
            (address, -1 if flags & VER_FLG_BASE else index & INDEX_MASK) for address, (_, flags, index, *_) in found
        )

    @cached_property
    def symbol_count(self) -> int:
        """Return how many dynamic symbols there are, by whoever knows of the most: no single place tells it."""
        size = self.layout.symbol.size
        by_sections = max((section.size // size for section in self.sections if section.type == SHT_DYNSYM), default=0)
        hashed = hashed_count(self.image, self.dynamic, self.layout)
        relocated = relocated_indexes(self.image, self.dynamic, self.layout)
        return max(by_sections, hashed, max(relocated, default=-1) + 1)

    @cached_property
    def version_indexes(self) -> list[int]:
        """Return the version index of each dynamic symbol, without the hidden bit; empty without DT_VERSYM."""
        start = self.dynamic.get(DT_VERSYM)
        if start is None:
            return []
        raw = self.image.read(start, 2 * self.symbol_count)
        return [index & INDEX_MASK for index in as_integers("H", raw, self.layout.order)]

    def symbol(self, number: int) -> DynamicSymbol:
        """Return entry ``number`` of the dynamic symbol table."""
        size = self.layout.symbol.size
        raw = self.image.read((self.dynamic.get(DT_SYMTAB) or 0) + number * size, size)
        if self.layout.bits == 64:
            name, info, other, section, value, _ = self.layout.symbol.unpack(raw)
        else:
            name, value, _, info, other, section = self.layout.symbol.unpack(raw)
        text = self.dynamic.string(self.image, name)
        return DynamicSymbol(number, text, info >> 4, info & 0xF, other & 3, section, value)

    def relocations_of(self, symbols: frozenset[int]) -> dict[int, set[tuple[int, int]]]:
        """Return type and address of the relocations that refer to each of ``symbols``."""
        found: dict[int, set[tuple[int, int]]] = {number: set() for number in symbols}
        for raw, addend in relocation_tables(self.image, self.dynamic):
            for number, kind, address in relocations_to(raw, self.layout, symbols, addend=addend):
                found[number].add((kind, address))
        return found

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """Return the section table; empty where there is none."""
        return read_sections(self._content, self.layout, self.header.section_table)

    def section_field(self, number: int, name: str) -> int:
        """Return where in the file the 32-bit field ``name`` of section ``number`` lies."""
        offset, entry_size, *_ = self.header.section_table
        wide = self.layout.bits == 64
        return (
            offset
            + number * entry_size
            + {"sh_name": 0, "sh_link": 40 if wide else 24, "sh_info": 44 if wide else 28}[name]
        )

    def packed(self, code: str, value: int) -> bytes:
        """Return ``value`` as an integer of the type ``code`` of ``struct``, in the byte order of the object."""
        return struct.pack(self.layout.order + code, value)
