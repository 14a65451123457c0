"""Whether a register of x86_64 is compared with 0 soon: the few instructions that compilers put before, decoded.

Intel's Software Developer's Manual, volume 2. What is not known here ends the search, and nothing is shown then.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

MOST_INSTRUCTIONS: Final = 64  # behind the load; mostly the first one is it
OPERAND_SIZE, REPEATS, EXTENDED = 0x66, (0xF2, 0xF3), 0x0F
REX: Final = range(0x40, 0x50)
WIDE, REGISTER_BIT, INDEX_BIT, BASE_BIT = 8, 4, 2, 1  # of REX
TEST, COMPARE_BYTE, COMPARE_LONG, COMPARE = 0x85, 0x83, 0x81, 7
SMALL: Final = (0, 1)  # what is below 1 is 0
ARITHMETIC: Final = frozenset(8 * operation + form for operation in range(8) for form in range(4))
CALL, JUMP, JUMP_SHORT, INDIRECT, CALL_EXTENSION = 0xE8, 0xE9, 0xEB, 0xFF, 2
KEPT_BY_CALLS: Final = frozenset({3, 5, 12, 13, 14, 15})  # rbx, rbp, r12 … r15 (x86-64 psABI, 3.2.1)
COMPARISONS: Final = frozenset({0x38, 0x39, 0x3A, 0x3B, 0x84, TEST})
TO_REGISTER: Final = frozenset({0x02, 0x03, 0x63, 0x8A, 0x8B, 0x8D} | {one for one in ARITHMETIC if one & 2})
#: With ModRM: the bytes of an immediate by the opcode, of the first and of the second table.
WITH_OPERAND: Final = {
    **dict.fromkeys(ARITHMETIC | COMPARISONS | {0x63, 0x88, 0x89, 0x8A, 0x8B, 0x8D}, 0),
    **dict.fromkeys((0x80, COMPARE_BYTE, 0xC0, 0xC1, 0xC6), 1),
    **dict.fromkeys((COMPARE_LONG, 0xC7), 4),
}
GENERAL: Final = frozenset({*range(0x40, 0x50), *range(0x90, 0xA0), 0xB6, 0xB7, 0xBE, 0xBF})  # cmov, set, movzx, movsx
NO_OPERATION: Final = frozenset({0x1E, 0x1F})
VECTORS: Final = frozenset({0x10, 0x11, 0x28, 0x29, 0x57, 0x6E, 0x6F, 0x7F, 0xD6, 0xEF})
WITHOUT_OPERAND: Final = {
    **dict.fromkeys([*range(0x50, 0x60), 0x90], 0),  # push, pop, nop
    **dict.fromkeys([*range(0x70, 0x80), 0x6A], 1),  # a jump on a condition, push
    0x68: 4,
}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: where the next one begins, which register it compares with 0, and which it overwrites."""

    end: int
    compares: int | None = None
    writes: int | None = None
    calls: bool = False


def is_compared(code: memoryview, at: int, register: int) -> bool:
    """Tell whether the code from the offset ``at`` on compares the 64 bits of ``register`` with 0 before they are lost.

    It is followed straight on, and to where a jump without a condition leads. A call by the register itself ends the
    search, for that is what the comparison has to come before.
    """
    for _ in range(MOST_INSTRUCTIONS):
        try:
            instruction = decoded(code, at)
        except (IndexError, struct.error):
            return False
        if instruction is None or (instruction.calls and register not in KEPT_BY_CALLS):
            return False
        if instruction.compares == register:
            return True
        # A byte of the registers 4 … 7 may be the second one of the registers 0 … 3.
        if instruction.writes is not None and register in {instruction.writes, instruction.writes & 3}:
            return False
        at = instruction.end
        if at < 0:
            return False
    return False


def decoded(code: memoryview, at: int) -> Instruction | None:
    """Return the instruction at ``at``; None for one that is not known here. Raises IndexError at the end."""
    narrow = code[at] == OPERAND_SIZE
    while code[at] == OPERAND_SIZE or code[at] in REPEATS:
        at += 1
    rex = code[at] if code[at] in REX else 0
    at += bool(rex)
    opcode, at = code[at], at + 1
    if opcode == EXTENDED:
        return _extended(code, at, rex)
    if opcode in {CALL, JUMP, JUMP_SHORT, INDIRECT}:
        return _branch(code, at, rex)
    if opcode in WITHOUT_OPERAND:
        popped = opcode - 0x58 + 8 * (rex & BASE_BIT) if 0x58 <= opcode < 0x60 else None
        return Instruction(at + WITHOUT_OPERAND[opcode], writes=popped)
    if 0xB8 <= opcode < 0xC0:  # mov of a constant
        size = 8 if rex & WIDE else 2 if narrow else 4
        return Instruction(at + size, writes=opcode - 0xB8 + 8 * (rex & BASE_BIT))
    return _with_operand(code, at, rex, narrow=narrow) if opcode in WITH_OPERAND else None


def _branch(code: memoryview, at: int, rex: int) -> Instruction | None:
    """Return a call, whose register is written, or a jump, whose end is where it leads to."""
    opcode = code[at - 1]
    if opcode == CALL:
        return Instruction(at + 4, calls=True)
    if opcode == INDIRECT:
        if code[at] >> 3 & 7 != CALL_EXTENSION:
            return None
        return Instruction(_behind_operand(code, at), writes=_operand(code[at], rex), calls=True)
    (distance,) = struct.unpack_from("<b" if opcode == JUMP_SHORT else "<i", code, at)
    return Instruction(at + (1 if opcode == JUMP_SHORT else 4) + distance)


def _with_operand(code: memoryview, at: int, rex: int, *, narrow: bool) -> Instruction:
    opcode, end = code[at - 1], _behind_operand(code, at)
    immediate = 2 if narrow and WITH_OPERAND[opcode] == 4 else WITH_OPERAND[opcode]
    extension, first, second = code[at] >> 3 & 7, _register(code[at], rex), _operand(code[at], rex)
    if opcode in COMPARISONS:
        return Instruction(end, compares=first if opcode == TEST and rex & WIDE and first == second else None)
    if opcode in {0x80, COMPARE_BYTE, COMPARE_LONG} and extension == COMPARE:
        value = int.from_bytes(code[end : end + immediate], "little")
        return Instruction(end + immediate, compares=second if rex & WIDE and value in SMALL else None)
    return Instruction(end + immediate, writes=first if opcode in TO_REGISTER else second)


def _extended(code: memoryview, at: int, rex: int) -> Instruction | None:
    opcode, at = code[at], at + 1
    if 0x80 <= opcode < 0x90:  # a jump on a condition
        return Instruction(at + 4)
    if opcode not in GENERAL | NO_OPERATION | VECTORS:
        return None
    end = _behind_operand(code, at)
    if opcode not in GENERAL:
        return Instruction(end)
    setting = 0x90 <= opcode < 0xA0
    return Instruction(end, writes=_operand(code[at], rex) if setting else _register(code[at], rex))


def _register(modrm: int, rex: int) -> int:
    return (modrm >> 3 & 7) + (8 if rex & REGISTER_BIT else 0)


def _operand(modrm: int, rex: int) -> int | None:
    """Return the register that the operand is; None for memory."""
    return (modrm & 7) + (8 if rex & BASE_BIT else 0) if modrm >> 6 == 3 else None


def _behind_operand(code: memoryview, at: int) -> int:
    """Return where the operand ends whose ModRM is at ``at``."""
    mode, place = code[at] >> 6, code[at] & 7
    at += 1
    if mode == 3:
        return at
    if place == 4:  # SIB
        place = code[at] & 7
        at += 1
    if mode == 0:
        return at + (4 if place == 5 else 0)
    return at + (1 if mode == 1 else 4)
