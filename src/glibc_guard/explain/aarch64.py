"""The instructions of aarch64 that use a slot of the global offset table, or the PLT stub in front of it.

Arm Architecture Reference Manual, C4 and C6, for the encodings; every instruction is a little-endian word.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from msgspec import Struct

from glibc_guard.explain.windows import byte_class, windows

PAGE: Final = 4096
WORD: Final = struct.Struct("<I")
PATIENCE: Final = 256  # instructions behind an ADRP in which its register is followed
CALL, JUMP = 0x94000000, 0x14000000
ADRP_TOPS: Final = (0x90, 0xB0, 0xD0, 0xF0)
BTI_C: Final = 0xD503245F
BR_X17: Final = 0xD61F0220
LINKER_REGISTERS: Final = (16, 17)  # IP0, IP1, which stubs of a PLT use
LAST_SCRATCH: Final = 18  # x0 … x18 are lost in a call


class SlotUse(Struct, frozen=True):
    """An instruction that takes the address or the content of a slot."""

    address: int
    slot: int
    stub: int | None  # the address of the PLT stub that it is part of


def slot_uses(view: memoryview, base: int, slots: Collection[int]) -> Iterator[SlotUse]:
    """Yield each ADRP of a page with slots, and what takes one of them by its register."""
    pages = {slot // PAGE for slot in slots}
    for offset in _addresses_of_pages(view, base, sorted(pages)):
        (word,) = WORD.unpack_from(view, offset)
        page = (base + offset) // PAGE + page_distance(word)
        if page in pages:
            for use, slot in _followed(view, offset, word & 31, page * PAGE, slots):
                yield SlotUse(base + use, slot, _stub(view, base, offset, use))


def branches(view: memoryview, base: int, targets: Collection[int]) -> Iterator[tuple[int, int]]:
    """Yield address and target of each BL and B to a target."""
    low, high = min(targets, default=0), max(targets, default=0)
    for start, end in windows(len(view)) if targets else ():
        # Bits 25 … 16 of the word are the distance in units of 256 KiB.
        distances = range(max((low - base - end) >> 18, -512), min((high - base - start) >> 18, 511) + 1)
        middles = {distance & 0xFF for distance in distances}
        tops = {opcode | (distance >> 8 & 3) for distance in distances for opcode in (CALL >> 24, JUMP >> 24)}
        for offset in _words(view, middles, byte_class(sorted(tops)), 2, (start, end)) if tops else ():
            (word,) = WORD.unpack_from(view, offset)
            target = base + offset + 4 * branch_distance(word)
            if target in targets:
                yield base + offset, target


def branch_distance(word: int) -> int:
    """Return how many words away a BL or B leads; 26 bits with a sign."""
    return ((word & 0x03FFFFFF) ^ 0x02000000) - 0x02000000


def _addresses_of_pages(view: memoryview, base: int, pages: Sequence[int]) -> Iterator[int]:
    """Yield the offset of each ADRP that may be of one of ``pages``."""
    for start, end in windows(len(view)) if pages else ():
        first, last = (base + start) // PAGE, (base + end) // PAGE
        # Bits 23 … 16 and 15 … 8 of the word are bits 20 … 13 and 12 … 5 of the distance in pages.
        middles = {(page - place) >> 5 for page in pages for place in (*range(first, last + 1, 32), last)}
        highs = sorted({middle >> 8 & 0xFF for middle in middles})
        behind = byte_class(highs) + byte_class(ADRP_TOPS)
        yield from _words(view, {middle & 0xFF for middle in middles}, behind, 1, (start, end))


def _words(view: memoryview, values: Collection[int], behind: bytes, at: int, window: tuple[int, int]) -> Iterator[int]:
    """Yield the offset of each word in which the byte ``at`` is one of ``values`` and what follows it matches."""
    start, end = window
    # The look-ahead lets the next match begin inside of this one, which may lie across two words.
    pattern = re.compile(byte_class(sorted(values)) + b"(?=" + behind + b")", re.DOTALL)
    for match in pattern.finditer(view, start, min(end + 4, len(view))):
        offset = match.start() - at
        if offset % 4 == 0 and start <= offset < end and offset + 4 <= len(view):
            yield offset


def page_distance(word: int) -> int:
    """Return how many pages behind its own an ADRP names; 21 bits with a sign."""
    distance = (word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3
    return (distance ^ 0x100000) - 0x100000


def _followed(
    view: memoryview, offset: int, register: int, page: int, slots: Collection[int]
) -> Iterator[tuple[int, int]]:
    """Yield offset and slot of what uses ``register``, which the ADRP at ``offset`` sets, until that is lost."""
    for at in range(offset + 4, min(offset + 4 * PATIENCE, len(view) - 3), 4):
        (word,) = WORD.unpack_from(view, at)
        more = displacement(word) if word >> 5 & 31 == register else None
        if more is not None and page + more in slots:
            yield at, page + more
        if ends(word, register):
            return


def displacement(word: int) -> int | None:
    """Return what an ADD, or a load or store, adds to its base register; None for other instructions."""
    immediate = word >> 10 & 0xFFF
    if word & 0xFFC00000 == 0x91000000:  # ADD (immediate), 64 bits, not shifted
        return immediate
    if word & 0x3B000000 != 0x39000000:  # load or store, unsigned offset
        return None
    wide_vector = word >> 26 & 1 and word >> 23 & 1
    return immediate << (4 if wide_vector else word >> 30)


def ends(word: int, register: int) -> bool:
    """Tell whether what ``register`` holds is lost behind an instruction, or may be."""
    if word >> 26 == CALL >> 26 or word & 0xFFFFFC1F == 0xD63F0000:  # BL, BLR
        return register <= LAST_SCRATCH or register == 30
    if word >> 26 == JUMP >> 26 or word & 0xFF9FFC1F == 0xD61F0000 or word & 0xFFFFFC1F == 0xD65F0000:  # B, BR, RET
        return register <= LAST_SCRATCH  # what follows is reached from elsewhere
    return writes(word, register)


def writes(word: int, register: int) -> bool:
    """Tell whether an instruction other than a call writes ``register``, or may."""
    target = word & 31 == register
    if word >> 26 & 7 == 5:  # branches, exceptions, system: MRS alone writes a register
        return target and word & 0xFFF00000 == 0xD5300000
    if word & 0x0A000000 == 0x08000000:  # loads and stores
        return _loads(word, register) or (_writes_back(word) and word >> 5 & 31 == register)
    if word & 0x0E000000 == 0x0E000000:  # floating point and vectors, but for moves to general registers
        return target and (word & 0x7F200C00 == 0x1E200000 or word & 0xBFE0C400 == 0x0E000400)
    return target and word & 0x3FE00000 != 0x3A400000  # CCMP and CCMN have flags there


def _loads(word: int, register: int) -> bool:
    vector = word >> 26 & 1
    if vector:
        return False
    if word & 0x3A000000 == 0x28000000:  # pairs
        return bool(word >> 22 & 1) and register in {word & 31, word >> 10 & 31}
    if word & 0x3A000000 == 0x38000000 and not word >> 22 & 3 and not (word >> 21 & 1 and not word >> 10 & 3):
        return False  # a store; with bit 21 and 11 … 10 of 0 it is an atomic operation, which loads too
    return register in {word & 31, word >> 16 & 31 if word & 0x3F000000 == 0x08000000 else -1}


def _writes_back(word: int) -> bool:
    pair = word & 0x3A000000 == 0x28000000 and word >> 23 & 1
    single = word & 0x3B200400 == 0x38000400
    return bool(pair or single)


def _stub(view: memoryview, base: int, offset: int, use: int) -> int | None:
    """Return the address of the PLT stub that begins with the ADRP at ``offset``; None where it is none.

    A stub is ADRP x16, LDR x17, ADD x16, BR x17, with BTI before it or not.
    """
    (word,) = WORD.unpack_from(view, offset)
    ahead = [WORD.unpack_from(view, at)[0] for at in range(use, min(use + 20, len(view) - 3), 4)]
    if word & 31 != LINKER_REGISTERS[0] or use - offset > 12 or BR_X17 not in ahead:
        return None
    landing_pad = offset >= 4 and WORD.unpack_from(view, offset - 4)[0] == BTI_C
    return base + offset - (4 if landing_pad else 0)
