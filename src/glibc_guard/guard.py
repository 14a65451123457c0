"""The pipeline: paths become artifacts, artifacts become findings, findings become one report with one verdict."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from glibc_guard import __version__
from glibc_guard.artifacts import Limits
from glibc_guard.baseline import BaselineError, PackageIndex, Source, opened
from glibc_guard.comparing import Comparer, chosen, unjudged
from glibc_guard.config import FailOn, Settings
from glibc_guard.ignores import IgnoreList
from glibc_guard.model import NOT_LOADED, Artifact, ArtifactReport, Finding, Report, Tool, Unread
from glibc_guard.reading import Progress, read_artifact
from glibc_guard.rules import judge, judge_process, judge_tag
from glibc_guard.rules.c_library import environment_of
from glibc_guard.rules.coverage import unreadable
from glibc_guard.targets import Resolution, TagError, TargetError, resolve
from glibc_guard.verdict import artifact_report, floor_of, worst

EXIT_CLEAN, EXIT_FINDINGS, EXIT_USAGE, EXIT_UNREADABLE = 0, 1, 2, 3
NO_BASELINE = "a baseline is required (baseline-required), and none is named: add --baseline OLD, or baseline = …"


class UsageError(Exception):
    """A request that cannot be carried out as asked; the message says what to change."""


def check(
    paths: Sequence[str],
    settings: Settings,
    *,
    today: datetime.date | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
    index: PackageIndex | None = None,
) -> Report:
    """Judge every path and return the report; what a fault of a rule concerns is unreadable.

    Raises:
        UsageError: no path was given, or one does not exist; or the baseline is none.
        TargetError: a target is unknown, or does not exist for the architecture of an artifact.
    """
    _refuse_missing(paths)
    resolve(settings.targets, None, ())  # an unknown name is an error before anything is read
    source = None if settings.baseline is None else _opened(settings.baseline)
    if source is None and settings.baseline_required:
        raise UsageError(NO_BASELINE)
    ignores = IgnoreList(settings.ignores, today or datetime.datetime.now(datetime.timezone.utc).date())
    with ThreadPoolExecutor(settings.jobs or os.cpu_count() or 1) as pool:
        read = [(path, item) for path in paths for item in read_artifact(path, limits or Limits(), pool, progress)]
        artifacts = [artifact for _, artifact in read]
        groups = [artifacts] if settings.together else [[artifact] for artifact in artifacts]
        judged = [pair for group in groups for pair in _with_conflicts(group)]
        reports = [_judged(artifact, settings, ignores, found) for artifact, found in judged]
        remarks: tuple[str, ...] = ()
        if source is not None:
            comparer = Comparer(source, _reader(limits, pool, progress), index or PackageIndex.of_this_machine())
            reports, remarks = comparer.judged(reports, settings, ignores)
        if settings.explain and any(finding.version or finding.symbol for one in reports for finding in one.findings):
            from glibc_guard.explain.culprits import Reading, explained  # noqa: PLC0415  # lazy, wanted only with findings

            reports = explained(reports, [path for path, _ in read], Reading(settings, limits or Limits(), pool))
    return _report(_advised(reports), (*ignores.remarks(), *remarks))


def diff(
    old: str, new: str, *, jobs: int | None = None, progress: Progress | None = None, index: PackageIndex | None = None
) -> Report:
    """Tell what changed from ``old`` to ``new``, without a judgement; the verdict is "unreadable" or "pass".

    Raises:
        UsageError: one of them does not exist, or is no artifact and no report.
    """
    source, other = _opened(old), _opened(new)
    if other.requirement is not None:
        raise UsageError(f"{new}: only the first of the two may come from an index")
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        read = _reader(None, pool, progress)
        reports = read(new) if other.report is None else other.report.artifacts
        reports, remarks = Comparer(source, read, index or PackageIndex.of_this_machine()).told(reports)
    return _report(reports, remarks)


def _opened(baseline: str) -> Source:
    try:
        return opened(baseline)
    except BaselineError as error:
        raise UsageError(str(error)) from error


def _reader(limits: Limits | None, pool: Executor, progress: Progress | None) -> Callable[[str], list[ArtifactReport]]:
    return lambda path: [unjudged(artifact) for artifact in read_artifact(path, limits or Limits(), pool, progress)]


def _report(reports: Sequence[ArtifactReport], notes: tuple[str, ...]) -> Report:
    verdict = worst([report.verdict for report in reports])
    return Report(Tool("glibc-guard", __version__), verdict, tuple(reports), notes=notes)


def _advised(reports: Sequence[ArtifactReport]) -> list[ArtifactReport]:
    """Return ``reports`` with hints that say why a symbol is there, and how to be rid of it."""
    if not any(report.findings for report in reports):
        return [*reports]
    from glibc_guard.explain.advice import advised  # noqa: PLC0415  # lazy: reads the knowledge table

    return [advised(report) for report in reports]


def _with_conflicts(artifacts: Sequence[Artifact]) -> list[tuple[Artifact, list[Finding]]]:
    """Return the artifacts that one process may load, each with what meets in it and should not."""
    try:
        return list(zip(artifacts, judge_process(artifacts), strict=True))
    except Exception as error:  # noqa: BLE001  # hostile input met a fault of ours: the rest is still judged
        return [(_faulty(artifact, error), []) for artifact in artifacts]


def _judged(
    artifact: Artifact, settings: Settings, ignores: IgnoreList, conflicts: Sequence[Finding]
) -> ArtifactReport:
    try:
        return _judge(artifact, settings, ignores, conflicts)
    except TargetError:
        raise
    except Exception as error:  # noqa: BLE001  # as above: the other artifacts are still judged
        known = replace(_faulty(artifact, error), objects=(), installed=())
        return artifact_report(known, Resolution((), ()), tuple(unreadable(known)), (), settings.fail_on)


def _faulty(artifact: Artifact, error: Exception) -> Artifact:
    if os.environ.get("GLIBC_GUARD_DEBUG"):
        raise error
    reason = f"glibc-guard itself failed on it, please report this: {error!r}"
    return replace(artifact, unread=(Unread(None, reason), *artifact.unread))


def _judge(artifact: Artifact, settings: Settings, ignores: IgnoreList, conflicts: Sequence[Finding]) -> ArtifactReport:
    architectures = sorted({item.architecture for item in artifact.objects if item.kind not in NOT_LOADED})
    try:
        resolution = resolve(
            settings.targets, artifact.wheel, architectures, artifact.installed, environment_of(artifact)
        )
    except TagError as error:
        artifact = replace(artifact, unread=(Unread(None, str(error)), *artifact.unread))
        resolution = Resolution((), ())
    found = judge(artifact, resolution.targets, settings)
    findings, ignored = ignores.split(chosen((*found, *conflicts), settings))
    of_the_tag = judge_tag(artifact, resolution.targets, findings, floor_of(artifact))
    more_findings, more_ignored = ignores.split(of_the_tag)
    return artifact_report(
        artifact, resolution, (*findings, *more_findings), (*ignored, *more_ignored), settings.fail_on
    )


def exit_status(report: Report, fail_on: FailOn) -> int:
    """Return 0 clean, 1 findings at or above ``fail_on``, 3 something could not be read; 3 wins over 1."""
    if report.verdict == "unreadable":
        return EXIT_UNREADABLE
    return EXIT_FINDINGS if report.verdict == "fail" and fail_on != "never" else EXIT_CLEAN


def _refuse_missing(paths: Sequence[str]) -> None:
    if not paths:
        raise UsageError("nothing to check: name at least one wheel, archive, folder or ELF file")
    for path in paths:
        if not path:
            raise UsageError("a path is empty: is a variable not set?")
        if not os.path.lexists(path):
            raise UsageError(f"{path}: no such file or folder{_hint_for_glob(path)}")


def _hint_for_glob(path: str) -> str:
    if any(wildcard in path for wildcard in "*?["):
        return " (the pattern matched nothing)"
    beside = Path(path).parent
    return "" if beside.is_dir() else f" (there is no folder {beside} either)"
