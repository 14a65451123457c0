"""What the Python and ABI tags of a wheel promise (PEP 425; PEP 803 for abi3t): each tag is looked at on its own.

Which interpreter takes which tag is what ``packaging.tags`` says, by which installers go.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Final

from msgspec import Struct

from glibc_guard.model import WheelFacts
from glibc_guard.rules.python_modules import Stable, Version, interpreter_of
from glibc_guard.targets import cpython

_FLAGS: Final[dict[Stable, str]] = {"abi3": "", "abi3t": "t"}
TAG: Final = re.compile(r"(?P<kind>cp|py)(?P<major>[23])(?P<minor>[0-9]{0,3})")
OTHERS: Final = {"pp": "PyPy", "graalpy": "GraalPy"}  # by the beginning of the Python tag


class Promise(Struct, frozen=True, dict=True):
    """What the tags of a wheel promise; what is in no table here stands apart."""

    exact: tuple[str, ...] = ()  # interpreters that all must find and load what is there: "3.12", "3.13t"
    stable: tuple[tuple[Stable, Version], ...] = ()  # all from that version on
    chosen: tuple[str, ...] = ()  # py3-none, cp39.cp310-none: the wheel itself sees to which module each of them takes
    foreign: tuple[tuple[str, str], ...] = ()  # not judged: in words, and as `Ending` names the interpreter
    void: tuple[str, ...] = ()  # combinations that no installer takes: "cp312-cp311"

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Every interpreter of the table that must find and load what is there."""
        return tuple(sorted({*self.exact, *self.by_stable}, key=cpython.order))

    @cached_property
    def by_stable(self) -> frozenset[str]:
        """Those of them that a promise of the stable ABI holds for."""
        return frozenset(name for abi, minimum in self.stable for name in since(minimum, _FLAGS[abi]))

    @cached_property
    def judged(self) -> tuple[str, ...]:
        """Every interpreter of the table that may install the wheel."""
        return tuple(sorted({*self.required, *self.chosen}, key=cpython.order))

    @property
    def for_python2(self) -> bool:
        """Whether Python 2 installs the wheel as well (py2.py3-none)."""
        return any(name.removeprefix("py").startswith("2") for _, name in self.foreign)

    @property
    def unknown_minimum(self) -> tuple[str, ...]:
        """The versions from which on the stable ABI is promised and that are newer than the table: "3.16"."""
        return tuple(
            f"{major}.{minor}" for abi, (major, minor) in self.stable if not since((major, minor), _FLAGS[abi])
        )


def since(minimum: Version, flag: str) -> list[str]:
    """Return the interpreters of the table from ``minimum`` on, with ("t") or without ("") free threading."""
    names = (name for name in cpython.judged() if name.lstrip("0123456789.") == flag)
    return [name for name in names if cpython.version_of(name) >= minimum]


def promise_of(wheel: WheelFacts) -> Promise:
    """Return what the tags of ``wheel`` promise, those of its file name: pip goes by them."""
    pairs = list(dict.fromkeys((tag.split("-")[0], tag.split("-")[1]) for tag in wheel.tags))
    judged = {pair: names for pair in pairs if (names := _takers(*pair))}
    foreign = {pair: name for pair in pairs if pair not in judged and (name := _foreign(*pair)) is not None}
    stable: dict[Stable, Version] = {}
    for python, abi in (*judged, *foreign):
        if abi in _FLAGS and python.startswith("cp"):
            kind: Stable = "abi3" if abi == "abi3" else "abi3t"
            stable[kind] = min(stable.get(kind, (9, 0)), _version(python))
    without_abi = {pair: names for pair, names in judged.items() if pair[1] == "none"}
    # One version has nothing to choose among: all of its builds install the wheel.
    choose = len({cpython.version_of(name) for names in without_abi.values() for name in names}) > 1
    exact = [name for pair, names in judged.items() if pair[1] not in {"none", *stable} for name in names]
    named = [name for names in without_abi.values() for name in names]
    return Promise(
        exact=_sorted(exact if choose else [*exact, *named]),
        stable=tuple(stable.items()),
        chosen=_sorted(named) if choose else (),
        foreign=tuple(dict.fromkeys(foreign.values())),
        void=_void(pairs, {*judged, *foreign}),
    )


def _takers(python: str, abi: str) -> list[str]:
    """Return the interpreters of the table that install a wheel with that tag."""
    match = TAG.fullmatch(python)
    if match is None or match["major"] == "2":
        return []
    version = 3, int(match["minor"] or 0)
    if match["kind"] == "py":
        return [name for name in cpython.judged() if cpython.version_of(name) >= version] if abi == "none" else []
    if not match["minor"]:
        return []  # "cp3" is the name of no CPython
    if abi in _FLAGS:
        return since(version, "t" if abi == "abi3t" else "")
    names = [name for name in cpython.judged() if cpython.version_of(name) == version]
    return names if abi == "none" else [name for name in names if name == _interpreter(python, abi)]


def _foreign(python: str, abi: str) -> tuple[str, str] | None:
    """Return what to call the interpreter of a tag that is not judged; None where no installer takes the tag."""
    match = TAG.fullmatch(python)
    if match is None:
        return python, next((name for start, name in OTHERS.items() if python.startswith(start)), python)
    if match["kind"] == "py":
        return (python, python) if abi == "none" else None
    if match["major"] == "2":
        return None if abi in _FLAGS or not match["minor"] else (python, f"2.{match['minor']}")
    version = f"3.{match['minor']}"
    named = version if abi in {"none", *_FLAGS} else _interpreter(python, abi)
    # A version of the table gets here with an ABI that is not judged (debug builds), or that nobody has.
    known = named in cpython.judged() or not match["minor"]
    return None if named is None or known else (f"CPython {named}", named)


def _interpreter(python: str, abi: str) -> str | None:
    if not abi.startswith(python) or len(python) < len("cp30"):
        return None
    return interpreter_of(python[2:], abi.removeprefix(python))


def _void(pairs: Sequence[tuple[str, str]], understood: set[tuple[str, str]]) -> tuple[str, ...]:
    """Return the combinations that no installer takes, without those that compressed tag sets bring of themselves.

    ``cp39.cp312-cp39.cp312`` stands for ``cp39-cp312`` too, which nobody meant.
    """
    pythons, abis = {python for python, _ in understood}, {abi for _, abi in understood}
    return tuple(f"{python}-{abi}" for python, abi in pairs if python not in pythons or abi not in abis)


def _version(python: str) -> Version:
    return int(python[2]), int(python[3:])


def _sorted(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names), key=cpython.order))
