"""Compares reports with a baseline: what changed, and what of it somebody should have meant."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from glibc_guard.baseline import (
    Counterpart,
    PackageIndex,
    Source,
    counterparts,
    difference,
    is_itself,
    is_unread,
    unlike,
    unread,
)
from glibc_guard.baseline.counterparts import ReportsAt
from glibc_guard.ignores import IgnoreList
from glibc_guard.judging import chosen
from glibc_guard.model import NOT_LOADED, Artifact, ArtifactReport, Changes, Finding
from glibc_guard.rules.baseline import Comparison, baseline_missing, judge_changes, unreadable_baseline
from glibc_guard.rules.c_library import environment_of
from glibc_guard.rules.coverage import unreadable
from glibc_guard.settings import Settings
from glibc_guard.targets.errors import TagError
from glibc_guard.targets.resolution import Resolution, resolve
from glibc_guard.verdict import artifact_report, with_changes


class Comparer(Struct, frozen=True):
    """A baseline, and how its artifacts are read; everything that several reports are compared by."""

    source: Source
    read: ReportsAt
    index: PackageIndex

    def judged(
        self, reports: Sequence[ArtifactReport], settings: Settings, ignores: IgnoreList
    ) -> tuple[list[ArtifactReport], tuple[str, ...]]:
        """Return ``reports`` with what changed and with findings about it, and remarks about the baseline."""
        pairs, remarks = counterparts(self.source, reports, self.read, self.index)
        found = zip(reports, pairs, strict=True)
        return [self._judged(report, one, settings, ignores) for report, one in found], remarks

    def told(self, reports: Sequence[ArtifactReport]) -> tuple[list[ArtifactReport], tuple[str, ...]]:
        """Return ``reports`` with what changed, without a judgement of it; nothing compared at all is no success."""
        pairs, remarks = counterparts(self.source, reports, self.read, self.index)
        required = all(one.report is None for one in pairs)
        return [_told(report, one, required=required) for report, one in zip(reports, pairs, strict=True)], remarks

    def _judged(
        self, report: ArtifactReport, other: Counterpart, settings: Settings, ignores: IgnoreList
    ) -> ArtifactReport:
        missing = _missing(report, other)
        changes, findings, notes = None, list[Finding](), list[str]()
        if missing is not None and (settings.baseline_required or other.damaged):
            findings = [baseline_missing(missing)]
        elif missing is not None:
            notes = [f"nothing was compared: {missing}"]
        elif other.report is not None:
            changes, findings = _compared(other.report, report)
            if changes is not None and self.source.report is not None:
                changes = replace(changes, verdict_before=other.report.verdict)
            if changes is not None:
                findings += judge_changes(Comparison(other.report, report, changes, settings))
                notes = [*filter(None, [unlike(other.report, report)])]
            if changes is not None and is_itself(other.report, report, on_disk=self.source.report is None):
                itself = f"the baseline {other.report.path} is the artifact itself"
                notes += [itself] * (not settings.baseline_required)
                findings += [baseline_missing(itself)] * settings.baseline_required
        standing, ignored = ignores.split(chosen(findings, settings))
        return with_changes(_with_notes(report, notes), changes, standing, ignored, settings.fail_on)


def unjudged(artifact: Artifact) -> ArtifactReport:
    """Return what is known of ``artifact``, with no other findings than what could not be read."""
    architectures = sorted({item.architecture for item in artifact.objects if item.kind not in NOT_LOADED})
    try:
        resolution = resolve((), artifact.wheel, architectures, artifact.installed, environment_of(artifact))
    except TagError:
        resolution = Resolution((), ())
    return artifact_report(artifact, resolution, tuple(unreadable(artifact)), (), "error")


def _told(report: ArtifactReport, other: Counterpart, *, required: bool) -> ArtifactReport:
    missing = _missing(report, other)
    if missing is not None and (required or other.damaged):
        return with_changes(report, None, [baseline_missing(missing)], (), "error")
    if missing is not None:
        return _with_notes(report, [f"nothing was compared: {missing}"])
    if other.report is None:
        return report
    changes, findings = _compared(other.report, report)
    notes = [*filter(None, [unlike(other.report, report)])] if changes is not None else []
    return with_changes(_with_notes(report, notes), changes, findings, (), "error")


def _missing(report: ArtifactReport, other: Counterpart) -> str | None:
    """Say why nothing is compared; None where something is, or where there is nothing to compare."""
    if other.report is not None and is_unread(report) and not is_unread(other.report):
        return f"{report.path} itself cannot be read to its end"
    return other.missing


def _compared(before: ArtifactReport, after: ArtifactReport) -> tuple[Changes | None, list[Finding]]:
    """Return what changed, unless one of them cannot be read, and what of the baseline cannot be."""
    findings = [*unreadable_baseline(before, unread(before))]
    whole = is_unread(before) or is_unread(after)
    return None if whole else difference(before, after), findings


def _with_notes(report: ArtifactReport, notes: Sequence[str]) -> ArtifactReport:
    return replace(report, notes=(*report.notes, *notes))
