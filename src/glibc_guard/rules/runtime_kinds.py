"""Copies of a runtime that are judged alike, and the pairs to judge: thousands of modules must not make millions."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from fnmatch import translate
from functools import lru_cache
from itertools import combinations, islice
from typing import Final

from msgspec import Struct

from glibc_guard.rules.process import Process
from glibc_guard.rules.runtime_copies import Copy, known_names
from glibc_guard.targets.tables import Family

#: Kinds that are all judged against each other, and how many of these each further one is held against.
MOST: Final = 200
FEW: Final = 5
MOST_PAIRS: Final = 50_000  # of kinds that one scope holds


class Kind(Struct, frozen=True):
    """Copies that differ in nothing on which a judgement rests."""

    number: int
    numbers: tuple[int, ...]  # of the copies among all of them
    copies: tuple[Copy, ...]


def alike(process: Process, family: Family, copies: Sequence[Copy]) -> list[Kind]:
    """Return the kinds of ``copies``, in the order of their first ones."""
    known = frozenset(known_names(family))
    by_place = _by_place(copies)
    found: dict[Hashable, list[int]] = {}
    for number, copy in enumerate(copies):
        own = frozenset(item.path for item in copy.objects)
        key = (
            copy.runtime.name,
            copy.defined & known,
            copy.unversioned & known if copy.versions else None,
            copy.versions,
            harmful(copy, family),
            copy.by_programs_alone,
            copy.loaded_globally,
            copy.users - own,
            frozenset(other for place in own for other in by_place.get(place, ()) if other != number),
            packages(process, copy) if any(clash.where == "artifact" for clash in family.clashes) else None,
        )
        found.setdefault(key, []).append(number)
    groups = enumerate(found.values())
    return [Kind(kind, tuple(numbers), tuple(copies[number] for number in numbers)) for kind, numbers in groups]


def packages(process: Process, copy: Copy) -> frozenset[str]:
    """Return the packages that carry the copy or, where the system has it, that need it."""
    places = [item.path for item in copy.objects] or copy.users
    return frozenset(process.homes[place].package for place in places)


def harmful(copy: Copy, family: Family) -> frozenset[str]:
    """Return its STB_GNU_UNIQUE names that are harmful to share."""
    globs = frozenset(glob for runtime in family.runtimes for glob in runtime.unique)
    return _matching(copy.unique, globs) if globs and copy.unique else frozenset()


@lru_cache(maxsize=4096)
def _matching(names: frozenset[str], globs: frozenset[str]) -> frozenset[str]:
    pattern = re.compile("|".join(map(translate, sorted(globs))))
    return frozenset(filter(pattern.match, names))


def pairs(process: Process, kinds: Sequence[Kind]) -> list[tuple[Kind, Kind]]:
    """Return the kinds to judge against each other, and against themselves where a kind has several copies.

    Where one process may load all, that is every pair of the first ones; else those that something loads together.
    """
    found = {(kind.number, kind.number) for kind in kinds if len(kind.copies) > 1}
    if process.joint:
        found.update(combinations(range(min(len(kinds), MOST)), 2))
        found.update((first, number) for number in range(MOST, len(kinds)) for first in range(FEW))
    found.update(islice(_in_one_scope(kinds), MOST_PAIRS))
    return [(kinds[one], kinds[other]) for one, other in sorted(found)]


def _in_one_scope(kinds: Sequence[Kind]) -> Iterator[tuple[int, int]]:
    reached: dict[str, dict[int, None]] = {}
    for kind in kinds:
        for place in frozenset().union(*(copy.users for copy in kind.copies)):
            reached.setdefault(place, {})[kind.number] = None
    for numbers in dict.fromkeys(tuple(found) for found in reached.values() if len(found) > 1):
        yield from combinations(numbers, 2)


def _by_place(copies: Sequence[Copy]) -> dict[str, list[int]]:
    """Return by each object the copies that its scope holds."""
    found: dict[str, list[int]] = {}
    for number, copy in enumerate(copies):
        for place in copy.users:
            found.setdefault(place, []).append(number)
    return found
