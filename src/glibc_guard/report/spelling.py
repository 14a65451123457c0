"""Names of C++ and Rust as they were written, wherever people read; JSON and SARIF keep those of the symbol table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from glibc_guard.explain.demangle import MANGLED, demangled
from glibc_guard.model import Finding

MANGLED_SHOWN: Final = 5  # symbols of a list of which some are of C++ or Rust
LONGEST_SPELLED: Final = 100  # characters of such a name; its arguments tell a reader little
WORD: Final = re.compile(rf"(?<![\w.$]){MANGLED.pattern}[\w$]+(?:\.[\w$]+)*")


def spelled(symbol: str) -> str:
    """Return ``symbol`` as a programmer wrote it, without the end of what is long; a name of C as it is."""
    if not MANGLED.match(symbol):
        return symbol
    name = demangled(symbol)
    return name if len(name) <= LONGEST_SPELLED else f"{name[: LONGEST_SPELLED - 1]}…"


def brief(symbol: str) -> str:
    """Return ``symbol`` as `spelled` does, for lists: of C++ without its parameters."""
    name = spelled(symbol)
    bare = name.removesuffix(" const")
    if name == symbol or not bare.endswith(")"):
        return name
    depth = 0
    for at in range(len(bare) - 1, 0, -1):
        depth += {")": 1, "(": -1}.get(bare[at], 0)
        if depth == 0:
            return f"{bare[:at]}({'…' if at < len(bare) - 2 else ''})"
    return name


def readable(text: str) -> str:
    """Return ``text`` with each mangled name in it spelled out."""
    return WORD.sub(lambda found: spelled(found[0]), text)


def first_of(symbols: Sequence[str], most: int) -> Sequence[str]:
    """Return those that are named: ``most`` of C's, and few where some are long names of C++ or Rust."""
    return symbols[: min(most, MANGLED_SHOWN) if any(map(MANGLED.match, symbols)) else most]


def first_findings(findings: Sequence[Finding], most: int) -> Sequence[Finding]:
    """Return the findings whose symbols are named, likewise."""
    return findings[: len(first_of([finding.symbol or "" for finding in findings], most))]
