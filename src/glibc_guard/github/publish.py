"""The step of the action ``publish``: a stranger's report, told to the pull request that its run was about.

It runs on ``workflow_run`` in the base repository, with a token that can write, beside a report that the code of the
pull request may have forged. So nothing is checked out, the pull request is found from the run and not from the file,
and the conclusion is that of the run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from actions_toolkit import core

from glibc_guard import guard
from glibc_guard.github import action, feedback, inputs, repository, untrusted
from glibc_guard.github.annotations import Repository
from glibc_guard.github.event import payload_of, run_of
from glibc_guard.github.job import Job
from glibc_guard.report.grouping import summary_line
from glibc_guard.report.neutral import plain

if TYPE_CHECKING:
    from github import Github

    from glibc_guard.model import Report

MAXIMUM_REQUESTS: Final = 100  # pull requests of one branch that are looked at: one page
NOWHERE: Final = Repository(lambda _: None, None)


@dataclass(frozen=True, slots=True)
class Judged:
    """The run whose report is told, by what GitHub says of it."""

    owner: str  # of the repository that the commit comes from; empty where that is gone
    branch: str
    head: str | None
    workflow: str  # path of its file in the repository
    number: tuple[int, int]
    is_proposal: bool
    passed: bool
    url: str | None


def main() -> int:
    """Run the step and return its exit status: 0 told, 2 wrong usage or a refused report, 3 GitHub did not let it."""
    action.prepare_streams()
    return action.guarded(run, NOWHERE)


def run() -> int:
    """Read the report, find out what it is about, and tell it."""
    wishes = inputs.wishes()
    path = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()) / core.get_input("report")
    payload = payload_of(os.environ)
    if os.environ.get("GITHUB_EVENT_NAME") != "workflow_run":
        raise inputs.InputError(
            "publish works in a workflow on workflow_run alone: docs/forks.md of glibc-guard has one"
        )
    judged = judged_run(payload, os.environ)
    try:
        report = untrusted.read(path)
    except untrusted.UntrustedError as problem:
        return action.stop(f"The report is refused: {problem}", guard.EXIT_USAGE, NOWHERE)
    if report is None:
        action.set_outputs({"verdict": ""})
        core.notice(plain(f"There is no report in {path}: the run did not come to the check"), title="glibc-guard")
        return 0
    core.info(
        f"glibc-guard: {plain(summary_line(report.artifacts))}; the run {'passed' if judged.passed else 'failed'}"
    )
    action.set_outputs({"verdict": report.verdict})
    api_url = os.environ.get("GITHUB_API_URL") or "https://api.github.com"
    failure = _told(wishes, report, judged, api_url) if wishes else None
    if failure is not None:
        core.error(plain(failure), title="glibc-guard")
    return 0 if failure is None else guard.EXIT_UNREADABLE


def judged_run(payload: Mapping[str, Any], environment: Mapping[str, str]) -> Judged:
    """Return what the event brought; names that are no text are empty."""
    here = run_of(environment, payload)
    found = payload.get("workflow_run")
    told: Mapping[str, Any] = found if isinstance(found, dict) else {}
    source = told.get("head_repository")
    owner = source.get("owner") if isinstance(source, dict) else None
    number = (_natural(told.get("id")), _natural(told.get("run_attempt")))
    server = environment.get("GITHUB_SERVER_URL", "https://github.com")
    return Judged(
        owner=_text(owner.get("login")) if isinstance(owner, dict) else "",
        branch=_text(told.get("head_branch")),
        head=here.head,
        workflow=_text(told.get("path")).partition("@")[0],
        number=number,
        is_proposal=told.get("event") == "pull_request",
        passed=told.get("conclusion") == "success",
        url=f"{server}/{here.repository}/actions/runs/{number[0]}" if number[0] and here.repository else None,
    )


def _told(wishes: feedback.Wishes, report: Report, judged: Judged, api_url: str) -> str | None:
    """Tell the report; return what the user should know where that was not possible."""
    from glibc_guard.github import client  # noqa: PLC0415 - brings PyGithub: 0.2 s

    if not wishes.token:
        return "The input token is empty: there is no check run and no comment."
    about = run_of(os.environ, {})
    try:
        with client.plain_errors():
            connection = client.connect(wishes.token, api_url)
            number = pull_request(connection, about.repository, judged) if judged.is_proposal else None
            place = place_at(connection, about.repository, judged) if wishes.check_run else NOWHERE
    except client.ApiError as problem:
        return f"The pull request could not be found: {problem}."
    if judged.is_proposal and number is None:
        core.notice(
            "No open pull request has this commit as its head any more: there is no comment", title="glibc-guard"
        )
    run = replace(about, head=judged.head, pull_request=number, number=judged.number, url=judged.url)
    job = Job(f"{about.repository}/{judged.workflow}", "publish")
    return feedback.give(wishes, feedback.Told(report, judged.passed, run, job, place), api_url)


def pull_request(connection: Github, name: str, judged: Judged) -> int | None:
    """Return the open pull request of the run, which the run of a fork does not name; None where it has gone on."""
    if not (judged.owner and judged.branch and judged.head):
        return None
    requests = connection.get_repo(name).get_pulls(state="open", head=f"{judged.owner}:{judged.branch}")
    found = (one for one in islice(requests, MAXIMUM_REQUESTS) if one.head.sha == judged.head)
    return next((one.number for one in found), None)


def place_at(connection: Github, name: str, judged: Judged) -> Repository:
    """Return where annotations can go: what GitHub lists of the commit's files, at one request."""
    if judged.head is None:
        return NOWHERE
    remote = connection.get_repo(name)
    _, answer = remote.requester.requestJsonAndCheck("GET", f"{remote.url}/git/trees/{judged.head}?recursive=1")
    entries = answer.get("tree", []) if isinstance(answer, dict) else []
    files = {
        entry["path"] for entry in entries if entry.get("type") == "blob" and entry.get("mode", "").startswith("100")
    }
    fallback = next((manifest for manifest in (*repository.MANIFESTS, judged.workflow) if manifest in files), None)
    return Repository(lambda path: path if path in files else None, fallback)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _natural(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


if __name__ == "__main__":
    sys.exit(main())
