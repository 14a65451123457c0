"""Whether code compares the address in a slot of the global offset table with 0 before it uses it.

GLOB_DAT alone does not tell: it fills the slot of ``call *slot(%rip)`` (``-fno-plt``) like that of a comparison.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from typing import Final

from glibc_guard.explain import aarch64, x86
from glibc_guard.explain.x86_instructions import Instruction, decode
from glibc_guard.repair.anatomy import Anatomy

PF_X: Final = 1
WORD: Final = struct.Struct("<I")
MOST_INSTRUCTIONS: Final = 64  # behind the load; mostly the first one is it
LONGEST: Final = 15  # bytes of an instruction of x86_64
LOAD, TEST, COMPARE_BYTE, COMPARE_LONG = 0x8B, 0x85, 0x83, 0x81
COMPARE: Final = 7  # the extension of the opcode
CALL, INDIRECT, CALL_INDIRECT, JUMPS = 0xE8, 0xFF, 2, (0xE9, 0xEB)
WIDE: Final = 8  # of the prefix REX
SMALL: Final = (0, 1)  # what is below 1 is 0
KEPT_BY_CALLS: Final = frozenset({3, 5, 12, 13, 14, 15})  # rbx, rbp, r12 … r15 (x86-64 psABI, 3.2.1)
#: Behind which it does not go on: ret, int3, hlt, ud2.
ENDS: Final = frozenset({0xC2, 0xC3, 0xCC, 0xF4, 0x10B})


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
        return is_compared(code, behind, (modrm >> 3 & 7) + (rex & 4) * 2)
    size = {COMPARE_BYTE: 1, COMPARE_LONG: 4}.get(opcode)
    if size is None or modrm >> 3 & 7 != COMPARE:
        return False
    return int.from_bytes(code.behind(behind, size), "little") in SMALL


def is_compared(code: x86.Code, at: int, register: int) -> bool:
    """Tell whether the code from the offset ``at`` on compares the 64 bits of ``register`` with 0 before they are lost.

    It is followed straight on, and to where a jump without a condition leads. A call by the register itself ends the
    search, for that is what the comparison has to come before.
    """
    for _ in range(MOST_INSTRUCTIONS):
        raw = code.behind(at, LONGEST) if at >= 0 else b""
        one = decode(raw, 0, wide=True)
        if one is None:
            return False
        if _tests(one, raw, register):
            return True
        if _loses(one, register):
            return False
        at += one.size + (one.immediate if one.opcode in JUMPS else 0)
    return False


def _tests(one: Instruction, raw: bytes, register: int) -> bool:
    """Tell whether an instruction compares all of ``register`` with 0."""
    rex = raw[one.lead - 1] if one.lead else 0
    if one.operand != register or rex & 0xF0 != 0x40 or not rex & WIDE:
        return False
    if one.opcode == TEST:
        return one.register == register
    return one.opcode in {COMPARE_BYTE, COMPARE_LONG} and one.register & 7 == COMPARE and one.immediate in SMALL


def _loses(one: Instruction, register: int) -> bool:
    """Tell whether the register is written or called, or the code goes where it is not followed."""
    if one.opcode == CALL or (one.opcode == INDIRECT and one.register & 7 == CALL_INDIRECT):
        return register not in KEPT_BY_CALLS or one.operand == register
    jumps = one.opcode == INDIRECT and one.register & 7 in {3, 4, 5}  # far calls too
    return jumps or one.opcode in ENDS or bool(one.writes >> register & 1)


def _on_aarch64(base: int, view: memoryview, slots: Collection[int]) -> bool:
    return any(_is_compared(view, use.address - base) for use in aarch64.slot_uses(view, base, slots))


def _is_compared(view: memoryview, load: int) -> bool:
    """Tell whether the register that the instruction at ``load`` loads is compared with 0 before it is lost."""
    (word,) = WORD.unpack_from(view, load)
    if word & 0xFFC00000 != 0xF9400000:  # LDR, 64 bits, unsigned offset
        return False
    register, at = word & 31, load
    for _ in range(MOST_INSTRUCTIONS):
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
