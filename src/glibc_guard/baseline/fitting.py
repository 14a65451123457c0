"""Which artifacts of a baseline fit an artifact by their names: the same wheel, the same file, the same library."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct
from packaging.version import Version

from glibc_guard.baseline.names import wheel_name, without_version
from glibc_guard.baseline.objects import steady
from glibc_guard.model import ArtifactReport, ObjectSummary
from glibc_guard.verdict import report_of_object

Key: TypeAlias = Callable[[ArtifactReport], Hashable | None]
Release: TypeAlias = "tuple[Version, tuple[int, str] | tuple[()]]"
Fit: TypeAlias = tuple[ArtifactReport, ...]  # those that fit equally well

NO_RELEASE: Final[Release] = (Version("0"), ())


class Way(Struct, frozen=True):
    """A name by which artifacts are paired, and how sure it is."""

    key: Key
    several: bool = False  # whether several artifacts under check may share it
    sure: bool = True  # whether it is the same artifact, so that of several one has to be named


def fitting(former: Sequence[ArtifactReport], reports: Sequence[ArtifactReport]) -> dict[int, Fit]:
    """Return for the ``id`` of each of ``reports`` what of ``former`` fits it best; nothing where nothing does."""
    found: dict[int, Fit] = {}
    for way in WAYS:
        old, new = _by(way.key, former), _by(way.key, reports)
        for name, entries in new.items():
            versions = Counter(release for release, _ in entries)
            for release, report in entries:
                fit = _best(old.get(name, ()), release)
                if (way.several or versions[release] == 1) and (len(fit) == 1 or (fit and way.sure)):
                    found.setdefault(id(report), fit)
    return {**_single_objects(former, [one for one in reports if id(one) not in found]), **found}


def _best(candidates: Sequence[tuple[Release, ArtifactReport]], release: Release) -> Fit:
    """Return those of the newest release before ``release``, or else of the newest other one."""
    others = [entry for entry in candidates if entry[0] != release] or [*candidates]
    older = [entry for entry in others if entry[0] < release] or others
    newest = max((one for one, _ in older), default=release)
    return tuple(report for one, report in older if one == newest)


def _by(key: Key, reports: Sequence[ArtifactReport]) -> Mapping[Hashable, list[tuple[Release, ArtifactReport]]]:
    found: dict[Hashable, list[tuple[Release, ArtifactReport]]] = {}
    for report in reports:
        name = key(report)
        if name is not None:
            found.setdefault(name, []).append((_release(report), report))
    return found


def _release(report: ArtifactReport) -> Release:
    wheel = wheel_name(report.path)
    return (Version(wheel.version), wheel.build) if wheel else NO_RELEASE


def _single_objects(former: Sequence[ArtifactReport], reports: Sequence[ArtifactReport]) -> dict[int, Fit]:
    """Return for single ELF files the objects of the same name that lie somewhere in the baseline."""
    names = {id(report): _object_name(item) for report in reports if report.kind == "elf" for item in report.objects}
    wanted, found = {*names.values()}, dict[Hashable, list[ArtifactReport]]()
    for holder in former if wanted else ():
        for item in holder.objects if holder.kind != "elf" else ():
            if (name := _object_name(item)) in wanted:
                found.setdefault(name, []).append(report_of_object(holder, item))
    return {number: tuple(found[name]) for number, name in names.items() if name in found}


def _object_name(item: ObjectSummary) -> Hashable:
    return item.arch, posixpath.basename(steady(item.path))


def _same_wheel(report: ArtifactReport) -> Hashable | None:
    wheel = wheel_name(report.path)
    return wheel and (wheel.name, frozenset(wheel.interpreters), frozenset(wheel.abis), wheel.systems)


def _only_wheel(report: ArtifactReport) -> Hashable | None:
    """Return what a single wheel keeps when it is made for another Python, or for the stable ABI."""
    wheel = wheel_name(report.path)
    return wheel and (wheel.name, wheel.systems)


def _path(report: ArtifactReport) -> Hashable | None:
    return None if wheel_name(report.path) else report.path


def _file_name(report: ArtifactReport) -> Hashable | None:
    return None if wheel_name(report.path) else posixpath.basename(report.path.rstrip("/"))


def _name(report: ArtifactReport) -> Hashable | None:
    return None if wheel_name(report.path) else without_version(report.path)


WAYS: Final = (Way(_same_wheel, several=True), Way(_only_wheel, sure=False), Way(_path), Way(_file_name), Way(_name))
