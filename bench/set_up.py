"""What the Action adds to a job: the first use installs its dependencies by pip, a second use finds them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from statistics import median
from typing import Final

import yaml

from bench.measuring import Goal, Run, measure

ROOT: Final = Path(__file__).parent.parent
RUN: Final = ROOT / "scripts" / "action" / "run.sh"
COLD_GOAL, SECOND_GOAL = 10.0, 1.0  # seconds
RUNS: Final = 3
PASSED_ON: Final = frozenset({"PIP_INDEX_URL", "PIP_CERT"})  # where a machine reaches the index its own way


def defaults() -> dict[str, str]:
    """Return the inputs as action.yml hands them over where a workflow says nothing."""
    inputs = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
    return {f"INPUT_{name.upper().replace('-', '_')}": entry.get("default", "") for name, entry in inputs.items()}


def used_twice(artifact: Path, python: str) -> tuple[Run, Run]:
    """Run the Action on ``artifact`` twice in one new job, without a cache of pip."""
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder)
        for name in ("output", "summary"):
            (job / name).touch()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "RUNNER_TEMP": str(job),
            "GITHUB_WORKSPACE": str(job),
            "GITHUB_OUTPUT": str(job / "output"),
            "GITHUB_STEP_SUMMARY": str(job / "summary"),
            **defaults(),
            "INPUT_ARTIFACTS": str(artifact),
            "INPUT_PYTHON": python,
            "PIP_NO_CACHE_DIR": "1",
            **{name: value for name, value in os.environ.items() if name in PASSED_ON},
        }
        first = measure(["sh", RUN], environment, job)
        return first, measure(["sh", RUN], environment, job)


def set_up(artifact: Path, python: str) -> tuple[list[str], list[Goal]]:
    """Return the lines of the page and the goals."""
    jobs = [used_twice(artifact, python) for _ in range(RUNS)]
    names = ("first use in a job, nothing cached", "second use in the job")
    lines = ["### The Action", "", "| step | median, s | fastest to slowest |", "|---|--:|---|"]
    medians = []
    for name, runs in zip(names, zip(*jobs, strict=True), strict=True):
        seconds = [run.seconds for run in runs]
        medians.append(median(seconds))
        lines.append(f"| {name} | {medians[-1]:.2f} | {min(seconds):.2f} to {max(seconds):.2f} |")
    cold, second = medians
    return [*lines, ""], [
        (f"Action: the first use takes {cold:.1f} s (goal: below {COLD_GOAL:.0f})", cold < COLD_GOAL),
        (f"Action: the second use takes {second:.2f} s (goal: below {SECOND_GOAL:.0f})", second < SECOND_GOAL),
    ]
