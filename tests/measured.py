"""What things cost: the command line in a process of its own, and a part of a test."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisions import unavailable

STATUS: Final = Path("/proc/self/status")
#: The kernel counts VmHWM from the start of the program, and what getrusage(2) tells from that of its parent.
SCRIPT: Final = f"""
import sys, time
from glibc_guard.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    status = end.code
with open("{STATUS}") as file:
    peak = next(line.split()[1] for line in file if line.startswith("VmHWM:"))
sys.stderr.write(f"\\n{{status}} {{peak}} {{time.process_time()}}")
"""


@dataclass(frozen=True)
class Cost:
    """What a run took, and what it came to."""

    status: int
    printed: str
    complaints: str
    mebibytes: float  # the most memory that it had
    seconds: float  # of processors: no other load of the machine adds to it


def measured(*arguments: str | Path) -> Cost:
    """Run ``glibc-guard`` with these arguments."""
    if not STATUS.exists():
        unavailable(f"Linux alone tells the peak of memory in {STATUS}")
    command = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    complaints, _, told = done.stderr.rpartition("\n")
    status, kibibytes, seconds = told.split()
    return Cost(int(status), done.stdout, complaints, int(kibibytes) / 1024, float(seconds))


@contextmanager
def costs_less_than(seconds: float) -> Iterator[None]:
    """See that what is within takes this process less than ``seconds`` of processors, threads included.

    The clock on the wall would tell as well of whatever else the machine does.
    """
    began = time.process_time()
    yield
    assert time.process_time() - began < seconds
