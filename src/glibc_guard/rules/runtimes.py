"""conflicting-*: two runtimes of one kind in one process, by what the dynamic loader makes of their names.

Python loads a module with RTLD_LOCAL: the names of the module, and of what it needs, are seen by these objects alone,
and after those of the program (``dlopen(3)``). So two copies of a library do not meet, unless one module reaches both,
or the names are STB_GNU_UNIQUE (``do_lookup_unique`` in glibc's ``elf/dl-lookup.c``: one definition for the whole
process), or the runtimes look for each other themselves. tests/loader/test_scopes.py asks the real loader.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from glibc_guard.model import SEVERITIES, Artifact, ElfObject, Finding, Severity
from glibc_guard.rules.process import Process, processes
from glibc_guard.rules.runtime_copies import Copy, copies, families, is_called
from glibc_guard.rules.runtime_kinds import Kind, alike, harmful, packages, pairs
from glibc_guard.targets.tables import Clash, Family, Runtime

SHOWN: Final = 5  # copies
SHOWN_NAMES: Final = 3
LENGTH: Final = 100  # characters of a symbol; those of C++ may have thousands


Why: TypeAlias = Callable[[], str]  # the words are made for what is reported alone


def conflicting_runtimes(artifacts: Sequence[Artifact]) -> Iterator[tuple[int, Finding]]:
    """Yield each conflict with the number of the artifact to report it for: the first that is in it."""
    told: set[tuple[int, Finding]] = set()  # wheels that meet for several interpreters are told once
    for process in processes(artifacts):
        for family in families():
            kinds = alike(process, family, copies(process, family))
            for found in _conflicts(_relations(process, family, kinds)):
                finding = _finding(artifacts, process, family, found)
                if finding not in told:
                    told.add(finding)
                    yield finding


# --- two copies -------------------------------------------------------------------------------------------------------


class Relation(Struct, frozen=True):
    """What the copies of two kinds, or those of one, do to each other."""

    kinds: tuple[Kind, Kind]
    pair: tuple[Copy, Copy]
    severity: Severity
    why: Why


def _relations(process: Process, family: Family, kinds: Sequence[Kind]) -> list[Relation]:
    found = []
    for one, other in pairs(process, kinds):
        pair = (one.copies[0], other.copies[0 if one is not other else 1])
        judged = _judged(process, family, *pair)
        if judged is not None:
            found.append(Relation((one, other), pair, *judged))
    return found


def _judged(process: Process, family: Family, one: Copy, other: Copy) -> tuple[Severity, Why] | None:
    """Return what two copies do to each other; None where no process loads both."""
    together = one.users & other.users
    if not together and (not process.joint or one.by_programs_alone or other.by_programs_alone):
        return None
    return (
        _by_nature(process, family, one, other)
        or _by_scope(process, family, one, other)
        or _by_names(family, one, other)
    )


def _by_nature(process: Process, family: Family, one: Copy, other: Copy) -> tuple[Severity, Why] | None:
    """Judge what holds in whatever scopes the copies are."""
    clash = next((clash for clash in family.clashes if _applies(clash, process, one, other)), None)
    if clash is not None:
        names = _same_names(family, one, other, internals=True)
        return "error", lambda: f"{clash.why}; both export {_symbols(_all_same(names, one, other))}"
    unique = harmful(one, family) & harmful(other, family) if process.libc == "glibc" else None
    if unique:
        shared = "of these names one definition serves the whole process (STB_GNU_UNIQUE), so that they share state"
        return "error", lambda: f"{shared}: {_symbols(sorted(unique))}"
    return None


def _by_scope(process: Process, family: Family, one: Copy, other: Copy) -> tuple[Severity, Why] | None:
    """Judge two copies of which the loader sees both when it looks a name up; None where it does not."""
    names = _meeting(one, other, _same_names(family, one, other, internals=True))
    scopes = [place for place in one.users & other.users if not family.of_programs or _is_program(process, place)]
    first = next((copy for copy in (one, other) if copy.loaded_globally and not family.of_programs), None)
    if not names or not (scopes or first):
        return None

    idle = one.runtime is other.runtime and one.runtime.first_serves_all
    # Of RTLD_GLOBAL a text of Python tells, which was read and not run.
    return ("error" if scopes and not idle else "warning"), lambda: _in_scope(
        process, scopes, first, _all_same(names, one, other), idle=idle
    )


def _in_scope(process: Process, scopes: Sequence[str], first: Copy | None, names: Sequence[str], *, idle: bool) -> str:
    if scopes or first is None:
        reaching = _in_words([process.homes[place].path for place in sorted(scopes)], 1)
        both = f"{reaching} reaches both, and the first one answers for both"
    else:
        both = f"{first.name} is loaded with RTLD_GLOBAL, it seems, and answers for what comes later, too"
    return f"{both}{', so that the other lies idle' if idle else ''}: {_symbols(names)}"


def _by_names(family: Family, one: Copy, other: Copy) -> tuple[Severity, Why]:
    """Judge two copies in scopes of their own."""
    if one.hidden or other.hidden:
        return "note", lambda: "nothing of a hidden copy is seen by others, so that each works alone"
    same = _same_names(family, one, other, internals=False)
    names = _meeting(one, other, same)
    if names:
        apart = "each stays in the scope of what loads it, unless one is loaded with RTLD_GLOBAL"
        return (
            family.apart,
            lambda: f"both export {_symbols(_all_same(names, one, other))}; {apart}; {family.harm}",
        )
    if same:
        return "note", lambda: f"the versions of their names keep them apart: {_versions(one)}, {_versions(other)}"
    return "note", lambda: _apart_by_names(family, one, other)


def _apart_by_names(family: Family, one: Copy, other: Copy) -> str:
    rest = _all_same([], one, other)
    common = f" ({len(rest)} others are the same, but in no common scope: {_symbols(rest)})" if rest else ""
    return f"their names keep them apart, {one.example} and {other.example}{common}; {family.harm}"


def _meeting(one: Copy, other: Copy, names: Sequence[str]) -> list[str]:
    """Return those of ``names``, which both export, that the loader does not tell apart by their versions.

    A name without a version answers to whatever version is asked for (``check_match`` in glibc's ``elf/dl-lookup.c``).
    """
    if not one.versions or not other.versions or not one.versions.isdisjoint(other.versions):
        return list(names)
    return [name for name in names if name in one.unversioned or name in other.unversioned]


def _is_program(process: Process, place: str) -> bool:
    return process.objects[place].kind == "executable"


def _applies(clash: Clash, process: Process, one: Copy, other: Copy) -> bool:
    if {one.runtime.name, other.runtime.name} != set(clash.between):
        return False
    return clash.where == "process" or bool(packages(process, one) & packages(process, other))


def _same_names(family: Family, one: Copy, other: Copy, *, internals: bool) -> list[str]:
    """Return the names of the family that both export, as the table orders them."""
    known: dict[str, None] = {}
    for runtime in family.runtimes:
        known |= dict.fromkeys((*runtime.exports, *runtime.renamed, *(runtime.internals if internals else ())))
    return [name for name in known if name in one.defined and name in other.defined]


def _all_same(known: Sequence[str], one: Copy, other: Copy) -> list[str]:
    """Return every name that both export, the ``known`` ones first."""
    return [*known, *sorted((one.defined & other.defined).difference(known))]


# --- conflicts --------------------------------------------------------------------------------------------------------


def _conflicts(relations: Sequence[Relation]) -> Iterator[list[Relation]]:
    """Yield the relations of one severity between copies that hang together; the worst first.

    Copies that are all named together for something worse are not named again.
    """
    told: dict[int, list[set[int]]] = {}  # by each kind of copies in it
    for severity in SEVERITIES:
        groups = _connected([one for one in relations if one.severity == severity])
        new = [(members, joined) for members, joined in groups if not _is_told(members, told)]
        for members, _ in groups:
            for member in members:
                told.setdefault(member, []).append(members)
        yield from (joined for _, joined in new)


def _is_told(members: set[int], told: Mapping[int, Sequence[set[int]]]) -> bool:
    return any(members <= known for known in told.get(next(iter(members)), ()))


def _connected(relations: Sequence[Relation]) -> list[tuple[set[int], list[Relation]]]:
    """Return the kinds of copies that ``relations`` connect, directly or through others, and those relations."""
    parents: dict[int, int] = {}

    def root(kind: int) -> int:
        while parents.setdefault(kind, kind) != kind:
            parents[kind] = parents[parents[kind]]
            kind = parents[kind]
        return kind

    for relation in relations:
        one, other = sorted(root(kind.number) for kind in relation.kinds)
        parents[other] = one
    groups: dict[int, tuple[set[int], list[Relation]]] = {}
    for relation in relations:
        members, joined = groups.setdefault(root(relation.kinds[0].number), (set(), []))
        members.update(kind.number for kind in relation.kinds)
        joined.append(relation)
    return list(groups.values())


def _involved(relations: Sequence[Relation]) -> list[Copy]:
    """Return every copy that is in ``relations``: first the two of which is told why, then as they were found."""
    kinds = {kind.number: kind for relation in relations for kind in relation.kinds}
    found = sorted(
        (number, copy) for kind in kinds.values() for number, copy in zip(kind.numbers, kind.copies, strict=True)
    )
    return list({id(copy): copy for copy in (*relations[0].pair, *(copy for _, copy in found))}.values())


def _finding(
    artifacts: Sequence[Artifact], process: Process, family: Family, relations: Sequence[Relation]
) -> tuple[int, Finding]:
    involved = _involved(relations)
    several = len(artifacts) > 1
    named = [_named(process, copy, artifacts if several else ()) for copy in involved[:SHOWN]]
    more = f" and {len(involved) - SHOWN} more" if len(involved) > SHOWN else ""
    homes = [process.homes[place] for copy in involved for place in _places(copy)[:1]]
    first = min(homes, key=lambda home: home.artifact)
    of_two = "of the first two: " if len(involved) > 2 else ""
    return first.artifact, Finding(
        rule=family.rule,
        severity=relations[0].severity,
        object=first.path,
        message=f"{len(involved)} {family.what} in one process: {', '.join(named)}{more}; {of_two}{relations[0].why()}",
        hint=family.hint,
    )


def _named(process: Process, copy: Copy, artifacts: Sequence[Artifact]) -> str:
    """Name a copy and where it is, the artifact too where there are several."""
    places = _in_words([_shown(process, place, artifacts) for place in _places(copy)], 1)
    if not copy.objects:
        return f"the system's {copy.name} (for {places})"
    own = any(_is_library(item, copy.runtime) for item in copy.objects)
    return f"{copy.runtime.name} ({'' if own else 'hidden in ' if copy.hidden else 'inside '}{places})"


def _shown(process: Process, place: str, artifacts: Sequence[Artifact]) -> str:
    home = process.homes[place]
    if not artifacts or artifacts[home.artifact].path == home.path:
        return home.path
    return f"{_label(artifacts[home.artifact], artifacts)}: {home.path}"


def _label(artifact: Artifact, artifacts: Sequence[Artifact]) -> str:
    """Name an artifact shortly: a wheel by name and version where no other has them."""
    labels = [f"{one.wheel.name}-{one.wheel.version}" for one in artifacts if one.wheel is not None]
    label = f"{artifact.wheel.name}-{artifact.wheel.version}" if artifact.wheel is not None else ""
    return label if labels.count(label) == 1 else posixpath.basename(artifact.path.rstrip("/"))


def _places(copy: Copy) -> list[str]:
    return [item.path for item in copy.objects] or sorted(copy.users)


def _is_library(item: ElfObject, runtime: Runtime) -> bool:
    return is_called((posixpath.basename(item.path), item.soname or ""), runtime)


def _versions(copy: Copy) -> str:
    return _in_words(sorted(copy.versions), 1)


def _in_words(names: Sequence[str], shown: int = SHOWN_NAMES) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _symbols(names: Sequence[str]) -> str:
    return _in_words([name if len(name) <= LENGTH else f"{name[:LENGTH]}…" for name in names])
