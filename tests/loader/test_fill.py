"""A segment that may not be written and is larger in memory than in the file: who maps it decides what lies there.

That is why such an object is unreadable: the loader fills the rest of the page with zeros, the kernel does not.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from building import compile_with_gcc
from glibc_guard import check
from glibc_guard.settings import Settings

pytestmark = pytest.mark.loader

PT_LOAD, PF_W = 1, 2
BEHIND, LARGER = 8, 32  # bytes behind the end of what the file has
MARK = 0xAA
LIBRARY = "int answer(void) { return 42; }"
PROGRAM = """#include <stdio.h>
extern const unsigned char __ehdr_start[];
int main(int count, char **arguments) { int at; sscanf(arguments[1], "%d", &at); return __ehdr_start[at] != 0xAA; }
"""
SHOWN = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
with open("/proc/self/maps") as maps:
    base = min(int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith("/m.so"))
print(ctypes.c_ubyte.from_address(base + int(sys.argv[2])).value)
"""


def enlarged(data: bytes) -> tuple[bytes, int]:
    """Return the object with a larger first segment, a mark behind what the file has of it, and where the mark is."""
    (table,), (count,) = struct.unpack_from("<Q", data, 32), struct.unpack_from("<H", data, 56)
    changed = bytearray(data)
    for at in range(table, table + 56 * count, 56):
        kind, flags, offset, _, _, in_file, in_memory, _ = struct.unpack_from("<IIQQQQQQ", data, at)
        if kind == PT_LOAD and offset == 0 and not flags & PF_W:
            assert not any(data[in_file : in_file + LARGER])
            changed[in_file + BEHIND] = MARK
            struct.pack_into("<Q", changed, at + 40, in_memory + LARGER)
            return bytes(changed), in_file + BEHIND
    raise AssertionError("no such segment")


def made(source: str, path: Path, *flags: str) -> int:
    changed, mark = enlarged(compile_with_gcc(source, *flags, "-Wl,-z,separate-code"))
    path.write_bytes(changed)
    path.chmod(0o755)
    (report,) = check([str(path)], Settings(targets=("2.44",))).artifacts
    assert report.verdict == "unreadable"
    assert any("not writable is larger in memory" in finding.message for finding in report.findings)
    return mark


def run(command: Sequence[str | Path | int]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], check=False, capture_output=True, text=True)


def test_the_loader_fills_it_with_zeros(tmp_path: Path) -> None:
    mark = made(LIBRARY, tmp_path / "m.so", "-shared", "-fPIC")
    done = run([sys.executable, "-c", SHOWN, tmp_path / "m.so", mark])
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


def test_the_kernel_leaves_what_the_file_has(tmp_path: Path) -> None:
    mark = made(PROGRAM, tmp_path / "m")
    assert run([tmp_path / "m", mark]).returncode == 0
