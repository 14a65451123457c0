"""python-abi: extension modules that the Pythons which the wheel promises refuse, or never look for.

An interpreter opens a module with ``RTLD_NOW`` (``Python/dynload_shlib.c``; so does ``ctypes``): every symbol that it,
or a library that comes with it, leaves undefined must be there at once, or the import fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

from msgspec import Struct

from glibc_guard.model import Artifact, Finding, Severity
from glibc_guard.rules.python_imports import Candidates, candidates, import_findings, programs_as_modules
from glibc_guard.rules.python_modules import Stable, Version, ending_of
from glibc_guard.rules.python_objects import PythonObject, concerns_python, python_objects
from glibc_guard.rules.python_tags import Promise, promise_of, since
from glibc_guard.rules.python_words import about, listed, origin, releases
from glibc_guard.targets import cpython

LIBRARIES_SHOWN: Final = 3  # in a hint


def python_abi(artifact: Artifact) -> Iterator[Finding]:
    """Yield what is wrong between the objects of ``artifact`` and the Pythons that its tags or file names promise."""
    wheel = artifact.wheel
    promise = promise_of(wheel) if wheel is not None else None
    objects = list(python_objects(artifact))
    groups = candidates(objects, wheel.platforms if wheel is not None else ())
    yield from import_findings(groups, promise)
    yield from programs_as_modules(artifact)
    loading = Loading({found.item.path: found for found in objects}, groups, promise)
    for found in objects:
        if found.needs:
            yield from _of_symbols(found, loading)


def remarks(artifact: Artifact) -> tuple[str, ...]:
    """Say which Pythons of the tags and file names are not judged, where the artifact holds something of Python."""
    if not any(concerns_python(item) for item in artifact.objects):
        return ()
    promise = promise_of(artifact.wheel) if artifact.wheel is not None else Promise()
    names = dict.fromkeys(words for words, _ in promise.foreign)
    if artifact.wheel is None:
        names = dict.fromkeys(_named_by_files(artifact))
    future = [f"CPython {version}" for version in promise.unknown_minimum]
    told = [name for name in names if name not in future]
    found = []
    if told:
        found.append(f"made for {listed(told)}, whose C-API is in no table here: its Python symbols are not judged")
    if future:
        found.append(f"made for {listed(future)}, which is in no table here: held against the stable ABI alone")
    if promise.void:
        found.append(f"tagged {listed(promise.void)}, which no installer takes: what that promises is not judged")
    return tuple(found)


def _named_by_files(artifact: Artifact) -> Iterator[str]:
    for ending in (ending_of(item.path) for item in artifact.objects if item.kind == "shared"):
        if ending is not None and ending.foreign and ending.named is not None:
            yield f"CPython {ending.named}" if ending.named[0].isdigit() else ending.named


# --- which symbols it needs -------------------------------------------------------------------------------------------


class Loading(Struct, frozen=True):
    """Which interpreter loads which objects of the artifact."""

    objects: Mapping[str, PythonObject]  # by path
    groups: Mapping[str, Candidates]
    promise: Promise | None

    def takers(self, found: PythonObject, promised: Sequence[str]) -> list[str]:
        """Return those of ``promised`` that must load ``found``: they find no better file, or what they find needs it.

        A library that nothing in the artifact needs may be for any of them: nothing is certain of several then.
        """
        if not found.is_helper:
            return self._finders(found, promised)
        users = [self.objects[path] for path in found.users if path in self.objects]
        names = {name for user in users if not user.is_helper for name in self._finders(user, promised)}
        return [name for name in promised if name in names]

    def _finders(self, found: PythonObject, promised: Sequence[str]) -> list[str]:
        group = self.groups.get(found.place or "")
        return group.interpreters_of(found, promised) if group is not None else []


def _of_symbols(found: PythonObject, loading: Loading) -> Iterator[Finding]:
    ending, promise = found.ending, loading.promise
    if ending is not None and ending.stable is None:
        if ending.interpreter is not None:
            yield from _held_against(found, (ending.interpreter,))
    elif promise is None:
        if ending is not None and ending.stable is not None:
            yield from _held_against_stable(found, ending.stable, None)
    else:
        yield from _held_against_tags(found, promise, loading)


def _held_against_tags(found: PythonObject, promise: Promise, loading: Loading) -> Iterator[Finding]:
    """Judge an object whose own name tells no single Python against what the tags of the wheel promise."""
    for stable, minimum in promise.stable:
        yield from _held_against_stable(found, stable, minimum)
    takers = [name for name in loading.takers(found, promise.exact) if name not in promise.by_stable]
    if takers:
        yield from _held_against(found, takers)
    elif promise.stable:
        return
    elif found.is_helper and promise.exact:
        yield from _held_against_one_of(found, promise.exact)
    elif found.ending is not None and found.ending.stable is not None:
        yield from _held_against_stable(found, found.ending.stable, None)
    elif promise.chosen and not (promise.for_python2 and found.fits_python2):
        yield from _held_against_one_of(found, promise.chosen)


def _held_against(found: PythonObject, interpreters: Sequence[str]) -> Iterator[Finding]:
    """Judge an object that each of ``interpreters`` must be able to load."""
    for need in found.needs:
        if cpython.in_every_release(need, tuple(interpreters), found.item.architecture):
            continue  # asked first, since nearly all are, and many modules need the same
        lacking = [name for name in interpreters if not cpython.table().exports(name, need)]
        if lacking:
            refuses = "refuses" if len(lacking) == 1 else "refuse"
            yield _missing(found, need, lacking, f"CPython {listed(lacking)} {refuses}")
        else:
            yield from _not_in_every_release(found, need, interpreters)


def _held_against_one_of(found: PythonObject, interpreters: Sequence[str]) -> Iterator[Finding]:
    """Judge an object that one of ``interpreters`` at least must be able to load."""
    best = min(interpreters, key=lambda name: len(found.lacks(name)))
    unsure = [need for need in found.needs if not found.is_certain(need)]
    gaps = [*found.lacks(best), *(need for need in unsure if not cpython.table().exports(best, need))]
    who = "every CPython that the wheel is for" if len(interpreters) > 1 else f"CPython {best}"
    for need in gaps:
        yield _missing(found, need, interpreters, f"{who} refuses")


def _missing(found: PythonObject, symbol: str, lacking: Sequence[str], refusing: str) -> Finding:
    message = f"{symbol} {origin(symbol, lacking)}"
    if not found.is_certain(symbol):
        return _doubtful(found, symbol, message, f"{refusing} the import")
    hint = f"{refusing} the import (undefined symbol); "
    if found.fits:
        hint += f"the object fits CPython {listed(found.fits)}: package the one that was built for the promised Python"
    else:
        hint += "no CPython exports all that the object asks for: what was it built with?"
    return about(found.item, "error", message, hint, symbol)


def _doubtful(found: PythonObject, symbol: str, message: str, consequence: str) -> Finding:
    """Make a finding of a symbol that something else than the interpreter may define."""
    if symbol in found.strays:
        message += f"; {found.strays[symbol]} defines it, but is not loaded for this object"
        hint = f"link it with that library; else {consequence}, unless the package loads it with RTLD_GLOBAL before"
    else:
        others = len(found.outside) - LIBRARIES_SHOWN
        more = f" or {others} libraries more" if others > 1 else " or another library" if others == 1 else ""
        libraries = " or ".join(found.outside[:LIBRARIES_SHOWN])
        hint = f"unless {libraries}{more} defines it, {consequence} (undefined symbol)"
    return about(found.item, "warning", message, hint, symbol)


def _not_in_every_release(found: PythonObject, symbol: str, interpreters: Sequence[str]) -> Iterator[Finding]:
    for interpreter in interpreters:
        having, lacking = cpython.table().split(interpreter, symbol, found.item.architecture)
        if having and lacking:
            message = f"{symbol} is not in every CPython {interpreter}: {releases(having, lacking)}"
            yield about(found.item, "note", message, "it is private: use a function of the C-API in its place", symbol)


def _held_against_stable(found: PythonObject, stable: Stable, minimum: Version | None) -> Iterator[Finding]:
    """Judge an object that every CPython from ``minimum`` on must load; None where nobody says from which."""
    members = cpython.stable_abi()
    first = minimum or max((members[need] for need in found.needs if need in members), default=(3, 2))
    promised = since(first, "t" if stable == "abi3t" else "")
    for need in found.needs:
        absent = [name for name in promised if not cpython.table().exports(name, need)]
        added = members.get(need)
        if absent or added is None or added > first:
            unstable = Unstable(need, added, tuple(absent), tuple(promised), _dotted(first), stated=minimum is not None)
            yield unstable.finding(found)


class Unstable(Struct, frozen=True, dict=True):
    """A symbol that is not what a module for the stable ABI may need."""

    symbol: str
    added: Version | None  # to the stable ABI; None where it never was
    absent: tuple[str, ...]  # the promised interpreters that do not export it
    promised: tuple[str, ...]  # none where only newer ones than the table's are
    first: str  # "3.9", the oldest that is promised
    stated: bool  # by the tag of a wheel

    def finding(self, found: PythonObject) -> Finding:
        """Say it."""
        severity, more, consequence = self._consequence
        if not found.is_certain(self.symbol):
            return _doubtful(
                found, self.symbol, self._what + more, "the import fails there" if self.absent else "it may fail"
            )
        limit = f"set to {self.first}" if self.stated else "defined"
        hint = f"{consequence}: compile with Py_LIMITED_API {limit}, or give the wheel the tag of one Python"
        return about(found.item, severity, self._what + more, hint, self.symbol)

    @property
    def _what(self) -> str:
        if self.added is None:
            return f"{self.symbol} is not part of the stable ABI"
        return (
            f"{self.symbol} is in the stable ABI only since {_dotted(self.added)}, and CPython {self.first} is promised"
        )

    @cached_property
    def _consequence(self) -> tuple[Severity, str, str]:
        """How bad it is; what to add to the message; what comes of it."""
        if self.absent:
            does = "does" if len(self.absent) == 1 else "do"
            more = f"; CPython {listed(self.absent)} {does} not export it"
            return "error", more, "the import fails there (undefined symbol)"
        if not self.promised:
            return self._of_an_unknown_python
        if self.added is None:
            range_ = f"every CPython from {self.promised[0]} to {self.promised[-1]}"
            return "warning", f": {range_} exports it so far, a later one need not", "it loads as long as that stays so"
        return "note", ", which exports it all the same", "it loads there today, by luck"

    @property
    def _of_an_unknown_python(self) -> tuple[Severity, str, str]:
        newest = cpython.judged()[-1].rstrip("t")
        if cpython.table().exports(newest, self.symbol):
            return "warning", f": CPython {newest} exports it, a later one need not", "it loads if that stays so"
        known = cpython.table().knows(self.symbol)
        more = f"; CPython {newest}, the newest that is known here, does not export it"
        return "error" if known else "warning", more, f"the import fails if CPython {self.first} does not either"


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
