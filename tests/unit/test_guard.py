"""A fault of glibc-guard's own takes one artifact, and never the report of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from building import library, make_wheel
from glibc_guard.guard import EXIT_UNREADABLE, check, exit_status
from glibc_guard.model import Severity
from glibc_guard.report import json, markdown, text
from glibc_guard.settings import Settings


class Faulty(Mapping[str, Severity]):
    """Severities that fail where the one of a rule is asked for."""

    def __getitem__(self, rule: str) -> Severity:
        if rule == "symbol-version-too-new":
            raise ZeroDivisionError("a fault for a test")
        raise KeyError(rule)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    built = {"bad": library("pow(x, 2.5)", glibc="2.29"), "good": library("pow(x, 2.5)", glibc="2.17")}
    return [str(make_wheel(tmp_path, {f"{name}/m.so": data}, name=name)) for name, data in built.items()]


def test_a_fault_in_a_judgement_makes_its_artifact_unreadable(paths: list[str]) -> None:
    report = check(paths, Settings(severities=Faulty()))
    bad, good = report.artifacts
    assert (bad.verdict, good.verdict) == ("unreadable", "pass")
    (finding,) = bad.findings
    assert finding.rule == "unreadable"
    assert finding.message.startswith("glibc-guard itself failed on it, please report this: ZeroDivisionError(")
    assert exit_status(report, "error") == EXIT_UNREADABLE
    shown_as_json = json.render(report).decode()
    for shown in (shown_as_json, markdown.render(report), text.render(report, color=False, width=None)):
        assert "please report this" in shown


def test_who_looks_for_a_fault_gets_its_traceback(paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIBC_GUARD_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        check(paths, Settings(severities=Faulty()))
