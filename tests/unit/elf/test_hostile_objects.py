"""Objects whose tables lie, loop or name each other: an error in words, soon, and never more memory than a bound."""

from __future__ import annotations

import io
import struct
import tracemalloc
from functools import cache
from typing import Final

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from building import library
from glibc_guard.artifacts.member import MemoryFile, PlainContent
from glibc_guard.elf import Allowance, ElfError, read_object
from glibc_guard.elf.image import Image, ProgramHeader
from glibc_guard.elf.versions import VERNEED, chain
from glibc_guard.explain.object_file import LoadedObject, ObjectFile
from glibc_guard.limits import Limits
from glibc_guard.model import ElfObject
from measured import costs_less_than
from unit.rules.crafting import program_header, put

ARCHITECTURES: Final = ("x86_64", "aarch64", "i686", "s390x")
TABLES: Final = (".dynamic", ".gnu.version_r", ".gnu.version", ".gnu.hash", ".hash", ".dynsym", ".rela.plt", ".rel.plt",
                 ".rela.dyn", ".rel.dyn", ".comment")  # fmt: skip
NUMBERS: Final = (
    0,
    1,
    2,
    3,
    7,
    0x7F,
    0xFF,
    0x1000,
    0x7FFF,
    0xFFFF,
    0x10000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFF0,
    0xFFFFFFFF,
)


@cache
def built(arch: str) -> tuple[bytes, str, tuple[tuple[int, int], ...]]:
    """An object, its byte order, and where its headers and tables lie: offset and size of each."""
    data = library("reallocarray(0, 1, 2)", "pow(x, 2.5)", arch=arch, glibc="2.29")
    elf = ELFFile(io.BytesIO(data))
    places = [(0, int(elf["e_ehsize"])), (int(elf["e_phoff"]), int(elf["e_phnum"]) * int(elf["e_phentsize"]))]
    places.append((int(elf["e_shoff"]), int(elf["e_shnum"]) * int(elf["e_shentsize"])))
    sections = [elf.get_section_by_name(name) for name in TABLES]
    places += [(one["sh_offset"], one["sh_size"]) for one in sections if one is not None and one["sh_size"]]
    return data, "<" if elf.little_endian else ">", tuple(places)


def read(data: bytes, limits: Limits | None = None) -> ElfObject | str:
    try:
        return read_object("m.so", len(data), PlainContent(MemoryFile(data)), Allowance(limits))
    except ElfError as error:
        return str(error)


@settings(max_examples=1500, deadline=None)
@given(
    arch=st.sampled_from(ARCHITECTURES),
    changes=st.lists(
        st.tuples(
            st.integers(0, len(TABLES) + 2),
            st.integers(0, 4096),
            st.sampled_from("BHIQ"),
            st.one_of(st.sampled_from(NUMBERS), st.integers(0, 5000)),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_any_field_with_any_number(arch: str, changes: list[tuple[int, int, str, int]]) -> None:
    data, order, places = built(arch)
    copy = bytearray(data)
    for place, offset, form, value in changes:
        start, size = places[place % len(places)]
        width = struct.calcsize(form)
        at = start + offset % max(size - width, 1) // width * width
        struct.pack_into(order + form, copy, at, value % (1 << 8 * width))
    with costs_less_than(5):
        found = read(bytes(copy))
    assert isinstance(found, (ElfObject, str))
    assert not isinstance(found, str) or (found.isprintable() and len(found) < 400)


def table_of(arch: str, name: str) -> int:
    data, _, _ = built(arch)
    section = ELFFile(io.BytesIO(data)).get_section_by_name(name)
    assert section is not None
    return int(section["sh_offset"])


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize(
    ("field", "message"),
    [(0, "a count in the GNU hash table lies"), (1, ""), (2, "a count in the GNU hash table lies")],
    ids=["buckets", "first symbol", "bloom words"],
)
def test_counts_of_the_hash_table_that_lie(arch: str, field: int, message: str) -> None:
    data, order, _ = built(arch)
    for value in (0xFFFFFFFF, 0x7FFFFFFF, 100_000_000):
        copy = bytearray(data)
        struct.pack_into(f"{order}I", copy, table_of(arch, ".gnu.hash") + 4 * field, value)
        tracemalloc.start()
        with costs_less_than(5):
            found = read(bytes(copy))
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
        tracemalloc.stop()
        assert isinstance(found, str)
        assert message in found


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_relocation_to_a_symbol_that_is_not_there(arch: str) -> None:
    data, order, _ = built(arch)
    bits = 32 if arch == "i686" else 64
    offset = table_of(arch, ".rel.plt" if arch == "i686" else ".rela.plt")
    copy = bytearray(data)
    if bits == 64:
        struct.pack_into(f"{order}Q", copy, offset + 8, 999_999 << 32 | 7)
    else:
        struct.pack_into(f"{order}I", copy, offset + 4, 999_999 << 8 | 7)
    found = read(bytes(copy))
    assert isinstance(found, str)
    assert "do not fit into their segment: a count in the object lies" in found


def test_records_that_lie_over_each_other_end() -> None:
    """A link of one to the next is of any length: a small file could hold any number of them."""
    data = struct.pack("<4I", 1 | 1 << 16, 0, 16, 16) * 70_000
    segment = ProgramHeader(1, 4, 0, 0, len(data), len(data), 0x1000)
    image = Image(PlainContent(MemoryFile(data)), (segment,), Allowance(Limits(version_records=1000)))
    with pytest.raises(ElfError, match="the limit version-records is 1000"):
        for _ in chain(image, 0, f"<{VERNEED}", link=4):
            pass


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_links_that_lead_back(arch: str) -> None:
    """The loader adds modulo the size of an address: a chain could lead in a circle."""
    data, order, _ = built(arch)
    table = table_of(arch, ".gnu.version_r")
    for offset in (12, 16 + 12):  # vn_next of the first record, vna_next of the first in it
        for value in (0xFFFFFFF0, 0xFFFFFFFF, (1 << 32) - table):
            copy = bytearray(data)
            struct.pack_into(f"{order}I", copy, table + offset, value)
            assert isinstance(read(bytes(copy)), str)


def test_what_explains_an_object_refuses_what_its_reader_does() -> None:
    """A find of the fuzzer: behind a segment that claims 512 TiB of a small file, a hash table went on for seconds."""
    data, _, _ = built("x86_64")
    place = program_header(data, "PT_LOAD")
    claiming = put(data, place + 32, "<QQ", 1 << 49, 600)  # p_filesz, p_memsz
    assert "a segment reaches to byte" in str(read(claiming))
    with ObjectFile(claiming) as file, pytest.raises(ElfError, match="a segment reaches to byte"):
        LoadedObject.of(file)


def test_a_string_table_without_an_end() -> None:
    data, _, _ = built("x86_64")
    section = ELFFile(io.BytesIO(data)).get_section_by_name(".dynstr")
    assert section is not None
    copy = bytearray(data)
    start, size = section["sh_offset"], section["sh_size"]
    copy[start : start + size] = b"n" * size
    found = read(bytes(copy), Limits(name_bytes=size // 2))
    assert isinstance(found, str)
    assert "the limit name-bytes is" in found
