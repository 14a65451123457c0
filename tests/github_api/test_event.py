"""What a run is about, from the payloads that GitHub's own project recorded."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from github_api.description import recorded, workflow_run
from glibc_guard.github.event import Run, payload_of, run_of

MERGE_COMMIT = "f" * 40
HOME = "Codertocat/Hello-World"


def run(event: str, payload: dict[str, Any], **variables: str) -> Run:
    environment = {
        "GITHUB_EVENT_NAME": event,
        "GITHUB_REPOSITORY": HOME,
        "GITHUB_SHA": MERGE_COMMIT,
        "GITHUB_RUN_ID": "42",
        "GITHUB_RUN_ATTEMPT": "3",
        "GITHUB_ACTOR": "Codertocat",
    }
    return run_of({**environment, **variables}, payload)


def pull_request(action: str = "opened") -> dict[str, Any]:
    return copy.deepcopy(recorded("pull_request", action)[0])


@pytest.mark.parametrize("payload", recorded("pull_request"), ids=lambda payload: payload["action"])
def test_every_recorded_pull_request(payload: dict[str, Any]) -> None:
    found = run("pull_request", payload)
    assert (found.head, found.pull_request) == ("ec26c3e57ca3a959ca5aad62de7213c562f8c821", 2)
    assert (found.is_closed, found.is_fork, found.is_dependabot) == (payload["action"] == "closed", False, False)


def test_the_run_itself() -> None:
    found = run("pull_request", pull_request())
    assert (found.repository, found.number) == (HOME, (42, 3))
    assert found.url == f"https://github.com/{HOME}/actions/runs/42"


@pytest.mark.parametrize("repository", [None, {"full_name": "mallory/Hello-World"}])
@pytest.mark.parametrize("event", ["pull_request", "pull_request_target"])
def test_a_fork_that_is_there_or_gone(event: str, repository: dict[str, str] | None) -> None:
    payload = pull_request()
    payload["pull_request"]["head"]["repo"] = repository
    assert run(event, payload).is_fork


def test_the_case_of_a_name_makes_no_fork() -> None:
    assert not run("pull_request", pull_request(), GITHUB_REPOSITORY=HOME.upper()).is_fork


def test_dependabot() -> None:
    assert run("pull_request", pull_request(), GITHUB_ACTOR="dependabot[bot]").is_dependabot


def test_a_push() -> None:
    branch, tag = recorded("push")[4], recorded("push")[0]
    for payload in (branch, tag):
        found = run("push", payload)
        assert (found.head, found.pull_request) == ("6113728f27ae82c7b1a177c8d03f9e96e0adf246", None)


def test_a_push_of_an_annotated_tag_names_the_commit_and_not_the_tag() -> None:
    payload = {**recorded("push")[0], "after": "d" * 40}
    assert run("push", payload).head == "6113728f27ae82c7b1a177c8d03f9e96e0adf246"


def test_a_merge_queue_has_no_pull_request() -> None:
    for payload in recorded("merge_group"):
        found = run("merge_group", payload)
        assert (found.head, found.pull_request) == ("2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d", None)
        assert not found.is_fork


def test_a_workflow_run_names_pull_requests_that_are_none_of_it() -> None:
    """As recorded: that of another repository, and of another head."""
    assert run("workflow_run", recorded("workflow_run", "completed")[2]).pull_request is None
    for event in ("push", "schedule", None):
        payload = workflow_run()
        payload["workflow_run"]["event"] = event
        assert run("workflow_run", payload).pull_request is None
    for part, value in (("head", {"sha": "0" * 40}), ("base", {"repo": {"id": 1}}), ("base", {}), ("head", None)):
        assert run("workflow_run", workflow_run(**{part: value})).pull_request is None
    payload = workflow_run()
    del payload["repository"]["id"]
    assert run("workflow_run", payload).pull_request is None


def test_a_workflow_run() -> None:
    payload = workflow_run()
    found = run("workflow_run", payload, GITHUB_REPOSITORY="octo-org/octo-repo")
    assert (found.head, found.pull_request, found.is_fork) == ("3484a3fb816e0859fd6e1cea078d76385ff50625", 2, False)
    payload["workflow_run"]["pull_requests"] *= 2
    assert run("workflow_run", payload).pull_request is None
    found = run("workflow_run", recorded("workflow_run", "completed")[0])
    assert (found.head, found.pull_request, found.is_fork) == ("5779607b49aab1200488439f02372c57b4f75444", None, True)


@pytest.mark.parametrize("event", ["workflow_dispatch", "schedule", "release", "issue_comment", ""])
def test_other_events_are_about_the_commit_of_the_run(event: str) -> None:
    payload = recorded(event)[0] if event in {"workflow_dispatch", "release", "issue_comment"} else {}
    found = run(event, payload)
    assert (found.head, found.pull_request, found.is_fork) == (MERGE_COMMIT, None, False)


@pytest.mark.parametrize("event", ["pull_request", "push", "merge_group", "workflow_run"])
@pytest.mark.parametrize("value", [None, 1, "x", [], {}, {"number": "2", "head": "x", "head_sha": "main"}])
def test_a_payload_of_another_shape(event: str, value: object) -> None:
    found = run(event, {event: value, "head_commit": value})
    assert (found.head, found.pull_request) == (MERGE_COMMIT, None)


def test_nothing_is_known() -> None:
    found = run_of({}, {})
    assert (found.head, found.pull_request, found.url, found.number) == (None, None, None, (0, 0))


@pytest.mark.parametrize(("content", "expected"), [('{"a": 1}', {"a": 1}), ("[]", {}), ("no JSON", {}), (None, {})])
def test_the_file_of_the_payload(tmp_path: Path, content: str | None, expected: dict[str, int]) -> None:
    path = tmp_path / "event.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert payload_of({"GITHUB_EVENT_PATH": str(path)}) == expected
    assert payload_of({}) == {}
    assert json.dumps(expected)
