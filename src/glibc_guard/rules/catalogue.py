"""Every rule by name: its usual severity, and when it fires, in one line."""

from __future__ import annotations

from typing import Final

#: name → (severity, when it fires); in the order in which the documentation lists them.
CATALOGUE: Final[dict[str, tuple[str, str]]] = {
    "symbol-version-too-new": ("error", "a symbol version above what the target provides"),
    "private-symbol": ("error", "a symbol of `GLIBC_PRIVATE`, bound to one exact build of glibc"),
    "library-not-allowed": (
        "error",
        "a needed library that the target does not promise and the artifact does not carry",
    ),
    "wrong-architecture": ("error", "an object built for another architecture than the wheel's tag or the target"),
    "wheel-tag-dishonest": ("error, warning", "the tag of a wheel promises more than its contents keep"),
    "unreadable": ("error", "a member that is damaged, encrypted or of unknown architecture; exit status 3"),
    "nothing-to-check": ("error", "no program and no library where one was to be expected; exit status 3"),
}
