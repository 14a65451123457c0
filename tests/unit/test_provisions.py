"""What is missing is a failure in CI and a skip elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.fetch_wheels import Wheel
from provisions import fetched, needed, needed_module, unavailable

NOBODY_HAS = "nobody-has-this"


@pytest.mark.parametrize(
    "ask",
    [
        lambda: unavailable(f"{NOBODY_HAS} is not there"),
        lambda: needed(NOBODY_HAS, "apt-get install it"),
        lambda: needed_module(NOBODY_HAS),
        lambda: fetched(Wheel(file=f"{NOBODY_HAS}-1-py3-none-any.whl")),
    ],
    ids=["anything", "a program", "a module", "a wheel"],
)
@pytest.mark.parametrize(("ci", "end"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_what_is_missing(
    ask: Callable[[], object], ci: str, end: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr("bench.fetch_wheels.FOLDER", tmp_path)
    with pytest.raises(end, match=NOBODY_HAS):
        ask()


def test_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert Path(needed("sh", "it is everywhere")).is_file()
    needed_module("pytest")
