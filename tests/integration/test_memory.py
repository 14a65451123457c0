"""What is held in memory while large objects are read, and many."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.generated import folder_with, wheel_with

#: The kernel counts VmHWM from the start of the program, and what getrusage(2) tells from that of its parent.
SCRIPT = """
import sys
from glibc_guard.cli import main
try:
    main(["check", "--target", "2.40", *sys.argv[1:]])
except SystemExit as end:
    status = end.code
with open("/proc/self/status") as file:
    peak = next(line.split()[1] for line in file if line.startswith("VmHWM:"))
sys.stderr.write(f"{status} {peak}")
"""
MEBIBYTE = 1024 * 1024
pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux alone tells the peak this way")


def peak(path: Path) -> float:
    """Check ``path``, which passes, and return the highest memory in MiB."""
    command = [sys.executable, "-c", SCRIPT, str(path)]
    status, kibibytes = subprocess.run(command, check=True, capture_output=True, text=True).stderr.split()
    assert status == "0"
    return int(kibibytes) / 1024


@pytest.mark.parametrize(("size", "filling"), [(800 * MEBIBYTE, "sparse"), (120 * MEBIBYTE, "half")])
def test_an_object_much_larger_than_what_is_held(tmp_path: Path, size: int, filling: str) -> None:
    wheel = wheel_with(tmp_path, size, "sparse" if filling == "sparse" else "half")
    assert peak(wheel) < 100


def test_many_objects(tmp_path: Path) -> None:
    few, many = peak(folder_with(tmp_path, 100)), peak(folder_with(tmp_path, 1600))
    assert many < 100
    assert many - few < 20
