"""Tells GitHub: the check run and the comment; what goes wrong there is one notice, and changes no verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from glibc_guard.github import check_run, comment
from glibc_guard.github.annotations import Repository
from glibc_guard.github.event import Run
from glibc_guard.github.job import Job
from glibc_guard.model import Report

if TYPE_CHECKING:
    from github import Github

    from glibc_guard.github.client import ApiError

_PERMISSIONS: Final = {"check run": "`checks: write`", "comment": "`pull-requests: write`"}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for, and the key to it."""

    check_run: str  # the name; empty for none
    comment: comment.When
    token: str = field(repr=False)
    variant: str = ""  # of the job: text, or JSON

    def __bool__(self) -> bool:
        """Whether GitHub has to be talked to at all."""
        return bool(self.check_run) or self.comment != "never"


@dataclass(frozen=True, slots=True)
class Told:
    """What is told, and of which run."""

    report: Report
    passes: bool  # whether the job goes on
    run: Run
    job: Job
    place: Repository


def give(wishes: Wishes, told: Told, api_url: str) -> str | None:
    """Do what ``wishes`` asks for; return what the user should know where that was not possible, in one line."""
    if not wishes.token:
        return "The input token is empty: there is no check run and no comment."
    from glibc_guard.github import client  # noqa: PLC0415 - brings PyGithub: 0.2 s

    failed: dict[str, ApiError] = {}
    for name, write in _surfaces(client.connect(wishes.token, api_url), wishes, told):
        problem = _problem_of(write)
        if problem is not None:
            failed[name] = problem
            if problem.status is None:
                break  # GitHub is out of reach: the other would wait as long
    return _notice(failed, told.run) if failed else None


def _problem_of(write: Callable[[], None]) -> ApiError | None:
    from glibc_guard.github.client import ApiError, insist  # noqa: PLC0415 - as above

    try:
        insist(write)
    except ApiError as problem:
        return problem
    return None


def _surfaces(connection: Github, wishes: Wishes, told: Told) -> Iterator[tuple[str, Callable[[], None]]]:
    run = told.run
    if wishes.check_run and run.head is not None:
        check = _check(wishes.check_run, run.head, told)
        yield "check run", partial(check_run.publish, connection.get_repo(run.repository), check)
    if wishes.comment != "never" and run.pull_request is not None:
        key = told.job.key(wishes.check_run)
        said = comment.compose(told.report, key, run.number, head=run.head, url=run.url, when=wishes.comment)
        issue = connection.get_repo(run.repository).get_issue(run.pull_request)
        yield "comment", partial(comment.publish, connection, issue, said, is_closed=run.is_closed)


def _check(name: str, head: str, told: Told) -> check_run.Check:
    title, summary, text = check_run.shown(told.report)
    return check_run.Check(
        name=told.job.check_name(name),
        external_id=f"glibc-guard {told.job.key(name)}",
        head=head,
        conclusion=check_run.conclusion_of(told.report, passes=told.passes),
        title=title,
        summary=summary,
        text=text,
        annotations=check_run.annotations_of(told.report, told.place),
        url=told.run.url,
    )


def _notice(failed: dict[str, ApiError], run: Run) -> str:
    first = next(iter(failed.values()))
    said = f"The {' and the '.join(failed)} could not be written: {first}."
    if not first.is_refusal:
        return f"{said} The verdict does not depend on it."
    if run.is_dependabot or (run.is_fork and run.event == "pull_request"):
        whose = "Dependabot" if run.is_dependabot else "a fork"
        return (
            f"{said} The token of a run for {whose} can only read. The annotations and the job summary have the "
            "findings; examples/fork-pull-requests of glibc-guard shows how a second workflow writes the rest."
        )
    needed = " and ".join(_PERMISSIONS[name] for name in failed)
    return f"{said} Give the job the permission {needed}; docs/pull-requests.md of glibc-guard tells more."
