"""Arranges what changed for people: a headline, a table of before and after, objects that changed alike."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from msgspec import Struct

from glibc_guard.model import Changes, FloorChange, ObjectChange
from glibc_guard.report.grouping import count, distribution_names, percent
from glibc_guard.report.spelling import spelled
from glibc_guard.sizes import size_in_words
from glibc_guard.targets.symbol_version import parse

NAMES = {"GLIBC": "glibc"}
A_FEW_BYTES = 64  # what another version in file names and metadata adds to an archive
NONE = "none"
UNVERSIONED = "without a version"
NOT_COMPARED = frozenset({"unreadable", "baseline-missing"})  # rules of the findings that a difference has


class Row(Struct, frozen=True):
    """One fact of the artifact as a whole, before and after."""

    label: str
    before: str
    after: str


class Alike(Struct, frozen=True):
    """Objects of which the same changed, and what."""

    objects: tuple[ObjectChange, ...]
    floor: tuple[FloorChange, ...]
    added: tuple[tuple[str, str], ...]  # what (a version, "library") and the names
    gone: tuple[tuple[str, str], ...]


def is_empty(changes: Changes) -> bool:
    """Tell whether nothing changed that is compared."""
    differs = has_other_needs(changes) or changes.objects or changes.tags_before != changes.tags_after
    before, after = _sizes(changes)
    return not differs and before == after


def has_other_needs(changes: Changes) -> bool:
    """Tell whether the artifact has other objects, or asks for anything else of the system."""
    return any(
        (
            changes.floor,
            changes.libraries_added,
            changes.libraries_gone,
            changes.imports_added,
            changes.imports_gone,
            changes.objects_added,
            changes.objects_gone,
        )
    )


def baseline_name(changes: Changes) -> str:
    """Return the baseline in a word: its version where that tells it apart, else its file name."""
    if changes.version_before and changes.version_before != changes.version_after:
        return changes.version_before
    return posixpath.basename(changes.baseline.rstrip("/"))


def headline(changes: Changes) -> str:
    """Return what changed in one line: "glibc 2.17 → 2.29, size 41.0 MB → 155.2 MB, 1 object moved"."""
    if is_empty(changes):
        return "nothing changed"
    parts = [f"{row.label} {row.before} → {row.after}" for row in rows(changes) if row.label not in {"version", "tag"}]
    parts += ["tag changed"] * (changes.tags_before != changes.tags_after)
    moved = sum(item.moved for item in changes.objects)
    for number, word in (
        (moved, "moved"),
        (len(changes.objects_added), "added"),
        (len(changes.objects_gone), "gone"),
    ):
        parts += [f"{count(number, 'object')} {word}"] if number else []
    for added, gone, noun in (
        (changes.libraries_added, changes.libraries_gone, "libraries"),
        (changes.imports_added, changes.imports_gone, "symbols"),
    ):
        numbers = [f"+{len(added)}"] * bool(added) + [f"-{len(gone)}"] * bool(gone)
        parts += [f"{noun} {' '.join(numbers)}"] if numbers else []
    return ", ".join(parts) or "only the size of objects, by a little"


def rows(changes: Changes) -> list[Row]:
    """Return the facts that differ."""
    found = [_row("version", changes.version_before, changes.version_after)]
    found += [
        _row(NAMES.get(entry.namespace, entry.namespace), entry.before, entry.after)
        for entry in _glibc_first(changes.floor)
    ]
    found.append(_row("size", *_sizes(changes)))
    found.append(_tags(changes))
    lost = [changes.downloads_lost_before, changes.downloads_lost_after]
    found.append(_row("downloads lost", *(None if share is None else percent(share) for share in lost)))
    return [row for row in found if row.before != row.after]


def distributions(changes: Changes) -> Iterator[tuple[str, str]]:
    """Yield which distributions load the artifact no longer, and which do now."""
    if changes.distros_lost:
        yield "no longer loads on", ", ".join(distribution_names(changes.distros_lost))
    if changes.distros_gained:
        yield "now loads on", ", ".join(distribution_names(changes.distros_gained))


def alike(changes: Changes) -> list[Alike]:
    """Return the objects that changed in more than size, those with the same changes together, in order of path."""
    found: dict[tuple[object, ...], list[ObjectChange]] = {}
    for item in changes.objects:
        key = (item.floor, item.libraries_added, item.libraries_gone, item.imports_added, item.imports_gone)
        if item.moved or any(key):
            found.setdefault((*key, item.moved), []).append(item)
    return [_alike(objects) for objects in found.values()]


def of_another_size(changes: Changes) -> list[ObjectChange]:
    """Return the objects of which the size alone changed, the largest change first."""
    same = ("floor", "libraries_added", "libraries_gone", "imports_added", "imports_gone", "moved")
    found = [item for item in changes.objects if not any(getattr(item, name) for name in same)]
    return sorted(found, key=lambda item: (-abs(item.size_after - item.size_before), item.path))


def size_change(item: ObjectChange) -> str:
    """Return "41.0 MB → 155.2 MB", or the size alone where both read the same."""
    before, after = size_in_words(item.size_before), size_in_words(item.size_after)
    return after if before == after else f"{before} → {after}"


def growth(objects: Sequence[ObjectChange]) -> str:
    """Return by how much ``objects`` grew together: "+1.2 MB"."""
    total = sum(item.size_after - item.size_before for item in objects)
    return f"{'-' if total < 0 else '+'}{size_in_words(abs(total))}"


def floor_in_words(floor: Sequence[FloorChange]) -> str:
    """Return "glibc 2.17 → 2.29, GLIBCXX - → 3.4.19"."""
    shown = (
        f"{NAMES.get(entry.namespace, entry.namespace)} {entry.before or NONE} → {entry.after or NONE}"
        for entry in _glibc_first(floor)
    )
    return ", ".join(shown)


def _glibc_first(floor: Sequence[FloorChange]) -> list[FloorChange]:
    return sorted(floor, key=lambda entry: (entry.namespace != "GLIBC", entry.namespace))


def _alike(objects: Sequence[ObjectChange]) -> Alike:
    first = objects[0]
    added = _by_version(first.imports_added) + [("library", name) for name in first.libraries_added]
    gone = _by_version(first.imports_gone) + [("library", name) for name in first.libraries_gone]
    return Alike(tuple(objects), first.floor, tuple(added), tuple(gone))


def _by_version(imports: Sequence[str]) -> list[tuple[str, str]]:
    """Return the symbols of each version, the newest version of each namespace first."""
    found: dict[str, list[str]] = {}
    for entry in imports:
        symbol, _, version = entry.partition("@")
        found.setdefault(version or UNVERSIONED, []).append(symbol or "(the version alone)")
    return [(version, ", ".join(map(spelled, found[version]))) for version in sorted(found, key=_newest_first)]


def _newest_first(version: str) -> tuple[str, tuple[int, ...], str]:
    parsed = parse(version)
    if parsed is None:
        return version, (), version
    return parsed.namespace, (*(-number for number in parsed.numbers), 1), ""  # the end mark: 1.3.9 before 1.3


def _row(label: str, before: str | None, after: str | None) -> Row:
    return Row(label, before or NONE, after or NONE)


def _sizes(changes: Changes) -> tuple[str | None, str | None]:
    """Return the sizes of both sides in words; alike where they differ by what a version in a name changes."""
    before, after = changes.size_before, changes.size_after
    if before is not None and after is not None and abs(after - before) <= A_FEW_BYTES:
        before = after
    return _size(before), _size(after)


def _size(number: int | None) -> str | None:
    return None if number is None else size_in_words(number)


def _tags(changes: Changes) -> Row:
    """Return the tags; the Python and the ABI only where they differ."""
    before, after = ([tag.rpartition("-") for tag in tags] for tags in (changes.tags_before, changes.tags_after))
    if {python for python, _, _ in before} == {python for python, _, _ in after}:
        return _row("tag", *(".".join(dict.fromkeys(platform for _, _, platform in tags)) for tags in (before, after)))
    return _row("tag", ", ".join(changes.tags_before), ", ".join(changes.tags_after))
