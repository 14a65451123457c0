"""The Action beside a stand-in for GitHub's API: for each event its check run and comment, as the runner runs it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from building import make_wheel
from e2e.runner import Job, Result
from github_api.description import recorded
from github_api.server import TOKEN, Answer, GitHubApi

pytestmark = pytest.mark.e2e

HOME = "Codertocat/Hello-World"
PULL_REQUEST_HEAD = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
MERGE_COMMIT = "f" * 40
ASKED = {"artifacts": "*.so", "target": "2.17", "check-run": "glibc-guard", "comment": "on-change"}


class Workflow:
    """Runs of one job of one workflow, each upon another event."""

    def __init__(self, job: Job, api: GitHubApi, action: Path) -> None:
        self.job, self.api, self.action = job, api, action
        self.runs = 0

    def run(
        self,
        event: str,
        payload: Mapping[str, Any],
        inputs: Mapping[str, str] | None = None,
        *,
        matrix: Mapping[str, Any] | None = None,
        **variables: str,
    ) -> Result:
        self.runs += 1
        path = self.job.temporary / "event.json"
        path.write_text(json.dumps(payload), encoding="utf-8")
        github = {
            "GITHUB_API_URL": self.api.url,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": HOME,
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(path),
            "GITHUB_SHA": MERGE_COMMIT,
            "GITHUB_RUN_ID": str(self.runs),
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_ACTOR": "Codertocat",
            "GITHUB_JOB": "wheels",
            "GITHUB_WORKFLOW_REF": f"{HOME}/.github/workflows/build.yml@refs/pull/2/merge",
            **variables,
        }
        job = Job(self.job.workspace, self.job.temporary, self.job.environment, github, TOKEN, matrix)
        result = job.use(self.action, {**ASKED, **(inputs or {})})
        assert TOKEN not in result.log
        return result

    def put(self, content: bytes) -> None:
        (self.job.workspace / "_core.so").write_bytes(content)


@pytest.fixture
def workflow(job: Job, api: GitHubApi, action: Path) -> Workflow:
    return Workflow(job, api, action)


def pull_request(action: str = "opened", *, fork: bool = False) -> dict[str, Any]:
    payload = copy.deepcopy(recorded("pull_request", action)[0])
    if fork:
        payload["pull_request"]["head"]["repo"]["full_name"] = "mallory/Hello-World"
    return payload


def notice(result: Result) -> str:
    """The one notice that there is."""
    (found,) = result.issues("notice")
    return found.data


def text_of(comment: Mapping[str, Any]) -> str:
    body: str = comment["body"]
    marker, _, text = body.partition("\n")
    assert re.fullmatch(r"<!-- glibc-guard [0-9a-f]{16} run=\d+\.1 verdict=[a-z]+ -->", marker)
    return text


def test_a_pull_request_from_red_to_green(workflow: Workflow, too_new: bytes, old_enough: bytes) -> None:
    workflow.put(too_new)
    result = workflow.run("pull_request", pull_request())
    assert (result.status, result.outputs["verdict"]) == (1, "fail"), result.log
    (run,) = workflow.api.check_runs.values()
    assert (run["name"], run["head_sha"], run["conclusion"]) == ("glibc-guard", PULL_REQUEST_HEAD, "failure")
    assert run["details_url"] == f"https://github.com/{HOME}/actions/runs/1"
    (annotation,) = workflow.api.annotations[run["id"]]
    assert (annotation["path"], annotation["annotation_level"]) == ("pyproject.toml", "failure")
    (comment,) = workflow.api.comments.values()
    assert "❌ glibc-guard: 1 of 1 artifact failed" in text_of(comment)
    assert "reallocarray@GLIBC_2.26" in text_of(comment)
    assert "**What to fix**" in text_of(comment)
    assert not result.issues("notice")

    workflow.put(old_enough)
    payload = pull_request("synchronize")
    payload["pull_request"]["head"]["sha"] = "b" * 40
    result = workflow.run("pull_request", payload)
    assert result.status == 0, result.log
    assert [run["conclusion"] for run in workflow.api.check_runs.values()] == ["failure", "success"]
    (comment,) = workflow.api.comments.values()
    assert "✅ glibc-guard: fixed, 1 artifact passed" in text_of(comment)


def test_a_re_run_renews_what_is_there(workflow: Workflow, too_new: bytes) -> None:
    workflow.put(too_new)
    for _ in range(2):
        workflow.run("pull_request", pull_request())
    assert (len(workflow.api.check_runs), len(workflow.api.comments)) == (1, 1)
    (annotations,) = workflow.api.annotations.values()
    assert len(annotations) == 1


def test_nothing_is_asked_by_default(workflow: Workflow, too_new: bytes) -> None:
    workflow.put(too_new)
    result = workflow.run("pull_request", pull_request(), {"check-run": "", "comment": "never"})
    assert result.status == 1
    assert not workflow.api.requests


def test_while_all_is_well_there_is_no_comment_unless_it_is_always_wanted(
    workflow: Workflow, old_enough: bytes
) -> None:
    workflow.put(old_enough)
    workflow.run("pull_request", pull_request())
    assert not workflow.api.comments
    workflow.run("pull_request", pull_request(), {"comment": "always"})
    (comment,) = workflow.api.comments.values()
    assert "✅ glibc-guard: 1 artifact passed" in text_of(comment)


@pytest.mark.parametrize(
    ("event", "payload", "head"),
    [
        ("push", recorded("push")[4], "6113728f27ae82c7b1a177c8d03f9e96e0adf246"),
        ("merge_group", recorded("merge_group")[0], "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d"),
        ("workflow_dispatch", recorded("workflow_dispatch")[0], MERGE_COMMIT),
        ("schedule", {"schedule": "0 4 * * 1"}, MERGE_COMMIT),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_event_without_a_pull_request(
    workflow: Workflow, too_new: bytes, event: str, payload: Mapping[str, Any], head: str
) -> None:
    workflow.put(too_new)
    result = workflow.run(event, payload)
    assert result.status == 1, result.log
    assert [run["head_sha"] for run in workflow.api.check_runs.values()] == [head]
    assert not workflow.api.comments
    assert not result.issues("notice")


def test_a_workflow_run(workflow: Workflow, too_new: bytes) -> None:
    payload = copy.deepcopy(recorded("workflow_run", "completed")[2])
    told = payload["workflow_run"]
    workflow.put(too_new)
    workflow.run("workflow_run", payload)
    assert not workflow.api.comments  # as recorded, the pull request is one of another repository
    told["event"] = "pull_request"
    told["pull_requests"][0]["head"]["sha"] = told["head_sha"]
    told["pull_requests"][0]["base"]["repo"]["id"] = payload["repository"]["id"]
    workflow.run("workflow_run", payload)
    assert [run["head_sha"] for run in workflow.api.check_runs.values()] == [payload["workflow_run"]["head_sha"]]
    assert len(workflow.api.comments) == 1


def test_a_closed_pull_request_gets_no_comment(workflow: Workflow, too_new: bytes) -> None:
    workflow.put(too_new)
    workflow.run("pull_request", pull_request("closed"))
    assert not workflow.api.comments


@pytest.mark.parametrize(
    ("payload", "actor", "whose"),
    [(pull_request(fork=True), "mallory", "a fork"), (pull_request(), "dependabot[bot]", "Dependabot")],
    ids=["fork", "Dependabot"],
)
def test_a_token_that_can_only_read(
    workflow: Workflow, old_enough: bytes, too_new: bytes, payload: dict[str, Any], actor: str, whose: str
) -> None:
    workflow.api.permissions.clear()
    workflow.put(old_enough)
    result = workflow.run("pull_request", payload, {"comment": "always"}, GITHUB_ACTOR=actor)
    assert (result.status, result.outputs["verdict"]) == (0, "pass"), result.log
    assert notice(result).startswith("The check run and the comment could not be written: GitHub answered 403")
    assert f"The token of a run for {whose} can only read." in notice(result)
    assert "examples/fork-pull-requests" in notice(result)
    workflow.put(too_new)
    result = workflow.run("pull_request", payload, GITHUB_ACTOR=actor)
    assert result.status == 1
    assert len(result.issues("error")) == 1
    assert "reallocarray" in result.summary
    assert len(result.issues("notice")) == 1


def test_a_permission_that_is_missing_is_named(workflow: Workflow, too_new: bytes) -> None:
    workflow.api.permissions = {"pull-requests"}
    workflow.put(too_new)
    result = workflow.run("pull_request", pull_request())
    assert result.status == 1
    assert "Give the job the permission `checks: write`;" in notice(result)
    assert len(workflow.api.comments) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(502, raw=b"<html>"),
        Answer(422, {"message": "Validation Failed"}),
        Answer(429, {"message": "API rate limit exceeded"}, {"Retry-After": "3600"}),
        Answer(200, raw=b"no JSON"),
        Answer(200, {"check_runs": [{"id": "x"}]}),
    ],
    ids=["502", "422", "429", "no JSON", "another shape"],
)
def test_whatever_github_answers_the_verdict_stands(workflow: Workflow, old_enough: bytes, answer: Answer) -> None:
    workflow.api.fail("GET", "/check-runs", answer, times=99)
    workflow.put(old_enough)
    result = workflow.run("pull_request", pull_request(), {"comment": "never"})
    assert (result.status, result.outputs["verdict"]) == (0, "pass"), result.log
    assert notice(result)


def test_nobody_answers(workflow: Workflow, old_enough: bytes) -> None:
    workflow.put(old_enough)
    for url in ("http://127.0.0.1:9", "nonsense", "ftp://example.invalid"):
        result = workflow.run("pull_request", pull_request(), GITHUB_API_URL=url)
        assert (result.status, result.outputs["verdict"]) == (0, "pass"), result.log
        assert notice(result)


def test_no_token(workflow: Workflow, old_enough: bytes) -> None:
    workflow.put(old_enough)
    result = workflow.run("pull_request", pull_request(), {"token": ""})
    assert result.status == 0
    assert notice(result) == "The input token is empty: there is no check run and no comment."
    assert not workflow.api.requests


def test_two_jobs_of_a_matrix(workflow: Workflow, too_new: bytes, old_enough: bytes) -> None:
    """Neither hides what the other says: of check runs with one name GitHub shows the latest alone."""
    for _ in range(2):
        for arch, content in (("x86_64", too_new), ("aarch64", old_enough)):
            workflow.put(content)
            matrix = {"arch": arch, "python": 3.12}
            workflow.run("pull_request", pull_request(), {"comment": "always"}, matrix=matrix)
    assert {run["name"]: run["conclusion"] for run in workflow.api.check_runs.values()} == {
        "glibc-guard (x86_64, 3.12)": "failure",
        "glibc-guard (aarch64, 3.12)": "success",
    }
    failed, passed = (text_of(comment).partition("\n")[0] for comment in workflow.api.comments.values())
    assert failed == "### ❌ glibc-guard (x86\\_64, 3\\.12): 1 of 1 artifact failed (1 error)"
    assert passed == "### ✅ glibc-guard (aarch64, 3\\.12): 1 artifact passed"


def test_two_uses_in_one_job(workflow: Workflow, too_new: bytes) -> None:
    workflow.put(too_new)
    for variant in ("wheels", "programs"):
        workflow.run("pull_request", pull_request(), {"variant": variant})
    assert {run["name"] for run in workflow.api.check_runs.values()} == {
        "glibc-guard (wheels)",
        "glibc-guard (programs)",
    }
    assert len(workflow.api.comments) == 2


def test_with_a_baseline_the_comment_tells_before_and_after(
    workflow: Workflow, too_new: bytes, old_enough: bytes
) -> None:
    workspace = workflow.job.workspace
    for folder in ("old", "dist"):
        (workspace / folder).mkdir()
    tag = "cp312-cp312-manylinux_2_17_x86_64"
    make_wheel(workspace / "old", {"p/_c.so": old_enough}, tag=tag)
    make_wheel(workspace / "dist", {"p/_c.so": too_new}, tag=tag, version="1.1")
    before = workflow.run(
        "push",
        recorded("push")[4],
        {"artifacts": "old/*.whl", "target": "", "report": "old.json", "check-run": "", "comment": "never"},
    )
    assert before.status == 0, before.log
    inputs = {"artifacts": "dist/*.whl", "target": "", "baseline": "old.json"}
    assert workflow.run("pull_request", pull_request(), inputs).status == 1
    (comment,) = workflow.api.comments.values()
    text = text_of(comment)
    assert "| ✅ pass, glibc 2\\.17 | fail, glibc 2\\.26 |" in text
    assert "- No longer loads on: " in text
    assert "- Symbols added: `reallocarray@GLIBC_2.26`" in text
    assert "- Symbols gone: `secure_getenv@GLIBC_2.17`" in text
    assert "downloads lost " in text


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"comment": "sometimes"}, "The input comment is 'sometimes'; it may be never, on-change, always"),
        ({"check-run": "two\nlines"}, "The input check-run is 'two\\nlines'; it may be one line of text"),
    ],
)
def test_wrong_inputs(workflow: Workflow, inputs: dict[str, str], message: str) -> None:
    result = workflow.run("pull_request", pull_request(), inputs)
    assert (result.status, result.outputs["verdict"]) == (2, "error")
    assert result.issues("error")[0].data == message
