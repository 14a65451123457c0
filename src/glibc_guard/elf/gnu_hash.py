"""The hash of symbol names that DT_GNU_HASH is built on (``_dl_new_hash`` of glibc), of many names at once.

It is 5381 and the bytes of the name, read as the digits of a number to the base 33, modulo 2**32. A table of 30,000 C++
names would take a quarter of a second byte by byte. Here names of about one length lie side by side in one integer,
each in a lane of 64 bits, so that one multiplication moves all of them on by eight bytes.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import Final

START, BASE, MODULUS = 5381, 33, 2**32
SEED: Final = bytes((START // BASE, START % BASE)).decode("latin-1")  # the start as the first two digits
STEP: Final = 8  # bytes of a lane
LANES: Final = 1024  # more do not fit into the cache of a processor
WORDS: Final = 128 * 1024  # lanes of all names that are held at once: a name may be long
FEW: Final = 6  # names that are done sooner one by one
ENOUGH: Final = 64  # names of one group
TOLERANCE: Final = 8  # names of such a group differ in length by an eighth


def _mask(pattern: bytes) -> int:
    return int.from_bytes(pattern * (LANES * STEP // len(pattern)), "big")


SECOND_OF_2, SECOND_OF_4, SECOND_OF_8 = _mask(b"\0\xff"), _mask(b"\0\0\xff\xff"), _mask(b"\0\0\0\0\xff\xff\xff\xff")
FROM_2, FROM_4, FROM_8 = 2**8 - BASE, 2**16 - BASE**2, 2**32 - BASE**4
NEXT_LANE: Final = BASE**STEP % MODULUS


def gnu_hashes(names: Sequence[str]) -> list[int]:
    """Return the hash of each of ``names``, whose characters stand for bytes (Latin-1)."""
    found = [0] * len(names)
    for lanes, indexes in _groups(names):
        together = min(LANES, max(1, WORDS // max(1, lanes)))
        for at in range(0, len(indexes), together):
            some = indexes[at : at + together]
            hashes = _side_by_side([names[i] for i in some], lanes) if lanes else [_one(names[i]) for i in some]
            for index, value in zip(some, hashes, strict=True):
                found[index] = value
    return found


def _groups(names: Sequence[str]) -> Iterator[tuple[int, list[int]]]:
    """Yield how many lanes each of some names takes at most, and their indexes; 0 for a rest that is not worth it."""
    by_lanes: dict[int, list[int]] = {}
    for index, name in enumerate(names):
        lanes = (len(name) + len(SEED) + STEP - 1) // STEP
        if lanes in by_lanes:
            by_lanes[lanes].append(index)
        else:
            by_lanes[lanes] = [index]
    waiting: list[int] = []
    first = before = 0
    for lanes in sorted(by_lanes):
        tolerance = first // TOLERANCE if len(waiting) >= ENOUGH else STEP + 3 * first
        if waiting and lanes > first + tolerance:
            yield _worth_it(before, waiting), waiting
            waiting = []
        if not waiting:
            first = lanes
        waiting += by_lanes[lanes]
        before = lanes
    yield _worth_it(before, waiting), waiting


def _worth_it(lanes: int, names: Sequence[int]) -> int:
    return lanes if len(names) >= FEW else 0


def _one(name: str) -> int:
    value = START
    for byte in name.encode("latin-1"):
        value = (value * BASE + byte) % MODULUS
    return value


def _side_by_side(names: Sequence[str], lanes: int) -> Sequence[int]:
    """Return the hashes of names that take so many lanes at most, filled up in front with zeros."""
    size = lanes * STEP
    padding = {length: chr(0) * (size - length - len(SEED)) + SEED for length in set(map(len, names))}
    words = memoryview("".join([padding[len(name)] + name for name in names]).encode("latin-1")).cast("Q")
    total = 0
    for lane in range(lanes):
        # Two digits a, b of 8 bits are a * 256 + b, and become a * 33 + b; then so with pairs and with fours.
        value = int.from_bytes(words[lane::lanes].tobytes(), "big")
        value -= (value >> 8 & SECOND_OF_2) * FROM_2
        value -= (value >> 16 & SECOND_OF_4) * FROM_4
        value -= (value >> 32 & SECOND_OF_8) * FROM_8
        total = (total & SECOND_OF_8) * NEXT_LANE + value
    hashes = array("I", total.to_bytes(STEP * len(names), "big"))[1::2]
    if sys.byteorder == "little":
        hashes.byteswap()
    return hashes
