"""unreadable and nothing-to-check: what was not looked at is never a pass."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from glibc_guard.model import NOT_LOADED, Artifact, Finding

#: Findings of these rules make the verdict "unreadable" (exit status 3), whatever else was found.
UNREADABLE_RULES: Final = frozenset({"unreadable", "nothing-to-check", "baseline-missing"})

#: A package in a folder of installed ones below the top.
ENVIRONMENT: Final = re.compile(r"(.*/site-packages|site-packages)/[^/]+\.dist-info/WHEEL$")


def unreadable(artifact: Artifact) -> Iterator[Finding]:
    """Yield a finding for each member that could not be read, and for the artifact itself where that could not."""
    for entry in artifact.unread:
        yield Finding("unreadable", "error", entry.path, entry.reason)


def nothing_to_check(artifact: Artifact, *, missing: bool = False) -> Iterator[Finding]:
    """Yield a finding where native code was to be expected and none was found; ``missing``: a member was required."""
    if artifact.unread or carries_wheels(artifact) or _may_be_empty(artifact) or _loaded(artifact):
        return
    found = f"{artifact.members} {'file' if artifact.members == 1 else 'files'}"
    others = [item for item in artifact.objects if item.kind in NOT_LOADED]
    if others:
        found += f", {len(others)} of them ELF, but none that a loader maps (the first is {others[0].kind})"
    yield Finding(
        rule="nothing-to-check",
        severity="error",
        object=None,
        message=f"nothing was checked: no program and no shared library in {found}",
        hint="was the build step skipped, or the wrong folder named?"
        + ("" if missing else " If this is meant, pass --allow-empty"),
    )


def remarks(artifact: Artifact) -> Iterator[str]:
    """Yield what a reader should know of an artifact that holds no native code, or something to check by itself."""
    if artifact.kind == "folder" and not artifact.installed:
        environments = list(dict.fromkeys(match[1] for path in artifact.files if (match := ENVIRONMENT.match(path))))
        if environments:
            more = f" and {len(environments) - 1} more" if len(environments) > 1 else ""
            yield (
                f"holds installed packages in {environments[0]}{more}: check such a folder by itself to hold it "
                "against what its wheels promise"
            )
    if artifact.nested_wheels:
        count = len(artifact.nested_wheels)
        wheels = "1 wheel" if count == 1 else f"{count} wheels"
        yield f"holds {wheels}, judged separately by what each promises itself"
    if not carries_wheels(artifact) and _may_be_empty(artifact) and not _loaded(artifact) and not artifact.unread:
        what = "source distribution" if artifact.kind == "sdist" else "pure Python"
        if artifact.wheel is not None and not _is_pure(artifact):
            what = "no Linux wheel"
        yield f"{what}: no native code for Linux in {artifact.members} files"


def carries_wheels(artifact: Artifact) -> bool:
    """Tell whether wheels may be all that there is to judge: in a folder or an archive, never in another wheel."""
    return bool(artifact.nested_wheels) and artifact.kind not in {"wheel", "sdist"}


def _loaded(artifact: Artifact) -> bool:
    return any(item.kind not in NOT_LOADED for item in artifact.objects)


def _may_be_empty(artifact: Artifact) -> bool:
    if artifact.wheel is None:
        return artifact.kind == "sdist"
    return _is_pure(artifact) or not any("linux" in platform for platform in artifact.wheel.platforms)


def _is_pure(artifact: Artifact) -> bool:
    return artifact.wheel is not None and artifact.wheel.platforms == ("any",)
