"""The Action with ``baseline: run:ARTIFACT``: compared with the last green run, or one notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.runner import Job, Result
from github_api.runs import REPOSITORY, add_run, upload
from github_api.server import TOKEN, Answer, GitHubApi, serving
from node_tools import node_modules

pytestmark = pytest.mark.e2e

NAME = "glibc-guard-report"


@pytest.fixture
def api() -> Iterator[GitHubApi]:
    node_modules()
    with serving(GitHubApi()) as listener:
        yield listener.api
        assert not listener.api.problems
        assert not listener.api.leaked


def used(action: Path, job: Job, api: GitHubApi, **inputs: str) -> Result:
    event = job.temporary / "event.json"
    event.write_text(json.dumps({"pull_request": {"base": {"ref": "main"}}}), encoding="utf-8")
    job.github = {
        "GITHUB_API_URL": api.url,
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REF_NAME": "12/merge",
        "GITHUB_REF_TYPE": "branch",
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_RUN_ID": "1",
        "GITHUB_WORKFLOW_REF": f"{REPOSITORY}/.github/workflows/build.yml@refs/pull/12/merge",
    }
    return job.use(action, {"artifacts": "core.so", "target": "2.28", "token": TOKEN, **inputs})


def test_the_difference_to_the_base_branch(
    action: Path, job: Job, api: GitHubApi, old_enough: bytes, too_new: bytes
) -> None:
    (job.workspace / "core.so").write_bytes(old_enough)
    before = used(action, job, api)
    upload(api, add_run(api), NAME, {"report.json": Path(before.outputs["report"]).read_bytes()})
    api.permissions.add("actions")
    (job.workspace / "core.so").write_bytes(too_new)
    (job.workspace / "pyproject.toml").write_text(f'[tool.glibc-guard]\nbaseline = "run:{NAME}"\n', encoding="utf-8")
    for inputs in ({"baseline": f"run:{NAME}"}, {}):
        result = used(action, job, api, **inputs)
        assert (result.status, result.outputs["verdict"]) == (0, "pass"), result.log
        assert "glibc 2.17 → 2.26" in result.log
        assert [one.properties["title"].partition(":")[0] for one in result.issues("warning")] == ["floor-raised"]


def test_without_it_there_is_one_notice_and_no_failure(
    action: Path, job: Job, api: GitHubApi, old_enough: bytes
) -> None:
    (job.workspace / "core.so").write_bytes(old_enough)
    (job.workspace / "glibc-guard.toml").write_text("", encoding="utf-8")
    upload(api, add_run(api), NAME, {"report.json": b"{}"})
    result = used(action, job, api, baseline=f"run:{NAME}")
    assert (result.status, result.outputs["verdict"]) == (0, "pass"), result.log
    (notice,) = result.issues("notice")
    assert notice.data.startswith(f"Nothing is compared with run:{NAME}: GitHub answered 403: ")
    assert notice.data.endswith("the job needs the permission actions: read")
    assert len(used(action, job, api, baseline="run:").issues("notice")) == 1
    address = api.url
    for url in ("nonsense", "ftp://example.invalid", "http://127.0.0.1:9"):
        api.url = url
        result = used(action, job, api, baseline=f"run:{NAME}")
        assert (result.status, result.outputs["verdict"]) == (0, "pass"), result.log
        assert len(result.issues("notice")) == 1
    api.url = address
    api.fail("GET", "/runs", Answer(200, raw=b"<html>a proxy's page</html>"), times=9)
    assert used(action, job, api, baseline=f"run:{NAME}").status == 0

    (job.workspace / "glibc-guard.toml").write_text("baseline-required = true\n", encoding="utf-8")
    result = used(action, job, api, baseline=f"run:{NAME}")
    assert (result.status, result.outputs["verdict"]) == (3, "error"), result.log
    (error,) = result.issues("error")
    assert "which is required, is not to be had" in error.data
