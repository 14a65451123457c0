"""The baseline ``run:ARTIFACT``: from the last green run of ours on the base branch, or a reason why there is none."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from github_api.conftest import client
from github_api.runs import REPOSITORY, add_run, upload
from github_api.server import TOKEN, Answer, GitHubApi
from glibc_guard.baseline.errors import UnavailableError
from glibc_guard.baseline.report_file import MAXIMUM, read_report
from glibc_guard.github import run_baseline
from glibc_guard.github.run_baseline import Origin, base_branch, fetch, origin
from glibc_guard.report import json as json_report
from measured import costs_less_than
from unit.github.reports import artifact, finding, report

HERE = Origin(REPOSITORY, "build.yml", "main", 1)


def written(path: str) -> bytes:
    return json_report.render(report(artifact(finding(), path=path)))


def fetched(api: GitHubApi, folder: Path, name: str = "report", where: Origin = HERE) -> list[str]:
    """The paths of the artifacts in the report that was found."""
    api.permissions.add("actions")
    return [item.path for item in read_report(fetch(client(api), name, where, folder)).artifacts]


def test_the_last_green_run_that_uploaded_it(api: GitHubApi, tmp_path: Path) -> None:
    for path in ("oldest.whl", "last.whl"):
        upload(api, add_run(api), "report", {"report.json": written(path)})
    add_run(api)  # it passed, and uploaded nothing
    upload(api, add_run(api, conclusion="failure"), "report", {"report.json": written("red.whl")})
    upload(api, add_run(api, head_branch="other"), "report", {"report.json": written("branch.whl")})
    assert fetched(api, tmp_path) == ["last.whl"]
    assert api.leaked == []  # the storage is another machine


@pytest.mark.parametrize(
    "run",
    [
        {"event": "pull_request", "source": "stranger/sample"},  # from a branch of the fork that is called main, too
        {"event": "pull_request"},
        {"event": "push", "source": "stranger/sample"},
        {"event": "workflow_run"},
    ],
    ids=str,
)
def test_a_proposal_is_no_baseline(api: GitHubApi, tmp_path: Path, run: dict[str, Any]) -> None:
    upload(api, add_run(api), "report", {"report.json": written("ours.whl")})
    upload(api, add_run(api, **run), "report", {"report.json": written("theirs.whl")})
    assert fetched(api, tmp_path) == ["ours.whl"]


def test_a_run_is_no_baseline_of_itself(api: GitHubApi, tmp_path: Path) -> None:
    upload(api, add_run(api), "report", {"report.json": written("before.whl")})
    itself = add_run(api)
    upload(api, itself, "report", {"report.json": written("itself.whl")})
    assert fetched(api, tmp_path, where=Origin(REPOSITORY, "build.yml", "main", itself)) == ["before.whl"]


def test_the_artifacts_of_a_matrix_are_one_baseline(api: GitHubApi, tmp_path: Path) -> None:
    run = add_run(api)
    for arch in ("x86_64", "aarch64"):
        upload(api, run, f"report-dist-{arch}", {f"{arch}/report.json": written(f"{arch}.whl"), "notes.txt": b"x"})
    upload(api, run, "dist-x86_64", {"a.whl": b""})
    assert sorted(fetched(api, tmp_path, "report-dist-*")) == ["aarch64.whl", "x86_64.whl"]
    assert fetched(api, tmp_path, "report-dist-x86_64") == ["x86_64.whl"]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "holds no JSON file"),
        ({"report.json": b"{"}, "no JSON report"),
        ({"report.json": b'{"schema_version": 9, "tool": {"name": "glibc-guard"}}'}, "update glibc-guard"),
        ({f"{n}.txt": b"" for n in range(run_baseline.MAXIMUM_MEMBERS + 1)}, "more than 1000 files"),
        (b"no archive", "is a damaged archive"),
        (b"PK\x05\x06" + b"\xff" * 18, "is a damaged archive"),
        ({"../../report.json": written("x.whl")[:100]}, "no JSON report"),
    ],
    ids=["empty", "no JSON", "of the future", "too many", "no archive", "half an archive", "elsewhere"],
)
def test_what_was_uploaded_is_not_trusted(
    api: GitHubApi, tmp_path: Path, files: dict[str, bytes] | bytes, reason: str
) -> None:
    upload(api, add_run(api), "report", files)
    with pytest.raises(UnavailableError, match=reason):
        fetched(api, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_bomb_is_not_unpacked(api: GitHubApi, tmp_path: Path) -> None:
    upload(api, add_run(api), "report", {"report.json": b" " * (MAXIMUM + 2)})
    with pytest.raises(UnavailableError, match="holds more than 128 MiB"):
        fetched(api, tmp_path)


def test_a_damaged_member(api: GitHubApi, tmp_path: Path) -> None:
    number = upload(api, add_run(api), "report", {"report.json": written("x.whl") * 9})
    data = bytearray(api.archives[number])
    data[60:90] = bytes(30)
    api.archives[number] = bytes(data)
    with pytest.raises(UnavailableError, match="is a damaged archive"):
        fetched(api, tmp_path)
    assert not zipfile.is_zipfile(tmp_path)


def test_what_is_too_large_or_gone_is_not_downloaded(api: GitHubApi, tmp_path: Path) -> None:
    upload(api, add_run(api), "report", {"a.json": b""}, size_in_bytes=10**10)
    with pytest.raises(UnavailableError, match="larger than 64 MiB"):
        fetched(api, tmp_path)
    assert not api.asked("GET", "/zip")
    upload(api, add_run(api), "old", {"report.json": written("x.whl")}, expired=True)
    with pytest.raises(UnavailableError, match=r"no successful run of build\.yml on main has the artifact old"):
        fetched(api, tmp_path, "old")


def test_runs_without_it_are_not_searched_for_ever(judged: GitHubApi, tmp_path: Path) -> None:
    for _ in range(30):
        add_run(judged)
    with pytest.raises(UnavailableError, match="it is there once a run on that branch has uploaded its report"):
        fetched(judged, tmp_path)
    assert len(judged.asked("GET", "/artifacts")) == run_baseline.MAXIMUM_RUNS


def test_without_the_permission_it_says_so(api: GitHubApi, tmp_path: Path) -> None:
    upload(api, add_run(api), "report", {"report.json": written("x.whl")})
    with pytest.raises(UnavailableError, match=r"403.*needs the permission actions: read"):
        fetch(client(api), "report", HERE, tmp_path)
    api.fail("GET", "/runs", Answer(404, {"message": "Not Found"}))
    with pytest.raises(UnavailableError, match="404"):
        fetched(api, tmp_path)


PULL = {"pull_request": {"base": {"ref": "release/1.x"}}, "repository": {"default_branch": "main"}}
BRANCHES: list[tuple[dict[str, str], dict[str, Any], str | None]] = [
    ({"GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "7/merge"}, PULL, "release/1.x"),
    ({"GITHUB_REF_TYPE": "branch"}, {"merge_group": {"base_ref": "refs/heads/main"}}, "main"),
    ({"GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "dev"}, {"repository": {"default_branch": "main"}}, "dev"),
    ({"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1"}, {"repository": {"default_branch": "main"}}, "main"),
    ({}, {"pull_request": {"base": 7}, "repository": []}, None),
]


@pytest.mark.parametrize(("environment", "payload", "branch"), BRANCHES, ids=["pull", "queue", "push", "tag", "none"])
def test_the_base_branch(environment: dict[str, str], payload: dict[str, Any], branch: str | None) -> None:
    assert base_branch(environment, payload) == branch


def test_where_the_baseline_is() -> None:
    environment = {
        "GITHUB_WORKFLOW_REF": "octo/sample/.github/workflows/build.yml@refs/pull/7/merge",
        "GITHUB_REPOSITORY": "octo/sample",
        "GITHUB_RUN_ID": "12",
    }
    assert origin(environment, json.loads(json.dumps(PULL))) == Origin("octo/sample", "build.yml", "release/1.x", 12)
    with pytest.raises(UnavailableError, match="no run of a workflow"):
        origin({}, PULL)


ENVIRONMENT = {
    "GITHUB_WORKFLOW_REF": f"{REPOSITORY}/.github/workflows/build.yml@refs/pull/7/merge",
    "GITHUB_REPOSITORY": REPOSITORY,
    "GITHUB_RUN_ID": "1",
    "GITHUB_REF_TYPE": "branch",
    "GITHUB_REF_NAME": "main",
}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, raw=b"<html>a proxy's page</html>"),
        Answer(200, {}),
        Answer(200, None),
        Answer(200, {"total_count": 1, "workflow_runs": None}),
        Answer(200, {"total_count": 1, "workflow_runs": [{"id": "x"}]}),
        Answer(
            200, {"total_count": 0, "workflow_runs": []}, {"X-RateLimit-Limit": "abc", "X-RateLimit-Remaining": "b"}
        ),
        Answer(429, {"message": "slow"}, {"Retry-After": "9" * 5000}),
        Answer(503, {"message": "slow"}, {"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT"}),
    ],
    ids=["HTML", "empty", "null", "no list", "no run", "limits", "digits", "year"],
)
def test_no_answer_is_more_than_a_reason(api: GitHubApi, tmp_path: Path, answer: Answer) -> None:
    api.fail("GET", "/runs", answer, times=9)
    with pytest.raises(UnavailableError):
        run_baseline.fetched("run:report", TOKEN, {**ENVIRONMENT, "GITHUB_API_URL": api.url}, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["nonsense", "ftp://example.invalid", "https://[", "http://127.0.0.1:9"])
def test_an_address_that_is_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(UnavailableError):
        run_baseline.fetched("run:report", TOKEN, {**ENVIRONMENT, "GITHUB_API_URL": url}, tmp_path)


@pytest.mark.parametrize("place", ["https://[", "", "ftp://example.invalid/x", "https://127.0.0.1:9/x"])
def test_a_place_to_download_from_that_is_none(api: GitHubApi, tmp_path: Path, place: str) -> None:
    upload(api, add_run(api), "report", {"report.json": written("x.whl")})
    api.fail("GET", "/zip", Answer(302, raw=b"", headers={"Location": place}))
    with pytest.raises(UnavailableError):
        fetched(api, tmp_path)


def test_a_member_whose_lzma_properties_are_none(api: GitHubApi, tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("report.json", written("x.whl"))
    content = bytearray(data.getvalue())
    begin = 30 + len("report.json") + 4
    content[begin : begin + 5] = b"\xff" * 5
    upload(api, add_run(api), "report", bytes(content))
    with pytest.raises(UnavailableError, match="is a damaged archive"):
        fetched(api, tmp_path)


@pytest.mark.parametrize("is_64", [False, True])
@pytest.mark.parametrize("comment", [b"", b"a comment"])
def test_a_directory_of_a_million_files_is_not_read(
    api: GitHubApi, tmp_path: Path, comment: bytes, *, is_64: bool
) -> None:
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 1, *[0] * 6) + b"a"
    data = directory = entry * 100_000
    size = 1 if is_64 else len(directory)
    if is_64:
        data += struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 100_000, 100_000, len(directory), 0)
        data += struct.pack("<4sLQL", b"PK\x06\x07", 0, len(directory), 1)
    data += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, size, 0, len(comment)) + comment
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert len(archive.infolist()) == 100_000
    upload(api, add_run(api), "report", data)
    with costs_less_than(2), pytest.raises(UnavailableError, match="more than 1000 files"):
        fetched(api, tmp_path)
