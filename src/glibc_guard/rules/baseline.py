"""What a release changes that nobody may have meant: a higher floor, another size, libraries, objects, tags."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from glibc_guard.model import (
    NOT_LOADED,
    ArtifactReport,
    Changes,
    Finding,
    FloorChange,
    ObjectChange,
    ObjectEntry,
    ObjectSummary,
)
from glibc_guard.settings import Settings
from glibc_guard.sizes import size_in_words
from glibc_guard.targets.manylinux import canonical
from glibc_guard.targets.symbol_version import at_most, parse, significant_numbers

LISTED: Final = 3  # objects that a message names
FEW: Final = 5  # findings of one kind that are told one by one
IF_MEANT: Final = "if it is meant, set it aside with an ignore; else look at what the packaging step copies"
SYMBOLS: Final = 3  # symbols of one object that a message names
LIBRARIES: Final = {"GLIBC": "glibc"}
PLATFORM: Final = re.compile(r"(manylinux\d+|(?:manylinux|musllinux)_\d+_\d+)_([a-z]\w*)")
STABLE: Final = re.compile(r"cp(\d)(\d+)-(abi3|cp\d+m?)")  # interpreter, and an ABI that the stable one stands for

CARRIED: Final = re.compile(r"^[^/]+\.libs/")  # where auditwheel puts what it copies

#: What a tag is about, and the oldest release of the C library that it promises to run on; () where it names none.
Promise: TypeAlias = dict[tuple[str, str], tuple[int, ...]]


class Comparison(Struct, frozen=True):
    """An artifact, its baseline, what changed, and how much of it is too much."""

    before: ArtifactReport
    after: ArtifactReport
    changes: Changes
    settings: Settings

    @property
    def former(self) -> str:
        """The baseline in a word: its version where that tells it apart, else its file name."""
        version = self.changes.version_before
        if version and version != self.changes.version_after:
            return version
        return posixpath.basename(self.changes.baseline.rstrip("/"))


Rule: TypeAlias = Callable[[Comparison], Iterator[Finding]]


def judge_changes(comparison: Comparison) -> tuple[Finding, ...]:
    """Return what of the changes somebody should have meant."""
    return tuple(finding for rule in RULES for finding in rule(comparison))


def baseline_missing(reason: str) -> Finding:
    """Return the finding where a baseline is required and nothing was compared."""
    return Finding(
        rule="baseline-missing",
        severity="error",
        object=None,
        message=f"nothing was compared: {reason}",
        hint="name a former artifact that can be had and read, or set baseline-required = false",
    )


def unreadable_baseline(before: ArtifactReport, unread: Iterable[Finding]) -> Iterator[Finding]:
    """Yield a finding for what of the baseline is ``unread``: the whole, or members of it.

    It has another rule than what of the artifact itself cannot be read, so that no ignore meant for that hides it.
    """
    compared = {item.path for item in before.objects}
    for finding in unread:
        if finding.object not in compared:  # as one for an unknown processor is
            place = f"in the baseline {before.path} it" if finding.object else f"the baseline {before.path}"
            yield Finding(
                rule="baseline-missing",
                severity="error",
                object=finding.object,
                message=f"{place} cannot be read: {finding.message}",
                hint="nothing is compared with it: name another baseline, or get this one again",
            )


def floor_raised(comparison: Comparison) -> Iterator[Finding]:
    """Yield a finding for each namespace of which a newer version is needed; a note where the old tag promised it."""
    for change in comparison.changes.floor:
        if change.after is None or (change.before is not None and at_most(change.after, change.before)):
            continue
        raising = _raising(comparison.after, change)
        name = LIBRARIES.get(change.namespace, change.namespace)
        enough = f"{change.before} was enough in" if change.before else "none was needed in"
        yield Finding(
            rule="floor-raised",
            severity="note" if _promised_before(comparison.before, change) else "warning",
            object=raising[0].path if len(raising) == 1 else None,
            message=f"needs {name} {change.after}, and {enough} {comparison.former}{_because(raising, change)}",
            version=f"{change.namespace}_{change.after}",
            hint="was it built on another machine or image? `glibc-guard diff` shows all that changed",
        )


def size_jump(comparison: Comparison) -> Iterator[Finding]:
    """Yield a finding where the artifact, or an object of it, grew by more than the ratio and the bytes allow."""
    changes = comparison.changes
    if comparison.after.kind != "elf" and _jumps(changes.size_before, changes.size_after, comparison.settings):
        grown = sorted(_growth(changes), reverse=True)[:LISTED]
        most = ", ".join(f"{path} (+{size_in_words(number)})" for number, path in grown)
        yield Finding(
            rule="size-jump",
            severity="warning",
            object=None,
            message=_jump("the artifact", changes.size_before or 0, changes.size_after or 0, comparison.former),
            hint=f"what grew, unpacked: {most}" if most else None,
        )
    for item in changes.objects:
        if _jumps(item.size_before, item.size_after, comparison.settings):
            yield Finding(
                rule="size-jump",
                severity="warning",
                object=item.path,
                message=_jump("it", item.size_before, item.size_after, comparison.former),
                hint="was it stripped, built with the same options, and is it the build that was meant?",
            )


def library_added(comparison: Comparison) -> Iterator[Finding]:
    """Yield a finding for each library that the system must have now and did not have to before."""
    for library in comparison.changes.libraries_added:
        users = [item.path for item in comparison.after.objects if library in item.needed]
        yield Finding(
            rule="library-added",
            severity="note",
            object=users[0] if len(users) == 1 else None,
            message=f"{library} is needed from the system, and was not in {comparison.former}"
            + (f" ({_listed(users, 'object')})" if len(users) > 1 else ""),
            library=library,
        )


def object_gone(comparison: Comparison) -> Iterator[Finding]:
    """Yield findings for programs and libraries that are missing, or that lie in another folder.

    Of what auditwheel copied into the wheel it is a note: whether what needs it still finds it is judged elsewhere.
    """
    gone = [*_loaded(comparison.changes.objects_gone)]
    yield from _missing([item for item in gone if not CARRIED.search(item.path)], comparison.former)
    carried = [item.path for item in gone if CARRIED.search(item.path)]
    if carried:
        message = f"carried in {comparison.former} and no longer: {_listed(carried, 'library')}"
        yield Finding("object-gone", "note", carried[0] if len(carried) == 1 else None, message)
    yield from _moved(comparison)


def _missing(gone: Sequence[ObjectEntry], former: str) -> Iterator[Finding]:
    """Yield a finding for each object, or one for a folder that lost more than a few, or one for all folders."""
    for folder, items in _by_folder(gone).items():
        if len(items) <= FEW:
            for item in items:
                message = f"was in {former} ({size_in_words(item.size)}) and is missing"
                yield Finding("object-gone", "warning", item.path, message, hint=IF_MEANT)
        else:
            place = f" of {folder}" if folder else ""
            names = _listed([item.path.removeprefix(f"{folder}/") for item in items], "object")
            message = f"{len(items):,} objects{place} were in {former} and are missing: {names}"
            yield Finding("object-gone", "warning", folder or None, message, hint=IF_MEANT)


def _by_folder(entries: Sequence[ObjectEntry]) -> Mapping[str, Sequence[ObjectEntry]]:
    """Return ``entries`` by folder; where there are more than a few, by the first folder of the path, or together."""
    by: tuple[Callable[[str], str], ...] = (posixpath.dirname, lambda path: posixpath.dirname(path).partition("/")[0])
    for folder in by:
        found: dict[str, list[ObjectEntry]] = {}
        for entry in entries:
            found.setdefault(folder(entry.path), []).append(entry)
        if len(found) <= FEW:
            return found
    return {"": entries}


def _moved(comparison: Comparison) -> Iterator[Finding]:
    """Yield one finding for all that moved from one folder to another."""
    folders: dict[tuple[str, str], list[ObjectChange]] = {}
    for item in comparison.changes.objects:
        if item.moved:
            place = (posixpath.dirname(item.path_before), posixpath.dirname(item.path))
            folders.setdefault(place, []).append(item)
    if len(folders) > FEW:
        paths = [f"{item.path_before} (now {item.path})" for items in folders.values() for item in items]
        message = f"{len(paths):,} objects lie in other folders than in {comparison.former}: {_listed(paths, 'object')}"
        yield Finding("object-gone", "warning", None, message, hint=_too_deep("", ""))
        return
    for (before, after), items in folders.items():
        first, only = items[0], len(items) == 1
        names = _listed([posixpath.basename(item.path_before) for item in items], "object")
        yield Finding(
            rule="object-gone",
            severity="warning",
            object=first.path_before if only else None,
            message=f"was there in {comparison.former}, and lies at {first.path} now"
            if only
            else f"{len(items)} objects lay in {before or 'the root'} in {comparison.former}, and lie in "
            f"{after or 'the root'} now: {names}",
            hint=_too_deep(first.path_before, first.path),
        )


def object_added(comparison: Comparison) -> Iterator[Finding]:
    """Yield one finding for all programs and libraries that are new."""
    added = [item.path for item in _loaded(comparison.changes.objects_added)]
    if added:
        only = len(added) == 1
        yield Finding(
            rule="object-added",
            severity="note",
            object=added[0] if only else None,
            message=f"is not in {comparison.former}"
            if only
            else f"{len(added)} objects are not in {comparison.former}: {_listed(added, 'object')}",
        )


def tag_changed(comparison: Comparison) -> Iterator[Finding]:
    """Yield a finding where the tag is another: a warning where an installer passes the wheel over that it took."""
    before, after = _promise(comparison.changes.tags_before), _promise(comparison.changes.tags_after)
    if not before or not after or before == after:
        return
    lost = any(not _is_kept(what, oldest, after) for what, oldest in before.items())
    yield Finding(
        rule="tag-changed",
        severity="warning" if lost else "note",
        object=None,
        message=f"the tag is {_in_words(after, before)}, and was {_in_words(before, after)} in {comparison.former}"
        + ("" if lost else ": every system that took it still does"),
        hint="a system that the new tag leaves out gets an older release, or a build from source" if lost else None,
    )


RULES: Final[tuple[Rule, ...]] = (floor_raised, size_jump, library_added, object_gone, object_added, tag_changed)


def _promised_before(before: ArtifactReport, change: FloorChange) -> bool:
    """Tell whether the baseline's own tag left open what is needed now."""
    ceilings = [target.ceilings.get(change.namespace) for target in before.targets if target.origin == "wheel tag"]
    return bool(ceilings) and all(limit is not None and at_most(change.after or "", limit) for limit in ceilings)


def _raising(report: ArtifactReport, change: FloorChange) -> list[ObjectSummary]:
    """Return the objects that need more than was enough, those that need most first."""
    found = [item for item in report.objects if _is_above(item.floor.get(change.namespace), change)]
    return sorted(found, key=lambda item: _newest_first(item.floor[change.namespace]))


def _newest_first(number: str) -> tuple[int, ...]:
    return (*(-part for part in significant_numbers(number) or ()), 1)  # the end mark: 1.3.9 before 1.3


def _is_above(number: str | None, change: FloorChange) -> bool:
    return number is not None and (change.before is None or not at_most(number, change.before))


def _because(raising: Sequence[ObjectSummary], change: FloorChange) -> str:
    if not raising:
        return ""
    named = [f"{item.path}{_symbols(item, change)}" for item in raising]
    return f": {_listed(named, 'object')}"


def _symbols(item: ObjectSummary, change: FloorChange) -> str:
    """Name what of ``item`` is above the old floor: symbols by version, else what has no number."""
    found = []
    for name in item.imports:
        version = parse(name.partition("@")[2])
        if version and version.namespace == change.namespace and _is_above(version.number, change):
            found.append((version, name))
    found.sort(key=lambda entry: (_newest_first(entry[0].number), entry[1]))
    names = [name.removeprefix("@") for _, name in found]
    if not names and change.namespace == "GLIBC":
        names = [f"{name} without a version" for name in item.imports if "@" not in name]
        names += [name[1:] for name in item.imports if name.startswith("@GLIBC_ABI_")]
    return f" ({_listed(names, 'symbol', SYMBOLS)})" if names else ""


def _jumps(before: int | None, after: int | None, settings: Settings) -> bool:
    if before is None or after is None:
        return False
    return after > before * settings.size_jump_ratio and after - before > settings.size_jump_bytes


def _jump(what: str, before: int, after: int, former: str) -> str:
    ratio = after / before if before > 0 else 0
    times = f"{ratio:,.{0 if ratio >= 10 else 1}f} times the {size_in_words(before)}" if ratio else "and had nothing"
    return f"{what} has {size_in_words(after)}, {times} in {former}"


def _growth(changes: Changes) -> Iterator[tuple[int, str]]:
    grown = ((item.size_after - item.size_before, item.path) for item in changes.objects)
    yield from (entry for entry in grown if entry[0] > 0)
    yield from ((item.size, item.path) for item in changes.objects_added)


def _loaded(entries: Iterable[ObjectEntry]) -> Iterator[ObjectEntry]:
    return (entry for entry in entries if entry.kind not in NOT_LOADED)


def _too_deep(before: str, after: str) -> str:
    """Say what is wrong with a path that differs by folders alone."""
    if before and after.endswith(f"/{before}"):
        return f"was it copied one folder too deep? ({after.removesuffix(before)} was put before it)"
    return "what imports it, or loads it by its path, does not find it there"


def _listed(names: Sequence[str], noun: str, most: int = LISTED) -> str:
    more = len(names) - most
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    rest = f" and {more:,} more {noun if more == 1 else plural}" if more > 0 else ""
    return ", ".join(names[:most]) + rest


def _promise(tags: Iterable[str]) -> Promise:
    """Return the oldest system that ``tags`` name for each Python, libc and architecture."""
    found: Promise = {}
    for tag in tags:
        python, _, platform = tag.rpartition("-")
        system, oldest = _profile(platform)
        found[python, system] = min(found.get((python, system), oldest), oldest)
    return found


def _profile(platform: str) -> tuple[str, tuple[int, ...]]:
    """Return "manylinux_x86_64" and (2, 17) for "manylinux2014_x86_64"; of any other tag the tag itself and ()."""
    match = PLATFORM.fullmatch(platform)
    name = match and (match[1] if "_" in match[1] else canonical(match[1]))
    if match is None or name is None:
        return platform, ()
    family, *numbers = name.split("_")
    return f"{family}_{match[2]}", tuple(map(int, numbers))


def _is_kept(what: tuple[str, str], oldest: tuple[int, ...], after: Promise) -> bool:
    python, system = what
    return any(
        other == system and number <= oldest and _stands_for(name, python) for (name, other), number in after.items()
    )


def _stands_for(python: str, former: str) -> bool:
    """Tell whether a Python that takes ``former`` takes ``python`` too: "cp39-abi3" is taken for "cp312-cp312"."""
    new, old = STABLE.fullmatch(python), STABLE.fullmatch(former)
    if python == former or new is None or old is None:
        return python == former
    return new[3] == "abi3" and (int(new[1]), int(new[2])) <= (int(old[1]), int(old[2]))


def _in_words(promise: Promise, other: Promise) -> str:
    """Write the tags; without the Python where that is the same."""
    short = {python for python, _ in promise} == {python for python, _ in other}
    names = []
    for (python, system), numbers in sorted(promise.items()):
        family, _, arch = system.partition("_")
        platform = "_".join([family, *map(str, numbers), *([arch] if arch else [])])
        names.append(platform if short else f"{python}-{platform}")
    return ", ".join(dict.fromkeys(names))
