"""What is told of a run, both surfaces together: one that fails costs the other nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from github_api.server import TOKEN, Answer, GitHubApi
from glibc_guard.github import feedback
from glibc_guard.github.annotations import Repository
from glibc_guard.github.deadline import DeadlineError, within
from glibc_guard.github.event import run_of
from glibc_guard.github.feedback import Told, Wishes
from glibc_guard.github.job import job_of
from glibc_guard.model import Report
from unit.github.reports import artifact, finding, report

HEAD = "a" * 40
BAD, GOOD = report(artifact(finding())), report(artifact())
HOME = "octo/sample"


def pull(number: int = 7, **given: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    head = {"sha": HEAD, "repo": {"full_name": HOME}}
    return {"pull_request": {"number": number, "state": "open", "head": head, **given}}


def give(
    api: GitHubApi,
    said: Report,
    payload: dict[str, Any] | None = None,
    *,
    run: int = 6,
    check: str = "glibc-guard",
    comment: str = "always",
    variant: str = "",
    **variables: str,
) -> str | None:
    environment = {
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_REPOSITORY": HOME,
        "GITHUB_RUN_ID": str(run),
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_WORKFLOW_REF": f"{HOME}/.github/workflows/build.yml@x",
        "GITHUB_JOB": "wheels",
        **variables,
    }
    wishes = Wishes(check, comment, TOKEN)  # type: ignore[arg-type]
    about = run_of(environment, pull() if payload is None else payload)
    place = Repository(lambda _: None, "pyproject.toml")
    told = Told(said, said.verdict == "pass", about, job_of(environment, variant), place)
    return feedback.give(wishes, told, api.url)


def checks(api: GitHubApi) -> list[tuple[str, str]]:
    return [(run["name"], run["conclusion"]) for run in api.check_runs.values()]


def test_an_odd_answer_costs_one_surface(api: GitHubApi) -> None:
    api.fail("GET", "/check-runs", Answer(200, raw=b"<html>"), times=9)
    problem = give(api, BAD)
    assert problem is not None
    assert problem.startswith("The check run could not be written: the answer of GitHub is none that can be understood")
    assert len(api.comments) == 1


def test_a_comment_of_an_account_that_is_gone(api: GitHubApi) -> None:
    number = api.add_comment(7, "first")
    api.comments[number]["user"] = None
    assert give(api, BAD) is None
    assert len(api.comments) == 2


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"X-RateLimit-Remaining": "abc"}),
        (200, {"X-RateLimit-Limit": "abc", "X-RateLimit-Remaining": "abc", "X-RateLimit-Reset": "abc"}),
        (429, {"Retry-After": "9" * 5000}),
        (503, {"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT"}),
    ],
    ids=["remaining", "all", "digits", "year"],
)
def test_odd_headers_are_no_fault(api: GitHubApi, status: int, headers: dict[str, str]) -> None:
    body = {"total_count": 0, "check_runs": []} if status == 200 else {"message": "slow"}
    api.fail("GET", "/check-runs", Answer(status, body, headers))
    give(api, BAD)  # whether such a header matters is PyGithub's affair
    assert len(api.comments) == 1


@pytest.fixture
def dripping() -> Iterator[str]:
    """A server whose answer never ends, though each byte comes in time."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        over = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Pad: ")
                while not over.wait(0.2):
                    connection.sendall(b"a")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()


def test_a_server_that_drips_is_left_in_time(dripping: str) -> None:
    begin = time.monotonic()
    with pytest.raises(DeadlineError, match="GitHub took longer than 1 second"):
        within(1.0, lambda: give(GitHubApi(url=dripping), BAD))
    assert time.monotonic() - begin < 60


def test_what_is_done_in_time_is_as_without_a_limit() -> None:
    def fail() -> None:
        raise ValueError("own")

    assert within(5.0, lambda: 7) == 7
    with pytest.raises(ValueError, match="own"):
        within(5.0, fail)


def test_a_push_of_the_same_commit_hides_no_failure(api: GitHubApi) -> None:
    give(api, BAD, run=6, comment="never")
    push = {"head_commit": {"id": HEAD}}
    give(api, GOOD, push, run=5, comment="never", GITHUB_EVENT_NAME="push", GITHUB_REF="refs/heads/fix")
    assert checks(api) == [("glibc-guard", "failure")]
    give(api, GOOD, pull(8), run=7, comment="never")
    assert checks(api) == [("glibc-guard", "failure")]
    give(api, GOOD, run=8, comment="never")
    assert checks(api) == [("glibc-guard", "success")]


def test_an_input_that_comes_or_goes_leaves_no_comment_behind(api: GitHubApi) -> None:
    give(api, BAD, check="")
    give(api, GOOD, run=7)
    (comment,) = api.comments.values()
    assert "fixed" in comment["body"]


FORBIDDEN = {"errors": [{"type": "FORBIDDEN", "message": "Resource not accessible by integration"}], "data": None}


@pytest.mark.parametrize(
    ("method", "path", "answer", "advice"),
    [
        ("GET", "/comments", Answer(401, {"message": "Bad credentials"}), "The input token is none, or no longer one."),
        (
            "POST",
            "/comments",
            Answer(403, {"message": "Unable to create comment because issue is locked."}),
            "Its conversation is locked.",
        ),
        ("POST", "/graphql", Answer(200, FORBIDDEN), "the permission `pull-requests: write`"),
        ("GET", "/comments", Answer(404, {"message": "Not Found"}), "the permission `pull-requests: write`"),
        ("GET", "/comments", Answer(422, {"message": "no"}), "The verdict does not depend on it."),
    ],
    ids=["token", "locked", "GraphQL", "hidden", "other"],
)
def test_the_advice_fits_the_answer(api: GitHubApi, method: str, path: str, answer: Answer, advice: str) -> None:
    api.fail(method, path, answer, times=9)
    problem = give(api, BAD, check="")
    assert problem is not None
    assert advice in problem
    assert ("permission" in problem) == ("permission" in advice)
