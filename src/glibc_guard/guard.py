"""The pipeline: paths become artifacts, artifacts become findings, findings become one report with one verdict."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from glibc_guard import __version__
from glibc_guard.artifacts import Limits
from glibc_guard.config import FailOn, Settings
from glibc_guard.ignores import IgnoreList
from glibc_guard.model import NOT_LOADED, Artifact, ArtifactReport, Report, Tool, Unread
from glibc_guard.reading import Progress, read_artifact
from glibc_guard.rules import judge, judge_tag
from glibc_guard.targets import Resolution, TagError, resolve
from glibc_guard.verdict import artifact_report, floor_of, worst

EXIT_CLEAN, EXIT_FINDINGS, EXIT_USAGE, EXIT_UNREADABLE = 0, 1, 2, 3


class UsageError(Exception):
    """A request that cannot be carried out as asked; the message says what to change."""


def check(
    paths: Sequence[str],
    settings: Settings,
    *,
    today: datetime.date | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Report:
    """Judge every path and return the report.

    Raises:
        UsageError: no path was given, or one does not exist.
        TargetError: a target is unknown, or does not exist for the architecture of an artifact.
    """
    _refuse_missing(paths)
    resolve(settings.targets, None, ())  # an unknown name is an error before anything is read
    ignores = IgnoreList(settings.ignores, today or datetime.datetime.now(datetime.timezone.utc).date())
    with ThreadPoolExecutor(settings.jobs or os.cpu_count() or 1) as pool:
        artifacts = [item for path in paths for item in read_artifact(path, limits or Limits(), pool, progress)]
    reports = tuple(_judge(artifact, settings, ignores) for artifact in artifacts)
    verdict = worst([report.verdict for report in reports])
    return Report(Tool("glibc-guard", __version__), verdict, reports, notes=ignores.remarks())


def _judge(artifact: Artifact, settings: Settings, ignores: IgnoreList) -> ArtifactReport:
    architectures = sorted({item.architecture for item in artifact.objects if item.kind not in NOT_LOADED})
    try:
        resolution = resolve(settings.targets, artifact.wheel, architectures)
    except TagError as error:
        artifact = replace(artifact, unread=(Unread(None, str(error)), *artifact.unread))
        resolution = Resolution((), ())
    found = judge(artifact, resolution.targets, settings)
    findings, ignored = ignores.split(found)
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
