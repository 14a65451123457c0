"""Refuses an object whose tables lie over each other: what a repair writes into one would change another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from glibc_guard.elf.dynamic import DT_STRTAB
from glibc_guard.elf.hash_tables import DT_GNU_HASH, DT_HASH
from glibc_guard.elf.symbols import (
    DT_JMPREL,
    DT_PLTRELSZ,
    DT_REL,
    DT_RELA,
    DT_RELASZ,
    DT_RELSZ,
    DT_STRSZ,
    DT_SYMTAB,
    DT_VERSYM,
)
from glibc_guard.repair.anatomy import RECORD, Anatomy
from glibc_guard.repair.changes import RepairError

VERDEF_BYTES, HASH_HEADER_BYTES = 20, 16
PT_INTERP, PT_NOTE, PT_TLS = 3, 4, 7
DT_INIT_ARRAY, DT_FINI_ARRAY, DT_INIT_ARRAYSZ, DT_FINI_ARRAYSZ = 25, 26, 27, 28
DT_RELRSZ, DT_RELR = 35, 36
#: Tables of the dynamic segment whose size another entry tells.
SIZED: Final = {
    "dynamic string table": (DT_STRTAB, DT_STRSZ),
    "relocations": (DT_RELA, DT_RELASZ),
    "relocations without addend": (DT_REL, DT_RELSZ),
    "relocations of the PLT": (DT_JMPREL, DT_PLTRELSZ),
    "relative relocations": (DT_RELR, DT_RELRSZ),
    "constructors": (DT_INIT_ARRAY, DT_INIT_ARRAYSZ),
    "destructors": (DT_FINI_ARRAY, DT_FINI_ARRAYSZ),
}


class Span(Struct, frozen=True):
    """A part of the file that holds one table."""

    start: int
    size: int  # bytes
    name: str

    def meets(self, other: Span) -> bool:
        """Tell whether they have a byte in common."""
        return self.start < other.start + other.size and other.start < self.start + self.size


def refuse_overlaps(anatomy: Anatomy) -> None:
    """Raise RepairError where a table that a repair may change shares a byte with any other."""
    written = [*_written(anatomy)]
    others = [*written, *_read(anatomy)]
    for number, span in enumerate(written):
        for other in others[number + 1 :]:
            if span.size and other.size and span.meets(other):
                raise RepairError(f"its tables lie over each other: {span.name} and {other.name}")


def _written(anatomy: Anatomy) -> Iterator[Span]:
    for needs in anatomy.needs:
        yield Span(needs.offset, RECORD, "the version needs of a library")
        for entry in needs.entries:
            yield Span(entry.offset, RECORD, "a version need")
    versions = anatomy.dynamic.get(DT_VERSYM)
    if versions is not None:
        size = 2 * anatomy.symbol_count
        yield Span(anatomy.offset(versions, size), size, "version symbol table")
    size = (len(anatomy.dynamic_entries) + 1) * anatomy.layout.dynamic.size
    yield Span(anatomy.offset(anatomy.dynamic_address, size), size, "dynamic segment")
    place, entry_size, count, _ = anatomy.header.section_table
    yield Span(place, entry_size * count if anatomy.sections else 0, "section table")


def _read(anatomy: Anatomy) -> Iterator[Span]:
    yield Span(0, 16 + anatomy.layout.header.size, "ELF header")
    size = len(anatomy.header.segments) * anatomy.layout.program_header.size
    yield Span(anatomy.header_offset, size, "program headers")
    for segment in anatomy.header.segments:
        if segment.type in {PT_INTERP, PT_NOTE, PT_TLS}:
            yield Span(segment.offset, segment.filesz, "interpreter, note or thread-local data")
    for name, (tag, size_tag) in SIZED.items():
        yield from _span(anatomy, anatomy.dynamic.get(tag), anatomy.dynamic.get(size_tag) or 0, name)
    symbols = anatomy.symbol_count * anatomy.layout.symbol.size
    yield from _span(anatomy, anatomy.dynamic.get(DT_SYMTAB), symbols, "dynamic symbol table")
    for tag in (DT_HASH, DT_GNU_HASH):
        yield from _span(anatomy, anatomy.dynamic.get(tag), HASH_HEADER_BYTES, "hash table")
    for address, _ in anatomy.definitions:
        yield from _span(anatomy, address, VERDEF_BYTES, "a version definition")


def _span(anatomy: Anatomy, address: int | None, size: int, name: str) -> Iterator[Span]:
    offset = None if address is None else anatomy.image.offset_of(address)
    if offset is not None:
        yield Span(offset, size, name)
