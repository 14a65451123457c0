"""The search for displacements beside one that looks at every byte: edges of spans, and places that overlap."""

import random
import re
import struct
from collections.abc import Collection

import pytest

from glibc_guard.explain.windows import HALF, WINDOW, Opcodes, displacements
from glibc_guard.explain.x86 import BRANCHES, MEMORY_OPERANDS

BASE = 0x4000_0000
SIZE = 3 * HALF + 1000
#: How far behind the beginning of the code targets lie, and what that makes of the bytes of displacements.
DISTANCES = {
    "just before": [-0x20],
    "just behind": [SIZE + 0x20],
    "inside": [SIZE // 2],
    "in two directions": [-0x100, SIZE + 0x100],
    "both upper bytes alike": [0x0101_8000],
    "a rare upper byte": [0x0234_5678],
    "a rare one, backwards": [-0x0345_6789],
    "a frequent one and a rare one": [0x00FF_F000 + SIZE, 0x0100_0800],
    "close together": [0x40_0000, 0x40_0008, 0x40_0FF0],
    "as far apart as a half": [0x40_0000, 0x40_0000 + HALF - 1, 0x40_0000 + HALF, 0x40_0000 + 2 * HALF],
    "too many for halves": [0x40_0000 + 3 * HALF * number for number in range(6)],
    "too wide for halves": [0x40_0000 + HALF // 2 * number for number in range(12)],
    "as far as can be": [0x7FFF_FFFF, SIZE - 0x7FFF_FFFF],
    "out of reach": [0x1_0000_0000],
}
EDGES = (0, HALF, 2 * HALF, SIZE)


def planted(targets: Collection[int], opcode: bytes, seed: int) -> bytearray:
    """Return noise, in which instructions lead to the targets, some of them inside of others."""
    chance = random.Random(seed)  # noqa: S311  # the same each time
    code = bytearray(chance.choices(b"\x00\x01\x02\x05\x0f\x40\x80\xe8\xe9\xfc\xfe\xff", k=SIZE))
    places = [(edge + more, target) for edge in EDGES for more in range(-12, 13) for target in targets]
    places += [(at, chance.choice([*targets])) for at in chance.sample(range(SIZE), 500)]
    chance.shuffle(places)
    # Last of all, so that they are whole: those at which the upper half of a displacement becomes another.
    places += [((target - BASE - 4) % HALF + more + HALF, target) for target in targets for more in (-10, 0, 10)]
    for at, target in places:
        if len(opcode) <= at <= SIZE - 4 and -(1 << 31) <= target - BASE - at - 4 < 1 << 31:
            code[at - len(opcode) : at + 4] = opcode + struct.pack("<i", target - BASE - at - 4)
    return code


def one_by_one(code: bytes, targets: set[int], opcodes: Opcodes) -> set[int]:
    """Return what `displacements` has to find, by a look at every place."""
    before = re.compile(b"(?:" + b"|".join(opcodes.openings) + rb")\Z", re.DOTALL)
    leading = (at for at in range(len(code) - 3) if BASE + at + 4 + struct.unpack_from("<i", code, at)[0] in targets)
    return {at for at in leading if before.search(code, max(0, at - 2), at)}


@pytest.mark.parametrize(
    ("opcodes", "opcode"),
    [(BRANCHES, b"\xe8"), (BRANCHES, b"\xe9"), (BRANCHES, b"\x0f\x84"), (MEMORY_OPERANDS, b"\x8b\x05")],
)
@pytest.mark.parametrize("distances", DISTANCES.values(), ids=DISTANCES)
def test_every_one_is_found(distances: list[int], opcodes: Opcodes, opcode: bytes) -> None:
    targets = {BASE + distance for distance in distances}
    code = bytes(planted(targets, opcode, len(distances)))
    expected = one_by_one(code, targets, opcodes)
    found = set(displacements(memoryview(code), BASE, targets, opcodes))
    assert expected <= found
    assert bool(expected) == (distances != DISTANCES["out of reach"])
    # More than that has only the last byte of an opcode before it, and is looked at by who asks.
    assert all(BASE + at + 4 + struct.unpack_from("<i", code, at)[0] in targets for at in found)


@pytest.mark.parametrize("distance", [-0x20, 0x0234_5678])
@pytest.mark.parametrize("edge", [WINDOW, 2 * WINDOW])
@pytest.mark.parametrize("others", [0, 5])
def test_windows_meet(others: int, edge: int, distance: int) -> None:
    for at in range(edge - 8, edge + 8):
        code = bytearray(2 * WINDOW + 100)
        code[at - 1 : at + 4] = b"\xe8" + struct.pack("<i", distance - at - 4)
        targets = {BASE + distance, *(BASE + 0x1000_0000 * number for number in range(1, others + 1))}
        assert set(displacements(memoryview(code), BASE, targets, BRANCHES)) == {at}


def test_repeated_bytes_hide_nothing() -> None:
    """Displacements of -1, each of which begins inside of the one before."""
    code = memoryview(b"\xe8" + b"\xff" * 40 + b"\xe8" + b"\xff" * 40)
    targets = {BASE + 1 + 4 - 1, BASE + 42 + 4 - 1}
    assert {1, 42} <= set(displacements(code, BASE, targets, BRANCHES))


@pytest.mark.parametrize("size", range(6))
def test_code_of_a_few_bytes(size: int) -> None:
    code = memoryview((b"\xe8" + struct.pack("<i", 0x10))[:size])
    assert list(displacements(code, BASE, {BASE + 5 + 0x10}, BRANCHES)) == ([1] if size == 5 else [])


def test_no_targets() -> None:
    assert list(displacements(memoryview(bytes(100)), BASE, set(), BRANCHES)) == []
