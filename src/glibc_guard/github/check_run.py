"""The check run: found by name and external id and renewed, else created; annotations in batches, the worst first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from msgspec import Struct

from glibc_guard.github.annotations import Annotation, Repository, annotate
from glibc_guard.github.job import LONGEST_NAME
from glibc_guard.model import Report
from glibc_guard.report import markdown, overview
from glibc_guard.report.grouping import count
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
MAXIMUM_SUBJECTS: Final = 5  # that one check run remembers
_STATE: Final = re.compile(r"(?<= )([0-9a-f]{8})=([0-9]{1,18})\.([0-9]{1,18}):(success|neutral|failure)(?= |$)")
_WORST_FIRST: Final[tuple[Conclusion, ...]] = ("failure", "neutral", "success")
_LEVELS: Final = {"error": "failure", "warning": "warning", "notice": "notice"}


class Check(Struct, frozen=True):
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
    subject: str = "0" * 8  # hexadecimal: which pull request or ref was judged
    number: tuple[int, int] = (0, 0)  # of the run, and of its attempt


class _State(Struct, frozen=True):
    """How a run ended."""

    number: tuple[int, int]
    conclusion: Conclusion


_States: TypeAlias = dict[str, _State]  # of a subject; the first is that whose words are shown


def conclusion_of(report: Report, *, passes: bool) -> Conclusion:
    """Return the conclusion for ``report``; ``passes`` says whether the job goes on."""
    if not passes:
        return "failure"
    return "success" if report.verdict == "pass" else "neutral"


def annotations_of(report: Report, place: Repository) -> tuple[Annotation, ...]:
    """Return what can be shown at a file of the repository: GitHub refuses an annotation without one."""
    found = annotate(report, place, more="the details of this check", maximum=ANNOTATIONS_OF_A_LEVEL)
    return tuple(annotation for annotation in found if annotation.file is not None)


def shown(report: Report, about: overview.About = overview.ALONE) -> tuple[str, str, str]:
    """Return the title, the summary and the text of ``report``, each as long as GitHub takes."""
    title = plain(overview.headline(report, has_failed=about.has_failed), LONGEST_TITLE)
    title = title[:1].upper() + title[1:]
    return title, overview.render(report, limit=LONGEST_TEXT, about=about), markdown.render(report, limit=LONGEST_TEXT)


def publish(repository: RemoteRepository, check: Check) -> None:
    """Make the one check run of ``check`` show it; beginning anew after a failure repeats nothing.

    What a newer run for the same subject wrote stays, and so does what a run for another subject found that is worse:
    of one commit a pull request, its branch and another pull request may be judged, and the check run is one.
    """
    mine = _found(repository, check)
    states = _states(mine)
    before = states.get(check.subject)
    if before is not None and before.number > check.number:
        return
    own = {check.subject: _State(check.number, check.conclusion)}
    if not mine:
        _create(repository, check, own)
        _settle(check, _found(repository, check))
        return
    run, *others = mine
    for other in others:
        _supersede(other)
    shown = next(iter(states), check.subject)  # whose words stand there
    if shown != check.subject and _rank(states[shown]) < _rank(own[check.subject]):
        run.edit(external_id=_external_id(check, {**states, **own}))
    else:
        _renew(run, check, {**own, **states, **own})


def _create(repository: RemoteRepository, check: Check, states: _States) -> None:
    first, *more = _batches([_payload(annotation) for annotation in check.annotations])
    output = _output(check, states, 0)
    run = repository.create_check_run(head_sha=check.head, **_edit(check, states), output={**output, **first})
    for batch in more:  # each request adds its annotations to those before
        run.edit(output={**output, **batch})


def _renew(run: CheckRun, check: Check, states: _States) -> None:
    earlier = [_seen(annotation) for annotation in run.get_annotations()]
    wanted = [item for item in map(_payload, check.annotations) if item not in earlier]
    output = _output(check, states, len(earlier) - len(check.annotations) + len(wanted))
    first, *more = _batches(wanted)
    run.edit(**_edit(check, states), output={**output, **first})
    for batch in more:
        run.edit(output={**output, **batch})


def _settle(check: Check, runs: Sequence[CheckRun]) -> None:
    """Leave one of the check runs that two runs of a workflow created at once: the worst that still holds."""
    if len(runs) < 2:
        return
    states = _states(runs)

    def order(run: CheckRun) -> tuple[bool, int, int]:
        shown, state = next(iter(_states([run]).items()), ("", None))
        return state is None or states[shown] != state, 0 if state is None else _rank(state), -run.id

    kept, *others = sorted(runs, key=order)
    for other in others:
        _supersede(other)
    kept.edit(external_id=_external_id(check, {**_states([kept]), **states}))


def _found(repository: RemoteRepository, check: Check) -> list[CheckRun]:
    """Return our check runs of that name at that commit, the newest first."""
    runs = repository.get_commit(check.head).get_check_runs(check_name=check.name, filter="all")
    ours = (run for run in runs if f"{run.external_id or ''} ".startswith(f"{check.external_id} "))
    return sorted(ours, key=lambda run: -run.id)


def _states(runs: Iterable[CheckRun]) -> _States:
    """Return the newest state of each subject; first those of the first of ``runs``, whose words it shows first."""
    states: _States = {}
    for run in runs:
        for subject, number, attempt, conclusion in _STATE.findall(run.external_id or ""):
            state = _State((int(number), int(attempt)), conclusion)
            if subject not in states or states[subject].number < state.number:
                states[subject] = state
    return states


def _external_id(check: Check, states: _States) -> str:
    kept = sorted(states, key=lambda subject: (_rank(states[subject]), -states[subject].number[0]))[:MAXIMUM_SUBJECTS]
    shown = next(iter(states), None)
    texts = (
        f"{subject}={state.number[0]}.{state.number[1]}:{state.conclusion}"
        for subject, state in states.items()
        if subject in kept or subject == shown
    )
    return " ".join((check.external_id, *texts))


def _rank(state: _State) -> int:
    """The worst first."""
    return _WORST_FIRST.index(state.conclusion)


def _edit(check: Check, states: _States) -> dict[str, Any]:
    details = {} if check.url is None else {"details_url": check.url}
    named = {"name": check.name, "external_id": _external_id(check, states)}
    return {**named, **details, "status": "completed", "conclusion": _worst(states).conclusion}


def _worst(states: _States) -> _State:
    return min(states.values(), key=_rank)


def _output(check: Check, states: _States, stale: int) -> dict[str, Any]:
    notes = []
    worst = _worst(states)
    if _rank(worst) < _WORST_FIRST.index(check.conclusion):
        notes.append(f"Run {worst.number[0]}, for another event at the same commit, ended as {worst.conclusion}.\n\n")
    if stale > 0:  # nothing can take an annotation away
        others = " or of another run" if len(states) > 1 else ""
        notes.append(f"{count(stale, 'annotation')} below of an earlier attempt{others} no longer hold.\n\n")
    note = "".join(notes)
    summary = note + check.summary if len(note) + len(check.summary) <= LONGEST_TEXT else check.summary
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
    """Take ``run`` out of the way: of check runs with one name GitHub shows the latest alone."""
    output = {"title": "Superseded", "summary": "Another check run of this commit has the result."}
    name = f"{run.name[:LONGEST_NAME]} (superseded)"
    run.edit(name=name, status="completed", conclusion="neutral", output=output)
