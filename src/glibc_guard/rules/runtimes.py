"""conflicting-*: two runtimes of one kind in one process, by what the dynamic loader makes of their names.

Python loads a module with RTLD_LOCAL: the names of the module, and of what it needs, are seen by these objects alone,
and after those of the program (``dlopen(3)``). So two copies of a library do not meet, unless one module reaches both,
or the names are STB_GNU_UNIQUE (``do_lookup_unique`` in glibc's ``elf/dl-lookup.c``: one definition for the whole
process), or the runtimes look for each other themselves. tests/loader/test_scopes.py asks the real loader.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Final

from glibc_guard.model import SEVERITIES, Artifact, ElfObject, Finding, Severity
from glibc_guard.rules.process import Process, processes
from glibc_guard.rules.runtime_copies import Copy, copies, families, is_called
from glibc_guard.targets.tables import Clash, Family, Runtime

SHOWN: Final = 5  # copies
SHOWN_NAMES: Final = 3
LENGTH: Final = 100  # characters of a symbol; those of C++ may have thousands


@dataclass(frozen=True, slots=True)
class Relation:
    """What two copies do to each other."""

    pair: tuple[Copy, Copy]
    severity: Severity
    why: str


def conflicting_runtimes(artifacts: Sequence[Artifact]) -> Iterator[tuple[int, Finding]]:
    """Yield each conflict with the number of the artifact to report it for: the first that is in it."""
    for process in processes(artifacts):
        for family in families():
            found = copies(process, family)
            relations = [relation for a, b in combinations(found, 2) if (relation := _relation(process, family, a, b))]
            for group in _conflicts(relations):
                yield _finding(artifacts, process, family, group)


# --- two copies -------------------------------------------------------------------------------------------------------


def _relation(process: Process, family: Family, one: Copy, other: Copy) -> Relation | None:
    """Return what two copies do to each other; None where no process loads both."""
    together = one.users & other.users
    if not together and (not process.joint or one.by_programs_alone or other.by_programs_alone):
        return None
    severity, why = (
        _by_nature(process, family, one, other)
        or _by_scope(process, family, one, other)
        or _by_names(family, one, other)
    )
    return Relation((one, other), severity, why)


def _by_nature(process: Process, family: Family, one: Copy, other: Copy) -> tuple[Severity, str] | None:
    """Judge what holds in whatever scopes the copies are."""
    clash = next((clash for clash in family.clashes if _applies(clash, process, one, other)), None)
    if clash is not None:
        names = _same_names(family, one, other, internals=True)
        return "error", f"{clash.why}; both export {_symbols(_all_same(names, one, other))}"
    unique = _shared_unique(one, other) if process.libc == "glibc" else []
    if unique:
        shared = "of these names one definition serves the whole process (STB_GNU_UNIQUE), so that they share state"
        return "error", f"{shared}: {_symbols(unique)}"
    if one.versions and other.versions and one.versions.isdisjoint(other.versions):
        return "note", f"the versions of their names keep them apart: {_versions(one)}, {_versions(other)}"
    return None


def _by_scope(process: Process, family: Family, one: Copy, other: Copy) -> tuple[Severity, str] | None:
    """Judge two copies of which the loader sees both when it looks a name up; None where it does not."""
    names = _same_names(family, one, other, internals=True)
    scopes = [place for place in one.users & other.users if not family.of_programs or _is_program(process, place)]
    first = next((copy for copy in (one, other) if copy.loaded_globally and not family.of_programs), None)
    if not names or not (scopes or first):
        return None
    if scopes:
        reaching = _in_words([process.homes[place].path for place in sorted(scopes)], 1)
        both = f"{reaching} reaches both, and the first one answers for both"
    else:
        both = (
            f"{first.name if first else ''} is loaded with RTLD_GLOBAL, it seems, and answers for what comes later, too"
        )
    shown = _symbols(_all_same(names, one, other))
    if one.runtime is other.runtime and one.runtime.first_serves_all:
        return "warning", f"{both}, so that the other lies idle: {shown}"
    return ("error" if scopes else "warning"), f"{both}: {shown}"  # a text of Python was read, not run


def _by_names(family: Family, one: Copy, other: Copy) -> tuple[Severity, str]:
    """Judge two copies in scopes of their own."""
    if one.hidden or other.hidden:
        return "note", "nothing of a hidden copy is seen by others, so that each works alone"
    names = _same_names(family, one, other, internals=False)
    if names:
        apart = "each stays in the scope of what loads it, unless one is loaded with RTLD_GLOBAL"
        return family.apart, f"both export {_symbols(_all_same(names, one, other))}; {apart}; {family.harm}"
    rest = _all_same([], one, other)
    common = f" ({len(rest)} others are the same, but in no common scope: {_symbols(rest)})" if rest else ""
    return "note", f"their names keep them apart, {one.example} and {other.example}{common}; {family.harm}"


def _is_program(process: Process, place: str) -> bool:
    return process.objects[place].kind == "executable"


def _applies(clash: Clash, process: Process, one: Copy, other: Copy) -> bool:
    if {one.runtime.name, other.runtime.name} != set(clash.between):
        return False
    return clash.where == "process" or bool(_packages(process, one) & _packages(process, other))


def _packages(process: Process, copy: Copy) -> set[str]:
    """Return the packages that carry the copy or, where the system has it, that need it."""
    places = [item.path for item in copy.objects] or copy.users
    return {process.homes[place].package for place in places}


def _same_names(family: Family, one: Copy, other: Copy, *, internals: bool) -> list[str]:
    """Return the names of the family that both export, as the table orders them."""
    known: dict[str, None] = {}
    for runtime in family.runtimes:
        known |= dict.fromkeys((*runtime.exports, *runtime.renamed, *(runtime.internals if internals else ())))
    return [name for name in known if name in one.defined and name in other.defined]


def _all_same(known: Sequence[str], one: Copy, other: Copy) -> list[str]:
    """Return every name that both export, the ``known`` ones first."""
    return [*known, *sorted((one.defined & other.defined).difference(known))]


def _shared_unique(one: Copy, other: Copy) -> list[str]:
    globs = {*one.runtime.unique, *other.runtime.unique}
    return sorted(name for name in one.unique & other.unique if any(fnmatchcase(name, glob) for glob in globs))


# --- conflicts --------------------------------------------------------------------------------------------------------


def _conflicts(relations: Sequence[Relation]) -> Iterator[list[Relation]]:
    """Yield the relations of one severity between copies that hang together; the worst first.

    Copies that are all named together for something worse are not named again.
    """
    told: list[set[int]] = []
    for severity in SEVERITIES:
        groups: list[tuple[set[int], list[Relation]]] = []
        for relation in (one for one in relations if one.severity == severity):
            members, joined = {id(copy) for copy in relation.pair}, [relation]
            for group in [group for group in groups if group[0] & members]:
                groups.remove(group)
                members |= group[0]
                joined = [*group[1], *joined]
            groups.append((members, joined))
        new = [group for group in groups if not any(group[0] <= known for known in told)]
        told += [members for members, _ in groups]
        yield from (joined for _, joined in new)


def _finding(
    artifacts: Sequence[Artifact], process: Process, family: Family, relations: Sequence[Relation]
) -> tuple[int, Finding]:
    involved = list({id(copy): copy for relation in relations for copy in relation.pair}.values())
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
        message=f"{len(involved)} {family.what} in one process: {', '.join(named)}{more}; {of_two}{relations[0].why}",
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
