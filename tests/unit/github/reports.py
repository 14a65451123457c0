"""Reports as the pipeline makes them, for tests of how they are shown."""

from __future__ import annotations

from glibc_guard.model import ArtifactReport, Coverage, Finding, Report, Severity, Site, Tool, Verdict


def finding(
    symbol: str | None = "pow",
    version: str | None = "GLIBC_2.29",
    *,
    item: str | None = "ray/_raylet.so",
    rule: str = "symbol-version-too-new",
    severity: Severity = "error",
    sites: tuple[Site, ...] = (),
    hint: str | None = None,
    message: str | None = None,
) -> Finding:
    text = message or f"{symbol}@{version} (libm.so.6) is newer than glibc 2.17"
    return Finding(rule, severity, item, text, symbol, version, "libm.so.6", "global", "2.17", sites, hint)


def unread(item: str | None, reason: str) -> Finding:
    return Finding("unreadable", "error", item, reason)


def artifact(*findings: Finding, path: str = "dist/ray.whl") -> ArtifactReport:
    rules = {finding.rule for finding in findings}
    verdict: Verdict = "unreadable" if "unreadable" in rules else "fail" if findings else "pass"
    return ArtifactReport(
        path=path,
        kind="wheel",
        size=1,
        sha256="0" * 64,
        verdict=verdict,
        targets=(),
        floor={"GLIBC": "2.29"},
        runs_on=(),
        downloads_lost=None,
        coverage=Coverage(len(findings), len(findings), 0),
        objects=(),
        findings=findings,
    )


def report(*artifacts: ArtifactReport) -> Report:
    verdicts = {item.verdict for item in artifacts}
    verdict: Verdict = "unreadable" if "unreadable" in verdicts else "fail" if "fail" in verdicts else "pass"
    return Report(Tool("glibc-guard", "0"), verdict, artifacts)
