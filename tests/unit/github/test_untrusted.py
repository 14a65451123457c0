"""A strange report: what is not of the exact shape is refused, and a good one is not believed against its findings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from building import library, make_wheel
from glibc_guard.github import untrusted
from glibc_guard.github.untrusted import UntrustedError, read
from glibc_guard.guard import check
from glibc_guard.model import Report
from glibc_guard.report import json as json_report
from glibc_guard.settings import Settings
from unit.github.reports import artifact, finding, report

NEW = library("reallocarray(0, 1, 2)", glibc="2.29")
OLD = library("pow(x, 2.5)", glibc="2.17")
HOSTILE = "##[error]x\x1b[31m@octocat<img src=x>\u202e" + "n" * 10_000

Json = dict[str, Any]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """With findings, changes, distributions, targets: everything that a report can hold."""
    before, after = tmp_path_factory.mktemp("before"), tmp_path_factory.mktemp("after")
    tag = "cp312-cp312-manylinux2014_x86_64"
    old = make_wheel(before, {"pkg/m.so": OLD, "pkg/gone.so": OLD}, tag=tag)
    new = make_wheel(after, {"pkg/m.so": NEW, "pkg/bad.so": NEW[:300]}, tag=tag, version="1.1")
    whole = make_wheel(after, {"pkg/m.so": NEW}, tag=tag, version="1.2", name="other")
    return check([str(new), str(whole)], Settings(baseline=str(old.parent)))


def written(path: Path, document: Json | bytes) -> Path:
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    return path


def test_a_real_report_is_read_as_it_is(real: Report, tmp_path: Path) -> None:
    assert any(item.changes for item in real.artifacts)
    path = written(tmp_path / "report.json", json_report.render(real))
    assert read(path) == real


def test_hostile_text_is_no_reason_to_refuse(tmp_path: Path) -> None:
    """A name is any text; the reports neutralise it."""
    given = report(artifact(finding(HOSTILE, HOSTILE, item=HOSTILE, message=HOSTILE), path=HOSTILE))
    assert read(written(tmp_path / "report.json", json_report.render(given))) == replace(
        given, artifacts=(replace(given.artifacts[0], coverage=replace(given.artifacts[0].coverage, elf=0)),)
    )


def test_several_reports_are_one(tmp_path: Path) -> None:
    one, other = report(artifact(path="a.whl")), report(artifact(finding(), path="b.whl"))
    (tmp_path / "x86_64").mkdir()
    (tmp_path / "aarch64").mkdir()
    written(tmp_path / "x86_64" / "report.json", json_report.render(one))
    written(tmp_path / "aarch64" / "report.json", json_report.render(other))
    (tmp_path / "x86_64" / "a.whl").write_bytes(b"not looked at")
    joined = read(tmp_path)
    assert joined is not None
    assert (joined.verdict, [item.path for item in joined.artifacts]) == ("fail", ["b.whl", "a.whl"])


def test_a_folder_without_a_report(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert read(tmp_path) is None


@pytest.mark.parametrize("claimed", ["pass", "fail"])
def test_the_verdict_is_no_better_than_the_findings(claimed: str, tmp_path: Path) -> None:
    document = json.loads(json_report.render(report(artifact(finding()), artifact(path="other.whl"))))
    document["verdict"] = document["artifacts"][0]["verdict"] = claimed
    document["artifacts"][0]["coverage"] = {"members": 0, "elf": 900, "unread": 0}
    found = read(written(tmp_path / "report.json", document))
    assert found is not None
    assert [found.verdict, *(item.verdict for item in found.artifacts)] == ["fail", "fail", "pass"]
    assert found.artifacts[0].coverage.elf == 0


def test_what_could_not_be_read_is_no_pass(tmp_path: Path) -> None:
    document = json.loads(json_report.render(report(artifact(replace(finding(), rule="unreadable", severity="note")))))
    document["verdict"] = document["artifacts"][0]["verdict"] = "pass"
    found = read(written(tmp_path / "report.json", document))
    assert found is not None
    assert found.verdict == found.artifacts[0].verdict == "unreadable"
    assert found.artifacts[0].coverage.unread == 1


def change(path: str, value: object) -> Callable[[Json], None]:
    """Sets what ``path`` leads to: "artifacts 0 size"."""

    def changed(document: Json) -> None:
        place: Any = document
        *names, last = path.split(" ")
        for name in names:
            place = place[int(name) if name.isdigit() else name]
        place[last] = value

    changed.__name__ = f"{path} = {str(value)[:40]}"
    return changed


REFUSED = [
    change("schema_version", 2),
    change("tool", {"name": "other", "version": "1"}),
    change("tool version", "<img>"),
    change("verdict", "ok"),
    change("artifacts", []),
    change("command", "::error::x"),
    change("artifacts 0 extra", 1),
    change("artifacts 0 findings 0 url", "https://evil.invalid"),
    change("artifacts 0 findings 0 severity", "catastrophe"),
    change("artifacts 0 findings 0 rule", "no-such-rule"),
    change("artifacts 0 findings 0 message", None),
    change("artifacts 0 findings 0 message", "x" * 65_537),
    change("artifacts 0 path", "x" * 65_537),
    change("artifacts 0 size", -1),
    change("artifacts 0 size", 2**64),
    change("artifacts 0 sha256", "<b>"),
    change("artifacts 0 downloads_lost", 7.0),
    change("artifacts 0 coverage members", -3),
    change("artifacts 0 floor", {"GLIBC": "<img src=x>"}),
    change("artifacts 0 floor", {"<img src=x>": "2.17"}),
    change("artifacts 0 floor", {"namespace": "x", "<img src=x>": "2.17"}),
    change("artifacts 0 targets 0 name", "a b|c"),
    change("artifacts 0 targets 0 origin", "divination"),
    change("artifacts 0 targets 0 ceilings", {"GLIBC": "@octocat"}),
    change("artifacts 0 runs_on 0 distro", "@octocat"),
    change("artifacts 0 runs_on 0 arch", "x86 64"),
    change("artifacts 0 objects 0 arch", "<b>"),
    change("artifacts 0 changes floor 0 namespace", "<b>"),
    change("artifacts 0 changes floor 0 after", "@octocat"),
    change("artifacts 0 findings 0 sites", [{"line": -1}]),
    change("artifacts 0 findings 0 sites", [{"line": 1.5}]),
    change("artifacts 0 findings 0 sites", [{"function": "f", "file": "a.c", "line": 2**31}]),
    change("artifacts 0 ignored", [{"finding": {}, "reason": "x", "until": "2027-01-01"}]),
]


@pytest.mark.parametrize("changed", REFUSED, ids=lambda changed: changed.__name__)
def test_what_is_no_report_of_ours_is_refused(changed: Callable[[Json], None], real: Report, tmp_path: Path) -> None:
    ordered = replace(real, artifacts=tuple(sorted(real.artifacts, key=lambda item: item.changes is None)))
    document = json.loads(json_report.render(ordered))
    document["artifacts"][0]["findings"].insert(
        0, json.loads(json_report.render(report(artifact(finding()))))["artifacts"][0]["findings"][0]
    )
    path = written(tmp_path / "report.json", document)
    assert read(path) is not None
    changed(document)
    with pytest.raises(UntrustedError):
        read(written(path, document))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000, b'"\\ud800"'],
    ids=lambda data: repr(data[:8]),
)
def test_what_is_no_json_is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(UntrustedError):
        read(written(tmp_path / "report.json", data))


def test_an_unknown_field_that_is_no_text(tmp_path: Path) -> None:
    data = json_report.render(report(artifact(finding()))).rstrip()[:-1] + b', "strange": "\xff\xfe"}'
    with pytest.raises(UntrustedError):
        read(written(tmp_path / "report.json", data))


def test_what_is_too_large_is_not_even_read(tmp_path: Path) -> None:
    with (tmp_path / "report.json").open("wb") as file:
        file.truncate(untrusted.MAXIMUM_BYTES + 1)
    with pytest.raises(UntrustedError, match="larger than 32 MiB"):
        read(tmp_path)


def test_too_many_files_and_findings_are_refused(tmp_path: Path) -> None:
    good = json_report.render(report(artifact()))
    for number in range(untrusted.MAXIMUM_FILES):
        written(tmp_path / f"{number}.json", good)
    assert read(tmp_path) is not None
    written(tmp_path / "more.json", good)
    with pytest.raises(UntrustedError, match="more than 64 JSON files"):
        read(tmp_path)
    many = report(artifact(*[finding()] * (untrusted.MAXIMUM_FINDINGS + 1)))
    with pytest.raises(UntrustedError, match="50,001 findings"):
        read(written(tmp_path / "0.json", json_report.render(many)).rename(tmp_path / "many"))


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    secret = written(tmp_path / "secret" / "report.json", json_report.render(report(artifact())))
    folder = tmp_path / "downloaded"
    folder.mkdir()
    (folder / "link.json").symlink_to(secret)
    (folder / "folder").symlink_to(secret.parent)
    os.mkfifo(folder / "pipe.json")
    assert read(folder) is None


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    """That is what a download leaves that matched nothing."""
    assert read(tmp_path / "nothing") is None
