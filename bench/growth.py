"""How time and memory grow with the bytes of an object and with the number of objects, on generated ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.fetch_wheels import CACHE
from bench.generated import folder_with, wheel_with
from bench.measuring import Goal, Result, check, measure
from bench.plot import Panel, drawn

FOLDER: Final = CACHE / "generated"
PLOT: Final = Path(__file__).parent.parent / "docs" / "growth.svg"
SIZES: Final = (125, 250, 500, 1000, 2000)  # MB of one object
COUNTS: Final = (625, 1250, 2500, 5000, 10_000)  # objects in one folder
RUNS: Final = 3
MEMORY_GOAL: Final = 100  # MiB, for any of them
GROWTH_GOAL: Final = 2.3  # times the time for twice as much


@dataclass(frozen=True, slots=True)
class Point:
    """One subject: how much of it, how many bytes its file has (None for a folder), and what it took."""

    amount: int
    file_size: int | None
    result: Result


def measured(subjects: Sequence[tuple[int, Path]]) -> list[Point]:
    """Check each subject RUNS times, in turns, after one run to warm the file cache."""
    runs = [[measure(check(path)) for _, path in subjects] for _ in range(RUNS + 1)][1:]
    return [
        Point(amount, path.stat().st_size if path.is_file() else None, Result(path.name, tuple(of_one)))
        for (amount, path), of_one in zip(subjects, zip(*runs, strict=True), strict=True)
    ]


def grown() -> tuple[list[str], list[Goal]]:
    """Measure, draw the plot, and return the lines of the page and the goals."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    halves = measured([(size, wheel_with(FOLDER, size * 1_000_000, "half")) for size in SIZES])
    sparse = measured([(SIZES[-1], wheel_with(FOLDER, SIZES[-1] * 1_000_000, "sparse"))])
    folders = measured([(count, folder_with(FOLDER, count)) for count in COUNTS])
    PLOT.write_text(
        drawn(
            Panel("one object in a wheel", "MB, inflated", [(one.amount, one.result.seconds) for one in halves]),
            Panel("objects in a folder", "objects", [(one.amount, one.result.seconds) for one in folders]),
        ),
        encoding="utf-8",
    )
    lines = ["### One object of many bytes", "", *table("MB inflated", halves), *rows("sparse", sparse), ""]
    lines += ["### Many objects in a folder", "", *table("objects", folders), "", f"![seconds]({PLOT.name})", ""]
    return lines, [*goals("bytes", [*halves]), *goals("objects", folders), *memory_goals("sparse", sparse)]


def table(unit: str, points: Sequence[Point]) -> list[str]:
    """Return the Markdown table of ``points``."""
    head = f"| {unit} | MB of the file | median, s | fastest to slowest | peak memory, MiB |"
    return [head, "|--:|--:|--:|---|--:|", *rows("", points)]


def rows(remark: str, points: Sequence[Point]) -> list[str]:
    """Return a row of the table for each of ``points``."""
    found = []
    for one in points:
        amount = f"{one.amount:,} ({remark})" if remark else f"{one.amount:,}"
        size = "" if one.file_size is None else f"{one.file_size / 1e6:.0f}"
        seconds = f"{one.result.seconds:.2f} | {one.result.spread}"
        found.append(f"| {amount} | {size} | {seconds} | {one.result.memory:.0f} |")
    return found


def goals(what: str, points: Sequence[Point]) -> Iterator[Goal]:
    """Yield the goals of growth and memory."""
    before, last = points[-2:]
    ratio = last.result.seconds / before.result.seconds
    yield f"twice the {what} take {ratio:.2f} times as long (goal: at most {GROWTH_GOAL})", ratio <= GROWTH_GOAL
    yield from memory_goals(what, points)


def memory_goals(what: str, points: Sequence[Point]) -> Iterator[Goal]:
    """Yield the goal of memory for the largest of ``points``."""
    memory = points[-1].result.memory
    subject = f"{points[-1].amount:,} {'objects' if what == 'objects' else f'MB ({what})'}"
    yield f"{subject}: peak memory {memory:.0f} MiB (goal: below {MEMORY_GOAL})", memory < MEMORY_GOAL
