"""What instructions of aarch64 do with registers that hold the content of a slot."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from glibc_guard.explain.aarch64 import LAST_SCRATCH, PAGE, WORD, displacement, page_distance, writes
from glibc_guard.explain.registers import Content, State, Uses, Ways
from glibc_guard.explain.x86 import Code

LAST_ARGUMENT: Final = 7
STACK: Final = 31
LINK: Final = 30


def is_load(code: Code, at: int) -> bool:
    """Tell whether the word at the offset ``at`` is LDR of 64 bits."""
    return at + 4 <= len(code.view) and WORD.unpack_from(code.view, at)[0] & 0xFFC00000 == 0xF9400000


class Function:
    """The code of one function."""

    def __init__(self, code: Code, start: int, end: int, slots: Collection[int]) -> None:
        """Look at the addresses from ``start`` to ``end``."""
        self._code, self._start, self._slots = code, start, slots
        self._end = min(end, code.base + len(code.view)) & ~3

    def addresses(self) -> Iterable[int]:
        """Return where instructions begin, in order."""
        return range(self._start, self._end, 4)

    def ways(self, at: int, state: State) -> Ways:
        """Return where it goes on behind the instruction ``at``."""
        word = self._word(at)
        if word >> 26 == 0x05:  # B
            return Ways(falls=False, target=at + _signed(word, 0, 26))
        if word & 0xFF000000 == 0x54000000 or word & 0x7E000000 == 0x34000000:  # B.cond, CBZ, CBNZ
            return Ways(target=at + _signed(word, 5, 19))
        if word & 0x7E000000 == 0x36000000:  # TBZ, TBNZ
            return Ways(target=at + _signed(word, 5, 14))
        if word & 0xFFFFFC1F == 0xD61F0000:  # BR
            return Ways(falls=False, anywhere=not isinstance(state.get(word >> 5 & 31), Content))
        return Ways(falls=word >> 16 != 0xD65F and word & 0xFFE0001F != 0xD4200000)  # RET, BRK

    def after(self, at: int, state: State) -> State:
        """Return what registers hold behind the instruction ``at``."""
        word = self._word(at)
        if word >> 26 == 0x25 or word & 0xFFFFFC1F == 0xD63F0000:  # BL, BLR
            return {one: held for one, held in state.items() if one > LAST_SCRATCH and one != LINK}
        value = self._value(at, word, state)
        if value is None and not any(writes(word, register) for register in state):
            return state
        found = {register: held for register, held in state.items() if not writes(word, register)}
        if value is not None:
            found[word & 31] = value
        return found

    def note(self, at: int, state: State, uses: Uses) -> None:
        """Add what the instruction ``at`` does with the content of slots."""
        word = self._word(at)
        target, first, second = word & 31, word >> 5 & 31, word >> 16 & 31
        goes = word & 0xFFDFFC1F == 0xD61F0000  # BR, BLR
        if goes or word & 0xFFC0001F == 0xF100001F:  # CMP with a constant
            uses.consume(state.get(first), at)
        if word & 0xFF20001F == 0xEB00001F:  # CMP
            uses.consume(state.get(first), at)
            uses.consume(state.get(second), at)
        if word & 0x7E000000 == 0x34000000:  # CBZ, CBNZ
            uses.consume(state.get(target), at)
        for register in _stored(word):
            if first == STACK:
                uses.keep(state.get(register))  # perhaps only put aside for a while
            else:
                uses.consume(state.get(register), at)
        if goes or word >> 26 in {0x05, 0x25}:
            for register in range(LAST_ARGUMENT + 1):
                uses.keep(state.get(register))

    def _value(self, at: int, word: int, state: State) -> int | Content | None:
        """Return what is in the register that the instruction writes; None where it is not known."""
        if word & 0x9F000000 == 0x90000000:  # ADRP
            return (at // PAGE + page_distance(word)) * PAGE
        if word & 0xFFE0FFE0 == 0xAA0003E0:  # MOV
            return state.get(word >> 16 & 31)
        base, more = state.get(word >> 5 & 31), displacement(word)
        if more is None or not isinstance(base, int):
            return None
        if word & 0xFFC00000 == 0x91000000:  # ADD
            return base + more
        known = word & 0xFFC00000 == 0xF9400000 and base + more in self._slots
        return Content(base + more, frozenset({at})) if known else None

    def _word(self, at: int) -> int:
        word: int = WORD.unpack_from(self._code.view, at - self._code.base)[0]
        return word


def _stored(word: int) -> tuple[int, ...]:
    """Return the general registers whose content an instruction stores."""
    if word & 0x3E400000 == 0x28000000:  # STP
        return word & 31, word >> 10 & 31
    atomic = word & 0x01200C00 == 0x00200000
    return (word & 31,) if word & 0x3EC00000 == 0x38000000 and not atomic else ()


def _signed(word: int, low: int, bits: int) -> int:
    """Return the distance in bytes that ``bits`` of ``word`` tell, from bit ``low`` on."""
    sign = 1 << (bits - 1)
    return (((word >> low & (1 << bits) - 1) ^ sign) - sign) * 4
