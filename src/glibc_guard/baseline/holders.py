"""Artifacts that only hold others, as a folder of wheels does, and the wheels in them that cannot be read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from glibc_guard.baseline.names import wheel_name
from glibc_guard.model import ArtifactReport, Coverage, Finding

HOLDERS: Final = frozenset({"folder", "zip", "tar"})


def unread(report: ArtifactReport) -> list[Finding]:
    """Return what of the artifact could not be read, set aside or not."""
    findings = (*report.findings, *(entry.finding for entry in report.ignored))
    return [finding for finding in findings if finding.rule == "unreadable"]


def is_unread(report: ArtifactReport) -> bool:
    """Tell whether the artifact as a whole could not be read, or not to its end."""
    return any(finding.object is None for finding in unread(report))


def holders(reports: Sequence[ArtifactReport]) -> set[int]:
    """Return the ``id`` of each of ``reports`` that only holds others of them."""
    paths = sorted(report.path for report in reports)
    return {id(report) for report in reports if _may_hold(report) and _has_below(paths, f"{report.path}/")}


def apart(report: ArtifactReport) -> tuple[ArtifactReport, list[ArtifactReport]]:
    """Return a holder without the wheels in it that cannot be read, and those as artifacts of their own."""
    if not _may_hold(report):
        return report, []
    damaged = [finding for finding in unread(report) if wheel_name(finding.object or "")]
    known = {id(finding) for finding in damaged}
    rest = tuple(finding for finding in unread(report) if id(finding) not in known)
    return replace(report, findings=rest, ignored=()), [*_wheels(report.path, damaged)]


def _wheels(folder: str, damaged: Sequence[Finding]) -> Iterator[ArtifactReport]:
    for finding in damaged:
        yield ArtifactReport(
            path=f"{folder}/{finding.object}",
            kind="wheel",
            size=None,
            sha256=None,
            verdict="unreadable",
            targets=(),
            floor={},
            runs_on=(),
            downloads_lost=None,
            coverage=Coverage(0, 0, 1),
            objects=(),
            findings=(replace(finding, object=None),),
        )


def _may_hold(report: ArtifactReport) -> bool:
    return report.kind in HOLDERS and not report.objects


def _has_below(paths: Sequence[str], prefix: str) -> bool:
    place = bisect_left(paths, prefix)
    return place < len(paths) and paths[place].startswith(prefix)
