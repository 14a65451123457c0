"""How much of the debug information of one object is gone through at most."""

from __future__ import annotations

from typing import Final

from glibc_guard.elf.dwarf import DwarfError

#: Bytes of entries and of line programs. Only the units of wanted addresses count.
WORK_BYTES: Final = 192 * 1024 * 1024


class Budget:
    """What is left."""

    def __init__(self, limit: int = WORK_BYTES) -> None:
        """Allow ``limit`` bytes."""
        self._left = limit
        self.spent = False

    def take(self, size: int) -> None:
        """Take ``size`` bytes.

        Raises:
            DwarfError: so much is not left; what costs less may still be.
        """
        if size > self._left:
            self.spent = True
            raise DwarfError
        self._left -= size
