"""record-mismatch: what was packed into a wheel is not what its RECORD says was packed."""

from __future__ import annotations

from collections.abc import Iterator

from glibc_guard.model import Artifact, Finding


def record_mismatch(artifact: Artifact) -> Iterator[Finding]:
    """Yield a finding for each native member that RECORD does not list, or lists with another hash or size."""
    for problem in artifact.record_problems:
        yield Finding(
            rule="record-mismatch",
            severity="error",
            object=problem.path,
            message=problem.reason,
            hint="pack the wheel again (`wheel pack`): the file was added or changed after RECORD was written",
        )
