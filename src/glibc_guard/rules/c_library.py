"""Which C library an artifact is for: one, or either where nothing that it holds or promises tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glibc_guard.model import Artifact, ElfObject, Libc
from glibc_guard.rules.linkage import libc_of

EITHER: Final[frozenset[Libc]] = frozenset({"glibc", "musl"})
PROMISES: Final[dict[str, Libc]] = {"manylinux": "glibc", "musllinux": "musl"}


def libcs_of(artifact: Artifact) -> frozenset[Libc]:
    """Return the C libraries of the processes that ``artifact`` may be loaded into.

    That is told by tags that name one, then by its modules and libraries. Its programs tell nothing: each starts a
    process of its own. The tags of a wheel are choices of the installer, so that a wheel with both kinds is for either.
    An environment has one C library: that of glibc, unless all that tells is for musl.
    """
    told = set(_by_tags(artifact)) or _by_objects(artifact)
    if artifact.installed and len(told) > 1:
        return frozenset({"glibc"})
    return frozenset(told) or EITHER


def environment_of(artifact: Artifact) -> Libc:
    """Return the C library of an environment of installed wheels."""
    return "musl" if libcs_of(artifact) == {"musl"} else "glibc"


def processes_of(item: ElfObject, of_artifact: frozenset[Libc]) -> frozenset[Libc]:
    """Return the C libraries of the processes that ``item`` may be part of; a program brings its own."""
    own = libc_of(item)
    if own is not None and (item.kind != "shared" or own in of_artifact):
        return frozenset({own})
    return of_artifact


def _by_tags(artifact: Artifact) -> Iterator[Libc]:
    """Yield what the tags of each wheel tell that has tags of one kind alone."""
    wheels = [wheel.platforms for wheel in artifact.installed if wheel.objects]
    wheels += [artifact.wheel.platforms] if artifact.wheel is not None else []
    for platforms in wheels:
        named = {libc for start, libc in PROMISES.items() if any(one.startswith(start) for one in platforms)}
        if len(named) == 1:
            yield from named


def _by_objects(artifact: Artifact) -> set[Libc]:
    told = (libc_of(item) for item in artifact.objects if item.kind == "shared")
    return {libc for libc in told if libc is not None}
