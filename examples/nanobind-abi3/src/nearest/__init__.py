"""The nearest of some numbers."""

from nearest._core import nearest

__all__ = ["nearest"]
