"""From an instruction that takes an address out of a slot to those that use it, which may be lines further on."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from glibc_guard.explain import aarch64_registers, x86_registers
from glibc_guard.explain.functions import Functions
from glibc_guard.explain.object_file import LoadedObject
from glibc_guard.explain.registers import Uses, uses_of
from glibc_guard.explain.x86 import Code

MOST_BYTES: Final = 32 * 1024  # of one function; a longer one is not followed
ALL_BYTES: Final = 512 * 1024  # of all functions of an object
X86_LOAD: Final = 0x8B


class Loads:
    """The functions of one object that keep the content of a slot in a register."""

    def __init__(self, loaded: LoadedObject, functions: Functions, slots: Collection[int]) -> None:
        """Follow what is taken out of ``slots``."""
        self._segments = [Code(base, view) for base, view in loaded.code()]
        self._functions, self._slots, self._left = functions, slots, ALL_BYTES
        self._architecture = loaded.header.architecture
        self._known: dict[tuple[int, int], Uses] = {}

    def used_at(self, address: int) -> set[int]:
        """Return where that is called or tested which is taken at ``address``; ``address`` itself where it is not."""
        bounds = self._functions.bounds(address)
        code = next((one for one in self._segments if one.base <= address < one.base + len(one.view)), None)
        if (
            bounds is None
            or code is None
            or bounds[1] - bounds[0] > MOST_BYTES
            or not self._may(code, address, bounds[1])
        ):
            return {address}
        if bounds not in self._known:
            self._left -= bounds[1] - bounds[0]
            self._known[bounds] = self._uses(code, *bounds) if self._left >= 0 else Uses()
        found = self._known[bounds]
        return found.consumed.get(address, set()) | ({address} if self._is_kept(found, address) else set())

    def _is_kept(self, found: Uses, address: int) -> bool:
        return address in found.kept or address not in found.consumed

    def _uses(self, code: Code, start: int, end: int) -> Uses:
        if self._architecture == "aarch64":
            return uses_of(aarch64_registers.Function(code, start, end, self._slots))
        wide = self._architecture == "x86_64"
        return uses_of(x86_registers.Function(code, start, end, self._slots, wide=wide))

    def _may(self, code: Code, address: int, end: int) -> bool:
        """Tell whether the instruction at ``address`` loads a register that is called further on; made to be cheap."""
        at = address - code.base
        if self._architecture == "aarch64":
            return aarch64_registers.is_load(code, at)
        if self._architecture not in {"x86_64", "i686"} or code.view[at] != X86_LOAD or at + 1 >= len(code.view):
            return False
        register = code.view[at + 1] >> 3 & 7
        calls = re.compile(rb"\xff[" + b"".join(re.escape(bytes([one | register])) for one in (0xD0, 0xE0)) + rb"]")
        return calls.search(code.view, at, min(end - code.base, len(code.view))) is not None
