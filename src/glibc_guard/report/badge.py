"""The report as a badge: JSON for the endpoint of shields.io, with the oldest glibc that loads all that was judged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from glibc_guard.model import ArtifactReport, Report, Verdict
from glibc_guard.report.neutral import plain
from glibc_guard.targets.symbol_version import parse

COLORS: Final[dict[Verdict, str]] = {"pass": "brightgreen", "fail": "red", "unreadable": "lightgrey"}
LONGEST: Final = 40  # characters of the message


def render(report: Report) -> str:
    """Return ``report`` as JSON of schema 1 of that endpoint (https://shields.io/badges/endpoint-badge)."""
    badge = {
        "schemaVersion": 1,
        "label": "glibc",
        "message": plain(_message(report), LONGEST),
        "color": COLORS[report.verdict],
        "isError": report.verdict != "pass",
    }
    return json.dumps(badge, ensure_ascii=False, indent=2) + "\n"


def _message(report: Report) -> str:
    if report.verdict == "unreadable":
        return "not readable"
    floor = _floor(report.artifacts)
    if floor is not None:
        return f"{floor} or newer"
    of_musl = any(target.libc == "musl" for artifact in report.artifacts for target in artifact.targets)
    return "not needed (musl)" if of_musl else "not needed"


def _floor(artifacts: Sequence[ArtifactReport]) -> str | None:
    versions = [parse(f"GLIBC_{artifact.floor['GLIBC']}") for artifact in artifacts if "GLIBC" in artifact.floor]
    known = [version.numbers for version in versions if version is not None]
    return ".".join(map(str, max(known))) if known else None
