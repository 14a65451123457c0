"""Annotations: the findings of a report, grouped and cut to what the runner shows of one step."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from msgspec import Struct

from glibc_guard.model import SEVERITIES, Finding, Report, Severity
from glibc_guard.report.neutral import plain
from glibc_guard.report.sites import LARGEST_LINE, in_words, uses_of
from glibc_guard.report.spelling import readable, spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Level: TypeAlias = Literal["error", "warning", "notice"]

#: What the runner keeps of one step, and of one message in UTF-16 units (``_maxCountPerIssueType`` and
#: ``_maxIssueMessageLength`` in its ``ExecutionContext.cs``). A composite action is one step.
MAXIMUM_COUNT: Final = 10
MAXIMUM_MESSAGE: Final = 4096

_LEVELS: Final[dict[Severity, Level]] = {"error": "error", "warning": "warning", "note": "notice"}
_MAXIMUM_PIECE: Final = 300  # characters of one name or message, so that the last line of an annotation is not lost
_MAXIMUM_TITLE: Final = 255
_MAXIMUM_LISTED: Final = 3


class Annotation(Struct, frozen=True):
    """What is shown at one place of the repository; ``file`` is relative to it, with ``/``, or None for nowhere."""

    level: Level
    title: str
    message: str
    file: str | None
    line: int | None


class Repository(Struct, frozen=True):
    """Where annotations can go: a built binary is no file of the repository, and the runner shows none there."""

    source_file: Callable[[str], str | None]  # a path from debug information → the file of the repository
    fallback: str | None  # the build manifest or the workflow


class _Group(Struct, frozen=True):
    """Findings that say the same of several objects."""

    severity: Severity
    title: str
    version: str | None
    findings: tuple[Finding, ...]
    places: tuple[str, ...]


def annotate(
    report: Report, repository: Repository, *, more: str, maximum: int = MAXIMUM_COUNT, reserved: int = 0
) -> list[Annotation]:
    """Return the annotations of ``report``, errors first and the worst first.

    Args:
        report: What to show.
        repository: Where to show it.
        more: Where the reader finds what is left out ("the job summary").
        maximum: How many of a level.
        reserved: How many of the notices are left to others.
    """
    groups = sorted(_grouped(report), key=_rank)
    annotations: list[Annotation] = []
    for severity in SEVERITIES:
        level = [group for group in groups if group.severity == severity]
        room = maximum - reserved if _LEVELS[severity] == "notice" else maximum
        shown = level if len(level) <= room else level[: room - 1]
        annotations += [_annotation(group, repository) for group in shown]
        if len(shown) < len(level):
            left = len(level) - len(shown)
            name = _LEVELS[severity]
            message = f"{left} more {name}s: see {plain(more)}"
            annotations.append(_place(name, f"glibc-guard: {left} more {name}s", message, repository.fallback))
    return annotations


def problem_of(message: str, repository: Repository) -> Annotation:
    """Return the annotation of a run that could not judge anything, and why."""
    return _place("error", "glibc-guard", plain(message), repository.fallback)


def _place(level: Level, title: str, message: str, file: str | None) -> Annotation:
    return Annotation(level, _short(title, _MAXIMUM_TITLE), cut(message), file, 1 if file else None)


def _grouped(report: Report) -> list[_Group]:
    groups: dict[tuple[str | None, ...], list[tuple[Finding, str]]] = {}
    for artifact in report.artifacts:
        for finding in artifact.findings:
            key: tuple[str | None, ...] = (
                finding.severity,
                finding.rule,
                finding.symbol,
                finding.version,
                finding.library,
            )
            if finding.symbol is None:
                key += (finding.message,)
            elif finding.version is None and finding.hint is not None:  # one cause, and one way out
                key = (finding.severity, finding.rule, finding.hint)
            groups.setdefault(key, []).append((finding, _object(finding.object, artifact.path)))
    return [_group([finding for finding, _ in members], [place for _, place in members]) for members in groups.values()]


def _group(findings: Sequence[Finding], places: Iterable[str]) -> _Group:
    first = findings[0]
    symbol = spelled(first.symbol) if first.symbol else None
    what = "@".join(part for part in (symbol, first.version) if part) or first.library
    more = len({finding.symbol for finding in findings}) - 1
    what = f"{what} and {more} more" if what and more > 0 else what
    title = f"{first.rule}: {what}" if what else first.rule
    return _Group(first.severity, title, first.version, tuple(findings), tuple(dict.fromkeys(places)))


def _object(name: str | None, artifact: str) -> str:
    return artifact if name is None or name == artifact else f"{name} ({artifact})"


def _rank(group: _Group) -> tuple[bool, bool, tuple[int, ...], int, str]:
    """The worst first: what could not be read, the newest glibc, the newest of other versions, the rest."""
    version = group.version or ""
    numbers = tuple(-int(number) for number in re.findall(r"[0-9]{1,9}", version))
    # The end mark puts 2.3.4 before 2.3: both begin alike, and more is newer.
    return (
        group.findings[0].rule != "unreadable",
        not version.startswith("GLIBC_"),
        (*numbers, 1) if version else (1,),
        -len(group.places),
        group.title,
    )


def _annotation(group: _Group, repository: Repository) -> Annotation:
    messages = list(dict.fromkeys(readable(finding.message) for finding in group.findings))
    lines = [*_listed(messages, "similar messages"), *(f"in {place}" for place in _listed(group.places, "objects"))]
    uses = uses_of(group.findings)
    for use in uses[:_MAXIMUM_LISTED]:
        symbols = ", ".join(_listed([*map(spelled, use.symbols)], "symbols"))
        lines.append(f"used by {in_words(use.site)}{f' ({symbols})' if symbols else ''}")
    lines += [readable(hint) for hint in dict.fromkeys(finding.hint for finding in group.findings) if hint][:1]
    message = "\n".join(_short(plain(line), _MAXIMUM_PIECE) for line in lines)
    file, line = repository.fallback, 1 if repository.fallback else None
    for use in uses:
        source = repository.source_file(use.site.file) if use.site.file and use.site.in_repository else None
        if source is not None:
            line = use.site.line or 1
            file, line = source, line if line <= LARGEST_LINE else 1
            break
    return Annotation(_LEVELS[group.severity], _short(plain(group.title), _MAXIMUM_TITLE), cut(message), file, line)


def _listed(texts: Sequence[str], noun: str) -> list[str]:
    if len(texts) <= _MAXIMUM_LISTED:
        return list(texts)
    return [*texts[:_MAXIMUM_LISTED], f"{len(texts) - _MAXIMUM_LISTED} more {noun}"]


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def cut(message: str) -> str:
    """Return ``message``, shortened to what the runner keeps of one; it counts UTF-16 units."""
    encoded = message.encode("utf-16-le", "replace")
    if len(encoded) // 2 <= MAXIMUM_MESSAGE:
        return message
    return encoded[: 2 * (MAXIMUM_MESSAGE - 1)].decode("utf-16-le", "ignore") + "…"
