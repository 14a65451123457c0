"""What is held in memory while large objects are read, and many."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.generated import folder_with, wheel_with
from measured import measured

MEBIBYTE = 1024 * 1024


def peak(path: Path) -> float:
    """Check ``path``, which passes, and return the highest memory in MiB."""
    cost = measured("check", "--target", "2.40", path)
    assert cost.status == 0, cost.printed
    return cost.mebibytes


@pytest.mark.parametrize(("size", "filling"), [(800 * MEBIBYTE, "sparse"), (120 * MEBIBYTE, "half")])
def test_an_object_much_larger_than_what_is_held(tmp_path: Path, size: int, filling: str) -> None:
    wheel = wheel_with(tmp_path, size, "sparse" if filling == "sparse" else "half")
    assert peak(wheel) < 100


def test_many_objects(tmp_path: Path) -> None:
    few, many = peak(folder_with(tmp_path, 100)), peak(folder_with(tmp_path, 1600))
    assert many < 100
    assert many - few < 20
