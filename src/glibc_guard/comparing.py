"""Compares reports with a baseline: what changed, and what of it somebody should have meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from glibc_guard.baseline import Counterpart, PackageIndex, Source, counterparts, difference
from glibc_guard.baseline.counterparts import Reader
from glibc_guard.config import Settings
from glibc_guard.ignores import IgnoreList
from glibc_guard.model import NOT_LOADED, Artifact, ArtifactReport, Finding, Severity
from glibc_guard.rules.baseline import Comparison, baseline_missing, judge_changes, unreadable_baseline
from glibc_guard.rules.c_library import environment_of
from glibc_guard.rules.coverage import unreadable
from glibc_guard.targets import Resolution, TagError, resolve
from glibc_guard.verdict import artifact_report, with_changes


@dataclass(frozen=True, slots=True)
class Comparer:
    """A baseline, and how its artifacts are read; everything that several reports are compared by."""

    source: Source
    read: Reader
    index: PackageIndex

    def judged(
        self, reports: Sequence[ArtifactReport], settings: Settings, ignores: IgnoreList
    ) -> tuple[list[ArtifactReport], tuple[str, ...]]:
        """Return ``reports`` with what changed and with findings about it, and remarks about the baseline."""
        pairs, remarks = counterparts(self.source, reports, self.read, self.index)
        return [_judged(report, one, settings, ignores) for report, one in zip(reports, pairs, strict=True)], remarks

    def told(self, reports: Sequence[ArtifactReport]) -> tuple[list[ArtifactReport], tuple[str, ...]]:
        """Return ``reports`` with what changed, without a judgement of it; nothing compared at all is no success."""
        pairs, remarks = counterparts(self.source, reports, self.read, self.index)
        required = all(one.report is None for one in pairs)
        return [_told(report, one, required=required) for report, one in zip(reports, pairs, strict=True)], remarks


def unjudged(artifact: Artifact) -> ArtifactReport:
    """Return what is known of ``artifact``, with no other findings than what could not be read."""
    architectures = sorted({item.architecture for item in artifact.objects if item.kind not in NOT_LOADED})
    try:
        resolution = resolve((), artifact.wheel, architectures, artifact.installed, environment_of(artifact))
    except TagError:
        resolution = Resolution((), ())
    return artifact_report(artifact, resolution, tuple(unreadable(artifact)), (), "error")


def chosen(findings: Sequence[Finding], settings: Settings) -> list[Finding]:
    """Return ``findings`` with the severities that the user chose."""
    return [replace(finding, severity=_severity(finding, settings)) for finding in findings]


def _severity(finding: Finding, settings: Settings) -> Severity:
    return settings.severities.get(finding.rule, finding.severity)


def _judged(report: ArtifactReport, other: Counterpart, settings: Settings, ignores: IgnoreList) -> ArtifactReport:
    if other.missing is not None and not settings.baseline_required:
        return _with_note(report, f"nothing was compared: {other.missing}")
    findings: list[Finding] = []
    changes = None
    if other.missing is not None:
        findings = [baseline_missing(other.missing)]
    elif other.report is not None:
        findings = [*unreadable_baseline(other.report, members=False)]
        if not findings and not _is_unread(report):
            changes = difference(other.report, report)
            findings = [*judge_changes(Comparison(other.report, report, changes, settings))]
            report = _with_unread_members(report, other.report)
    standing, ignored = ignores.split(chosen(findings, settings))
    return with_changes(report, changes, standing, ignored, settings.fail_on)


def _told(report: ArtifactReport, other: Counterpart, *, required: bool) -> ArtifactReport:
    if other.missing is not None and required:
        return with_changes(report, None, [baseline_missing(other.missing)], (), "error")
    if other.missing is not None:
        return _with_note(report, f"nothing was compared: {other.missing}")
    if other.report is None:
        return report
    findings = [*unreadable_baseline(other.report, members=True)]
    whole = _is_unread(report) or _is_unread(other.report)
    return with_changes(report, None if whole else difference(other.report, report), findings, (), "error")


def _is_unread(report: ArtifactReport) -> bool:
    """Tell whether the artifact as a whole could not be read, or not to its end."""
    findings = (*report.findings, *(entry.finding for entry in report.ignored))
    return any(finding.rule == "unreadable" and finding.object is None for finding in findings)


def _with_unread_members(report: ArtifactReport, before: ArtifactReport) -> ArtifactReport:
    members = [*unreadable_baseline(before, members=True)]
    if not members:
        return report
    more = f" (and {len(members) - 1} more)" if len(members) > 1 else ""
    return _with_note(report, f"not compared, since it cannot be read: {members[0].message}{more}")


def _with_note(report: ArtifactReport, note: str) -> ArtifactReport:
    return replace(report, notes=(*report.notes, note))
