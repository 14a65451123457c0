"""Judges artifacts that were read: conflicts, targets, rules, ignores, and one report for each.

It imports all rules, which takes as long as reading a small wheel: `guard` imports it while its threads inflate.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from msgspec.structs import replace

from glibc_guard.faults import own_fault
from glibc_guard.ignores import IgnoreList
from glibc_guard.model import NOT_LOADED, Artifact, ArtifactReport, Finding, Severity, Unread
from glibc_guard.rules import judge, judge_process, judge_tag
from glibc_guard.rules.c_library import environment_of
from glibc_guard.rules.coverage import unreadable
from glibc_guard.settings import Settings
from glibc_guard.targets.errors import TagError, TargetError
from glibc_guard.targets.resolution import Resolution, resolve
from glibc_guard.verdict import artifact_report, floor_of


def judged(artifacts: Sequence[Artifact], settings: Settings, ignores: IgnoreList) -> list[ArtifactReport]:
    """Judge each of ``artifacts``; what a fault of a rule concerns is unreadable.

    Raises:
        TargetError: a target does not exist for the architecture of an artifact.
    """
    groups = [artifacts] if settings.together else [[artifact] for artifact in artifacts]
    pairs = [pair for group in groups for pair in _with_conflicts(group)]
    return [_judged(artifact, settings, ignores, found) for artifact, found in pairs]


def chosen(findings: Sequence[Finding], settings: Settings) -> list[Finding]:
    """Return ``findings`` with the severities that the user chose."""
    return [replace(finding, severity=_severity(finding, settings)) for finding in findings]


def _severity(finding: Finding, settings: Settings) -> Severity:
    return settings.severities.get(finding.rule, finding.severity)


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
    reason = own_fault(error)
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
