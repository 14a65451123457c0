"""The step of the action ``publish``: a stranger's report, told to the pull request that its run was about.

It runs on ``workflow_run`` in the base repository, with a token that can write, beside a report that the code of the
pull request may have forged. So nothing is checked out, the pull request is found from the run and not from the file,
and the conclusion is that of the run.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from actions_toolkit import core
from msgspec import Struct
from msgspec.structs import replace

from glibc_guard import guard
from glibc_guard.github import feedback, inputs, repository, step, untrusted
from glibc_guard.github.annotations import Repository
from glibc_guard.github.event import api_url_of, payload_of, run_of, url_of_run
from glibc_guard.github.job import Job
from glibc_guard.report.grouping import summary_line
from glibc_guard.report.neutral import plain
from glibc_guard.urls import page

if TYPE_CHECKING:
    from github import Github

    from glibc_guard.model import Report

MAXIMUM_REQUESTS: Final = 100  # pull requests of one branch that are looked at: one page
MAXIMUM_TOLD: Final = 5  # of those that have the commit as their head
NOWHERE: Final = Repository(lambda _: None, None)


class Judged(Struct, frozen=True):
    """The run whose report is told, by what GitHub says of it."""

    owner: str  # of the repository that the commit comes from; empty where that is gone
    branch: str
    head: str | None
    workflow: str  # path of its file in the repository
    number: tuple[int, int]
    event: str
    passed: bool
    url: str | None

    @property
    def is_proposal(self) -> bool:
        """Whether a pull request was judged."""
        return self.event == "pull_request"


def main() -> int:
    """Run the step and return its exit status: 0 told, 2 wrong usage or a refused report, 3 GitHub did not let it."""
    step.prepare_streams()
    return step.guarded(run, NOWHERE)


def run() -> int:
    """Read the report, find out what it is about, and tell it."""
    wishes = inputs.wishes()
    path = step.workspace() / core.get_input("report")
    payload = payload_of(os.environ)
    if os.environ.get("GITHUB_EVENT_NAME") != "workflow_run":
        raise inputs.InputError(f"publish works in a workflow on workflow_run alone: {page('forks.md')} has one")
    judged = judged_run(payload, os.environ)
    if not _is_expected(judged.workflow, core.get_input("workflow")):
        step.set_outputs({"verdict": ""})
        step.notice(f"Nothing is told of a run of {judged.workflow}: it is another workflow")
        return 0
    try:
        report = untrusted.read(path)
    except untrusted.UntrustedError as problem:
        status = step.stop(f"The report is refused: {problem}", guard.EXIT_USAGE, NOWHERE)
        _tell(wishes, None, judged, f"the report is refused: {problem}")
        return status
    if report is None:
        step.set_outputs({"verdict": ""})
        step.notice(f"There is no report in {path}: the run did not come to the check")
        # A run that passed without judging anything, since nothing to build had changed, is no news of its commit.
        wishes = dataclasses.replace(wishes, check_run="") if judged.passed else wishes
        return _tell(wishes, None, judged, "the run did not come to the check, or uploaded no report")
    core.info(
        f"glibc-guard: {plain(summary_line(report.artifacts))}; the run {'passed' if judged.passed else 'failed'}"
    )
    step.set_outputs({"verdict": report.verdict})
    return _tell(wishes, report, judged)


def _is_expected(workflow: str, asked: str) -> bool:
    """Tell whether a run of the file ``workflow`` is told: a pull request may bring another one of the same name."""
    return not asked or workflow == (asked if "/" in asked else f".github/workflows/{asked}")


def _tell(wishes: feedback.Wishes, report: Report | None, judged: Judged, reason: str = "") -> int:
    """Tell the report, or why there is none, and return the exit status."""
    failure = _in_time(lambda: _told(wishes, report, judged, api_url_of(os.environ), reason)) if wishes else None
    if failure is not None:
        step.error(failure)
    return 0 if failure is None else guard.EXIT_UNREADABLE


def _in_time(tell: Callable[[], str | None]) -> str | None:
    from glibc_guard.github import deadline  # noqa: PLC0415 - as below

    try:
        return deadline.within(deadline.LONGEST, tell)
    except deadline.DeadlineError as problem:
        return f"The pull request could not be told all of it: {problem}."


def judged_run(payload: Mapping[str, Any], environment: Mapping[str, str]) -> Judged:
    """Return what the event brought; names that are no text are empty."""
    here = run_of(environment, payload)
    found = payload.get("workflow_run")
    told: Mapping[str, Any] = found if isinstance(found, dict) else {}
    source = told.get("head_repository")
    owner = source.get("owner") if isinstance(source, dict) else None
    number = (_natural(told.get("id")), _natural(told.get("run_attempt")))
    return Judged(
        owner=_text(owner.get("login")) if isinstance(owner, dict) else "",
        branch=_text(told.get("head_branch")),
        head=here.head,
        workflow=_text(told.get("path")).partition("@")[0],
        number=number,
        event=_text(told.get("event")),
        passed=told.get("conclusion") == "success",
        url=url_of_run(environment, here.repository, number[0]),
    )


def _told(wishes: feedback.Wishes, report: Report | None, judged: Judged, api_url: str, reason: str) -> str | None:
    """Tell the report; return what the user should know where that was not possible."""
    from glibc_guard.github import client  # noqa: PLC0415 - brings PyGithub: 0.2 s

    if not wishes.token:
        return "The input token is empty: there is no check run and no comment."
    about = run_of(os.environ, {})
    try:
        with client.plain_errors():
            connection = client.connect(wishes.token, api_url)
            numbers = pull_requests(connection, about.repository, judged) if judged.is_proposal else ()
    except client.ApiError as problem:
        return f"The pull request could not be found: {problem}."
    place = _place(connection, about.repository, judged) if wishes.check_run and report is not None else NOWHERE
    if judged.is_proposal and not numbers:
        step.notice("No open pull request has this commit as its head any more: there is no comment")
    run = replace(
        about,
        head=judged.head,
        pull_request=next(iter(numbers), None),
        number=judged.number,
        url=judged.url,
        subject=_subject(judged, numbers),
    )
    job = Job(f"{about.repository}/{judged.workflow}", "publish")
    foreign, also = judged.is_proposal, numbers[1:]
    told = feedback.Told(report, judged.passed, run, job, place, is_foreign=foreign, also=also, reason=reason)
    return feedback.give(wishes, told, api_url)


def _subject(judged: Judged, numbers: Sequence[int]) -> str:
    """Return what tells the run from those about other things; GitHub does not say which of several it was."""
    if len(numbers) == 1:
        return f"pull request {numbers[0]}"
    return f"run {judged.number[0]}" if numbers else f"{judged.event} {judged.branch}"


def pull_requests(connection: Github, name: str, judged: Judged) -> tuple[int, ...]:
    """Return the open pull requests of the run, which the run of a fork does not name; none where they have gone on."""
    if not (judged.owner and judged.branch and judged.head):
        return ()
    requests = connection.get_repo(name).get_pulls(state="open", head=f"{judged.owner}:{judged.branch}")
    found = (one.number for one in islice(requests, MAXIMUM_REQUESTS) if one.head.sha == judged.head)
    return tuple(islice(found, MAXIMUM_TOLD))


def _place(connection: Github, name: str, judged: Judged) -> Repository:
    """Return where annotations can go; nowhere, and one notice, where GitHub does not list the files."""
    from glibc_guard.github import client  # noqa: PLC0415 - as above

    try:
        with client.plain_errors():
            return place_at(connection, name, judged)
    except client.ApiError as problem:
        advice = ". The job needs the permission `contents: read`" if problem.is_refusal else ""
        step.notice(f"The check run has no annotations, since the files are not known: {problem}{advice}")
    return NOWHERE


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
