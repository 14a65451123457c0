"""What is said where glibc-guard itself fails on something, and goes on with the rest."""

from __future__ import annotations


def own_fault(error: Exception) -> str:
    """Return the reason that stands where a judgement would: a fault of ours, which the user can only report."""
    return f"glibc-guard itself failed on it, please report this: {error!r}"
