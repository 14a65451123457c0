"""Refuses archives whose members inflate to more than any real artifact does."""

from __future__ import annotations

from typing import Final

from glibc_guard.artifacts.member import ArtifactError
from glibc_guard.limits import MEBIBYTE, Limits, beyond

HARMLESS: Final = 64 * MEBIBYTE  # inflated so soon that no ratio matters


def refuse_bomb(inflated: int, archive: int, limits: Limits) -> None:
    """Raise ArtifactError where ``inflated`` bytes are too many, or too many for an archive of ``archive`` bytes."""
    if inflated > limits.inflated_bytes:
        raise ArtifactError(beyond(f"the members inflate to {inflated} bytes", "inflated_bytes", limits.inflated_bytes))
    if inflated > HARMLESS and inflated > limits.compression_ratio * archive:
        what = f"{archive} bytes inflate to {inflated}"
        raise ArtifactError(beyond(what, "compression_ratio", limits.compression_ratio))
