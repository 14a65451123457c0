from __future__ import annotations

import datetime

import pytest

from glibc_guard.ignores import IgnoreList
from glibc_guard.model import Finding
from glibc_guard.settings import Ignore

TODAY = datetime.date(2026, 11, 20)
FINDING = Finding("symbol-version-too-new", "error", "ray/raylet", "…", symbol="gettid", version="GLIBC_2.30")


def split(*entries: Ignore) -> tuple[int, tuple[str, ...]]:
    """Return how many findings are set aside, and the remarks."""
    ignores = IgnoreList(entries, TODAY)
    standing, ignored = ignores.split([FINDING])
    assert len(standing) + len(ignored) == 1
    return len(ignored), ignores.remarks()


@pytest.mark.parametrize(
    "entry",
    [
        Ignore("symbol-version-too-new", "r"),
        Ignore("*", "r", symbol="get*", object="**/raylet"),
        Ignore("symbol-version-too-new", "r", until=TODAY),
    ],
)
def test_an_entry_that_matches_sets_the_finding_aside(entry: Ignore) -> None:
    assert split(entry) == (1, ())


@pytest.mark.parametrize(
    "entry",
    [
        Ignore("private-symbol", "r"),
        Ignore("symbol-version-too-new", "r", symbol="gettid2"),
        Ignore("symbol-version-too-new", "r", object="raylet"),
        Ignore("symbol-version-too-new", "r", object="ray/*/raylet"),
    ],
)
def test_an_entry_that_matches_nothing_is_reported(entry: Ignore) -> None:
    count, (remark,) = split(entry)
    assert count == 0
    assert remark.startswith("an ignore matched nothing")
    assert entry.rule in remark


def test_an_expired_entry_no_longer_applies_and_is_reported() -> None:
    count, (remark,) = split(Ignore("symbol-version-too-new", "r", until=datetime.date(2026, 11, 19)))
    assert count == 0
    assert remark.startswith("an ignore expired on 2026-11-19")
