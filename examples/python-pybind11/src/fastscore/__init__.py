"""Scores words."""

from fastscore._core import score

__all__ = ["score"]
