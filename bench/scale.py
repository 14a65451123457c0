"""What a million wheels cost: seconds, bytes and requests an artifact, on this machine and from a server on it.

``python -m bench.scale`` prints the tables; ``--write`` puts them into docs/scale.md as well.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.fetch_wheels import FOLDER, fetch, listed
from bench.file_server import Served, serving
from bench.measuring import PYTHON, Run, machine, measure
from bench.pages import replace_between_markers
from glibc_guard.report.grouping import count, percent

PAGE: Final = Path(__file__).parent.parent / "docs" / "scale.md"
MANY: Final = 1_000_000
ROUND_TRIP: Final = 0.03  # seconds to a server on the same continent and back
CONNECT: Final = 2  # round trips of a connection, one an artifact: TCP and TLS 1.3
BANDWIDTH: Final = 50e6  # bytes a second of one connection
START: Final = 30  # seconds until a job of GitHub comes to the check: runner, checkout, pip
SHARD: Final = 3600  # seconds that a shard is to take
JOBS: Final = 256  # of one matrix
CONCURRENT: Final = 20  # jobs at a time of a free account
SHOWN: Final = ("numpy-2.5.5", "matplotlib-3.11.2", "cryptography-50.0.2", "debugpy-1.8.22", "virtualenv-21", "ray-2")
SHARDS: Final = (10, 100)  # of the reports that are merged


@dataclass(frozen=True, slots=True)
class Way:
    """How the wheels were read, and what it took."""

    name: str
    run: Run
    bytes: int  # fetched
    requests: int


def check(paths: Sequence[str], output: Path, folder: Path) -> Run:
    """Judge all ``paths`` in one process, as a shard is."""
    listing = folder / "list.txt"
    listing.write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    command: list[str | Path] = [PYTHON, "-m", "glibc_guard", "check", "--paths-from", listing, "--shard", "1/1"]
    return measure([*command, "--format", "json", "--output", output], accepted=frozenset({0, 1, 3}))


def ways(wheels: Sequence[Path], folder: Path) -> list[Way]:
    """Judge the wheels as files, by ranges, and from a server that knows no ranges."""
    paths = [str(path) for path in wheels]
    check(paths, folder / "warm.json", folder)
    found = [Way("files", check(paths, folder / "files.json", folder), 0, 0)]
    for name, ranges in (("URLs, by ranges", True), ("URLs, from a server without ranges", False)):
        with serving(FOLDER, ranges=ranges) as served:
            run = check([f"{served.address}/{path.name}" for path in wheels], folder / "remote.json", folder)
            found.append(Way(name, run, served.bytes, len(served.ranges)))
    return found


def fetched(wheel: Path, folder: Path) -> Served:
    """Judge one wheel by ranges, and return what the server gave."""
    with serving(FOLDER) as served:
        check([f"{served.address}/{wheel.name}"], folder / "one.json", folder)
    return served


def merged(report: Path, shards: int, folder: Path) -> tuple[Run, int, int]:
    """Merge ``shards`` copies of ``report`` with other paths; return run, artifacts and bytes of the result."""
    document = json.loads(report.read_text(encoding="utf-8"))
    artifacts = document["artifacts"]
    paths = []
    for index in range(1, shards + 1):
        own = [{**artifact, "path": f"{index}/{artifact['path']}"} for artifact in artifacts]
        path = folder / f"part{index}.json"
        path.write_text(json.dumps({**document, "artifacts": own, "shard": None}), encoding="utf-8")
        paths.append(path)
    output = folder / "merged.json"
    command: list[str | Path] = [PYTHON, "-m", "glibc_guard", "merge", "--format", "json", "--output", output, *paths]
    run = measure(command, accepted=frozenset({0, 1, 3}))
    size = output.stat().st_size
    for path in (*paths, output):
        path.unlink()
    return run, len(artifacts) * shards, size


def row(*cells: object) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def table_of_ways(found: Sequence[Way], wheels: Sequence[Path]) -> list[str]:
    """Return a table of what each way took; of an artifact save for the first and the last column of figures."""
    number, size = len(wheels), sum(path.stat().st_size for path in wheels)
    average = f"{size / 1e6:,.0f} MB, {size / number / 1e6:.1f} MB each on average"
    lines = [
        f"{number} wheels of PyPI (`bench/wheels.toml`; {average}), judged in one process, as a shard is:",
        "",
        row(
            "read as",
            "seconds",
            "of processors, an artifact",
            "requests, an artifact",
            "fetched",
            "of the whole",
            "memory",
        ),
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for way in found:
        processor = f"{way.run.processor / number:.3f}"
        requests = f"{way.requests / number:.1f}" if way.requests else "-"
        from_server = [f"{way.bytes / 1e6:,.0f} MB", percent(way.bytes / size)] if way.bytes else ["-", "-"]
        memory = f"{way.run.memory:.0f} MiB"
        lines.append(row(way.name, f"{way.run.seconds:.1f}", processor, requests, *from_server, memory))
    return lines


def table_of_wheels(wheels: Sequence[Path], folder: Path) -> list[str]:
    """Return a table of what is fetched of some wheels."""
    lines = [row("wheel", "size", "fetched by ranges", "of the whole", "requests"), "|---|--:|--:|--:|--:|"]
    for start in SHOWN:
        wheel = next(path for path in wheels if path.name.startswith(start))
        served, size = fetched(wheel, folder), wheel.stat().st_size
        sizes = [f"{figure / 1e6:.1f} MB" for figure in (size, served.bytes)]
        lines.append(row(wheel.name, *sizes, percent(served.bytes / size), len(served.ranges)))
    return lines


def table_of_merges(report: Path, folder: Path) -> list[str]:
    """Return a table of what it takes to join reports."""
    lines = [row("merged", "artifacts", "result", "seconds", "memory"), "|---|--:|--:|--:|--:|"]
    for shards in SHARDS:
        run, artifacts, size = merged(report, shards, folder)
        result = f"{size / 1e6:,.0f} MB"
        lines.append(row(f"{shards} reports", f"{artifacts:,}", result, f"{run.seconds:.1f}", f"{run.memory:.0f} MiB"))
    return lines


def model(way: Way, number: int, report: int) -> list[str]:
    """Return what MANY wheels like these cost; ``report`` is the size of the JSON report of ``number`` in bytes.

    Seconds of processors do not tell of what else this machine did; a shard with several processors takes less.
    """
    own, requests, fetched_bytes = (figure / number for figure in (way.run.processor, way.requests, way.bytes))
    trips = requests + CONNECT
    an_artifact = own + trips * ROUND_TRIP + fetched_bytes / BANDWIDTH
    shards = math.ceil(MANY * an_artifact / SHARD)
    elapsed = math.ceil(shards / CONCURRENT) * (SHARD + START) / 3600
    kilobytes = report / number / 1000
    network = f"{trips:.1f} round trips of {ROUND_TRIP * 1000:.0f} ms"
    transfer = f"{fetched_bytes / 1e6:.1f} MB at {BANDWIDTH / 1e6:.0f} MB/s"
    machines = f"{MANY * an_artifact / 3600:,.0f} hours of machines"
    starts = f"{shards * START / 3600:.0f} hours more for starting ({START} s each)"
    calls = f"{count(math.ceil(shards / JOBS), 'call')} of the workflow ({JOBS} jobs at most)"
    together = f"{MANY * kilobytes / 1e6:.0f} GB together, {MANY / shards * kilobytes / 1000:.0f} MB a shard"
    lines = [
        f"an artifact: {own:.2f} s of a processor, {network}, {transfer}: **{an_artifact:.2f} s**",
        f"all: {machines}, {MANY * fetched_bytes / 1e12:.1f} TB fetched",
        f"shards of an hour: **{shards:,}**, in {calls}, and {starts}",
        f"elapsed: {elapsed:,.0f} hours with {CONCURRENT} jobs at a time",
        f"JSON reports: {kilobytes:.0f} KB an artifact, {together}",
    ]
    return [f"- {line}" for line in lines]


def main() -> None:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the tables into docs/{PAGE.name}")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    wheels = [fetch(wheel) for wheel in listed()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = ways(wheels, folder)
        report = folder / "files.json"
        lines = [*table_of_ways(found, wheels), "", *table_of_wheels(wheels, folder), ""]
        lines += table_of_merges(report, folder)
        lines += ["", f"**{MANY:,} wheels like these**, by ranges:", ""]
        lines += model(found[1], len(wheels), report.stat().st_size)
    lines = [f"{machine('`make bench-scale`', load)}.", "", *lines]
    print("\n".join(lines))
    if options.write:
        replace_between_markers(PAGE, "\n".join(lines))


if __name__ == "__main__":
    main()
