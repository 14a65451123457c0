"""What an object says of its making: compiler notes, build folders, sections of glibc. No loader looks at any of it.

It may be stripped, or forged; it never makes an object unreadable, and it is read only as far as that costs no second
pass over the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from glibc_guard.elf.image import Bytes, ProgramHeader, decode
from glibc_guard.elf.layout import Layout
from glibc_guard.elf.sections import Section, content
from glibc_guard.model import ElfObject

SHF_MERGE, SHF_STRINGS = 0x10, 0x20
COMMENT_BYTES: Final = 4096  # one line a compiler; linkers merge equal ones
MAX_COMMENTS: Final = 16
MAX_PLACES: Final = 8  # segments behind which comments are looked for
LONGEST: Final = 200  # bytes of one comment
#: Sections of the stdio of glibc (``libio/vtables.c``, ``genops.c``): Debian's 2.31 and 2.36 have them, 2.41 has not.
GLIBC_SECTIONS: Final = frozenset({"__libc_IO_vtables", "__libc_atexit"})


def keep_comments(data: Bytes, loads: Sequence[ProgramHeader]) -> None:
    """Hold on to what lies behind each segment: linkers put ``.comment`` there, and debug information behind it."""
    for segment in sorted(loads, key=lambda segment: segment.offset)[-MAX_PLACES:]:
        data.keep(segment.offset + segment.filesz, COMMENT_BYTES)


def with_hearsay(facts: ElfObject, data: Bytes, sections: Sequence[Section], layout: Layout) -> ElfObject:
    """Return ``facts`` with what ``sections`` tell of the making of the object."""
    by_name = {section.name: section for section in sections}
    searched = (facts.runpath or facts.rpath or "").split(":")
    compiled_in = _compiled_in(data, by_name, layout)
    comment = by_name.get(".comment") or next(filter(_looks_like_comments, sections), None)
    return replace(
        facts,
        comments=_strings(content(data, comment, layout, COMMENT_BYTES)) if comment else (),
        build_folders=tuple(dict.fromkeys((*(entry for entry in searched if entry.startswith("/")), *compiled_in))),
        glibc_sections=not GLIBC_SECTIONS.isdisjoint(by_name),
    )


def _compiled_in(data: Bytes, sections: Mapping[str, Section], layout: Layout) -> tuple[str, ...]:
    if sections.keys().isdisjoint({".debug_info", ".zdebug_info"}):
        return ()
    from glibc_guard.elf.build_folders import build_folders  # noqa: PLC0415  # lazy, most objects are stripped

    return build_folders(data, sections, layout)


def _looks_like_comments(section: Section) -> bool:
    """Recognise ``.comment`` where the names are not at hand: lld writes them before a symbol table of any length."""
    return not section.name and section.flags == SHF_MERGE | SHF_STRINGS


def _strings(raw: bytes) -> tuple[str, ...]:
    strings = dict.fromkeys(decode(line[:LONGEST]).strip() for line in raw.split(b"\0"))
    return tuple(line for line in strings if line)[:MAX_COMMENTS]
