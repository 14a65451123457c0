"""Targets: what the systems that were promised provide, and which systems those are."""

from __future__ import annotations

from glibc_guard.targets.errors import TagError, TargetError
from glibc_guard.targets.resolution import Resolution, all_names, resolve

__all__ = ["Resolution", "TagError", "TargetError", "all_names", "resolve"]
