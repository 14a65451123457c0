"""What an object asks of the system beyond symbols: stack, processor level, page size, start files."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from typing import Final

from glibc_guard.elf.errors import ElfError
from glibc_guard.elf.image import Image, ProgramHeader

PT_LOAD, PT_NOTE, PT_GNU_STACK, PT_GNU_PROPERTY = 1, 4, 0x6474E551, 0x6474E553
PF_X: Final = 1
NT_GNU_ABI_TAG, NT_GNU_PROPERTY_TYPE_0 = 1, 5
GNU_PROPERTY_X86_ISA_1_NEEDED: Final = 0xC0008002
LARGEST_PAGE: Final = 1 << 32  # bytes; larger than any
NOTE_BYTES: Final = 64 * 1024  # of one segment; linkers write some hundred bytes

#: DEFAULT_STACK_PERMS of glibc's ``sysdeps/*/stackinfo.h``: where PT_GNU_STACK is absent the stack is executable.
EXECUTABLE_BY_DEFAULT: Final = frozenset({"x86_64", "i686", "armv7l", "aarch64", "s390x"})


def executable_stack(segments: Sequence[ProgramHeader], architecture: str) -> bool:
    """Tell whether the loader makes the stack executable for this object; of several headers the last one counts."""
    flags = [segment.flags for segment in segments if segment.type == PT_GNU_STACK]
    return bool(flags[-1] & PF_X) if flags else architecture in EXECUTABLE_BY_DEFAULT


def page_size(segments: Sequence[ProgramHeader]) -> int:
    """Return the largest page size, in bytes, with which addresses and file offsets of all PT_LOADs agree.

    A segment is mapped by whole pages (``elf/dl-load.c``: "address/offset not page-aligned").
    """
    places = (segment.vaddr - segment.offset for segment in segments if segment.type == PT_LOAD)
    return min((math.gcd(place, LARGEST_PAGE) for place in places), default=0)


def segment_alignment(segments: Sequence[ProgramHeader]) -> int:
    """Return the least p_align of the PT_LOADs, in bytes, which glibc before 2.35 held against the page size too."""
    return min((segment.align or LARGEST_PAGE for segment in segments if segment.type == PT_LOAD), default=0)


def isa_level(image: Image, segments: Sequence[ProgramHeader], order: str, bits: int) -> int:
    """Return the x86-64 level (1 to 4) that the object declares as needed; 0 where it declares none.

    glibc looks at PT_GNU_PROPERTY, and at PT_NOTE only where that is absent (``_dl_process_pt_note``).
    """
    kind = PT_GNU_PROPERTY if any(segment.type == PT_GNU_PROPERTY for segment in segments) else PT_NOTE
    level = 0
    for name, note_type, content in _notes(image, segments, kind, order):
        if name == b"GNU\0" and note_type == NT_GNU_PROPERTY_TYPE_0:
            for property_type, data in _properties(content, order, bits):
                if property_type == GNU_PROPERTY_X86_ISA_1_NEEDED and len(data) == 4:
                    level = max(level, int.from_bytes(data, "little").bit_length())
    return level


def has_glibc_start_files(image: Image, segments: Sequence[ProgramHeader], order: str) -> bool:
    """Tell whether ``crt1.o`` of glibc was linked in: its ``abi-note.c`` leaves a note that other start files lack."""
    return any(
        name == b"GNU\0" and note_type == NT_GNU_ABI_TAG
        for name, note_type, _ in _notes(image, segments, PT_NOTE, order)
    )


def _notes(
    image: Image, segments: Sequence[ProgramHeader], kind: int, order: str
) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield name, type and content of each note; what is damaged ends the segment, as in ``_dl_process_pt_note``."""
    for segment in segments:
        if segment.type != kind:
            continue
        try:
            data = image.read(segment.vaddr, min(segment.memsz, NOTE_BYTES))
        except ElfError:  # notes decide nothing that the loader insists on
            continue
        align = 8 if segment.align == 8 else 4
        offset = 0
        while offset + 12 <= len(data):
            name_size, content_size, note_type = struct.unpack_from(f"{order}III", data, offset)
            start = offset + 12 + name_size + -(12 + name_size) % align
            if start + content_size > len(data):
                break
            yield data[offset + 12 : offset + 12 + name_size], note_type, data[start : start + content_size]
            offset = start + content_size + -content_size % align


def _properties(content: bytes, order: str, bits: int) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + 8 <= len(content):
        property_type, size = struct.unpack_from(f"{order}II", content, offset)
        yield property_type, content[offset + 8 : offset + 8 + size]
        offset += 8 + size + -size % (bits // 8)
