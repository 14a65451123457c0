"""The check run: found by name and external id and renewed, else created; annotations in batches, the worst first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from glibc_guard.github.annotations import Annotation, Repository, annotate
from glibc_guard.model import Report
from glibc_guard.report import markdown, overview
from glibc_guard.report.grouping import count, summary_line
from glibc_guard.report.neutral import plain

if TYPE_CHECKING:
    from github.CheckRun import CheckRun
    from github.CheckRunAnnotation import CheckRunAnnotation
    from github.Repository import Repository as RemoteRepository

Conclusion: TypeAlias = Literal["success", "failure", "neutral"]
_Payload: TypeAlias = dict[str, str | int]  # of one annotation

LONGEST_TITLE: Final = 255
LONGEST_TEXT: Final = 65_535  # characters of the summary, and of the text
BATCH: Final = 50  # annotations of one request
ANNOTATIONS_OF_A_LEVEL: Final = 200  # so that a hostile artifact does not keep the job busy for hours
_LEVELS: Final = {"error": "failure", "warning": "warning", "notice": "notice"}


@dataclass(frozen=True, slots=True)
class Check:
    """What a check run shows."""

    name: str
    external_id: str
    head: str  # commit
    conclusion: Conclusion
    title: str
    summary: str
    text: str
    annotations: tuple[Annotation, ...]
    url: str | None


def conclusion_of(report: Report, *, passes: bool) -> Conclusion:
    """Return the conclusion for ``report``; ``passes`` says whether the job goes on."""
    if not passes:
        return "failure"
    return "success" if report.verdict == "pass" else "neutral"


def annotations_of(report: Report, place: Repository) -> tuple[Annotation, ...]:
    """Return what can be shown at a file of the repository: GitHub refuses an annotation without one."""
    found = annotate(report, place, more="the details of this check", maximum=ANNOTATIONS_OF_A_LEVEL)
    return tuple(annotation for annotation in found if annotation.file is not None)


def shown(report: Report) -> tuple[str, str, str]:
    """Return the title, the summary and the text of ``report``, each as long as GitHub takes."""
    title = plain(summary_line(report.artifacts), LONGEST_TITLE)
    title = title[:1].upper() + title[1:]
    return title, overview.render(report, limit=LONGEST_TEXT), markdown.render(report, limit=LONGEST_TEXT)


def publish(repository: RemoteRepository, check: Check) -> None:
    """Make the one check run of ``check`` show it; beginning anew after a failure repeats nothing."""
    mine = _found(repository, check)
    if mine:
        run, *others = mine
        earlier = [_seen(annotation) for annotation in run.get_annotations()]
        wanted = [item for item in map(_payload, check.annotations) if item not in earlier]
        stale = len(earlier) - len(check.annotations) + len(wanted)
        output = _output(check, stale)
        first, *more = _batches(wanted)
        run.edit(**_edit(check), output={**output, **first})
        for other in others:
            _supersede(other)
    else:
        output = _output(check, 0)
        first, *more = _batches([_payload(annotation) for annotation in check.annotations])
        run = repository.create_check_run(head_sha=check.head, **_edit(check), output={**output, **first})
    for batch in more:  # each request adds its annotations to those before
        run.edit(output={**output, **batch})


def _found(repository: RemoteRepository, check: Check) -> list[CheckRun]:
    """Return our check runs of that name at that commit, the newest first."""
    runs = repository.get_commit(check.head).get_check_runs(check_name=check.name, filter="all")
    return sorted((run for run in runs if run.external_id == check.external_id), key=lambda run: -run.id)


def _edit(check: Check) -> dict[str, Any]:
    details = {} if check.url is None else {"details_url": check.url}
    named = {"name": check.name, "external_id": check.external_id}
    return {**named, **details, "status": "completed", "conclusion": check.conclusion}


def _output(check: Check, stale: int) -> dict[str, Any]:
    summary = check.summary
    if stale > 0:  # nothing can take an annotation away
        note = f"{count(stale, 'annotation')} below of an earlier attempt no longer hold.\n\n"
        summary = note + summary if len(note) + len(summary) <= LONGEST_TEXT else summary
    return {"title": check.title, "summary": summary, "text": check.text}


def _batches(annotations: list[_Payload]) -> Iterator[dict[str, list[_Payload]]]:
    yield {"annotations": annotations[:BATCH]} if annotations else {}
    for start in range(BATCH, len(annotations), BATCH):
        yield {"annotations": annotations[start : start + BATCH]}


def _payload(annotation: Annotation) -> _Payload:
    return {
        "path": annotation.file or "",
        "start_line": annotation.line or 1,
        "end_line": annotation.line or 1,
        "annotation_level": _LEVELS[annotation.level],
        "title": annotation.title,
        "message": annotation.message,
    }


def _seen(annotation: CheckRunAnnotation) -> _Payload:
    """Return ``annotation``, as it was sent."""
    names = ("path", "start_line", "end_line", "annotation_level", "title", "message")
    return {name: getattr(annotation, name) for name in names}


def _supersede(run: CheckRun) -> None:
    if run.status == "completed" and run.conclusion == "neutral":
        return
    output = {"title": "Superseded", "summary": "A newer check run of this name has the result."}
    run.edit(status="completed", conclusion="neutral", output=output)
