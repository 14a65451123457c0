"""Whether code compares the address in a slot of the global offset table with 0 before it uses it.

GLOB_DAT alone does not tell: it fills the slot of ``call *slot(%rip)`` (``-fno-plt``) like that of a comparison.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from typing import Final

from glibc_guard.explain import aarch64, x86
from glibc_guard.repair.anatomy import Anatomy
from glibc_guard.repair.x86_instructions import COMPARE, COMPARE_BYTE, COMPARE_LONG, SMALL, WIDE, is_compared

PF_X: Final = 1
LOAD: Final = 0x8B
WORD: Final = struct.Struct("<I")
MOST_WORDS: Final = 64  # instructions behind the load


def are_compared(anatomy: Anatomy, slots: Collection[int]) -> bool | None:
    """Tell whether some instruction compares what is in one of ``slots`` with 0; None where that is not looked for."""
    if anatomy.header.architecture == "x86_64":
        return any(_on_x86_64(x86.Code(base, view), slots) for base, view in _code(anatomy))
    if anatomy.header.architecture == "aarch64":
        return any(_on_aarch64(base, view, slots) for base, view in _code(anatomy))
    return None


def _code(anatomy: Anatomy) -> Iterator[tuple[int, memoryview]]:
    data = memoryview(anatomy.data)
    for segment in anatomy.loads:
        if segment.flags & PF_X:
            yield segment.vaddr, data[segment.offset : segment.offset + segment.filesz]


def _on_x86_64(code: x86.Code, slots: Collection[int]) -> bool:
    return any(_compares(code, at) for _, at, _ in x86.memory_operands(code, slots))


def _compares(code: x86.Code, displacement: int) -> bool:
    """Tell whether the instruction with the ``displacement`` is ``cmp $0,…``, or a load into a register that is."""
    if displacement < 3:
        return False
    rex, opcode, modrm = code.view[displacement - 3 : displacement]
    if rex & 0xF0 != 0x40 or not rex & WIDE:
        return False
    behind = displacement + 4
    if opcode == LOAD:
        return is_compared(code.view, behind, (modrm >> 3 & 7) + (rex & 4) * 2)
    size = {COMPARE_BYTE: 1, COMPARE_LONG: 4}.get(opcode)
    if size is None or modrm >> 3 & 7 != COMPARE:
        return False
    return int.from_bytes(code.behind(behind, size), "little") in SMALL


def _on_aarch64(base: int, view: memoryview, slots: Collection[int]) -> bool:
    return any(_is_compared(view, use.address - base) for use in aarch64.slot_uses(view, base, slots))


def _is_compared(view: memoryview, load: int) -> bool:
    """Tell whether the register that the instruction at ``load`` loads is compared with 0 before it is lost."""
    (word,) = WORD.unpack_from(view, load)
    if word & 0xFFC00000 != 0xF9400000:  # LDR, 64 bits, unsigned offset
        return False
    register, at = word & 31, load
    for _ in range(MOST_WORDS):
        # On to where B leads, else to the next one.
        at += 4 * aarch64.branch_distance(word) if word >> 26 == aarch64.JUMP >> 26 else 4
        if not 0 <= at <= len(view) - 4:
            return False
        (word,) = WORD.unpack_from(view, at)
        if _compares_with_zero(word, register):
            return True
        if word >> 26 != aarch64.JUMP >> 26 and (_leaves(word, register) or aarch64.ends(word, register)):
            return False
    return False


def _leaves(word: int, register: int) -> bool:
    """Tell whether an instruction is RET or BR, or calls what ``register`` holds."""
    return word & 0xFFFFFC1F in {0xD61F0000, 0xD65F0000} or word == 0xD63F0000 | register << 5


def _compares_with_zero(word: int, register: int) -> bool:
    if word & 0xFE00001F == 0xB4000000 | register:  # CBZ, CBNZ
        return True
    # CMP and SUBS with 0 or 1, CCMP with 0
    compares = word & 0xFFFFFC00 in {0xF1000000, 0xF1000400} or word & 0xFFFF0C10 == 0xFA400800
    return compares and word >> 5 & 31 == register
