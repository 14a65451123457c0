"""The comment on a pull request: one a job, known by a hidden marker and its author, and edited in place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from msgspec import Struct

from glibc_guard.model import Report, Verdict
from glibc_guard.report import overview

if TYPE_CHECKING:
    from github import Github
    from github.Issue import Issue
    from github.IssueComment import IssueComment

When: TypeAlias = Literal["never", "on-change", "always"]

WHEN: Final[tuple[When, ...]] = ("never", "on-change", "always")
LONGEST: Final = 65_535  # characters
BOT: Final = "[bot]"

_MARKER: Final = re.compile(r"<!-- glibc-guard ([0-9a-f]{16}) run=(\d{1,18})\.(\d{1,18}) verdict=([a-z]+) -->")


class Comment(Struct, frozen=True):
    """What is to be said."""

    key: str  # of the job that says it
    number: tuple[int, int]  # of the run, and of its attempt
    verdict: Verdict | Literal["failed", "unknown"]  # failed: the run, whose report names no reason
    text: str  # Markdown
    fixed: str  # the same, to follow upon a comment that told of a failure
    is_news: bool  # worth a new comment

    @property
    def marker(self) -> str:
        """The line that this comment is known by; it is not shown."""
        return f"<!-- glibc-guard {self.key} run={self.number[0]}.{self.number[1]} verdict={self.verdict} -->"


class _Known(Struct, frozen=True):
    key: str
    number: tuple[int, int]
    verdict: str


def compose(report: Report, key: str, number: tuple[int, int], about: overview.About, *, when: When) -> Comment:
    """Return the comment about ``report``."""
    room = LONGEST - 200  # for the marker
    texts = [overview.render(report, limit=room, about=about, fixed=fixed) for fixed in (False, True)]
    is_news = when == "always" or overview.is_news(report)
    verdict = "failed" if about.has_failed and report.verdict == "pass" else report.verdict
    return Comment(key, number, verdict, texts[0], texts[1], is_news)


def outdated(reason: str, key: str, number: tuple[int, int], about: overview.About) -> Comment:
    """Return the comment that takes the place of an earlier one, since there is no report any more."""
    text = overview.without_report(reason, about)
    return Comment(key, number, "unknown", text, text, is_news=False)


def publish(client: Github, issue: Issue, comment: Comment, *, is_closed: bool = False) -> None:
    """Make the one comment of ``comment.key`` on the pull request ``issue`` say it.

    What a newer run said stays, and a closed pull request gets no new comment.
    """
    author = _myself(client)
    mine = _ours(issue, author, comment.key)
    if not mine:
        if comment.is_news and not is_closed and issue.state != "closed":  # meanwhile, or the event does not tell
            issue.create_comment(f"{comment.marker}\n{comment.text}")
            _keep_the_newest(_ours(issue, author, comment.key))
        return
    known = [one for one in map(_known, mine) if one is not None]
    if any(one.number > comment.number for one in known):
        return
    first, *others = mine
    for other in others:  # of two runs at once
        _delete(other)
    was_bad = any(one.verdict not in {"pass", "unknown"} for one in known)
    body = f"{comment.marker}\n{comment.fixed if was_bad and comment.verdict == 'pass' else comment.text}"
    if not _edited(first, body) and comment.is_news and not is_closed:
        issue.create_comment(body)


def _ours(issue: Issue, author: str, key: str) -> list[IssueComment]:
    return [found for found in issue.get_comments() if _is_by(found, author) and _is_of(found, key)]


def _keep_the_newest(mine: Sequence[IssueComment]) -> None:
    """Delete what two runs created at once, save that of the newer run; of one run save the first."""

    def order(found: IssueComment) -> tuple[int, int, int]:
        known = _known(found)
        number = known.number if known else (0, 0)
        return -number[0], -number[1], found.id

    for other in sorted(mine, key=order)[1:]:
        _delete(other)


def _edited(found: IssueComment, body: str) -> bool:
    """Edit ``found``; return False where somebody deleted it meanwhile."""
    from github import UnknownObjectException  # noqa: PLC0415 - this module is read without the network too

    try:
        found.edit(body)
    except UnknownObjectException:
        return False
    return True


def _delete(found: IssueComment) -> None:
    from github import UnknownObjectException  # noqa: PLC0415 - as above

    with suppress(UnknownObjectException):
        found.delete()


def _myself(client: Github) -> str:
    """Return the login that the token writes with; REST tells it to a person's token alone, GraphQL to every one."""
    _, answer = client.requester.graphql_query("query { viewer { login } }", {})
    return str(answer["data"]["viewer"]["login"])


def _is_by(found: IssueComment, author: str) -> bool:
    user = found.user
    if user is None:  # an account that is gone
        return False
    is_bot = user.type == "Bot"
    return user.login.removesuffix(BOT) == author.removesuffix(BOT) and is_bot == author.endswith(BOT)


def _is_of(found: IssueComment, key: str) -> bool:
    known = _known(found)
    return known is not None and known.key == key


def _known(found: IssueComment) -> _Known | None:
    match = _MARKER.match(found.body or "")
    return match and _Known(match[1], (int(match[2]), int(match[3])), match[4])
