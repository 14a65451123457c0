"""Which copies of a runtime a process may hold, by the names of files, by what objects export and what they ask for.

``data/runtimes.json`` says what tells a copy.
"""

from __future__ import annotations

import posixpath
from collections.abc import Hashable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from typing import Final

from msgspec import Struct

from glibc_guard.model import ElfObject
from glibc_guard.rules.process import OUTSIDE, Process
from glibc_guard.rules.python_modules import is_module
from glibc_guard.targets.tables import Family, Runtime, runtimes

ENOUGH_SIGNS: Final = 2  # names that only a runtime asks for, where it exports none


class Copy(Struct, frozen=True):
    """One copy of a runtime."""

    runtime: Runtime
    objects: tuple[ElfObject, ...]  # usually one; several that answer to one soname, or the parts; none: the system's
    name: str  # the soname, or the path of an object that has none
    users: frozenset[str]  # every object whose scope holds it
    defined: frozenset[str]  # what it exports; of the system's copy what the table knows
    unique: frozenset[str]  # of these the STB_GNU_UNIQUE ones
    versions: frozenset[str]  # that it defines
    unversioned: frozenset[str]  # what of `defined` has none
    by_programs_alone: bool  # no module loads it
    loaded_globally: bool  # its names come before those of what is loaded after it

    @property
    def hidden(self) -> bool:
        """Whether it is linked into an object that exports none of its names."""
        return self.example is None

    @property
    def example(self) -> str | None:
        """One of its names, as it exports it; None where it exports none."""
        told_by = (name for names in self.runtime.told_by for name in names)
        known = (self.runtime.exports[0], *self.runtime.renamed, *self.runtime.exports, *told_by)
        return next((name for name in known if name in self.defined), None)


def copies(process: Process, family: Family) -> list[Copy]:
    """Return every copy of a runtime of ``family``; those that the loader takes for one library are one."""
    found: list[tuple[Runtime, ElfObject]] = []
    for item in process.linkage.objects:
        runtime = recognised(item, family)
        if runtime is not None and not (runtime.front and _hands_on(item, process, family)):
            found.append((runtime, item))
    needed = {_file(item) for _, item in found if process.is_needed(item.path)}
    groups: dict[Hashable, list[tuple[Runtime, ElfObject]]] = {}
    for runtime, item in found:
        identity = _identity(item, runtime, process, is_needed=_file(item) in needed)
        groups.setdefault(identity, []).append((runtime, item))
    return [*(_carried(process, members) for members in groups.values()), *_outside(process, family)]


def recognised(item: ElfObject, family: Family) -> Runtime | None:
    """Return the runtime of ``family`` that ``item`` is or has linked in; a program's own copy concerns nobody else."""
    if item.kind != "shared":
        return None
    exported = _signs(family) & item.defined
    for runtime in family.runtimes:
        if any(exported.issuperset(names) for names in runtime.told_by):
            return runtime
    names = (posixpath.basename(item.path), item.soname or "")
    return next((one for one in family.runtimes if is_called(names, one) or _has_hidden(item, one)), None)


@lru_cache(maxsize=1)
def families() -> tuple[Family, ...]:
    """Every family of runtimes."""
    return runtimes().families


def known_names(family: Family) -> tuple[str, ...]:
    """Return the names by which copies of ``family`` are told and compared, as the table orders them."""
    names = (
        (*runtime.exports, *runtime.renamed, *runtime.internals, *(name for told in runtime.told_by for name in told))
        for runtime in family.runtimes
    )
    return tuple(dict.fromkeys(name for of_one in names for name in of_one))


def _signs(family: Family) -> frozenset[str]:
    return frozenset(name for runtime in family.runtimes for names in runtime.told_by for name in names)


def is_called(names: Iterable[str], runtime: Runtime) -> bool:
    """Tell whether one of ``names`` is one of the runtime's libraries."""
    return any(_fits(name, glob) for name in names for glob in runtime.libraries)


def _fits(name: str, glob: str) -> bool:
    # Most names differ at once, and the standard library would make a regular expression of every glob.
    return name.startswith(glob[: _first_wildcard(glob)]) and fnmatchcase(name, glob)


@cache
def _first_wildcard(glob: str) -> int:
    return min(glob.find(wildcard) % (len(glob) + 1) for wildcard in "*?[")


def _has_hidden(item: ElfObject, runtime: Runtime) -> bool:
    if not runtime.hidden_signs or is_called(item.needed, runtime):
        return False
    return len({symbol.name for symbol in item.undefined}.intersection(runtime.hidden_signs)) >= ENOUGH_SIGNS


def _hands_on(item: ElfObject, process: Process, family: Family) -> bool:
    for name in item.needed:
        provider = process.linkage.provider(item, name)
        runtime = recognised(provider, family) if provider else _named(name, family)
        if runtime is not None and provider is not item:
            return True
    return False


def _named(name: str, family: Family) -> Runtime | None:
    return next((runtime for runtime in family.runtimes if is_called((name,), runtime)), None)


def _identity(item: ElfObject, runtime: Runtime, process: Process, *, is_needed: bool) -> Hashable:
    """Return what makes ``item`` one copy with others.

    A library is not loaded again where one of its soname is (``_dl_map_new_object`` in glibc's ``elf/dl-load.c``); that
    holds for what is asked for by name, and not for what is loaded by its path: modules, and what a package loads so.
    """
    if runtime.in_parts:
        return runtime.name, posixpath.dirname(item.path)
    if item.soname not in process.names_asked_for:
        return _file(item)
    by_path = is_module(item) or process.homes[item.path].package in process.by_path
    return item.soname if is_needed or not by_path else _file(item)


def _file(item: ElfObject) -> Hashable:
    """Return what tells a file: a wheel holds no links, and has a library under several names in one folder instead."""
    if item.soname is None or is_module(item):
        return item.path
    return posixpath.dirname(item.path), item.soname, item.size, item.defined


def _carried(process: Process, members: list[tuple[Runtime, ElfObject]]) -> Copy:
    items = tuple(item for _, item in members)
    users = _joined([process.needed_by(item.path) for item in items])
    return Copy(
        runtime=members[0][0],
        objects=items,
        name=items[0].soname or items[0].path,
        users=users,
        defined=_joined([item.defined for item in items]),
        unique=_joined([item.unique for item in items]),
        versions=frozenset(version for item in items for version in _versions(item)),
        unversioned=_joined([item.unversioned if _versions(item) else item.defined for item in items]),
        by_programs_alone=_by_programs_alone(process, users),
        loaded_globally=not users.isdisjoint(process.loaded_globally),
    )


def _joined(names: Sequence[frozenset[str]]) -> frozenset[str]:
    return names[0] if len(names) == 1 else frozenset().union(*names)  # a set of 6,000 names is not copied


def _versions(item: ElfObject) -> list[str]:
    return [one.version for one in item.version_definitions if not one.base]


def _outside(process: Process, family: Family) -> Iterator[Copy]:
    found: dict[str, tuple[Runtime, list[str]]] = {}
    for name in sorted(process.outside):
        runtime = _named(name, family)
        if runtime is not None:
            # libgomp.so.1.0.0 is the file that libgomp.so.1 leads to, and the loader compares files too.
            shorter = (one for one in found if name.startswith(f"{one}."))
            key = runtime.name if runtime.in_parts else next(shorter, name)
            found.setdefault(key, (runtime, []))[1].append(name)
    for name, (runtime, names) in found.items():
        users = frozenset().union(*(process.needed_by(f"{OUTSIDE}{one}") for one in names))
        yield Copy(
            runtime=runtime,
            objects=(),
            name=name,
            users=users,
            defined=frozenset(runtime.exports),
            unique=frozenset(runtime.unique_assumed),
            versions=frozenset(names if runtime.versioned_by_soname else ()),
            unversioned=frozenset(() if runtime.versioned_by_soname else runtime.exports),
            by_programs_alone=_by_programs_alone(process, users),
            loaded_globally=not users.isdisjoint(process.loaded_globally),
        )


def _by_programs_alone(process: Process, users: frozenset[str]) -> bool:
    starts = [item.kind for item in process.starts(users)]
    return bool(starts) and all(kind == "executable" for kind in starts)
