"""Finds, in megabytes of code, the few bytes that can be a displacement to one of a few addresses.

A displacement is an address minus the place that it stands at. Within a window of code its upper half can only have a
few values, so that a regular expression, which runs in C, finds the candidates; the caller verifies each exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

WINDOW: Final = 1024 * 1024  # bytes
CLUSTER: Final = 1024 * 1024  # bytes: targets that are closer together than this are looked for as one range
LONGEST: Final = 16  # bytes from the first that is searched for to the end of the instruction


def byte_class(values: Sequence[int]) -> bytes:
    """Return a regular expression for one byte of ``values``."""
    return b"[" + b"".join(b"\\x%02x" % value for value in values) + b"]"


def windows(size: int) -> Iterator[tuple[int, int]]:
    """Yield first and last offset of each window of ``size`` bytes."""
    return ((start, min(start + WINDOW, size)) for start in range(0, size, WINDOW))


def clusters(addresses: Sequence[int]) -> list[tuple[int, int]]:
    """Return the ranges that ``addresses`` lie in."""
    found: list[tuple[int, int]] = []
    for address in sorted(addresses):
        if found and address - found[-1][1] < CLUSTER:
            found[-1] = (found[-1][0], address)
        else:
            found.append((address, address))
    return found


def upper_halves(ranges: Sequence[tuple[int, int]], first: int, last: int) -> bytes | None:
    """Return a regular expression for bytes 2 and 3 of a displacement from code at ``first`` … ``last``.

    None where no displacement reaches so far.
    """
    by_top: dict[int, set[int]] = {}
    for low, high in ranges:
        lowest, highest = max(low - last - LONGEST, -(1 << 31)), min(high - first, (1 << 31) - 1)
        for half in range(lowest >> 16, (highest >> 16) + 1):
            by_top.setdefault(half >> 8 & 0xFF, set()).add(half & 0xFF)
    if not by_top:
        return None
    parts = (byte_class(sorted(lower)) + b"\\x%02x" % top for top, lower in sorted(by_top.items()))
    return b"(?:" + b"|".join(parts) + b")"


def candidates(code: memoryview, base: int, targets: Sequence[int], opcodes: bytes) -> Iterator[int]:
    """Yield the offset in ``code``, which lies at ``base``, of each 32-bit displacement that may lead to a target.

    ``opcodes`` is a regular expression for what stands before it.
    """
    ranges = clusters(targets)
    for start, end in windows(len(code)):
        upper = upper_halves(ranges, base + start, base + end)
        if upper is not None:
            # The look-ahead lets the next match begin inside of this one: bytes of an instruction may look like one.
            pattern = re.compile(opcodes + b"(?=.." + upper + b")", re.DOTALL)
            for match in pattern.finditer(code, start, min(end + LONGEST, len(code))):
                if match.start() < end:
                    yield match.end()
