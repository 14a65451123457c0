"""What it costs to name the culprits: real wheels that miss a target, with places and advice and without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bench.fetch_wheels import Wheel, fetch
from bench.measuring import Contestant, Goal, Result, check, compete

TARGET: Final = "2.12"
WHEELS: Final = (
    "ray-2.60.0-cp312-cp312-manylinux2014_x86_64.whl",
    "polars_runtime_32-2.1.0-cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "grpcio-1.85.1-cp312-cp312-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
    "pyarrow-26.0.1-cp312-cp312-manylinux_2_28_x86_64.whl",
)
GOAL: Final = 2  # times the plain check, on top of it
CONTESTANTS: Final = (
    Contestant("--no-explain", lambda wheel, _: [*check(wheel), "--target", TARGET, "--no-explain"]),
    Contestant("with places and advice", lambda wheel, _: [*check(wheel), "--target", TARGET]),
)


def explained(pinned: Mapping[str, Wheel], runs: int) -> tuple[list[str], list[Goal]]:
    """Measure, and return the lines of the page and the goals."""
    lines = [f"### Naming the culprits, against glibc {TARGET}", "", *HEAD]
    met: list[Goal] = []
    for file in WHEELS:
        name = file.partition("-")[0]
        results = compete(CONTESTANTS, fetch(pinned[file]), runs)
        lines += _rows(name, results)
        met += _goals(name, results)
    return [*lines, ""], met


HEAD: Final = (
    "| wheel | `check` | median, s | fastest to slowest | peak memory, MiB |",
    "|---|---|--:|---|--:|",
)


def _rows(name: str, results: Sequence[Result]) -> Iterator[str]:
    for one in results:
        yield f"| {name} | {one.name} | {one.seconds:.3f} | {one.spread} | {one.memory:.0f} |"


def _goals(name: str, results: Sequence[Result]) -> Iterator[Goal]:
    plain, whole = results
    more = (whole.seconds - plain.seconds) / plain.seconds
    yield f"{name}: explaining costs {more:.1f} times the plain check (goal: at most {GOAL})", more <= GOAL
