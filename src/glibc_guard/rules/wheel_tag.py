"""wrong-architecture and wheel-tag-dishonest: the tag of a wheel promises more than the contents keep."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from glibc_guard.model import NOT_LOADED, Artifact, ElfObject, Finding, Severity, Target, WheelFacts
from glibc_guard.targets.manylinux import lowest_profile
from glibc_guard.urls import page

#: No ELF header tells ARMv6 from ARMv7.
ARCHITECTURE_ALIASES: Final = {
    "armv6l": "armv7l",
    "i386": "i686",
    "i486": "i686",
    "i586": "i686",
    "amd64": "x86_64",
    "arm64": "aarch64",
}
PLATFORM: Final = re.compile(r"(?:linux|manylinux(?:1|2010|2014|_\d+_\d+)|musllinux_\d+_\d+)_(?P<arch>\w+)")
#: Tags of this machine alone; PyPI takes two of them (warehouse, pull requests 2010 and 2012).
REFUSED: Final = re.compile(r"linux_(?!armv[67]l$)")
PAGE_OF_REFUSAL: Final = "errors.md#linux-tag"
EXTENSION_MODULE: Final = re.compile(r"\.(?:cpython-\w+-[\w-]+|abi3(?:t)?)\.so$")


def remarks(artifact: Artifact) -> Iterator[str]:
    """Yield what the maker of a wheel should know of its tag, whatever it holds."""
    refused = [name for name in (artifact.wheel.platforms if artifact.wheel else ()) if REFUSED.match(name)]
    if refused:
        yield f"PyPI refuses a wheel with the tag {refused[0]}, which promises nothing: {page(PAGE_OF_REFUSAL)}"


def wrong_architecture(artifact: Artifact, targets: Sequence[Target]) -> Iterator[Finding]:
    """Yield a finding for each object of another architecture than the wheel's tag or every target names."""
    tagged = _promised_architectures(artifact.wheel) if artifact.wheel else set()
    promised = tagged or {target.arch for target in targets}
    for item in artifact.objects:
        if promised and item.kind not in NOT_LOADED and item.architecture not in promised:
            by = f"the wheel is tagged {_in_words(promised)}" if tagged else f"the target is {_in_words(promised)}"
            yield Finding(
                rule="wrong-architecture",
                severity="error",
                object=item.path,
                message=f"is built for {item.architecture}, but {by}",
                hint="build it for that architecture, or leave it out; was it copied from another machine's build?",
            )


def wheel_tag_dishonest(
    artifact: Artifact, targets: Sequence[Target], findings: Iterable[Finding], floor: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield findings where the tag promises more than the contents keep, given the ``findings`` that stand."""
    if artifact.wheel is None:
        return
    yield from _broken_promises(targets, findings, floor)
    yield from _native_in_any(artifact)
    named, written = set(artifact.wheel.tags), set(artifact.wheel.metadata_tags)
    if written != named:
        yield Finding(
            rule="wheel-tag-dishonest",
            severity="warning",
            object=None,
            message=f"the file name says {_platforms(named)}, the WHEEL file inside says {_platforms(written)}",
            hint="pip goes by the file name; `wheel tags` or `auditwheel repair` changes both together",
        )


def _broken_promises(
    targets: Sequence[Target], findings: Iterable[Finding], floor: Mapping[str, str]
) -> Iterator[Finding]:
    needs = {
        (finding.target, finding.object, finding.library, finding.version)
        for finding in findings
        if finding.rule == "symbol-version-too-new"
    }
    broken = Counter(target for target, *_ in needs)
    for target in targets:
        count = broken[target.name]
        if target.origin == "wheel tag" and count:
            honest = lowest_profile(floor, target.arch)
            kept = f"the contents keep {honest.platform}: " if honest and honest.platform != target.name else ""
            yield Finding(
                rule="wheel-tag-dishonest",
                severity="error",
                object=None,
                message=f"the tag {target.name} is not kept: {count} {'need' if count == 1 else 'needs'} beyond it",
                target=target.name,
                hint=f"{kept}build on an older system, or give the wheel a tag that is true",
            )


def _native_in_any(artifact: Artifact) -> Iterator[Finding]:
    loaded = [item for item in artifact.objects if item.kind not in NOT_LOADED]
    if artifact.wheel is None or "any" not in artifact.wheel.platforms or not loaded:
        return
    modules = [item for item in loaded if EXTENSION_MODULE.search(item.path)]
    severity: Severity = "error" if modules else "warning"
    example: ElfObject = (modules or loaded)[0]
    yield Finding(
        rule="wheel-tag-dishonest",
        severity=severity,
        object=example.path,
        message=(
            f"the tag promises every platform (any), but the wheel holds native code for "
            f"{_in_words({item.architecture for item in loaded})} Linux in {len(loaded)} "
            f"{'object' if len(loaded) == 1 else 'objects'}"
        ),
        hint="let the build backend make a platform wheel (setuptools: ext_modules or has_ext_modules)",
    )


def _promised_architectures(wheel: WheelFacts) -> set[str]:
    found = (PLATFORM.fullmatch(platform) for platform in wheel.platforms)
    names = {match["arch"] for match in found if match}
    return {ARCHITECTURE_ALIASES.get(name, name) for name in names}


def _platforms(tags: Iterable[str]) -> str:
    return ", ".join(sorted(tags)) or "nothing"


def _in_words(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))
