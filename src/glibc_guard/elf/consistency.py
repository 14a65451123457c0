"""Where the section table and the counts tell another story than the links and segments that the loader follows.

No loader looks at them, but people's tools do: an object in which they disagree shows one thing and does another.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from glibc_guard.elf.dynamic import Dynamic
from glibc_guard.elf.image import Bytes, Image
from glibc_guard.elf.layout import Layout
from glibc_guard.elf.versions import DT_VERNEED, VERNAUX, VERNEED, chain

SHT_DYNAMIC, SHT_DYNSYM = 6, 11
SHT_GNU_VERNEED: Final = 0x6FFFFFFE
DT_SYMTAB, DT_VERNEEDNUM = 6, 0x6FFFFFFF
SHF_ALLOC: Final = 2
MAX_SECTIONS: Final = 65_536


def inconsistencies(
    data: Bytes, image: Image, dynamic: Dynamic, layout: Layout, dynamic_vaddr: int, section_table: tuple[int, int, int]
) -> tuple[str, ...]:
    """Return what is inconsistent, in words; ``section_table`` is e_shoff, e_shentsize and e_shnum."""
    found = list(_hidden_needs(image, dynamic, layout.order))
    expected = {
        SHT_DYNAMIC: ("dynamic segment", dynamic_vaddr),
        SHT_DYNSYM: ("dynamic symbol table", dynamic.get(DT_SYMTAB)),
        SHT_GNU_VERNEED: ("version needs", dynamic.get(DT_VERNEED)),
    }
    for kind, flags, address, offset in _sections(data, layout, *section_table):
        if kind not in expected or not flags & SHF_ALLOC:
            continue
        name, loaded_from = expected[kind]
        if address != loaded_from:
            where = "none" if loaded_from is None else f"{loaded_from:#x}"
            found.append(f"the section table has the {name} at {address:#x}, the loader at {where}")
        elif image.offset_of(address) != offset:
            found.append(f"the section table has the {name} at another place of the file than the loader")
    return tuple(found)


def _hidden_needs(image: Image, dynamic: Dynamic, order: str) -> Iterator[str]:
    """Compare the counts with the chains: a count that is too small hides needs from tools that believe it."""
    start = dynamic.get(DT_VERNEED)
    if start is None:
        return
    records = list(chain(image, start, order + VERNEED, link=4))
    counted = dynamic.get(DT_VERNEEDNUM)
    if counted is not None and counted != len(records):
        yield f"DT_VERNEEDNUM counts {counted} libraries with version needs, the loader finds {len(records)}"
    for address, (_, count, _, aux, _) in records:
        entries = len(list(chain(image, address + aux, order + VERNAUX, link=4)))
        if count != entries:
            yield f"vn_cnt counts {count} version needs of a library, the loader finds {entries}"


def _sections(
    data: Bytes, layout: Layout, offset: int, entry_size: int, count: int
) -> Iterator[tuple[int, int, int, int]]:
    """Yield type, flags, address and offset of each section; none where there is no readable table."""
    wide = layout.bits == 64
    header = struct.Struct(f"{layout.order}II{'QQQQ' if wide else 'IIII'}")
    if not offset or entry_size < header.size or count > MAX_SECTIONS:
        return
    raw = data.read(offset, entry_size * count)
    for start in range(0, len(raw) - header.size + 1, entry_size):
        _, kind, flags, address, file_offset, _ = header.unpack_from(raw, start)
        yield kind, flags, address, file_offset
