"""Changes real objects after they were linked, to what no linker writes and some tool, or an attacker, does."""

from __future__ import annotations

import io
import struct

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section


def section(data: bytes, name: str) -> Section:
    found = ELFFile(io.BytesIO(data)).get_section_by_name(name)
    assert found is not None, name
    return found


def put(data: bytes, offset: int, layout: str, *values: int) -> bytes:
    copy = bytearray(data)
    struct.pack_into(layout, copy, offset, *values)
    return bytes(copy)


def version_entry(data: bytes, version: str) -> int:
    """Return the offset of the ``Elf_Vernaux`` that asks for ``version``."""
    table = section(data, ".gnu.version_r")
    strings = section(data, ".dynstr").data()
    offset = table["sh_offset"]
    while True:
        _, count, _, aux, following = struct.unpack_from("<HHIII", data, offset)
        entry = offset + aux
        for _ in range(count):
            name = struct.unpack_from("<I", data, entry + 8)[0]
            if strings[name : strings.index(b"\0", name)].decode() == version:
                return int(entry)
            entry += struct.unpack_from("<I", data, entry + 12)[0]
        assert following, f"no need for {version}"
        offset += following


def weak_need(data: bytes, version: str) -> bytes:
    """Set VER_FLG_WEAK on the need for ``version``."""
    return put(data, version_entry(data, version) + 4, "<H", 2)


def wrong_hash(data: bytes, version: str) -> bytes:
    """Store another vna_hash."""
    return put(data, version_entry(data, version), "<I", 0x0BADBAD)


def need_renamed(data: bytes, version: str, other: str) -> bytes:
    """Let the need for ``version`` ask for ``other``, which another need asks for already."""
    entry, model = version_entry(data, version), version_entry(data, other)
    data = put(data, entry, "<I", *struct.unpack_from("<I", data, model))  # vna_hash
    return put(data, entry + 8, "<I", *struct.unpack_from("<I", data, model + 8))  # vna_name


def unversioned(data: bytes, *symbols: str) -> bytes:
    """Take the versions from the references to ``symbols``: their entries of the version symbol table become 1."""
    table = section(data, ".gnu.version")
    names = [symbol.name for symbol in section(data, ".dynsym").iter_symbols()]  # type: ignore[attr-defined]
    for index, name in enumerate(names):
        if name in symbols:
            data = put(data, table["sh_offset"] + 2 * index, "<H", 1)
    return data


def program_header(data: bytes, kind: str) -> int:
    """Return the offset of the first program header of ``kind``, in a 64-bit object."""
    elf = ELFFile(io.BytesIO(data))
    (number, *_) = [number for number, segment in enumerate(elf.iter_segments()) if segment["p_type"] == kind]
    return int(elf["e_phoff"] + number * elf["e_phentsize"])


def with_short_first_segment(data: bytes) -> bytes:
    """Let the first PT_LOAD of a 64-bit object end before its tables, in the same page: all of it is mapped still."""
    place = program_header(data, "PT_LOAD")
    return put(data, place + 32, "<QQ", 0x200, 0x200)  # p_filesz, p_memsz


def with_shared_page(data: bytes, *, bss: int = 0) -> bytes:
    """Let the second PT_LOAD of a 64-bit object begin in the page of the first, as patchelf leaves some."""
    first = program_header(data, "PT_LOAD")
    elf = ELFFile(io.BytesIO(data))
    second = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"][1]
    assert second["p_offset"] == second["p_vaddr"] == 0x1000, "link with -Wl,-z,separate-code"
    data = put(data, first + 32, "<QQ", 0x200, 0x200 + bss)
    size = second["p_filesz"] + 0xE00
    return put(data, first + 56 + 8, "<QQQQQ", 0x200, 0x200, 0x200, size, size)


def with_stack_flags(data: bytes, flags: int) -> bytes:
    """Set p_flags of PT_GNU_STACK."""
    elf = ELFFile(io.BytesIO(data))
    place = program_header(data, "PT_GNU_STACK") + (4 if elf.elfclass == 64 else 24)
    return put(data, place, "<I" if elf.little_endian else ">I", flags)


def without_sections(data: bytes) -> bytes:
    """Drop the section table of a 64-bit object, as ``sstrip`` does."""
    return put(put(data, 0x28, "<Q", 0), 0x3C, "<HH", 0, 0)


def dynamic_entry(data: bytes, tag: int) -> int:
    """Return the offset of the first entry of the dynamic segment with ``tag``, in a 64-bit object."""
    table = section(data, ".dynamic")
    for offset in range(table["sh_offset"], table["sh_offset"] + table["sh_size"], 16):
        if struct.unpack_from("<q", data, offset)[0] == tag:
            return int(offset)
    raise AssertionError(tag)
