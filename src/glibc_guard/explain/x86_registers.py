"""What x86_64 and i686 do with registers that hold the content of a slot, or the address of the table of slots."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Final

from glibc_guard.explain.registers import Content, State, Uses, Ways
from glibc_guard.explain.x86 import MASK, Code
from glibc_guard.explain.x86_instructions import (
    AX,
    BP,
    CX,
    DI,
    DX,
    INSTRUCTION_POINTER,
    NOTHING,
    SECOND,
    SI,
    SP,
    Instruction,
    decode,
)

PUSHED: Final = 18  # beside the registers: what a call to the next instruction leaves on the stack
SCRATCH: Final = {True: (AX, CX, DX, SI, DI, 8, 9, 10, 11), False: (AX, CX, DX)}  # lost in a call: x86_64, i686
ARGUMENTS: Final = (DI, SI, DX, CX, 8, 9)  # of x86_64
THUNK: Final = re.compile(rb"(?:\xf3\x0f\x1e\xfb)?\x8b([\x04\x0c\x14\x1c\x2c\x34\x3c])\x24\xc3", re.DOTALL)
CALL, INDIRECT, JUMPS, RETURNS = 0xE8, 0xFF, frozenset({0xE9, 0xEB}), frozenset({0xC2, 0xC3})
STOPS: Final = frozenset({0xCC, 0xF4, SECOND + 0x0B, SECOND + 0xB9})
CONDITIONAL: Final = frozenset({*range(0x70, 0x80), *range(0xE0, 0xE4), *range(SECOND + 0x80, SECOND + 0x90)})
MOVE, STORE, LOAD_ADDRESS, ADD_TO_AX = 0x8B, 0x89, 0x8D, 0x05
WITH_IMMEDIATE: Final = frozenset({0x81, 0x83})
TESTS: Final = frozenset({0x39, 0x3B, 0x85})
PUSHES, POPS = range(0x50, 0x58), range(0x58, 0x60)

#: ``add`` of a constant to a register, as it makes the address of the table from that of an instruction.
ADD: Final = re.compile(rb"(?:\x81[\xc0-\xc7]|\x05)(?=(....))", re.DOTALL)
TAKES_TABLE: Final = re.compile(rb"\xe8(?=(....)[\x58-\x5f]?.{0,8}?(?:\x81[\xc0-\xc7]|\x05)(....))", re.DOTALL)
MOST_BYTES: Final = 64 * 1024  # of a function that is followed


def table_of(code: Code) -> int | None:
    """Return the address that most functions make of their own (i686): that of the table, where none is told."""
    found: Counter[int] = Counter()
    for match in TAKES_TABLE.finditer(code.view):
        distance, more = (int.from_bytes(one, "little", signed=True) for one in match.groups())
        behind = match.start() + 5
        if distance == 0 or THUNK.match(code.behind(behind + distance)):
            found[code.base + behind + more & MASK] += 1
    return max(found, key=found.__getitem__, default=None)


def takes_table(code: Code, start: int, end: int, table: int) -> bool:
    """Tell whether the function from ``start`` to ``end`` may make the address ``table`` of its own (i686)."""
    if end - start > MOST_BYTES:
        return False
    found = ADD.finditer(code.view, max(0, start - code.base), max(0, end - code.base))
    return any(start <= (table - int.from_bytes(one[1], "little")) & MASK <= end for one in found)


class Function:
    """The code of one function."""

    def __init__(self, code: Code, start: int, end: int, slots: Collection[int], *, wide: bool) -> None:
        """Look at the addresses from ``start`` to ``end``, of x86_64 if ``wide``."""
        self._code, self._start, self._slots, self._wide = code, start, slots, wide
        self._bytes = bytes(code.view[start - code.base : end - code.base])
        self._decoded: dict[int, Instruction] = {}

    def addresses(self) -> Iterable[int] | None:
        """Return where instructions begin, in order; None where one is not known."""
        at = 0
        while at < len(self._bytes):
            found = decode(self._bytes, at, wide=self._wide)
            if found is None:
                return None
            self._decoded[self._start + at] = found
            at += found.size
        return self._decoded

    def ways(self, at: int, state: State) -> Ways:
        """Return where it goes on behind the instruction ``at``."""
        one = self._decoded[at]
        if one.opcode in JUMPS:
            return Ways(falls=False, target=at + one.size + one.immediate)
        if one.opcode in CONDITIONAL:
            return Ways(target=at + one.size + one.immediate)
        if one.opcode == INDIRECT and one.register & 7 == 4:
            known = isinstance(state.get(one.operand or 0), Content) if one.operand is not None else False
            return Ways(falls=False, anywhere=not known and self._slot(at, one, state) is None)
        return Ways(falls=one.opcode not in RETURNS and one.opcode not in STOPS)

    def after(self, at: int, state: State) -> State:
        """Return what registers hold behind the instruction ``at``."""
        one = self._decoded[at]
        if one.opcode == CALL or (one.opcode == INDIRECT and one.register & 7 == 2):
            return self._after_call(at, one, state)
        value = self._value(at, one, state) if one.whole else None
        if value is None and PUSHED not in state and not any(one.writes >> register & 1 for register in state):
            return state
        found = {register: held for register, held in state.items() if not one.writes >> register & 1}
        found.pop(PUSHED, None)
        if value is not None:
            found[one.writes.bit_length() - 1] = value
        return found

    def note(self, at: int, state: State, uses: Uses) -> None:
        """Add what the instruction ``at`` does with slots; it is told by its opcode, without prefixes."""
        one = self._decoded[at]
        slot = self._slot(at, one, state)
        if slot is not None:
            uses.slots[at + one.lead] = slot
        operand = None if one.operand is None else state.get(one.operand)
        calls = one.opcode == INDIRECT and one.register & 7 in {2, 4}
        if calls or one.opcode in TESTS or (one.opcode in WITH_IMMEDIATE and one.register & 7 == 7):
            uses.consume(operand, at + one.lead)
        if one.opcode in TESTS or one.opcode in PUSHES:
            uses.consume(state.get(one.register), at + one.lead)
        if one.opcode == STORE and one.operand is None:
            if one.base in {None, SP, BP}:
                uses.keep(state.get(one.register))  # perhaps only put aside for a while
            else:
                uses.consume(state.get(one.register), at + one.lead)
        if self._wide and (calls or one.opcode == CALL or one.opcode in JUMPS):
            for register in ARGUMENTS:
                uses.keep(state.get(register))

    def _slot(self, at: int, one: Instruction, state: State) -> int | None:
        """Return the slot that an operand of ``one`` lies in."""
        if one.base is None or one.opcode == LOAD_ADDRESS:
            return None
        if one.base == INSTRUCTION_POINTER:
            address = at + one.size + one.displacement
        elif one.base == NOTHING:
            address = one.displacement & MASK
        else:
            base = state.get(one.base)
            if not isinstance(base, int):
                return None
            address = base + one.displacement & MASK
        return address if address in self._slots else None

    def _value(self, at: int, one: Instruction, state: State) -> int | Content | None:
        """Return what is in the only register that ``one`` writes; None where it is not known."""
        if one.opcode == MOVE and one.operand is None:
            slot = self._slot(at, one, state)
            return None if slot is None else Content(slot, frozenset({at + one.lead}))
        if one.opcode in {MOVE, STORE} and one.operand is not None:
            return state.get(one.operand if one.opcode == MOVE else one.register)
        return state.get(PUSHED) if one.opcode in POPS else _made_address(one, state) if not self._wide else None

    def _after_call(self, at: int, one: Instruction, state: State) -> State:
        behind = at + one.size
        found = dict(state)
        found.pop(PUSHED, None)
        if one.opcode == CALL and not self._wide:
            if one.immediate == 0:
                return found | {PUSHED: behind}
            thunk = THUNK.match(self._code.behind(behind + one.immediate - self._code.base))
            if thunk:
                return found | {thunk[1][0] >> 3: behind}
        for register in SCRATCH[self._wide]:
            found.pop(register, None)
        return found


def _made_address(one: Instruction, state: State) -> int | None:
    """Return what an instruction adds up; None where it is not known."""
    if one.opcode == LOAD_ADDRESS and one.base is not None:
        return _sum(state.get(one.base), one.displacement)
    if one.opcode == ADD_TO_AX:
        return _sum(state.get(AX), one.immediate)
    if one.opcode in WITH_IMMEDIATE and one.register & 7 == 0 and one.operand is not None:
        return _sum(state.get(one.operand), one.immediate)
    return None


def _sum(value: int | Content | None, more: int) -> int | None:
    return value + more & MASK if isinstance(value, int) else None
