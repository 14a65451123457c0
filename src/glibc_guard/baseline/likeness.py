"""Whether an artifact and its counterpart are what a user means by two releases of one thing."""

from __future__ import annotations

import os

from glibc_guard.baseline.names import wheel_name
from glibc_guard.model import NOT_LOADED, ArtifactReport


def is_itself(before: ArtifactReport, after: ArtifactReport, *, on_disk: bool) -> bool:
    """Tell whether both are the same bytes; of folders whether both are the same folder, where both are ``on_disk``."""
    if before.sha256 is not None:
        return before.sha256 == after.sha256
    return on_disk and before.kind == after.kind and os.path.realpath(before.path) == os.path.realpath(after.path)


def unlike(before: ArtifactReport, after: ArtifactReport) -> str | None:
    """Say that they are different kinds or projects, or made for different processors; None where they are not."""
    old, new = wheel_name(before.path), wheel_name(after.path)
    if (old is None) != (new is None):
        return f"compared with {before.path}, which is {'no' if old is None else 'a'} wheel"
    if old and new and old.name != new.name:
        return f"compared with {before.path}, which is of another project: {old.name}, and not {new.name}"
    machines, others = _machines(before), _machines(after)
    if machines and others and not machines & others:
        names = f"{', '.join(sorted(machines))}, and not {', '.join(sorted(others))}"
        return f"compared with {before.path}, which is for other processors: {names}"
    return None


def _machines(report: ArtifactReport) -> set[str]:
    return {item.arch for item in report.objects if item.kind not in NOT_LOADED}
