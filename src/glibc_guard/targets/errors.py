"""The one exception of this room."""

from __future__ import annotations


class TargetError(ValueError):
    """A target that is not known, or that cannot be promised; the message is for the person who named it."""


class TagError(TargetError):
    """The tag of a wheel promises what is not known, so that nothing can be said of whether it is kept."""
