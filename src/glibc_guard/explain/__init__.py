"""Names the culprits: where an object uses the symbol that a finding is about, by function, source line and crate."""

from glibc_guard.explain.culprits import Reading, explained

__all__ = ["Reading", "explained"]
