"""Debug information that is small on disk and endless to go through: it costs seconds, and the report says so."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from building import compile_with_gcc
from glibc_guard.elf.dwarf import DwarfError
from glibc_guard.explain.dwarf.budget import BETWEEN_LOOKS, WORK_SECONDS, Budget
from measured import measured
from provisions import needed

FUNCTIONS: Final = 40
SOURCE: Final = "#include <math.h>\n" + "".join(
    f"double f{number}(double x) {{ return pow(x, {number}.5) + {number}; }}\n" for number in range(FUNCTIONS)
)
LONGEST: Final = 15.0  # seconds of processors, the start of Python and the check included; it takes five at the most
MEMORY: Final = 500  # MiB
NUMBER = 0x80


def leb128(value: int) -> bytes:
    found = b""
    while value >= NUMBER:
        found += bytes([value & 127 | NUMBER])
        value >>= 7
    return found + bytes([value])


def unit(version: int, entries: bytes) -> bytes:
    kind = struct.pack("<HBBI", 5, 1, 8, 0) if version >= 5 else struct.pack("<HIB", version, 0, 8)
    return struct.pack("<I", len(kind) + len(entries)) + kind + entries


def line_table(
    start: int, size: int, version: int = 4, tables: bytes = b"\0a.c\0\0\0\0\0", program: bytes = b""
) -> bytes:
    """Return a line table that tells one place, its file 1 and its line 6, for all code."""
    header = bytes([1, 1, 1, 0xFB, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]) + tables
    program = program or (b"\0\x09\2" + struct.pack("<Q", start) + b"\3\5\1\2" + leb128(size) + b"\0\1\1")
    shape = b"\x08\0" if version >= 5 else b""
    body = struct.pack("<H", version) + shape + struct.pack("<I", len(header)) + header + program
    return struct.pack("<I", len(body)) + body


#: compile_unit with DW_AT_stmt_list, low_pc and high_pc; subprogram with DW_AT_ranges; one of a byte; inlined ones.
ABBREVIATIONS: Final = (
    b"\1\x11\1\x10\x17\x11\x01\x12\x01\0\0"  # 1: with children
    b"\2\x2e\0\x55\x17\0\0"
    b"\3\x11\0\x10\x17\x11\x01\x12\x01\0\0"  # 3: without
    b"\4\x34\0\0\0"
    b"\5\x2e\1\x11\x01\x12\x01\0\0"
    b"\6\x1d\0\x55\x17\0\0"
    b"\0"
)


def unit_entry(code: int, low: int, high: int) -> bytes:
    return bytes([code]) + struct.pack("<IQQ", 0, low, high)


def shared_ranges(low: int, high: int, _: list[int]) -> dict[str, bytes]:
    """Make many functions share one long list of ranges."""
    entries = unit_entry(1, low, high) + (b"\2" + bytes(4)) * 20_000 + b"\0"
    ranges = struct.pack("<QQ", 1, high - low) * 199_000 + bytes(16)
    return {"info": unit(4, entries), "line": line_table(low, high - low), "ranges": ranges}


def shared_ranges_of_inlined(low: int, high: int, _: list[int]) -> dict[str, bytes]:
    """Make many inlined functions share one long list of ranges, none of which is the address."""
    function = b"\5" + struct.pack("<QQ", low, high) + (b"\6" + bytes(4)) * 20_000 + b"\0"
    ranges = struct.pack("<QQ", 1 << 40, (1 << 40) + 1) * 199_000 + bytes(16)
    entries = unit_entry(1, low, high) + function + b"\0"
    return {"info": unit(4, entries), "line": line_table(low, high - low), "ranges": ranges}


def shared_files(low: int, high: int, functions: list[int]) -> dict[str, bytes]:
    """Make many units read one line table with very many files."""
    units = b"".join(unit(4, unit_entry(3, start, start + 16)) for start in functions for _ in range(4))
    tables = bytes([1, 1, 8, 1]) + b"/\0" + bytes([1, 1, 8]) + leb128(199_999) + bytes(199_999)
    return {"info": units, "line": line_table(low, high - low, 5, tables)}


def shared_files_by_folder(low: int, high: int, functions: list[int]) -> dict[str, bytes]:
    """Make each unit read it again: a table that begins one byte later is another one."""
    found = shared_files(low, high, functions)
    entries = [
        bytes([3]) + struct.pack("<IQQ", len(found["line"]) * number, start, start + 16)
        for number, start in enumerate(functions)
    ]
    return {"info": b"".join(unit(4, entry) for entry in entries), "line": found["line"] * len(functions)}


def zeros(*_: object) -> dict[str, bytes]:
    """Fill up between units without an end."""
    return {"info": bytes(64 * 1024 * 1024), "line": bytes(100)}


def tiny_headers(*_: object) -> dict[str, bytes]:
    """Make units of one byte."""
    return {"info": b"\1\0\0\0\0" * (12 * 1024 * 1024), "line": bytes(100)}


def arranged(*_: object) -> dict[str, bytes]:
    """Tell very many addresses of one unit."""
    pairs = struct.pack("<QQ", 4096, 1) * 4_000_000
    body = struct.pack("<HIBB", 2, 0, 8, 0) + bytes(4) + pairs
    return {
        "info": unit(4, unit_entry(3, 0, 1 << 40)),
        "line": line_table(0, 1 << 30),
        "aranges": struct.pack("<I", len(body)) + body,
    }


def tiny_entries(low: int, high: int, _: list[int]) -> dict[str, bytes]:
    """Make entries of one byte."""
    return {"info": unit(4, unit_entry(1, low, high) + b"\4" * (32 << 20)), "line": line_table(low, high - low)}


def long_program(low: int, high: int, _: list[int]) -> dict[str, bytes]:
    """Make each byte of a line number program a row."""
    return {
        "info": unit(4, unit_entry(3, low, high)),
        "line": line_table(low, high - low, program=b"\x20" * (128 << 20)),
    }


Maker = Callable[[int, int, list[int]], dict[str, bytes]]


def library(folder: Path, make: Maker) -> Path:
    """Return a library with the sections that ``make`` makes of its addresses, compressed."""
    path = folder / "hostile.so"
    path.write_bytes(compile_with_gcc(SOURCE, "-shared", "-fPIC", "-lm", "-falign-functions=32"))
    listed = subprocess.run(
        [needed("nm", "apt-get install binutils"), path], check=True, capture_output=True, text=True
    )
    functions = sorted(int(match[1], 16) for match in re.finditer(r"^(\S+) T f\d+$", listed.stdout, re.MULTILINE))
    assert len(functions) == FUNCTIONS
    sections = {"abbrev": ABBREVIATIONS, **make(functions[0], functions[-1] + 32, functions)}
    command = ["objcopy"]
    for name, content in sections.items():
        (folder / name).write_bytes(content)
        command += ["--add-section", f".debug_{name}={folder / name}"]
    subprocess.run([*command, path], check=True)
    subprocess.run(["objcopy", "--compress-debug-sections=zlib", path], check=True)
    assert path.stat().st_size < 1024 * 1024
    return path


@pytest.mark.parametrize(
    ("make", "seconds"),
    [
        (shared_ranges, LONGEST),
        (shared_ranges_of_inlined, LONGEST),
        (shared_files, LONGEST),
        (shared_files_by_folder, LONGEST),
        (zeros, LONGEST),
        (tiny_headers, LONGEST),
        (arranged, LONGEST),
        (tiny_entries, LONGEST + WORK_SECONDS),
        (long_program, LONGEST),
    ],
)
def test_the_cost_is_bounded(make: Maker, seconds: float, tmp_path: Path) -> None:
    path = library(tmp_path, make)
    cost = measured("check", "--target", "2.17", path)
    assert cost.status == 1, cost.complaints
    assert cost.seconds < seconds
    assert cost.mebibytes < MEMORY
    assert "pow" in cost.printed


def test_the_report_says_so(tmp_path: Path) -> None:
    path = library(tmp_path, shared_ranges)
    command = [sys.executable, "-m", "glibc_guard", "check", "--target", "2.17", str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert "its debug information is too large to be followed to the end: some lines are unknown" in (
        done.stdout + done.stderr
    )


def test_the_time_is_over() -> None:
    budget = Budget(seconds=0.01)
    start = time.thread_time()
    budget.take(BETWEEN_LOOKS)
    while time.thread_time() - start < 0.05:
        pass
    with pytest.raises(DwarfError):
        budget.take(BETWEEN_LOOKS)
    assert budget.spent
    with pytest.raises(DwarfError):
        budget.take(1)
