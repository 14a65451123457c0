"""What changed from one report of an artifact to another: a pure function of both."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence

from glibc_guard.baseline.holders import unread
from glibc_guard.baseline.names import wheel_name
from glibc_guard.baseline.objects import Pairs, paired, steady
from glibc_guard.model import (
    ArtifactReport,
    Changes,
    FloorChange,
    ObjectChange,
    ObjectEntry,
    ObjectSummary,
    RunsOn,
)
from glibc_guard.rules.linkage import is_core_library


def difference(before: ArtifactReport, after: ArtifactReport) -> Changes:
    """Return what changed in ``after`` since ``before``.

    A member that one side could not read is told neither as added nor as gone.
    """
    old_libraries, new_libraries = _libraries(before), _libraries(after)
    pairs = _known(_pairs(before, after), _unread(before), _unread(after))
    old_name, new_name = wheel_name(before.path), wheel_name(after.path)
    imports_added, imports_gone = _parted(_imports(before), _imports(after))
    libraries_added, libraries_gone = _parted(_joined(old_libraries), _joined(new_libraries))
    return Changes(
        baseline=before.path,
        version_before=old_name.version if old_name else None,
        version_after=new_name.version if new_name else None,
        size_before=before.size,
        size_after=after.size,
        tags_before=old_name.tags if old_name else (),
        tags_after=new_name.tags if new_name else (),
        floor=_floor(before.floor, after.floor),
        libraries_added=libraries_added,
        libraries_gone=libraries_gone,
        imports_added=imports_added,
        imports_gone=imports_gone,
        objects_added=tuple(map(_entry, pairs.added)),
        objects_gone=tuple(map(_entry, pairs.gone)),
        objects=tuple(_changed(pairs, old_libraries, new_libraries)),
        distros_lost=_turned(before.runs_on, after.runs_on, loads=False),
        distros_gained=_turned(before.runs_on, after.runs_on, loads=True),
        downloads_lost_before=before.downloads_lost,
        downloads_lost_after=after.downloads_lost,
    )


def _pairs(before: ArtifactReport, after: ArtifactReport) -> Pairs:
    if before.kind == after.kind == "elf" and len(before.objects) == len(after.objects) == 1:
        return Pairs(((before.objects[0], after.objects[0], False),), (), ())
    pairs = paired(before.objects, after.objects)
    if "elf" in {before.kind, after.kind}:  # its path is the user's own, and none inside an artifact
        return Pairs(tuple((old, new, False) for old, new, _ in pairs.both), pairs.gone, pairs.added)
    return pairs


def _known(pairs: Pairs, unread_before: set[str], unread_after: set[str]) -> Pairs:
    gone = tuple(entry for entry in pairs.gone if steady(entry.path) not in unread_after)
    return Pairs(pairs.both, gone, tuple(entry for entry in pairs.added if steady(entry.path) not in unread_before))


def _unread(report: ArtifactReport) -> set[str]:
    return {steady(finding.object) for finding in unread(report) if finding.object}


def _changed(
    pairs: Pairs, old_libraries: Mapping[str, set[str]], new_libraries: Mapping[str, set[str]]
) -> Iterable[ObjectChange]:
    for old, new, moved in pairs.both:
        libraries_added, libraries_gone = _parted(old_libraries[old.path], new_libraries[new.path])
        imports_added, imports_gone = _parted(old.imports, new.imports)
        floor = _floor(old.floor, new.floor)
        details = (floor, libraries_added, libraries_gone, imports_added, imports_gone)
        if moved or old.size != new.size or any(details):
            yield ObjectChange(new.path, old.path, moved, old.size, new.size, *details)


def _libraries(report: ArtifactReport) -> dict[str, set[str]]:
    """Return for each object the libraries that it needs from outside the artifact."""
    carried = {posixpath.basename(item.path) for item in report.objects}
    carried |= {item.soname for item in report.objects if item.soname is not None}
    return {
        item.path: {name for name in item.needed if is_core_library(name) or posixpath.basename(name) not in carried}
        for item in report.objects
    }


def _imports(report: ArtifactReport) -> set[str]:
    return {name for item in report.objects for name in item.imports}


def _joined(libraries: Mapping[str, set[str]]) -> set[str]:
    return set().union(*libraries.values())


def _parted(before: Iterable[str], after: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what ``after`` adds, and what is gone since ``before``, both sorted."""
    old, new = set(before), set(after)
    return tuple(sorted(new - old)), tuple(sorted(old - new))


def _floor(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[FloorChange, ...]:
    names = sorted({*before, *after})
    return tuple(
        FloorChange(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    )


def _turned(before: Sequence[RunsOn], after: Sequence[RunsOn], *, loads: bool) -> tuple[RunsOn, ...]:
    """Return the distributions that load the artifact now (or no longer) and did not (or did) before."""
    known = {(entry.distro, entry.arch): entry.loads for entry in before}
    turned = (entry for entry in after if known.get((entry.distro, entry.arch)) == (not loads))
    return tuple(entry for entry in turned if entry.loads == loads)


def _entry(item: ObjectSummary) -> ObjectEntry:
    return ObjectEntry(item.path, item.kind, item.size)
