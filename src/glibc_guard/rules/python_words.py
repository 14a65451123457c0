"""How a message speaks of CPythons: which ones have a symbol, and where one that they lack is from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from glibc_guard.model import Binding, ElfObject, Finding, Severity
from glibc_guard.rules.python_tags import Promise
from glibc_guard.targets import cpython

UNICODE_WIDTH: Final = re.compile(r"_?PyUnicodeUCS(?P<bytes>[24])_")
ANOTHER: Final = "this object was built for another Python"


def origin(symbol: str, wanted: Sequence[str]) -> str:
    """Say what ``symbol``, which none of the ``wanted`` interpreters exports, is instead."""
    known = cpython.table().exporters(symbol)
    usual = [name for name in known if name[-1].isdigit() and name != cpython.PYTHON2]
    if usual:
        return _by_version(usual, wanted)
    if (match := UNICODE_WIDTH.match(symbol)) is not None:
        return f"is of Python 2 (built with UCS{match['bytes']}) or 3.2: {ANOTHER}"
    if symbol.lstrip("_").startswith("PyPy"):
        return f"is exported by PyPy, not by CPython: {ANOTHER}"
    if not known:
        every = _usual_interpreters()
        return f"is exported by no CPython from {every[1]} to {every[-1]}"
    if cpython.PYTHON2 in known:
        return f"is exported by CPython 2 and by no CPython 3: {ANOTHER}"
    kind = "debug" if known[0].endswith("d") else "free-threaded"
    return f"is exported by {kind} builds of CPython only ({listed(known)}): {ANOTHER}"


def _usual_interpreters() -> list[str]:
    return [name for name in cpython.table().interpreters if name[-1].isdigit()]


def _by_version(known: Sequence[str], wanted: Sequence[str]) -> str:
    """Say it of a symbol that usual builds of CPython 3 export."""
    every = _usual_interpreters()
    first, last = (cpython.version_of(name) for name in (wanted[0], wanted[-1]))
    if cpython.version_of(known[-1]) < first:
        return f"is exported by CPython {listed(known)} and gone in {every[every.index(known[-1]) + 1]}: {ANOTHER}"
    if cpython.version_of(known[0]) > last:
        verb = "is" if len(wanted) == 1 else "are"
        return f"is new in CPython {known[0]}, and {listed(wanted)} {verb} promised: {ANOTHER}"
    return f"is exported by CPython {listed(known)}, not by {listed(wanted)}: {ANOTHER}"


def listed(names: Sequence[str]) -> str:
    """Put names in words: "3.8 and 3.9", "3.8 to 3.12 and 3.13t"; neighbours of the table become a range."""
    every = _usual_interpreters()
    names = sorted(names, key=lambda name: name.endswith("t"))  # after the usual builds those without a GIL
    places = [every.index(name) if name in every else -2 * number for number, name in enumerate(names)]
    runs = groupby(enumerate(names), key=lambda pair: places[pair[0]] - pair[0])
    words: list[str] = []
    for _, run in runs:
        members = [name for _, name in run]
        words += [f"{members[0]} to {members[-1]}"] if len(members) > 2 else members
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def releases(having: Sequence[str], lacking: Sequence[str]) -> str:
    """Say which releases have a symbol and which lack it."""
    if set(having) & set(lacking):
        return "it depends on how the interpreter was built"
    verbs = ("has" if len(having) == 1 else "have", "lacks" if len(lacking) == 1 else "lack")
    return f"{_and(having)} {verbs[0]} it, {_and(lacking)} {verbs[1]} it"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def in_words(promise: Promise) -> str:
    """Say for which Pythons the tags of a wheel are."""
    return " and ".join(_parts(promise))


def is_one(promise: Promise) -> bool:
    """Tell whether that is singular."""
    return len(_parts(promise)) == 1 and len(promise.exact) < 2 and not promise.chosen


def _parts(promise: Promise) -> list[str]:
    kinds = {"abi3": "every CPython", "abi3t": "every free-threaded CPython"}
    stable = [f"{kinds[abi]} from {major}.{minor} on" for abi, (major, minor) in promise.stable]
    exact = [f"CPython {listed(promise.exact)}"] if promise.exact else []
    every = promise.chosen == cpython.judged()
    chosen = ["any Python 3"] if every else [f"CPython {listed(promise.chosen)}"] if promise.chosen else []
    covered = {f"CPython {version}" for version in promise.unknown_minimum}
    return [*exact, *stable, *chosen, *(words for words, _ in promise.foreign if words not in covered)]


def about(item: ElfObject, severity: Severity, message: str, hint: str, symbol: str | None = None) -> Finding:
    """Make a finding of the rule about ``item``, or a symbol that it needs."""
    binding: Binding | None = "global" if symbol else None
    return Finding("python-abi", severity, item.path, message, symbol=symbol, binding=binding, hint=hint)
