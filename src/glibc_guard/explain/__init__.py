"""Where a requirement comes from, why it is there, and how to be rid of it."""

from __future__ import annotations

from collections.abc import Sequence

from glibc_guard.model import ArtifactReport

__all__ = ["with_advice"]


def with_advice(reports: Sequence[ArtifactReport]) -> list[ArtifactReport]:
    """Return ``reports`` with hints for what is known; nothing is imported where nothing was found."""
    if not any(report.findings for report in reports):
        return [*reports]
    from glibc_guard.explain.advice import advised  # noqa: PLC0415  # lazy: reads the knowledge table

    return [advised(report) for report in reports]
