"""One rule, one place: facts about an artifact and its targets become findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from glibc_guard.model import Artifact, Finding, Target
from glibc_guard.rules import (
    contents,
    coverage,
    libc,
    libraries,
    loader,
    members,
    python_abi,
    python_library,
    runtimes,
    symbol_versions,
    symbols,
    toolchain,
    wheel_tag,
)
from glibc_guard.rules.linkage import Linkage
from glibc_guard.rules.subject import Subject
from glibc_guard.settings import Settings

ObjectRule: TypeAlias = Callable[[Subject], Iterator[Finding]]

OBJECT_RULES: Final[tuple[ObjectRule, ...]] = (
    symbol_versions.symbol_version_too_new,
    symbol_versions.private_symbol,
    symbol_versions.loader_marker,
    symbol_versions.weak_version_need,
    symbol_versions.glibc_on_musl,
    symbol_versions.carried_version,
    symbols.symbol_missing,
    symbols.forbidden_symbol,
    libraries.library_not_allowed,
    python_library.linked_libpython,
    libraries.library_missing,
    libraries.orphan_version_need,
    libraries.runpath_escapes,
    loader.relr_without_marker,
    loader.executable_stack,
    loader.isa_level_too_high,
    loader.page_alignment,
    loader.wrong_interpreter,
    libc.static_glibc,
    libc.mixed_libc,
    loader.static_tls,
    loader.inconsistent_elf,
)


def judge(artifact: Artifact, targets: Sequence[Target], settings: Settings) -> tuple[Finding, ...]:
    """Return what is wrong with the contents of ``artifact``; a need that fails several targets names the first."""
    found: dict[tuple[str | None, ...], Finding] = {}
    linkages = {arch: Linkage.of(artifact, arch) for arch in {target.arch for target in targets}}
    for target in targets:
        linkage = linkages[target.arch]
        for item in linkage.objects:
            subject = Subject(item, artifact, linkage, target)
            for finding in (finding for rule in OBJECT_RULES for finding in rule(subject)):
                found.setdefault(_identity(finding), finding)
    of_members = tuple(members.member_findings(artifact, settings))
    missing = any(finding.rule == "missing-member" for finding in of_members)
    return (
        *coverage.unreadable(artifact),
        *(() if settings.allow_empty else coverage.nothing_to_check(artifact, missing=missing)),
        *of_members,
        *toolchain.foreign_toolchain(artifact, settings),
        *wheel_tag.wrong_architecture(artifact, targets),
        *contents.record_mismatch(artifact),
        *python_abi.python_abi(artifact),
        *found.values(),
    )


def judge_tag(
    artifact: Artifact, targets: Sequence[Target], findings: Sequence[Finding], floor: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Return what is wrong with the wheel's tag, given the ``findings`` that were not ignored."""
    return tuple(wheel_tag.wheel_tag_dishonest(artifact, targets, findings, floor))


def judge_process(artifacts: Sequence[Artifact]) -> list[list[Finding]]:
    """Return for each of the ``artifacts``, which one process may load, what meets there and should not."""
    found: list[list[Finding]] = [[] for _ in artifacts]
    for number, finding in runtimes.conflicting_runtimes(artifacts):
        found[number].append(finding)
    return found


def _identity(finding: Finding) -> tuple[str | None, ...]:
    return (
        finding.rule,
        finding.severity,
        finding.object,
        finding.symbol,
        finding.version,
        finding.library,
        None if finding.symbol or finding.version or finding.library else finding.message,
    )
