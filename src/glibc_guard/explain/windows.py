"""Finds, in megabytes of code, the few bytes that can be a displacement to one of a few addresses.

A displacement is an address minus the place that it stands at. So its upper half, two bytes, tells to 64 KiB where it
can stand; and within a window of code the upper half can only have a few values. Either way a regular expression, which
runs in C, finds the candidates, and each is then verified exactly.
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

WINDOW: Final = 512 * 1024  # bytes
LOWEST, HIGHEST = -(1 << 31), (1 << 31) - 1  # of displacements
HALF: Final = 64 * 1024  # bytes that displacements with the same upper half span
CLUSTER: Final = HALF  # bytes: targets that are closer together than this are looked for as one range
MOST_PASSES: Final = 4  # over the code, half by half; to look for opcodes takes no longer than so many
FREQUENT: Final = frozenset({0x00, 0xFF})  # bytes that code is full of
LONGEST: Final = 16  # bytes from the first that is searched for to the end of the instruction


def byte_class(values: Sequence[int]) -> bytes:
    """Return a regular expression for one byte of ``values``."""
    return b"[" + b"".join(b"\\x%02x" % value for value in values) + b"]"


def windows(size: int) -> Iterator[tuple[int, int]]:
    """Yield first and last offset of each window of ``size`` bytes."""
    return ((start, min(start + WINDOW, size)) for start in range(0, size, WINDOW))


def clusters(addresses: Collection[int]) -> list[tuple[int, int]]:
    """Return the ranges that ``addresses`` lie in."""
    found: list[tuple[int, int]] = []
    for address in sorted(addresses):
        if found and address - found[-1][1] < CLUSTER:
            found[-1] = (found[-1][0], address)
        else:
            found.append((address, address))
    return found


def upper_halves(ranges: Sequence[tuple[int, int]], first: int, last: int) -> dict[int, list[int]]:
    """Return the values of byte 3 of a displacement from code at ``first`` … ``last``, and for each those of byte 2."""
    halves: set[int] = set()
    for low, high in ranges:
        lowest, highest = max(low - last - LONGEST, LOWEST), min(high - first, HIGHEST)
        halves.update(range(lowest >> 16, (highest >> 16) + 1))
    found: dict[int, list[int]] = {}
    for half in sorted(halves):
        found.setdefault(half >> 8 & 0xFF, []).append(half & 0xFF)
    return found


class Opcodes(Struct, frozen=True):
    """What stands before a displacement: ``last`` are the bytes just before it, ``openings`` the same more exactly."""

    last: bytes  # a regular expression for one byte
    openings: tuple[bytes, ...]  # regular expressions that begin with a fixed byte where that can be


def displacements(code: memoryview, base: int, targets: Collection[int], opcodes: Opcodes) -> Iterator[int]:
    """Yield the offset in ``code``, which lies at ``base``, of each 32-bit displacement that leads to a target.

    The place that it is counted from is its own end.
    """
    behind = base + 4
    ranges = [(low - behind, high - behind) for low, high in clusters(targets)]
    # By how far behind the beginning of the displacement a match ends.
    distances = {back: {target - behind + back for target in targets} for back in (0, 3, 4)}
    unpack = struct.Struct("<i").unpack_from
    for pattern, back, start, end in _searches(len(code), ranges, opcodes):
        sought = distances[back]
        yield from [
            place - back
            for match in pattern.finditer(code, start, end)
            if (place := match.end()) + unpack(code, place - back)[0] in sought
        ]


class _Search(NamedTuple):
    """What is looked for in a part of the code."""

    pattern: re.Pattern[bytes]
    back: int  # bytes from the beginning of a displacement to the end of the match
    start: int
    end: int


def _searches(size: int, ranges: Sequence[tuple[int, int]], opcodes: Opcodes) -> Iterator[_Search]:
    """Yield what finds displacements: by their upper byte where that is rare, else by two bytes or by opcodes."""
    by_half = sum(1 + (high - low) / HALF for low, high in ranges) <= MOST_PASSES
    if by_half:
        yield from _by_upper_half(size, ranges, opcodes)
    for start, end in windows(size):
        for top, lower in upper_halves(ranges, start, end).items():
            if top not in FREQUENT or not by_half:
                for pattern, back in _patterns(opcodes, byte_class(lower) + b"\\x%02x" % top, top):
                    yield _Search(pattern, back, start, min(end + LONGEST, size))


def _by_upper_half(size: int, ranges: Sequence[tuple[int, int]], opcodes: Opcodes) -> Iterator[_Search]:
    """Yield a search for each upper half with a frequent byte, of where what has it leads into a range."""
    for low, high in ranges:
        for half in range(max(low - size, LOWEST) // HALF, min(high, HIGHEST) // HALF + 1):
            first, last = max(low - half * HALF - HALF + 1, 0), min(high - half * HALF, size - 4)
            if half >> 8 & 0xFF in FREQUENT and first <= last:
                yield _Search(_upper_half(half & 0xFFFF, opcodes.last), 3, first + 2, last + 4)


@functools.lru_cache(1024)
def _upper_half(half: int, last: bytes) -> re.Pattern[bytes]:
    # One byte and what stands around it: so the next match may begin at the very next byte.
    return re.compile(b"\\x%02x(?=\\x%02x)(?<=%b...)" % (half & 0xFF, half >> 8, last), re.DOTALL)


def _patterns(opcodes: Opcodes, upper: bytes, top: int) -> Iterator[tuple[re.Pattern[bytes], int]]:
    """Yield patterns whose matches end so many bytes behind the beginning of a displacement."""
    if top in FREQUENT:
        for opening in opcodes.openings:  # looking ahead, so that the next match may begin inside of this one
            yield re.compile(opening + b"(?=.." + upper + b")", re.DOTALL), 0
    else:  # one fixed byte that is rare is found several times faster than one of a class
        yield re.compile(b"\\x%02x(?<=" % top + opcodes.last + b".." + upper + b")", re.DOTALL), 4
