"""Decodes single instructions of x86_64 and i686: how long they are, their operands, and which registers they write.

Intel's Software Developer's Manual, volume 2, chapter 2 and appendix A, for the maps of opcodes.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

AX, CX, DX, SP, BP, SI, DI = 0, 1, 2, 4, 5, 6, 7
INSTRUCTION_POINTER, NOTHING = 16, 17  # as a base; that of an absolute address
ALL: Final = (1 << 16) - 1
NONE: Final = 0

PREFIXES: Final = frozenset({0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3})
SEGMENTS: Final = frozenset({0x64, 0x65})
MOST_PREFIXES: Final = 14
SECOND, THIRD_38, THIRD_3A = 0x100, 0x200, 0x300  # added to the opcodes behind 0F, 0F 38, 0F 3A

#: Opcodes with a ModRM byte, of the first map …
_ARITHMETIC: Final = frozenset(row + column for row in range(0, 0x40, 8) for column in range(4))
_WITH_MODRM: Final = _ARITHMETIC | frozenset(
    {0x62, 0x63, 0x69, 0x6B, *range(0x80, 0x90), 0xC0, 0xC1, 0xC4, 0xC5, 0xC6, 0xC7, *range(0xD0, 0xD4)}
    | {*range(0xD8, 0xE0), 0xF6, 0xF7, 0xFE, 0xFF}
)
#: … and those behind 0F that have none.
_WITHOUT_MODRM: Final = frozenset(
    {0x05, 0x06, 0x07, 0x08, 0x09, 0x0B, 0x0E, *range(0x30, 0x38), 0x77, *range(0x80, 0x90)}
    | {0xA0, 0xA1, 0xA2, 0xA8, 0xA9, 0xAA, *range(0xC8, 0xD0)}
)
_BYTE: Final = frozenset(
    {*range(0x04, 0x40, 8), 0x6A, 0x6B, *range(0x70, 0x81), 0x82, 0x83, 0xA8, *range(0xB0, 0xB8), 0xC0, 0xC1, 0xC6}
    | {0xCD, 0xD4, 0xD5, *range(0xE0, 0xE8), 0xEB}
    | {SECOND + one for one in (0x0F, 0x70, 0x71, 0x72, 0x73, 0xA4, 0xAC, 0xBA, 0xC2, 0xC4, 0xC5, 0xC6)}
)
_OPERAND_SIZED: Final = frozenset(
    {*range(0x05, 0x40, 8), 0x68, 0x69, 0x81, 0xA9, 0xC7, 0xE8, 0xE9, *range(0xB8, 0xC0)}
    | {SECOND + one for one in range(0x80, 0x90)}
)
_OTHER_SIZES: Final = {0xC2: 2, 0xCA: 2, 0xC8: 3}
_NOT_IN_64_BITS: Final = frozenset(
    {0x06, 0x07, 0x0E, 0x16, 0x17, 0x1E, 0x1F, 0x27, 0x2F, 0x37, 0x3F, 0x60, 0x61, 0x62, 0x82, 0x9A, 0xCE}
    | {0xD4, 0xD5, 0xD6, 0xEA}
)
_BRANCHES: Final = frozenset({0xE8, 0xE9, *(SECOND + one for one in range(0x80, 0x90))})


class Instruction(Struct, frozen=True):
    """One instruction; of its operands what there is of them."""

    size: int  # bytes
    opcode: int
    register: int = 0  # of the ModRM byte, a register or an extension of the opcode, or of the opcode itself
    operand: int | None = None  # the register that is the other operand; None where that lies in memory
    base: int | None = None  # register of an operand in memory, whose address is that and the displacement
    displacement: int = 0
    immediate: int = 0
    writes: int = ALL  # the general registers that it may write, as bits; those of a function that it calls not
    lead: int = 0  # bytes of prefixes
    whole: bool = True  # whether its operands are no halves of registers


def decode(code: bytes, at: int, *, wide: bool) -> Instruction | None:
    """Return the instruction at ``at``, of x86_64 if ``wide``; None where it is none, or of a kind not known here."""
    try:
        return _decode(code, at, wide=wide)
    except IndexError:
        return None


def _decode(code: bytes, start: int, *, wide: bool) -> Instruction | None:  # noqa: C901, PLR0912, PLR0915  # one format
    at, rex, short, odd = start, 0, False, False
    while code[at] in PREFIXES:
        short |= code[at] == 0x66
        odd |= code[at] in SEGMENTS or code[at] == 0x67
        at += 1
        if at - start > MOST_PREFIXES:
            return None
    if wide and code[at] & 0xF0 == 0x40:
        rex = code[at]
        at += 1
    lead, opcode = at - start, code[at]
    at += 1
    vector = opcode in {0xC4, 0xC5, 0x62} and (wide or code[at] >= 0xC0)
    third = 0  # the register that only such instructions have
    if vector:
        table = 1
        if opcode == 0xC5:
            rex = 0 if code[at] & 0x80 else 4
            third = ~code[at] >> 3 & 15
        else:
            rex = ~code[at] >> 5 & 7
            table = code[at] & (31 if opcode == 0xC4 else 7)
            third = ~code[at + 1] >> 3 & 15
        at += {0xC5: 1, 0xC4: 2, 0x62: 3}[opcode]
        if table not in {1, 2, 3, 5, 6}:
            return None
        opcode = code[at] + 0x100 * table
        at += 1
    elif opcode == 0x0F:
        opcode = SECOND + code[at]
        at += 1
        if opcode in {SECOND + 0x38, SECOND + 0x3A}:
            opcode = (THIRD_38 if opcode == SECOND + 0x38 else THIRD_3A) + code[at]
            at += 1
    elif wide and opcode in _NOT_IN_64_BITS:
        return None
    register, operand, base, displacement = opcode & 7 | (rex & 1) << 3, None, None, 0
    if opcode in _WITH_MODRM if opcode < SECOND else opcode >= THIRD_38 or opcode - SECOND not in _WITHOUT_MODRM:
        modrm = code[at]
        at += 1
        mode, register, rm = modrm >> 6, modrm >> 3 & 7 | (rex & 4) << 1, modrm & 7
        if mode == 3:
            operand = rm | (rex & 1) << 3
        else:
            if odd and not wide and 0x67 in code[start:at]:
                return None  # addresses of 16 bits
            size = (0, 1, 4)[mode]
            base = rm | (rex & 1) << 3
            if rm == 4:
                base, index = code[at] & 7 | (rex & 1) << 3, code[at] >> 3 & 7 | (rex & 2) << 2
                size = 4 if mode == 0 and base & 7 == 5 else size
                base = None if index != 4 or (mode == 0 and base & 7 == 5) else base
                at += 1
            elif mode == 0 and rm == 5:
                base, size = INSTRUCTION_POINTER if wide else NOTHING, 4
            displacement = int.from_bytes(code[at : at + size], "little", signed=True)
            at += size
            if odd:
                base = None
    size = _immediate_size(opcode, register, rex, short=short, wide=wide)
    immediate = int.from_bytes(code[at : at + size], "little", signed=True)
    at += size
    if at > len(code):
        return None
    writes = (
        _written_by_vector(opcode, register, operand, third)
        if vector or opcode >= THIRD_38
        else _written(opcode, register, operand, rex, wide=wide)
    )
    return Instruction(at - start, opcode, register, operand, base, displacement, immediate, writes, lead, not short)


def _immediate_size(opcode: int, register: int, rex: int, *, short: bool, wide: bool) -> int:  # noqa: PLR0911
    if opcode in _BYTE or 0x300 <= opcode < 0x400:
        return 1
    if opcode in _OPERAND_SIZED:
        if rex & 8 and 0xB8 <= opcode < 0xC0:
            return 8
        return 2 if short and not (wide and opcode in _BRANCHES) and not rex & 8 else 4
    if opcode in {0xF6, 0xF7}:
        return 0 if register & 7 > 1 else 1 if opcode == 0xF6 else 2 if short and not rex & 8 else 4
    if 0xA0 <= opcode <= 0xA3:
        return 8 if wide else 4
    if opcode in {0x9A, 0xEA}:
        return 6
    return _OTHER_SIZES.get(opcode, 0)


def _bits(*registers: int | None) -> int:
    found = 0
    for register in registers:
        if register is not None:
            found |= 1 << register
    return found


def _written(opcode: int, register: int, operand: int | None, rex: int, *, wide: bool) -> int:  # noqa: C901, PLR0911, PLR0912
    """Return the general registers that an instruction may write: too many where it is not known here."""
    if opcode >= SECOND:
        return _written_by_second(opcode - SECOND, register, operand, rex)
    low = opcode & 7 | (rex & 1) << 3
    # Even opcodes are of bytes; without REX the registers 4 … 7 of one byte are the second bytes of 0 … 3.
    other = _parent(operand) if opcode & 1 == 0 else operand
    if opcode < 0x40:
        if opcode >= 0x38 or opcode & 7 > 5:
            return NONE if opcode >= 0x38 else ALL
        return (_bits(operand, other), _bits(register, register & 3 if opcode & 1 == 0 else register), _bits(AX))[
            (opcode & 7) >> 1
        ]
    if opcode < 0x50:
        return _bits(low)
    if opcode < 0x60:
        return NONE if opcode < 0x58 else _bits(low)
    if opcode in {0x68, 0x6A, 0x84, 0x85, 0x90, 0xA8, 0xA9, 0xC2, 0xC3, 0xCC, 0xE8, 0xE9, 0xEB, 0xF4}:
        return NONE
    if 0x70 <= opcode < 0x80:
        return NONE
    if opcode in {0x63, 0x69, 0x6B, 0x8A, 0x8B, 0x8D}:
        return NONE if opcode == 0x63 and not wide else _bits(register, register & 3 if opcode == 0x8A else register)
    if 0x80 <= opcode <= 0x83:
        return NONE if register & 7 == 7 else _bits(operand, other)
    if opcode in {0x86, 0x87}:
        return _bits(register, register & 3, operand, other)
    if opcode in {0x88, 0x89, 0x8F, 0xC0, 0xC1, 0xC6, 0xC7, 0xD0, 0xD1, 0xD2, 0xD3}:
        return _bits(operand, other)
    if 0x91 <= opcode < 0x98:
        return _bits(AX, low)
    if opcode in {0x98, 0x99}:
        return _bits(AX, DX)
    if 0xA0 <= opcode < 0xA4:
        return _bits(AX) if opcode < 0xA2 else NONE
    if 0xA4 <= opcode < 0xB0:
        return _bits(AX, CX, SI, DI)
    if 0xB0 <= opcode < 0xC0:
        return _bits(low, low & 3 if opcode < 0xB8 else low)
    if opcode == 0xC9:
        return _bits(SP, BP)
    if 0xD8 <= opcode < 0xE0:
        return _bits(AX)  # FNSTSW
    if 0xE0 <= opcode < 0xE4:
        return _bits(CX)
    if opcode in {0xF6, 0xF7}:
        extension = register & 7
        return NONE if extension < 2 else _bits(operand, other) if extension < 4 else _bits(AX, DX)
    if opcode in {0xFE, 0xFF}:
        return _bits(operand, other) if register & 7 < 2 else NONE
    return ALL


def _parent(operand: int | None) -> int | None:
    return None if operand is None else operand & 3


def _written_by_second(opcode: int, register: int, operand: int | None, rex: int) -> int:  # noqa: PLR0911
    """Return the same of the map behind 0F."""
    if (
        opcode in {0x2C, 0x2D, 0x50, 0xC5, 0xD7, 0xAF, 0xB6, 0xB7, 0xB8, 0xBC, 0xBD, 0xBE, 0xBF}
        or 0x40 <= opcode < 0x50
    ):
        return _bits(register)
    if opcode in {0x7E, 0xA4, 0xA5, 0xAB, 0xAC, 0xAD, 0xB3, 0xBB}:
        return _bits(operand)
    if 0x90 <= opcode < 0xA0:
        return _bits(operand, _parent(operand))
    if opcode == 0xBA:
        return NONE if register & 7 == 4 else _bits(operand)
    if opcode in {0xB0, 0xB1, 0xC0, 0xC1}:
        return _bits(AX, register, register & 3, operand, _parent(operand))
    if opcode == 0xC7:
        return _bits(AX, DX, operand)
    if 0xC8 <= opcode < 0xD0:
        return _bits(opcode & 7 | (rex & 1) << 3)
    if opcode == 0x1E:  # RDSSP, or ENDBR and hints
        return _bits(operand)
    quiet = 0x10 <= opcode < 0x20 or 0x28 <= opcode < 0x30 or 0x51 <= opcode < 0x90 or opcode in {0x0B, 0x0D, 0xA3}
    return NONE if quiet or opcode in {0xAE, 0xC2, 0xC3, 0xC4, 0xC6} or opcode >= 0xD0 else ALL


def _written_by_vector(opcode: int, register: int, operand: int | None, third: int) -> int:
    """Return the same of instructions with VEX or EVEX, and of the maps behind 0F 38 and 0F 3A."""
    table, low = opcode >> 8, opcode & 0xFF
    if table == 1:
        return (
            _bits(register)
            if low in {0x2C, 0x2D, 0x50, 0x92, 0x93, 0xC5, 0xD7}
            else _bits(operand)
            if low == 0x7E
            else NONE
        )
    if (table == 2 and low >= 0xF0) or (table == 3 and (0x14 <= low <= 0x17 or low >= 0xF0)) or table > 3:
        return _bits(register, operand, third)
    return NONE
