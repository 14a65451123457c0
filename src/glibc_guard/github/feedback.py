"""Tells GitHub: the check run and the comment; what goes wrong there is one notice, and changes no verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from glibc_guard.github import check_run, comment
from glibc_guard.github.annotations import Repository
from glibc_guard.github.event import Run
from glibc_guard.github.job import Job
from glibc_guard.model import Report
from glibc_guard.report import overview
from glibc_guard.report.overview import About
from glibc_guard.urls import page

if TYPE_CHECKING:
    from github import Github

    from glibc_guard.github.client import ApiError

NO_REPORT: Final = "No usable report"

_PERMISSIONS: Final = {"check run": "`checks: write`", "comment": "`pull-requests: write`"}


@dataclass(frozen=True, slots=True)  # a struct would show the token
class Wishes:
    """What was asked for, and the key to it."""

    check_run: str  # the name; empty for none
    comment: comment.When
    token: str = field(repr=False)
    variant: str = ""  # of the job: text, or JSON

    def __bool__(self) -> bool:
        """Whether GitHub has to be talked to at all."""
        return bool(self.check_run) or self.comment != "never"


class Told(Struct, frozen=True):
    """What is told, and of which run."""

    report: Report | None  # None: there is none that can be used
    passes: bool  # whether the job goes on
    run: Run
    job: Job
    place: Repository
    is_foreign: bool = False  # the code of a pull request could write the report
    also: tuple[int, ...] = ()  # other pull requests that have the commit as their head
    reason: str = ""  # why there is no report

    @property
    def about(self) -> About:
        """What a reader should know besides the report."""
        variant, has_failed = self.job.values, not self.passes
        return About(variant, self.run.head, self.run.url, has_failed=has_failed, is_foreign=self.is_foreign)


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
            if problem.is_everywhere:
                break  # the other would wait as long
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
        yield "check run", partial(_write_check, connection, wishes.check_run, run.head, told)
    if wishes.comment != "never" and run.pull_request is not None:
        numbers = (run.pull_request, *told.also)
        yield "comment", partial(_write_comments, connection, wishes.comment, numbers, told)


def _write_check(connection: Github, name: str, head: str, told: Told) -> None:
    check_run.publish(connection.get_repo(told.run.repository), _check(name, head, told))


def _write_comments(connection: Github, when: comment.When, numbers: Sequence[int], told: Told) -> None:
    run = told.run
    key = told.job.key("")
    if told.report is None:
        said = comment.outdated(told.reason, key, run.number, told.about)
    else:
        said = comment.compose(told.report, key, run.number, told.about, when=when)
    for number in numbers:
        issue = connection.get_repo(run.repository).get_issue(number)
        comment.publish(connection, issue, said, is_closed=run.is_closed)


def _check(name: str, head: str, told: Told) -> check_run.Check:
    if told.report is None:
        title, (summary, text) = NO_REPORT, (overview.without_report(told.reason, told.about), "")
    else:
        title, summary, text = check_run.shown(told.report, told.about)
    return check_run.Check(
        name=told.job.check_name(name),
        external_id=f"glibc-guard {told.job.key(name)}",
        head=head,
        conclusion=_conclusion(told),
        title=title,
        summary=summary,
        text=text,
        annotations=() if told.report is None else check_run.annotations_of(told.report, told.place),
        url=told.run.url,
        subject=hashlib.sha256(told.run.subject.encode("utf-8", "replace")).hexdigest()[:8],
        number=told.run.number,
    )


def _conclusion(told: Told) -> check_run.Conclusion:
    return "failure" if told.report is None else check_run.conclusion_of(told.report, passes=told.passes)


def _notice(failed: dict[str, ApiError], run: Run) -> str:
    first = next(iter(failed.values()))
    said = f"The {' and the '.join(failed)} could not be written: {first}."
    if first.is_bad_token:
        return f"{said} The input token is none, or no longer one."
    if first.is_locked:
        return f"{said} Its conversation is locked."
    if not first.is_refusal:
        return f"{said} The verdict does not depend on it."
    if run.is_dependabot or (run.is_fork and run.event == "pull_request"):
        whose = "Dependabot" if run.is_dependabot else "a fork"
        return (
            f"{said} The token of a run for {whose} can only read. The annotations and the job summary have the "
            "findings; examples/fork-pull-requests of glibc-guard shows how a second workflow writes the rest."
        )
    needed = " and ".join(_PERMISSIONS[name] for name in failed)
    return f"{said} Give the job the permission {needed}; {page('pull-requests.md')} tells more."
