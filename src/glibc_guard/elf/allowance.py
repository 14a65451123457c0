"""How much the objects of one artifact may ask for together: tables that name each other make small files large."""

from __future__ import annotations

import threading

from glibc_guard.elf.errors import ElfError
from glibc_guard.limits import Limits, beyond


class Allowance:
    """What is left of the limits; several threads take from it."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Begin with all that ``limits`` allow."""
        self.limits = limits or Limits()
        self._symbols = self._names = 0
        self._lock = threading.Lock()

    def take_symbols(self, count: int) -> None:
        """Take so many symbols; raises ElfError where they are not left."""
        with self._lock:
            self._symbols += count
            if self._symbols > self.limits.symbols:
                what = f"{count} dynamic symbols, with those of the objects before {self._symbols}"
                self._symbols -= count
                raise ElfError(f"{beyond(what, 'symbols', self.limits.symbols)}; or a count in the object lies")

    def take_names(self, size: int) -> None:
        """Take so many bytes of names; raises ElfError where they are not left."""
        with self._lock:
            self._names += size
            if self._names > self.limits.names_bytes:
                self._names -= size
                what = "the names in the objects of this artifact take too many bytes"
                raise ElfError(beyond(what, "names_bytes", self.limits.names_bytes))
