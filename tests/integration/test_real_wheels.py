"""Real wheels from PyPI: the verdict and the floor that bench/wheels.toml records as true, and what two do together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.fetch_wheels import Wheel, listed
from glibc_guard.guard import check
from glibc_guard.settings import Settings
from provisions import fetched

ROOT = Path(__file__).parents[2]
PINNED = {wheel.file: wheel for wheel in listed()}
SUBSET = (
    "ray-2.60.0-cp312-cp312-manylinux2014_x86_64.whl",
    "numpy-2.5.5-cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    "pyarrow-26.0.1-cp312-cp312-manylinux_2_28_x86_64.whl",
    "ruff-0.17.5-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "cryptography-50.0.2-cp311-abi3-manylinux_2_34_x86_64.whl",
    "polars_runtime_32-1.36.1-cp39-abi3-manylinux_2_24_aarch64.whl",
    "orjson-3.11.9-cp312-cp312-musllinux_1_2_armv7l.whl",
    "packaging-26.3-py3-none-any.whl",
)


TOGETHER = (SUBSET[1], "scipy-1.18.1-cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl")


@pytest.fixture(params=SUBSET, ids=lambda file: str(file).partition("-cp")[0])
def wheel(request: pytest.FixtureRequest) -> Wheel:
    return the_wheel(request.param)


def the_wheel(file: str) -> Wheel:
    fetched(PINNED[file])
    return PINNED[file]


def test_verdict_and_floor_are_the_true_ones(wheel: Wheel, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "glibc_guard", "check", "--format", "json", str(wheel.path)],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    (artifact,) = json.loads(done.stdout)["artifacts"]
    assert (artifact["verdict"], artifact["floor"]) == (wheel.verdict, wheel.floor), artifact["findings"]
    assert done.returncode == {"pass": 0, "fail": 1, "unreadable": 3}[artifact["verdict"]]
    assert artifact["coverage"]["unread"] == 0
    assert (artifact["coverage"]["elf"] == 0) == wheel.file.endswith("-any.whl")


def test_every_wheel_is_pinned_by_checksum_and_judged() -> None:
    assert len(PINNED) == len(listed())
    assert [wheel.file for wheel in listed() if not (wheel.sha256 and wheel.verdict)] == []


def test_numpy_and_scipy_together_are_no_more_than_a_note() -> None:
    paths = [str(the_wheel(file).path) for file in TOGETHER]
    report = check(paths, Settings(together=True))
    assert report.verdict == "pass"
    (finding,) = (finding for artifact in report.artifacts for finding in artifact.findings)
    assert (finding.rule, finding.severity) == ("conflicting-blas", "note")
    assert "OpenBLAS (numpy-2.5.5: numpy.libs/libscipy_openblas64_-4b78795a.so)" in finding.message
    assert "OpenBLAS (scipy-1.18.1: scipy.libs/libscipy_openblas-5f890258.so)" in finding.message
    assert "their names keep them apart, scipy_dgemm_64_ and scipy_dgemm_" in finding.message
