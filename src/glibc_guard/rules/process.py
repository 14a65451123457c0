"""The objects that one process may load: those of one artifact, or of several that are judged together."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from glibc_guard.model import NOT_LOADED, Artifact, ElfObject, InstalledWheel, Libc, WheelFacts
from glibc_guard.rules.c_library import libcs_of, processes_of
from glibc_guard.rules.company import companies
from glibc_guard.rules.linkage import Linkage, installed, is_core_library

OUTSIDE: Final = "outside:"  # begins the name of a library that no artifact carries, where paths are expected


class Process(Struct, frozen=True, dict=True):
    """Objects of one architecture and C library that may meet in one process."""

    linkage: Linkage
    libc: Libc
    homes: Mapping[str, Home]  # by the path of the object here, which is that where it is installed
    joint: bool = True  # all of it may be loaded into one process; else only what needs each other
    global_names: frozenset[tuple[str, str]] = frozenset()  # package, stem: loaded with RTLD_GLOBAL by its package
    by_path: frozenset[str] = frozenset()  # packages that load libraries by path when they are imported

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
        known = self.global_names
        return frozenset(
            place for place in self.objects if known and (self.homes[place].package, _stem(place)) in known
        )

    @cached_property
    def names_asked_for(self) -> frozenset[str]:
        """Every needed name: two libraries that answer to one of them are loaded once."""
        return frozenset(name for item in self.linkage.objects for name in item.needed)

    def is_needed(self, place: str) -> bool:
        """Tell whether an object gets what lies at ``place`` by a name that it needs."""
        return place in self._users

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


class Home(Struct, frozen=True):
    """Where an object comes from."""

    artifact: int  # its number among those that are judged together
    path: str  # of the object, as its artifact has it
    package: str  # what is built and installed as one: a wheel, or an artifact of another kind


def processes(artifacts: Sequence[Artifact]) -> Iterator[Process]:
    """Yield what may be loaded together of ``artifacts``: processes of one architecture and C library each."""
    for (_, libc), members in sorted(_members(artifacts).items(), key=lambda entry: entry[0]):
        for company in companies({number: artifacts[number] for number in members}):
            yield _process(artifacts, libc, {number: members[number] for number in company})


def _members(artifacts: Sequence[Artifact]) -> dict[tuple[str, Libc], dict[int, list[ElfObject]]]:
    """Return the objects that a loader maps by architecture and C library, and by the number of their artifact.

    What may be loaded with either C library is where there are others for one, else with glibc.
    """
    either: list[tuple[int, ElfObject]] = []
    found: dict[tuple[str, Libc], dict[int, list[ElfObject]]] = {}
    for number, artifact in enumerate(artifacts):
        libcs = libcs_of(artifact)
        for item in artifact.objects:
            of_item = processes_of(item, libcs)
            if item.kind in NOT_LOADED:
                continue
            if len(of_item) > 1:
                either.append((number, item))
            for libc in of_item if len(of_item) == 1 else ():
                found.setdefault((item.architecture, libc), {}).setdefault(number, []).append(item)
    modules = {
        key
        for key, members in found.items()
        if any(one.kind == "shared" for objects in members.values() for one in objects)
    }
    for number, item in either:
        keys = [key for key in modules if key[0] == item.architecture] or [(item.architecture, "glibc")]
        for key in keys:
            found.setdefault(key, {}).setdefault(number, []).append(item)
    return found


def _process(artifacts: Sequence[Artifact], libc: Libc, members: Mapping[int, Sequence[ElfObject]]) -> Process:
    objects: list[ElfObject] = []
    homes: dict[str, Home] = {}
    links: list[tuple[str, str]] = []
    for number, items in members.items():
        artifact = artifacts[number]
        prefix = "" if artifact.kind in {"wheel", "elf"} or len(members) == 1 else f"{artifact.path}/"
        links += [(prefix + path, prefix + target) for path, target in artifact.links]
        owners = {path: wheel.name for wheel in artifact.installed for path in wheel.objects}
        for item in items:
            place = _place(posixpath.normpath(prefix + installed(item.path)), artifact, homes)
            objects.append(item if item.path == place else replace(item, path=place))
            homes[place] = Home(number, item.path, _package(item.path, artifact, owners))
    parts = [artifacts[number] for number in members]
    joint = len(parts) > 1 or all(map(_is_for_one_process, parts))
    starts = [(_named(artifact, wheel), wheel) for artifact in parts for wheel in _wheels(artifact)]
    return Process(
        Linkage(tuple(objects), tuple(links)),
        libc,
        homes,
        joint,
        global_names=frozenset((package, name) for package, wheel in starts for name in wheel.loads_globally),
        by_path=frozenset(package for package, wheel in starts if wheel.preloads),
    )


def _place(place: str, artifact: Artifact, taken: Mapping[str, Home]) -> str:
    while place in taken:
        place = f"{artifact.path}/{place}"
    return place


def _package(path: str, artifact: Artifact, owners: Mapping[str, str]) -> str:
    """Return what was built and installed as one; where no RECORD lists it, the folder at the top tells."""
    if not artifact.installed:
        return artifact.path
    top = path.rpartition("site-packages/")[2].partition("/")[0].partition(".")[0]
    return f"{artifact.path}: {owners.get(path) or top}"


def _named(artifact: Artifact, wheel: WheelFacts | InstalledWheel) -> str:
    return artifact.path if isinstance(wheel, WheelFacts) else f"{artifact.path}: {wheel.name}"


def _wheels(artifact: Artifact) -> tuple[WheelFacts | InstalledWheel, ...]:
    return artifact.installed if artifact.wheel is None else (*artifact.installed, artifact.wheel)


def _is_for_one_process(artifact: Artifact) -> bool:
    """Tell a package, whose parts are made for one interpreter, from a tree of programs, each a process of its own."""
    if artifact.kind in {"wheel", "conda"} or artifact.installed:
        return True
    return not any(item.kind in {"executable", "static"} for item in artifact.objects)


def _stem(place: str) -> str:
    return posixpath.basename(place).partition(".")[0]
