"""python-abi: extension modules that the Pythons which the wheel promises refuse, or never look for.

An interpreter opens a module with ``RTLD_NOW`` (``Python/dynload_shlib.c``; so does ``ctypes``): every symbol that it,
or a library that comes with it, leaves undefined must be there at once, or the import fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from glibc_guard.model import NOT_LOADED, Artifact, ElfObject, Finding, Severity
from glibc_guard.rules.linkage import Linkage
from glibc_guard.rules.python_modules import (
    Ending,
    Promise,
    Stable,
    Version,
    ending_of,
    imports,
    promise_of,
    wrong_triplet,
)
from glibc_guard.rules.python_words import listed, origin, releases
from glibc_guard.targets import cpython

NAMES_SHOWN: Final = 3  # file names in a message


@dataclass(frozen=True)
class PythonObject:
    """An object that Python imports, or that a module brings along, and the Python symbols that it needs."""

    item: ElfObject
    ending: Ending | None
    needs: tuple[str, ...]  # C-API symbols that the artifact does not define
    complete: bool  # whether all libraries that could define them are known

    @cached_property
    def known_needs(self) -> tuple[str, ...]:
        """The needs that are certain to be CPython's: another library may call its own symbols alike."""
        return tuple(name for name in self.needs if self.complete or cpython.table().knows(name))

    @cached_property
    def fits(self) -> list[str]:
        """The interpreters that export all that the object needs."""
        table = cpython.table()
        usual = (name for name in table.interpreters if not name.endswith("d"))
        return [name for name in usual if all(table.exports(name, need) for need in self.known_needs)]


def python_abi(artifact: Artifact) -> Iterator[Finding]:
    """Yield what is wrong between the objects of ``artifact`` and the Pythons that its tags or file names promise."""
    promise = promise_of(artifact.wheel) if artifact.wheel is not None else None
    platforms = artifact.wheel.platforms if artifact.wheel is not None else ()
    objects = list(_python_objects(artifact))
    if promise is not None:
        yield from _never_imported(objects, promise)
    for found in objects:
        triplet = wrong_triplet(found.item, found.ending, platforms) if found.ending else None
        if found.ending is not None and triplet is not None:
            yield _wrong_triplet(found, found.ending, triplet)
        yield from _of_symbols(found, promise)


def remarks(artifact: Artifact) -> tuple[str, ...]:
    """Say which Pythons of the wheel's tags were not judged, where the wheel holds something of Python."""
    if artifact.wheel is None or not artifact.objects:
        return ()
    newest = cpython.version_of(cpython.table().interpreters[-1])
    newer = [name for name in promise_of(artifact.wheel).exact if cpython.version_of(name) > newest]
    pythons = dict.fromkeys(tag.split("-")[0] for tag in artifact.wheel.tags)
    foreign = [python for python in pythons if not python.startswith(("cp3", "py"))]
    names = [*foreign, *(f"CPython {name}" for name in newer)]
    if not names or not any(True for _ in _python_objects(artifact)):
        return ()
    return (f"made for {listed(names)}, whose C-API is in no table here: its Python symbols are not judged",)


def _python_objects(artifact: Artifact) -> Iterator[PythonObject]:
    linkages: dict[str, Linkage] = {}
    for item in artifact.objects:
        ending = ending_of(item.path)
        if item.kind != "shared" or item.kind in NOT_LOADED:
            continue
        wanted = {symbol.name for symbol in item.undefined if symbol.relocated and symbol.binding != "weak"}
        wanted = {name for name in wanted if cpython.NAME.match(name)}
        if not wanted and ending is None:
            continue
        linkage = linkages.setdefault(item.architecture, Linkage.of(artifact, item.architecture))
        needs = sorted(name for name in wanted if not linkage.defines(item, name))
        yield PythonObject(item, ending, tuple(needs), linkage.closure(item)[1])


# --- which module is imported at all ----------------------------------------------------------------------------------


def _never_imported(objects: Sequence[PythonObject], promise: Promise) -> Iterator[Finding]:
    """Yield a finding for each module that no promised interpreter finds, and for those that only some find."""
    if promise.loose or promise.foreign:
        return  # such a wheel may carry modules for several Pythons, of which it takes one itself
    promised = _promised(promise)
    groups: dict[str, list[PythonObject]] = {}
    for found in objects:
        if found.ending is not None and not found.ending.foreign:
            groups.setdefault(found.item.path.removesuffix(found.ending.text), []).append(found)
    plain = {found.item.path.removesuffix(".so") for found in objects if found.ending is None}
    for name, group in groups.items():
        endings = [found.ending for found in group] + [None] * (name in plain)
        without = [one for one in promised if not any(imports(one, ending) for ending in endings)]
        for found in group:
            if not any(imports(one, found.ending) for one in promised):
                yield _left_over(found, promise, severity="error" if without else "warning")
        if without and len(without) < len(promised):
            yield _partly_imported(group[0], promise, without)
        yield from (_abi3_without_gil(found, promise) for found in group if _is_abi3_without_gil(found, promise))


def _promised(promise: Promise) -> list[str]:
    """Return every interpreter of the table that the tags promise, and those that they name and it does not know."""
    flags = {"abi3": "", "abi3t": "t"}
    stable = (name for abi, minimum in promise.stable for name in _from(minimum, flags[abi]))
    return sorted({*promise.exact, *stable}, key=cpython.order)


def _from(minimum: Version, flag: str) -> list[str]:
    known = cpython.table().interpreters
    return [name for name in known if name.lstrip("0123456789.") == flag and cpython.version_of(name) >= minimum]


def _left_over(found: PythonObject, promise: Promise, severity: Severity) -> Finding:
    ending = found.ending.text if found.ending else ".so"
    who = _in_words(promise)
    message = f"is never imported: the wheel is for {who}, which does not look for files that end in {ending}"
    if severity == "warning":
        message = f"is left over: the wheel is for {who}, which takes the module of that name with another ending"
    hint = "leave it out, or package the module that was built with that Python: was a build folder not cleaned?"
    return _finding(found, severity, message, hint)


def _partly_imported(found: PythonObject, promise: Promise, without: Sequence[str]) -> Finding:
    name = found.item.path.rpartition("/")[2].partition(".")[0]
    message = f"the wheel is for {_in_words(promise)}, but CPython {listed(without)} finds no module {name} in it"
    hint = "give the wheel the tag of the Python that it was built with, or build the module for the stable ABI"
    return _finding(found, "error", message, hint)


def _is_abi3_without_gil(found: PythonObject, promise: Promise) -> bool:
    if found.ending is None or found.ending.stable != "abi3":
        return False
    return any(name.endswith("t") and imports(name, found.ending) for name in promise.exact)


def _abi3_without_gil(found: PythonObject, promise: Promise) -> Finding:
    message = (
        "is named as built for abi3, the stable ABI of the builds with a GIL, and the wheel is for "
        f"{_in_words(promise)}, whose objects have another layout"
    )
    hint = "build it for that Python itself; a stable ABI without the GIL (abi3t) begins with CPython 3.15"
    return _finding(found, "error", message, hint)


def _wrong_triplet(found: PythonObject, ending: Ending, wanted: str) -> Finding:
    message = f"is never imported: a Python that could load it looks for -{wanted}.so, not for -{ending.triplet}.so"
    hint = "cross-compiling? name the ending of the Python that is built for: SETUPTOOLS_EXT_SUFFIX, or its sysconfig"
    return _finding(found, "error", message, hint)


# --- which symbols it needs -------------------------------------------------------------------------------------------


def _of_symbols(found: PythonObject, promise: Promise | None) -> Iterator[Finding]:
    ending = found.ending
    if not found.needs or (ending is not None and ending.foreign):
        return
    if ending is not None and ending.interpreter is not None:
        yield from _held_against(found, (ending.interpreter,))
    elif ending is not None and ending.stable is not None and (promise is None or not promise.stable):
        exact = promise.exact if promise is not None and not promise.loose else ()
        yield from _held_against(found, exact) if exact else _held_against_stable(found, ending.stable, None)
    elif promise is not None and not promise.foreign:
        for stable, minimum in promise.stable:
            yield from _held_against_stable(found, stable, minimum)
        if promise.exact:
            yield from _held_against(found, promise.exact)
        elif promise.loose:
            every = [name for name in cpython.table().interpreters if not name.endswith("d") and name != PYTHON2]
            yield from _held_against(found, every)


PYTHON2: Final = "2.7"


def _held_against(found: PythonObject, interpreters: Sequence[str]) -> Iterator[Finding]:
    """Judge an object that one of ``interpreters`` must be able to load: of several, each has its own object."""
    table = cpython.table()
    judged = [name for name in interpreters if name in table.interpreters]
    if not judged or len(judged) < len(interpreters):
        return  # a newer Python than the table knows: `remarks` says so
    gaps = {name: [need for need in found.known_needs if not table.exports(name, need)] for name in judged}
    best = min(gaps, key=lambda name: len(gaps[name]))
    for need in gaps[best]:
        yield _missing(found, need, judged)
    if not gaps[best] and len(judged) == 1:
        yield from _not_in_every_release(found, best)


def _missing(found: PythonObject, symbol: str, judged: Sequence[str]) -> Finding:
    certain = found.complete or cpython.table().knows(symbol)
    who = f"CPython {judged[0]}" if len(judged) == 1 else "every CPython that the wheel is for"
    hint = f"{who} refuses the import (undefined symbol); " if certain else ""
    if found.fits:
        hint += f"the object fits CPython {listed(found.fits)}: package the one that was built for the promised Python"
    else:
        hint += "no CPython exports all that the object asks for: what was it built with?"
    message = f"{symbol} {origin(symbol, judged)}"
    return _finding(found, "error" if certain else "warning", message, hint, symbol)


def _not_in_every_release(found: PythonObject, interpreter: str) -> Iterator[Finding]:
    for need in found.known_needs:
        having, lacking = cpython.table().split(interpreter, need, found.item.architecture)
        if having and lacking:
            message = f"{need} is not in every CPython {interpreter}: {releases(having, lacking)}"
            yield _finding(found, "note", message, "it is private: use a function of the C-API in its place", need)


def _held_against_stable(found: PythonObject, stable: Stable, minimum: Version | None) -> Iterator[Finding]:
    """Judge an object that every CPython from ``minimum`` on must load; None where nobody says from which."""
    members = cpython.stable_abi()
    since = minimum or max((members[need] for need in found.needs if need in members), default=(3, 2))
    promised = _from(since, "t" if stable == "abi3t" else "")
    for need in found.known_needs:
        absent = [name for name in promised if not cpython.table().exports(name, need)]
        added = members.get(need)
        if absent or added is None or added > since:
            yield _not_stable(found, need, added, absent, promised, _dotted(since))


def _not_stable(
    found: PythonObject,
    symbol: str,
    added: Version | None,
    absent: Sequence[str],
    promised: Sequence[str],
    since: str,
) -> Finding:
    certain = found.complete or cpython.table().knows(symbol)
    if added is None:
        message = f"{symbol} is not part of the stable ABI"
    else:
        message = f"{symbol} is in the stable ABI only since {_dotted(added)}, and CPython {since} is promised"
    if absent:
        severity: Severity = "error" if certain else "warning"
        message += f"; CPython {listed(absent)} {'does' if len(absent) == 1 else 'do'} not export it"
        hint = "the import fails there (undefined symbol): "
    elif added is None:
        severity = "warning"
        message += f": every CPython from {promised[0]} to {promised[-1]} exports it so far, a later one need not"
        hint = "it loads as long as that stays so: "
    else:
        severity = "note"
        message += ", which exports it all the same"
        hint = "it loads there today, by luck: "
    hint += f"compile with Py_LIMITED_API set to {since}, or give the wheel the tag of one Python"
    return _finding(found, severity, message, hint, symbol)


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))


def _in_words(promise: Promise) -> str:
    exact = [f"CPython {listed(promise.exact)}"] if promise.exact else []
    kinds = {"abi3": "every CPython", "abi3t": "every free-threaded CPython"}
    stable = [f"{kinds[abi]} from {_dotted(minimum)} on" for abi, minimum in promise.stable]
    return " and ".join([*exact, *stable])


def _finding(found: PythonObject, severity: Severity, message: str, hint: str, symbol: str | None = None) -> Finding:
    return Finding(
        "python-abi",
        severity,
        found.item.path,
        message,
        symbol=symbol,
        binding="global" if symbol else None,
        hint=hint,
    )
