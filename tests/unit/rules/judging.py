"""Short ways from bytes to a report, for the tests of rules."""

from __future__ import annotations

from pathlib import Path

from glibc_guard.guard import check
from glibc_guard.model import ArtifactReport, Finding
from glibc_guard.settings import Settings


def judged(path: Path, *targets: str) -> ArtifactReport:
    (report,) = check([str(path)], Settings(targets=targets or ("auto",))).artifacts
    return report


def of_rule(report: ArtifactReport, rule: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.rule == rule]


def written(folder: Path, data: bytes, name: str = "object") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def rules_of(folder: Path, data: bytes, *targets: str) -> set[tuple[str, str]]:
    """Return rule and severity of every finding about a single object."""
    return {(finding.rule, finding.severity) for finding in judged(written(folder, data), *targets).findings}
