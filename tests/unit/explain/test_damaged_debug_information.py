"""Damaged and hostile debug information: unknown is said to be unknown, in bounded time, without an exception."""

import random
from pathlib import Path

import pytest

from debug_building import build, call_in
from glibc_guard.explain.debug_files import DebugFiles, read
from glibc_guard.explain.source_lines import SourceLines
from measured import costs_less_than

#: What parsers fall over: the ends of signed and unsigned ranges, LEB128 without an end.
NASTY = (b"\xff" * 4, b"\xff" * 10, b"\0" * 8, b"\x80" * 16, b"\x7f\xff\xff\xff", b"\xfe\xff\xff\xff", b"\x01")


def sections(path: Path) -> list[tuple[int, int]]:
    elf = read(path)
    assert elf is not None
    return [
        (section.offset, section.size)
        for name, section in elf.sections.items()
        if name.startswith(".debug_") and section.size
    ]


def damaged(data: bytes, places: list[tuple[int, int]], chance: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        offset, size = chance.choice(places)
        at = offset + chance.randrange(size)
        new = chance.choice((*NASTY, chance.randbytes(1), chance.randbytes(1), chance.randbytes(4)))
        found[at : at + len(new)] = new
    return bytes(found[: len(data)])


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("gcc", ("-O2", "-gdwarf-5")),
        ("gcc", ("-O2", "-gdwarf-4")),
        ("clang", ("-O2", "-gdwarf-5")),
        ("clang", ("-O2", "-gdwarf-4", "-ffunction-sections")),
        ("gcc", ("-O2", "-g", "-flto")),
        ("gcc", ("-O2", "-g", "-gz=zlib")),
        ("zig-aarch64", ("-O2", "-g")),
    ],
)
def test_damage_anywhere(tmp_path: Path, name: str, flags: tuple[str, ...]) -> None:
    path = build(tmp_path, name, flags)
    data, address, places = path.read_bytes(), call_in(path, "top"), sections(path)
    chance = random.Random(7)  # noqa: S311  # the same damage each time
    with costs_less_than(120):
        for _ in range(300):
            source = SourceLines(damaged(data, places, chance), "x", DebugFiles())
            for at in (address, address + 4):
                for frame in source.frames(at):
                    assert frame.line is None or 0 < frame.line < 1 << 31
                    assert (frame.line is None) == (frame.file is None)


def test_every_cut(tmp_path: Path) -> None:
    path = build(tmp_path, "gcc", ("-O2", "-g"))
    data, address = path.read_bytes(), call_in(path, "top")
    for size in range(0, len(data), 61):
        SourceLines(data[:size], "x", DebugFiles()).frames(address)


@pytest.mark.parametrize("flags", [("-O2", "-gdwarf-5"), ("-O2", "-gdwarf-4")])
def test_the_damage_of_one_unit_gives_no_wrong_line_of_another(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """The strings are left alone, since the units share them."""
    path = build(tmp_path, "gcc", flags)
    elf = read(path)
    assert elf is not None
    address = call_in(path, "top")
    lines = [frame.line for frame in SourceLines(path.read_bytes(), "x", DebugFiles()).frames(address)]
    assert len(lines) == 4
    info = elf.sections[".debug_info"]
    chance = random.Random(3)  # noqa: S311  # likewise
    data = path.read_bytes()
    for _ in range(200):
        # A unit before it that is nonsense: its length leads to the true one.
        nonsense = chance.randbytes(chance.randrange(7, 60))
        unit = len(nonsense).to_bytes(4, "little") + nonsense
        changed = data + unit + data[info.offset : info.offset + info.size]
        at = changed.index(_header(info.offset, info.size), len(data) // 2)
        new = _header(len(data), len(unit) + info.size)
        frames = SourceLines(changed[:at] + new + changed[at + 16 :], "x", DebugFiles()).frames(address)
        assert not frames or [frame.line for frame in frames] in (lines, lines[:1])


def _header(offset: int, size: int) -> bytes:
    return offset.to_bytes(8, "little") + size.to_bytes(8, "little")
