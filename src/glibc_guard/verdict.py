"""From facts and findings to the report of one artifact: verdict, floor, distributions, coverage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from glibc_guard.model import (
    SEVERITIES,
    Artifact,
    ArtifactReport,
    Changes,
    Coverage,
    ElfObject,
    Finding,
    IgnoredFinding,
    ObjectSummary,
    RunsOn,
    Verdict,
)
from glibc_guard.rules import coverage, python_abi, wheel_tag
from glibc_guard.rules.floor import floor, system_imports, system_versions
from glibc_guard.rules.linkage import Linkage, is_musl_library
from glibc_guard.settings import FailOn
from glibc_guard.targets.distros import downloads_lost, runs_on
from glibc_guard.targets.resolution import Resolution
from glibc_guard.targets.symbol_version import parse

COMPILER: Final = {"GLIBCXX": "libstdc++", "CXXABI": "libstdc++", "GCC": "libgcc"}
WORST_FIRST: Final[tuple[Verdict, ...]] = ("unreadable", "fail", "pass")


def artifact_report(
    artifact: Artifact,
    resolution: Resolution,
    findings: Sequence[Finding],
    ignored: Sequence[IgnoredFinding],
    fail_on: FailOn,
) -> ArtifactReport:
    """Put together what is reported of ``artifact``."""
    linkages = _linkages(artifact)
    objects = [_summary(item, linkages[item.architecture]) for item in artifact.objects]
    needed = floor_of(artifact)
    return ArtifactReport(
        path=artifact.path,
        kind=artifact.kind,
        size=artifact.size,
        sha256=artifact.sha256,
        verdict=verdict_of(findings, fail_on),
        targets=resolution.targets,
        floor=needed,
        runs_on=() if {target.libc for target in resolution.targets} == {"musl"} else _distributions(objects),
        downloads_lost=_downloads_lost(objects),
        coverage=Coverage(artifact.members, len(artifact.objects), len(artifact.unread)),
        objects=tuple(objects),
        findings=tuple(sorted(findings, key=_worst_first)),
        ignored=tuple(ignored),
        notes=(
            *resolution.notes,
            *coverage.remarks(artifact),
            *python_abi.remarks(artifact),
            *wheel_tag.remarks(artifact),
            *_not_judged(resolution, needed),
            *artifact.notes,
        ),
    )


def with_changes(
    report: ArtifactReport,
    changes: Changes | None,
    findings: Sequence[Finding],
    ignored: Sequence[IgnoredFinding],
    fail_on: FailOn,
) -> ArtifactReport:
    """Return ``report`` with what came of comparing the artifact with its baseline."""
    found = sorted((*report.findings, *findings), key=_worst_first)
    return replace(
        report,
        verdict=verdict_of(found, fail_on),
        findings=tuple(found),
        ignored=(*report.ignored, *ignored),
        changes=changes,
    )


def report_of_object(report: ArtifactReport, item: ObjectSummary) -> ArtifactReport:
    """Return what ``report`` says of one object in it, as if it were an artifact of its own."""
    return replace(
        report,
        path=f"{report.path.rstrip('/')}/{item.path}",
        kind="elf",
        size=item.size,
        sha256=None,
        verdict="pass",
        floor=item.floor,
        runs_on=_distributions([item]),
        downloads_lost=_downloads_lost([item]),
        coverage=Coverage(1, 1, 0),
        objects=(item,),
        findings=(),
        ignored=(),
        notes=(),
        changes=None,
    )


def _not_judged(resolution: Resolution, needed: Mapping[str, str]) -> list[str]:
    """Say what a plain glibc release as target leaves open."""
    names = [COMPILER[name] for name in needed if name in COMPILER]
    open_targets = [target.name for target in resolution.targets if set(target.ceilings) == {"GLIBC"}]
    if not names or not open_targets:
        return []
    libraries = " and ".join(sorted(set(names)))
    return [f"{open_targets[0]} is a release of glibc alone: the versions of {libraries} are not judged"]


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the worst of ``verdicts``."""
    return min(verdicts, key=WORST_FIRST.index)


def floor_of(artifact: Artifact) -> dict[str, str]:
    """Return the highest version of each namespace that the system must provide for the whole artifact."""
    linkages = _linkages(artifact)
    return floor(version for item in artifact.objects for version in system_versions(item, linkages[item.architecture]))


def _linkages(artifact: Artifact) -> dict[str, Linkage]:
    return {arch: Linkage.of(artifact, arch) for arch in {item.architecture for item in artifact.objects}}


def _summary(item: ElfObject, linkage: Linkage) -> ObjectSummary:
    return ObjectSummary(
        path=item.path,
        arch=item.architecture,
        kind=item.kind,
        size=item.size,
        soname=item.soname,
        needed=item.needed,
        floor=floor(system_versions(item, linkage)),
        imports=system_imports(item, linkage),
    )


def verdict_of(findings: Sequence[Finding], fail_on: FailOn) -> Verdict:
    """Return the verdict that ``findings`` make."""
    if any(finding.rule in coverage.UNREADABLE_RULES for finding in findings):
        return "unreadable"
    return "fail" if failing(findings, fail_on) else "pass"


def failing(findings: Iterable[Finding], fail_on: FailOn) -> tuple[Finding, ...]:
    """Return those of ``findings`` that fail a check."""
    severities = {"error", "warning"} if fail_on == "warning" else {"error"}
    return tuple(finding for finding in findings if finding.severity in severities)


def _distributions(objects: Sequence[ObjectSummary]) -> tuple[RunsOn, ...]:
    """Tell where the version needs are met; an object that needs musl's C library runs on none of them."""
    by_arch: dict[str, list[ObjectSummary]] = {}
    for item in objects:
        by_arch.setdefault(item.arch, []).append(item)
    found: list[RunsOn] = []
    for arch in sorted(by_arch):
        of_musl = any(is_musl_library(name) for item in by_arch[arch] for name in item.needed)
        entries = runs_on(_joined(by_arch[arch]), arch)
        found.extend(replace(entry, loads=entry.loads and not of_musl) for entry in entries)
    return tuple(found)


def _joined(objects: Sequence[ObjectSummary]) -> dict[str, str]:
    return floor(f"{namespace}_{number}" for item in objects for namespace, number in item.floor.items())


def _downloads_lost(objects: Sequence[ObjectSummary]) -> float | None:
    x86_64 = [item for item in objects if item.arch == "x86_64"]
    return downloads_lost(_joined(x86_64).get("GLIBC"), "x86_64") if x86_64 else None


def _worst_first(finding: Finding) -> tuple[int, str, tuple[int, ...], str, str, str]:
    version = parse(finding.version or "")
    newest_first = tuple(-number for number in version.numbers) if version else ()
    return (
        SEVERITIES.index(finding.severity),
        finding.object or "",
        newest_first,
        finding.version or "",
        finding.library or "",
        finding.symbol or "",
    )
