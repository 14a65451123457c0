"""The objects that one process may load: those of one artifact, or of several that are judged together."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from glibc_guard.model import NOT_LOADED, Artifact, ElfObject, Libc
from glibc_guard.rules.linkage import Linkage, installed, is_core_library, is_musl_library

OUTSIDE: Final = "outside:"  # begins the name of a library that no artifact carries, where paths are expected


@dataclass(frozen=True)
class Process:
    """Objects of one architecture and C library that may meet in one process."""

    linkage: Linkage
    libc: Libc
    homes: Mapping[str, Home]  # by the path of the object here, which is that where it is installed
    joint: bool = True  # all of it may be loaded into one process; else only what needs each other
    global_names: frozenset[str] = frozenset()  # "libtorch_global_deps": loaded with RTLD_GLOBAL by its package

    def needed_by(self, place: str) -> frozenset[str]:
        """Return the objects whose scope holds what lies at ``place``, itself included if it is one of them.

        The scope of an object that is loaded is the object and all that it needs, directly or through others
        (``_dl_map_object_deps`` in glibc's ``elf/dl-deps.c``).
        """
        found = {place}
        waiting = [place]
        while waiting:
            new = self._users.get(waiting.pop(), set()) - found
            found |= new
            waiting.extend(new)
        return frozenset(found.intersection(self.objects))

    def starts(self, places: Iterable[str]) -> Iterator[ElfObject]:
        """Yield those of ``places`` that nothing else here needs: what a program or an interpreter loads first."""
        return (self.objects[place] for place in places if place in self.objects and place not in self._users)

    @cached_property
    def objects(self) -> dict[str, ElfObject]:
        """The objects by path."""
        return {item.path: item for item in self.linkage.objects}

    @cached_property
    def outside(self) -> dict[str, frozenset[str]]:
        """Libraries that no artifact carries, each with the objects that need it."""
        names = (place for place in self._users if place.startswith(OUTSIDE))
        return {name.removeprefix(OUTSIDE): frozenset(self._users[name]) for name in names}

    @cached_property
    def loaded_globally(self) -> frozenset[str]:
        """Objects that their package loads with RTLD_GLOBAL: their scopes come before those of all that follows."""
        return frozenset(place for place in self.objects if _stem(place) in self.global_names)

    @cached_property
    def names_asked_for(self) -> frozenset[str]:
        """Every needed name: two libraries that answer to one of them are loaded once."""
        return frozenset(name for item in self.linkage.objects for name in item.needed)

    @cached_property
    def _users(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for item in self.linkage.objects:
            for name in item.needed:
                provider = self.linkage.provider(item, name)
                place = f"{OUTSIDE}{name}" if provider is None else provider.path
                if place != item.path and not is_core_library(name):
                    found.setdefault(place, set()).add(item.path)
        return found


@dataclass(frozen=True, slots=True)
class Home:
    """Where an object comes from."""

    artifact: int  # its number among those that are judged together
    path: str  # of the object, as its artifact has it
    package: str  # what is built and installed as one: a wheel, or an artifact of another kind


def processes(artifacts: Sequence[Artifact]) -> Iterator[Process]:
    """Yield what may be loaded together of ``artifacts``: one process an architecture and C library."""
    found: dict[tuple[str, Libc], tuple[list[ElfObject], dict[str, Home]]] = {}
    links: list[tuple[str, str]] = []
    for number, artifact in enumerate(artifacts):
        prefix = "" if artifact.kind in {"wheel", "elf"} or len(artifacts) == 1 else f"{artifact.path}/"
        links += [(prefix + path, prefix + target) for path, target in artifact.links]
        libc: Libc = "musl" if _is_for_musl(artifact) else "glibc"
        owners = {path: wheel.name for wheel in artifact.installed for path in wheel.objects}
        for item in artifact.objects:
            if item.kind in NOT_LOADED:
                continue
            objects, homes = found.setdefault((item.architecture, libc), ([], {}))
            place = posixpath.normpath(prefix + installed(item.path))
            place = f"{artifact.path}/{place}" if place in homes else place
            objects.append(item if item.path == place else replace(item, path=place))
            homes[place] = Home(number, item.path, owners.get(item.path, artifact.path))
    names = frozenset(name for artifact in artifacts for name in _loads_globally(artifact))
    joint = len(artifacts) > 1 or all(map(_is_for_one_process, artifacts))
    for (_, libc), (objects, homes) in sorted(found.items(), key=lambda entry: entry[0]):
        yield Process(Linkage(tuple(objects), tuple(links)), libc, homes, joint, names)


def _is_for_one_process(artifact: Artifact) -> bool:
    """Tell a package, whose parts are made for one interpreter, from a tree of programs, each a process of its own."""
    if artifact.kind in {"wheel", "conda"} or artifact.installed:
        return True
    return not any(item.kind in {"executable", "static"} for item in artifact.objects)


def _loads_globally(artifact: Artifact) -> Iterator[str]:
    for wheel in (*artifact.installed, *((artifact.wheel,) if artifact.wheel else ())):
        yield from wheel.loads_globally


def _stem(place: str) -> str:
    return posixpath.basename(place).partition(".")[0]


def _is_for_musl(artifact: Artifact) -> bool:
    if artifact.wheel is not None:
        return any(platform.startswith("musllinux") for platform in artifact.wheel.platforms)
    return any(is_musl_library(name) for item in artifact.objects for name in item.needed)
