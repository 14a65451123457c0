"""Where the section table and the counts tell another story than the links and segments that the loader follows.

No loader looks at them, but people's tools do: an object in which they disagree shows one thing and does another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from glibc_guard.elf.dynamic import Dynamic
from glibc_guard.elf.image import Image
from glibc_guard.elf.layout import Layout
from glibc_guard.elf.sections import SHF_ALLOC, Section
from glibc_guard.elf.versions import DT_VERNEED, VERNAUX, VERNEED, chain

SHT_DYNAMIC, SHT_DYNSYM = 6, 11
SHT_GNU_VERNEED: Final = 0x6FFFFFFE
DT_SYMTAB, DT_VERNEEDNUM = 6, 0x6FFFFFFF


def inconsistencies(
    image: Image, dynamic: Dynamic, layout: Layout, dynamic_vaddr: int, sections: Sequence[Section]
) -> tuple[str, ...]:
    """Return what is inconsistent, in words."""
    found = list(_hidden_needs(image, dynamic, layout.order))
    expected = {
        SHT_DYNAMIC: ("dynamic segment", dynamic_vaddr),
        SHT_DYNSYM: ("dynamic symbol table", dynamic.get(DT_SYMTAB)),
        SHT_GNU_VERNEED: ("version needs", dynamic.get(DT_VERNEED)),
    }
    for section in sections:
        if section.type not in expected or not section.flags & SHF_ALLOC:
            continue
        name, loaded_from = expected[section.type]
        if section.address != loaded_from:
            where = "none" if loaded_from is None else f"{loaded_from:#x}"
            found.append(f"the section table has the {name} at {section.address:#x}, the loader at {where}")
        elif image.offset_of(section.address) != section.offset:
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
