"""Fuzzes every reader: ``python -m fuzz --runs N`` (or ``--seconds S`` each) from the folder that holds ``fuzz``.

Each runs in a process of its own under the bounds that users are promised; what it finds is kept below ``--keep``.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import os
import platform
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fuzz.readers import READERS
from fuzz.seeds import SEEDS

SECONDS: Final = 5  # one input may take so long at most
MEGABYTES: Final = 500  # … and the process may take so much
FIGURES: Final = re.compile(r"(?<=<!-- fuzz: written by `make fuzz` -->\n).*?(?=<!-- end of fuzz -->)", re.DOTALL)


@dataclass(frozen=True)
class Result:
    """How it went with one reader."""

    reader: str
    executions: int
    seconds: float
    megabytes: int
    covered: int
    find: str | None

    def row(self) -> str:
        """Return the line of the table."""
        found = "**a find**" if self.find else "none"
        return (
            f"| {self.reader} | {self.executions:,} | {self.executions / self.seconds:,.0f} | {self.covered:,} | "
            f"{self.megabytes} MB | {found} |"
        )


def fuzzed(name: str, folder: Path, bounds: list[str]) -> Result:
    """Fuzz one reader from its seeds, and from what earlier runs kept of it."""
    corpus = folder / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]()):
        (corpus / f"seed-{number}").write_bytes(seed)
    command = [sys.executable, "-m", "fuzz.one", name, str(corpus), *bounds]
    command += [f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}", f"-max_len={READERS[name].largest}"]
    command += ["-print_final_stats=1", f"-artifact_prefix={folder}/{name}-", "-verbosity=1"]
    path = os.pathsep.join(filter(None, ["tests", "src", os.environ.get("PYTHONPATH")]))
    began = time.monotonic()
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, errors="replace", env={**os.environ, "PYTHONPATH": path}
    )
    seconds = time.monotonic() - began
    (folder / f"{name}.log").write_text(done.stdout + done.stderr)
    return Result(
        name,
        _last(r"stat::number_of_executed_units:\s*(\d+)", done.stderr),
        seconds,
        _last(r"stat::peak_rss_mb:\s*(\d+)", done.stderr),
        _last(r"cov: (\d+)", done.stderr),
        None if done.returncode == 0 else (done.stdout + done.stderr)[-3000:],
    )


def _last(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def record(results: list[Result], path: Path, command: str) -> None:
    """Put the table into ``path``."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    rows = "\n".join(result.row() for result in results)
    text = (
        f"`{command}`, {today}, CPython {platform.python_version()}, {platform.machine()}, one core:\n\n"
        "| reader | executions | a second | branches reached | most memory | traceback, hang or too much memory |\n"
        f"|---|---:|---:|---:|---:|---|\n{rows}\n"
    )
    path.write_text(FIGURES.sub(lambda _: text, path.read_text(encoding="utf-8")), encoding="utf-8")


def tell(result: Result, folder: Path) -> None:
    """Print how it went."""
    print(f"{result.reader}: {result.executions:,} executions in {result.seconds:.0f} s", flush=True)  # noqa: T201
    if result.find:
        print(f"{result.find}\nThe input is kept: {folder}/{result.reader}-*", flush=True)  # noqa: T201


def main() -> int:
    """Fuzz all that is asked for, and tell of every find."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    amount = parser.add_mutually_exclusive_group(required=True)
    amount.add_argument("--runs", type=int, help="executions of each reader")
    amount.add_argument("--seconds", type=int, help="time for each reader")
    parser.add_argument("--reader", action="append", choices=[*READERS], help="only this one; repeat")
    parser.add_argument("--jobs", type=int, default=1, help="so many at the same time")
    parser.add_argument("--keep", type=Path, default=Path(".fuzz"), help="folder for inputs worth keeping, and finds")
    parser.add_argument("--record", type=Path, help="a document that takes the figures")
    options = parser.parse_args()
    bounds = [f"-runs={options.runs}"] if options.runs else [f"-max_total_time={options.seconds}"]
    fuzz = functools.partial(fuzzed, folder=options.keep.resolve(), bounds=bounds)
    results = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(fuzz, options.reader or READERS):
            results.append(result)
            tell(result, options.keep)
    if options.record:
        record(results, options.record, "make fuzz")
    return any(result.find or not result.executions for result in results)


if __name__ == "__main__":
    sys.exit(main())
