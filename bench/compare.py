"""Side by side with the peers, on real wheels: whole processes, one after the other in each round.

``python -m bench.compare`` prints the tables and says whether the goals are met; ``--write`` puts them into
docs/performance.md as well.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench.explain import explained
from bench.fetch_wheels import fetch, listed
from bench.growth import grown
from bench.measuring import PYTHON, Contestant, Goal, Result, check, compete, machine
from bench.pages import replace_between_markers
from bench.set_up import set_up

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
OURS, AUDITWHEEL, INFLATING = "glibc-guard check --quiet", "auditwheel show", "inflating"
OBJDUMP, SCRIPT = "unzip + objdump -T", "unzip + find + objdump -T + grep + sort"
UNZIP_AND_OBJDUMP: Final = 'cd "$1" && unzip -q "$2" && shift 2 && objdump -T -- "$@"'
#: What people copy from each other, with the output that they read.
WHOLE_SCRIPT: Final = (
    'cd "$1" && unzip -q "$2" && find . -name "*.so*" -exec objdump -T {} \\; 2>/dev/null'
    ' | grep -o "GLIBC_[0-9.]*" | sort -Vu'
)

SPEED_GOAL: Final = 15  # auditwheel takes at least so many times as long …
ONE_OBJECT_GOAL: Final = 2  # … and so many where all is one object, which auditwheel reads but once
SCRIPT_GOAL: Final = 5  # likewise unzip and objdump
INFLATING_GOAL: Final = 0.1  # seconds over inflating once with zlib on one thread
MEMORY_GOAL: Final = 150  # MiB, on every wheel
START_GOAL: Final = 0.15  # seconds


def _on_wheels(elf_members: Sequence[str]) -> list[Contestant]:
    return [
        Contestant(OURS, lambda wheel, _: check(wheel)),
        Contestant(AUDITWHEEL, lambda wheel, _: [PYTHON, "-m", "auditwheel", "show", wheel]),
        # Which members are ELF objects is told beforehand, which a script would have to find out.
        Contestant(OBJDUMP, lambda wheel, scratch: ["sh", "-c", UNZIP_AND_OBJDUMP, "sh", scratch, wheel, *elf_members]),
        Contestant(SCRIPT, lambda wheel, scratch: ["sh", "-c", WHOLE_SCRIPT, "sh", scratch, wheel]),
        Contestant(INFLATING, lambda wheel, _: [PYTHON, "-I", INFLATE, wheel]),
    ]


SMALL: Final = (
    Contestant("glibc-guard check --quiet", lambda file, _: check(file)),
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


def goals(name: str, objects: int, results: Sequence[Result]) -> Iterator[Goal]:
    """Yield each goal for the wheel ``name`` with its figures, and whether it is met."""
    by_name = {result.name: result for result in results}
    ours, inflating = by_name[OURS], by_name[INFLATING]
    for peer, goal in ((AUDITWHEEL, ONE_OBJECT_GOAL if objects == 1 else SPEED_GOAL), (OBJDUMP, SCRIPT_GOAL)):
        ratio = by_name[peer].seconds / ours.seconds
        yield f"{name}: {peer} takes {ratio:.1f} times as long (goal: {goal})", ratio >= goal
    more = ours.seconds - inflating.seconds
    yield f"{name}: {more:+.3f} s beside inflating once (goal: at most +{INFLATING_GOAL})", more <= INFLATING_GOAL
    yield f"{name}: peak memory {ours.memory:.0f} MiB (goal: below {MEMORY_GOAL})", ours.memory < MEMORY_GOAL


def start_goals(results: Sequence[Result]) -> Iterator[Goal]:
    """Yield the goals for a small binary."""
    for result in results[:2]:
        met = result.seconds < START_GOAL
        yield f"one small binary: {result.name} takes {result.seconds:.3f} s (goal: below {START_GOAL})", met


def circumstances(runs: int, load_before: float) -> str:
    """Say where, when and how this was measured; called at the end, since others may have come to use the machine."""
    how = f"`make bench` ({runs} runs each, in turns, after one to warm up)"
    others = f"auditwheel {version('auditwheel')}, {_first_line('objdump', '--version')}"
    return f"{machine(how, load_before)}, {others}, {_first_line('unzip', '-v').split(' of ')[0]}."


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
    met: list[Goal] = []
    pinned = {wheel.file: wheel for wheel in listed()}
    for file in WHEELS:
        wheel = fetch(pinned[file])
        members, size = elf_members(wheel)
        results = compete(_on_wheels(members), wheel, options.runs)
        name = file.partition("-")[0]
        met += goals(name, len(members), results)
        objects = f"{len(members)} ELF {'object' if len(members) == 1 else 'objects'}"
        lines += [f"### {file}", "", f"{objects}, {size / 1e6:.0f} MB inflated.", "", table(results), ""]
        print(name, table(results), sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(fetch(pinned[SMALL_WHEEL])) as archive:
        small = Path(archive.extract(SMALL_BINARY, folder))
        results = compete(SMALL, small, options.runs)
        lines += [f"### One binary of {small.stat().st_size:,} bytes", "", table(results), ""]
        met += start_goals(results)
        print(table(results))
        parts = [explained(pinned, options.runs), set_up(small, PYTHON), grown()]
    lines += [line for part, _ in parts for line in part]
    met += [goal for _, of_part in parts for goal in of_part]
    lines += [f"- {'met' if reached else '**missed**'}: {goal}" for goal, reached in met]
    lines = [circumstances(options.runs, load_before), "", *lines]
    print("\n".join(lines))
    if options.write:
        replace_between_markers(PAGE, "\n".join(lines))
    return 0 if all(reached for _, reached in met) else 1


if __name__ == "__main__":
    sys.exit(main())
