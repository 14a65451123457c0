"""How much of the debug information of one object is gone through at most, so that a hostile one costs seconds."""

from __future__ import annotations

import time
from typing import Final

from glibc_guard.elf.dwarf import DwarfError

#: Bytes of entries and of line programs, mostly of the units of wanted addresses. What costs more time or memory than
#: such a byte, as it is gone through or kept, counts as so many bytes.
WORK_BYTES: Final = 192 * 1024 * 1024
OF_HEADER, OF_UNIT, OF_ABBREVIATION, OF_ATTRIBUTE, OF_ENTRY = 64, 256, 256, 16, 32
OF_RANGE, OF_KNOWN_RANGE, OF_KEPT_RANGE, OF_FILE = 64, 8, 128, 128
#: Of the processor, for one object: entries of a byte each cost more than others.
WORK_SECONDS: Final = 10.0
BETWEEN_LOOKS: Final = 1024 * 1024  # bytes after which the clock is looked at


class Budget:
    """What is left; one thread takes from it."""

    def __init__(self, limit: int = WORK_BYTES, seconds: float = WORK_SECONDS) -> None:
        """Allow ``limit`` bytes and ``seconds`` of this thread."""
        self._left, self._unseen, self._seconds = limit, 0, seconds
        self._start: float | None = None
        self.spent = False

    def take(self, size: int) -> None:
        """Take ``size`` bytes.

        Raises:
            DwarfError: so much is not left; what costs less may still be. Or the time is over.
        """
        if size > self._left:
            self.spent = True
            raise DwarfError
        self._left -= size
        self._unseen += size
        if self._unseen >= BETWEEN_LOOKS:
            self.look()

    def look(self) -> None:
        """Look at the clock.

        Raises:
            DwarfError: the time is over.
        """
        self._unseen = 0
        now = time.thread_time()
        self._start = now if self._start is None else self._start
        if now - self._start > self._seconds:
            self.spent = True
            self._left = 0
            raise DwarfError
