from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from building import library, make_wheel
from glibc_guard.baseline import BaselineError, opened
from glibc_guard.guard import UsageError, check, diff
from glibc_guard.report import changes_markdown, changes_text
from glibc_guard.report import json as json_report
from glibc_guard.settings import Settings
from measured import costs_less_than

OLD = library("malloc(1)", glibc="2.17")


@pytest.fixture
def report(tmp_path: Path) -> dict[str, Any]:
    wheel = make_wheel(tmp_path, {"m.so": OLD})
    found: dict[str, Any] = json.loads(json_report.render(check([str(wheel)], Settings())))
    return found


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    first = check([str(make_wheel(tmp_path, {"m.so": OLD}))], Settings())
    path = tmp_path / "report"  # by its content, whatever it is called
    path.write_bytes(json_report.render(first))
    assert opened(str(path)).report == first


def test_a_later_report_of_this_schema_may_say_more(tmp_path: Path, report: dict[str, Any]) -> None:
    report["more"] = {"x": 1}
    report["artifacts"][0]["objects"][0]["more"] = []
    (tmp_path / "r.json").write_text(json.dumps(report))
    assert opened(str(tmp_path / "r.json")).report is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON report of glibc-guard"),
        ("[]", "no JSON report of glibc-guard"),
        ("", "no JSON report of glibc-guard"),
        ("\ufeffhello", "no JSON report of glibc-guard"),
        ('{"a": 1}', "no JSON report of glibc-guard"),
        ("[" * 100_000, "no JSON report of glibc-guard"),
        ('{"schema_version": 1, "tool": {"name": "auditwheel"}}', "another tool wrote it"),
        ('{"schema_version": 2, "tool": {"name": "glibc-guard"}}', "a report of schema 2, and this glibc-guard knows"),
        ('{"schema_version": 1, "tool": {"name": "glibc-guard"}}', "a damaged JSON report"),
    ],
)
def test_what_is_no_report_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(BaselineError) as caught:
        opened(str(path))
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("verdict",), "perhaps"),
        (("artifacts",), {}),
        (("artifacts", 0, "size"), "1"),
        (("artifacts", 0, "floor"), {"GLIBC": 2.17}),
        (("artifacts", 0, "objects", 0, "imports"), None),
        (("artifacts", 0, "objects", 0, "needed"), "libc.so.6"),
    ],
)
def test_a_field_of_another_kind_is_named(
    tmp_path: Path, report: dict[str, Any], place: tuple[str | int, ...], value: object
) -> None:
    target: Any = report
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    (tmp_path / "r.json").write_text(json.dumps(report))
    with pytest.raises(UsageError, match=rf"a damaged JSON report: .*{place[-1] if place[-1] != 0 else ''}"):
        check([str(tmp_path)], Settings(baseline=str(tmp_path / "r.json")))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("size",), -5),
        (("size",), 10**400),
        (("downloads_lost",), 1e308),
        (("path",), "x" * 70_000),
        (("objects", 0, "size"), -(10**18)),
        (("objects", 0, "size"), 10**400),
        (("objects", 0, "path"), "x" + "-aaaaaaaa" * 100_000),
        (("objects", 0, "soname"), "x" * 70_000),
    ],
)
def test_what_no_artifact_can_have_is_refused(
    tmp_path: Path, report: dict[str, Any], place: tuple[str | int, ...], value: object
) -> None:
    target: Any = report["artifacts"][0]
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    (tmp_path / "r.json").write_text(json.dumps(report))
    with pytest.raises(BaselineError, match="of artifact 1 is out of bounds"):
        opened(str(tmp_path / "r.json"))


def test_a_report_of_nothing_is_no_baseline(tmp_path: Path, report: dict[str, Any]) -> None:
    wheel = str(make_wheel(tmp_path, {"m.so": OLD}))
    (tmp_path / "r.json").write_text(json.dumps({**report, "artifacts": []}))
    with pytest.raises(UsageError, match="a report of no artifact"):
        diff(wheel, str(tmp_path / "r.json"))


def test_thousands_of_empty_folders_cost_no_time(tmp_path: Path, report: dict[str, Any]) -> None:
    folder = {**report["artifacts"][0], "kind": "folder", "objects": [], "floor": {}, "runs_on": []}
    report["artifacts"] += [{**folder, "path": f"d{number}"} for number in range(5_000)]
    (tmp_path / "r.json").write_text(json.dumps(report))
    with costs_less_than(10):
        check([str(make_wheel(tmp_path, {"m.so": OLD}))], Settings(baseline=str(tmp_path / "r.json")))
        diff(str(tmp_path / "r.json"), str(tmp_path / "r.json"))


def test_a_report_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    with path.open("wb") as file:
        file.write(b"{")
        file.truncate(129 * 1024 * 1024)
    with pytest.raises(BaselineError, match="larger than 128 MiB"):
        opened(str(path))


def test_absurd_facts_of_a_report_are_compared_without_harm(tmp_path: Path, report: dict[str, Any]) -> None:
    wheel = str(make_wheel(tmp_path, {"m.so": OLD}))
    artifact = report["artifacts"][0]
    hostile = "::error::x##[error]\x1b[31m<img src=x>|`\u202e"
    item = {**artifact["objects"][0], "size": 0, "path": hostile, "imports": ["@", "a@@", hostile], "needed": [hostile]}
    artifact |= {"size": 0, "objects": [item, item], "floor": {hostile: "9" * 9999, "GLIBC": "x"}, "downloads_lost": 1}
    (tmp_path / "r.json").write_text(json.dumps(report))
    for compared in (
        check([wheel], Settings(baseline=str(tmp_path / "r.json"))),
        diff(str(tmp_path / "r.json"), wheel),
    ):
        shown = changes_text.render(compared, color=False, width=None) + changes_markdown.render(compared)
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "##[" not in shown
        assert not [line for line in shown.splitlines() if line.lstrip().startswith("::")]
        tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(changes_markdown.render(compared))
        inner = [child for token in tokens for child in token.children or []]
        assert not {token.type for token in (*tokens, *inner)} & {"html_block", "html_inline", "link_open", "image"}
