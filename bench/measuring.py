"""Runs whole processes and takes their time and memory; what all benchmarks share."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from glibc_guard import __version__

PYTHON: Final = sys.executable
#: A user's Python keeps the bytecode of what it imports; a developer's may be told not to.
ENVIRONMENT: Final = {
    name: value for name, value in os.environ.items() if name not in {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
}
Goal = tuple[str, bool]  # in words with its figures, and whether it is met


@dataclass(frozen=True, slots=True)
class Run:
    """What a process took: wall-clock seconds, and peak resident memory in MiB, that of its largest child included."""

    seconds: float
    memory: float
    processor: float = 0.0  # seconds of all processors together


@dataclass(frozen=True, slots=True)
class Contestant:
    """A program, and how it is called for a wheel or a file; ``scratch`` is an empty folder, a new one each time."""

    name: str
    command: Callable[[Path, Path], Sequence[str | Path]]


@dataclass(frozen=True, slots=True)
class Result:
    """All runs of one contestant on one subject."""

    name: str
    runs: tuple[Run, ...]

    @property
    def seconds(self) -> float:
        """The median."""
        return median(run.seconds for run in self.runs)

    @property
    def memory(self) -> float:
        """The highest peak, in MiB."""
        return max(run.memory for run in self.runs)

    @property
    def spread(self) -> str:
        """The fastest and the slowest run."""
        seconds = [run.seconds for run in self.runs]
        return f"{min(seconds):.3f} to {max(seconds):.3f}"


def measure(
    command: Sequence[str | Path],
    environment: dict[str, str] = ENVIRONMENT,
    folder: Path | None = None,
    accepted: frozenset[int] = frozenset({0, 1}),
) -> Run:
    """Run ``command`` once; findings (exit status 1) are no failure.

    The peak is what wait4(2) tells, as GNU time does. It is never less than what this process itself holds, since a
    forked child begins with that: differences below 20 MiB mean nothing.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=folder,
    )
    complaints = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in accepted:
        raise SystemExit(f"{command}: exit status {process.returncode}: {complaints.decode(errors='replace')}")
    return Run(seconds, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)


def compete(contestants: Sequence[Contestant], subject: Path, runs: int) -> list[Result]:
    """Let each run once to warm the file cache, then ``runs`` times in turns."""
    found: dict[str, list[Run]] = {contestant.name: [] for contestant in contestants}
    for number in range(runs + 1):
        for contestant in contestants:
            with scratch_folder() as scratch:
                run = measure(contestant.command(subject, scratch))
            if number:
                found[contestant.name].append(run)
    return [Result(name, tuple(measured)) for name, measured in found.items()]


def machine(how: str, load_before: float) -> str:
    """Say when, how and on what this was measured; called at the end, since others may have come to use the machine."""
    kernel = platform.release().partition("-")[0]
    return (
        f"Measured on {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d} by {how}: {os.cpu_count()} processors, "
        f"{_processor()}, load average {load_before:.1f} before and {os.getloadavg()[0]:.1f} after, Linux {kernel}, "
        f"CPython {platform.python_version()}, glibc-guard {__version__}"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give an empty folder in memory where the system has such, so that no disk is measured."""
    memory = Path("/dev/shm")  # noqa: S108  # a tmpfs
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def check(path: str | Path) -> list[str | Path]:
    """Return the command that checks ``path``."""
    return [PYTHON, "-m", "glibc_guard", "check", "--quiet", path]
