"""Side by side with the peers, on real wheels: whole processes, one after the other in each round.

``python -m bench.compare`` prints the tables and says whether the goals are met; ``--write`` puts them into
docs/performance.md as well.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

from bench.fetch_wheels import fetch, listed
from bench.pages import replace_between_markers
from glibc_guard import __version__

PAGE: Final = Path(__file__).parent.parent / "docs" / "performance.md"
INFLATE: Final = Path(__file__).parent / "inflate.py"
WHEELS: Final = (
    "ray-2.60.0-cp312-cp312-manylinux2014_x86_64.whl",
    "pyarrow-26.0.1-cp312-cp312-manylinux_2_28_x86_64.whl",
    "polars_runtime_32-2.1.0-cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "scipy-1.18.1-cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    "opencv_python_headless-5.0.0.93-cp37-abi3-manylinux_2_28_x86_64.whl",
)
SMALL_WHEEL: Final = "debugpy-1.8.22-py2.py3-none-any.whl"
SMALL_BINARY: Final = "debugpy/_vendored/pydevd/pydevd_attach_to_process/attach_linux_amd64.so"  # 20,584 bytes
OURS, AUDITWHEEL, OBJDUMP, INFLATING = "glibc-guard check --quiet", "auditwheel show", "unzip + objdump -T", "inflating"
PYTHON: Final = sys.executable
UNZIP_AND_OBJDUMP: Final = 'cd "$1" && unzip -q "$2" && shift 2 && objdump -T -- "$@"'

SPEED_GOAL: Final = 5  # auditwheel takes at least so many times as long …
SPEED_GOAL_WHEELS: Final = ("ray", "pyarrow")  # … on these
MEMORY_GOAL: Final = 150  # MiB, on every wheel


@dataclass(frozen=True, slots=True)
class Run:
    """What a process took: wall-clock seconds, and peak resident memory in MiB, that of its largest child included."""

    seconds: float
    memory: float


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


def measure(command: Sequence[str | Path]) -> Run:
    """Run ``command`` once; findings (exit status 1) are no failure.

    The peak is what wait4(2) tells, as GNU time does. It is never less than what this process itself holds, since a
    forked child begins with that: differences below 20 MiB mean nothing.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    complaints = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 1}:
        raise SystemExit(f"{command}: exit status {process.returncode}: {complaints.decode(errors='replace')}")
    return Run(seconds, usage.ru_maxrss / 1024)


def compete(contestants: Sequence[Contestant], subject: Path, runs: int) -> list[Result]:
    """Let each run once to warm the file cache, then ``runs`` times in turns."""
    found: dict[str, list[Run]] = {contestant.name: [] for contestant in contestants}
    for number in range(runs + 1):
        for contestant in contestants:
            with _scratch() as scratch:
                run = measure(contestant.command(subject, scratch))
            if number:
                found[contestant.name].append(run)
    return [Result(name, tuple(measured)) for name, measured in found.items()]


@contextmanager
def _scratch() -> Iterator[Path]:
    memory = Path("/dev/shm")  # noqa: S108  # a tmpfs, so that no disk is measured
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def _on_wheels(elf_members: Sequence[str]) -> list[Contestant]:
    return [
        Contestant(OURS, lambda wheel, _: [PYTHON, "-m", "glibc_guard", "check", "--quiet", wheel]),
        Contestant(AUDITWHEEL, lambda wheel, _: [PYTHON, "-m", "auditwheel", "show", wheel]),
        # Which members are ELF objects is told beforehand, which a script would have to find out.
        Contestant(OBJDUMP, lambda wheel, scratch: ["sh", "-c", UNZIP_AND_OBJDUMP, "sh", scratch, wheel, *elf_members]),
        Contestant(INFLATING, lambda wheel, _: [PYTHON, "-I", INFLATE, wheel]),
    ]


SMALL: Final = (
    Contestant("glibc-guard check --quiet", lambda file, _: [PYTHON, "-m", "glibc_guard", "check", "--quiet", file]),
    Contestant("glibc-guard --version", lambda _, __: [PYTHON, "-m", "glibc_guard", "--version"]),
    Contestant("objdump -T", lambda file, _: ["objdump", "-T", file]),
    Contestant("python -c pass", lambda _, __: [PYTHON, "-c", "pass"]),
)


def elf_members(wheel: Path) -> tuple[list[str], int]:
    """Name the ELF members of ``wheel``, and count their bytes."""
    with zipfile.ZipFile(wheel) as archive:
        found = [info for info in archive.infolist() if archive.open(info).read(4) == b"\x7fELF"]
    return [info.filename for info in found], sum(info.file_size for info in found)


def table(results: Sequence[Result]) -> str:
    """Return the Markdown table of one subject; the first contestant is the measure of the others."""
    lines = [
        "| program | median, s | fastest to slowest | times glibc-guard | peak memory, MiB |",
        "|---|--:|--:|--:|--:|",
    ]
    for result in results:
        ratio = result.seconds / results[0].seconds
        lines.append(f"| {result.name} | {result.seconds:.3f} | {result.spread} | {ratio:.2f} | {result.memory:.0f} |")
    return "\n".join(lines)


def goals(name: str, results: Sequence[Result]) -> Iterator[tuple[str, bool]]:
    """Yield each goal for the wheel ``name`` with its figures, and whether it is met."""
    by_name = {result.name: result for result in results}
    ours, peer, script = by_name[OURS], by_name[AUDITWHEEL], by_name[OBJDUMP]
    if name in SPEED_GOAL_WHEELS:
        ratio = peer.seconds / ours.seconds
        yield f"{name}: auditwheel show takes {ratio:.1f} times as long (goal: {SPEED_GOAL})", ratio >= SPEED_GOAL
    ratio = script.seconds / ours.seconds
    yield f"{name}: unzip + objdump -T takes {ratio:.1f} times as long (goal: more than 1)", ratio > 1
    yield f"{name}: peak memory {ours.memory:.0f} MiB (goal: below {MEMORY_GOAL})", ours.memory < MEMORY_GOAL


def circumstances(runs: int, load_before: float) -> str:
    """Say where, when and how this was measured; called at the end, since others may have come to use the machine."""
    kernel = platform.release().partition("-")[0]
    return (
        f"Measured on {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d} by `make bench` ({runs} runs each, in "
        f"turns, after one to warm up): {os.cpu_count()} processors, {_processor()}, load average {load_before:.1f} "
        f"before and {os.getloadavg()[0]:.1f} after, Linux {kernel}, CPython {platform.python_version()}, glibc-guard "
        f"{__version__}, auditwheel {version('auditwheel')}, {_first_line('objdump', '--version')}, "
        f"{_first_line('unzip', '-v').split(' of ')[0]}."
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _first_line(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.partition("\n")[0]


def main() -> int:
    """Measure, print, and write the page if asked to; the exit status is 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each program on each wheel (default: 5)")
    parser.add_argument("--write", action="store_true", help=f"put the tables into docs/{PAGE.name}")
    options = parser.parse_args()
    for tool in ("unzip", "objdump"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is not installed: apt-get install unzip binutils")
    load_before = os.getloadavg()[0]
    lines: list[str] = []
    met: list[tuple[str, bool]] = []
    pinned = {wheel.file: wheel for wheel in listed()}
    for file in WHEELS:
        wheel = fetch(pinned[file])
        members, size = elf_members(wheel)
        results = compete(_on_wheels(members), wheel, options.runs)
        name = file.partition("-")[0]
        met += goals(name, results)
        objects = f"{len(members)} ELF {'object' if len(members) == 1 else 'objects'}"
        lines += [f"### {file}", "", f"{objects}, {size / 1e6:.0f} MB inflated.", "", table(results), ""]
        print(name, table(results), sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(fetch(pinned[SMALL_WHEEL])) as archive:
        small = Path(archive.extract(SMALL_BINARY, folder))
        results = compete(SMALL, small, options.runs)
        lines += [f"### One binary of {small.stat().st_size:,} bytes", "", table(results), ""]
        print(table(results))
    lines += [f"- {'met' if reached else '**missed**'}: {goal}" for goal, reached in met]
    lines = [circumstances(options.runs, load_before), "", *lines]
    print("\n".join(lines))
    if options.write:
        replace_between_markers(PAGE, "\n".join(lines))
    return 0 if all(reached for _, reached in met) else 1


if __name__ == "__main__":
    sys.exit(main())
