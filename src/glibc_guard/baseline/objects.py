"""Which object of one build is which of another, though names carry versions, hashes and the tag of a Python."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Hashable, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from glibc_guard.baseline.names import VERSION
from glibc_guard.model import ObjectSummary

#: What changes in a path from build to build, and what is left of it.
UNSTEADY: Final = (
    (re.compile(r"^[^/]+\.data/(?:platlib|purelib)/"), ""),  # PEP 427: an installer spreads it into site-packages
    (re.compile(r"^([^/]+?)-[^/-]+\.data/"), r"\1.data/"),
    (re.compile(r"\.(?:cpython-\d+[a-z]*|abi3t?|pypy\d+-pp\d+|graalpy\d+)(?:-[\w-]+)?(?=\.so$)"), ""),  # PEP 3149
    (re.compile(r"(\.so)(?:\.\d+)+$"), r"\1"),
    (VERSION, ""),
    (re.compile(r"(?:\.\d+)+(?:\.dev\d*)?(?=\.so$)"), ""),  # libicu.74.1.so; behind the hash of auditwheel, too
    (re.compile(r"(?<=python)[23]\.\d+"), ""),  # lib/python3.12/, libpython3.12.so
)

LONGEST_PATH: Final = 4096  # characters; PATH_MAX of Linux
HASH: Final = re.compile(r"[0-9a-f]{8,64}")  # as auditwheel puts it: libfoo-1234abcd.so.1

Key: TypeAlias = Callable[[ObjectSummary], Hashable]


class Pairs(Struct, frozen=True):
    """The objects of two builds: those that both have, with whether they moved, and those that only one has."""

    both: tuple[tuple[ObjectSummary, ObjectSummary, bool], ...]
    gone: tuple[ObjectSummary, ...]
    added: tuple[ObjectSummary, ...]


def steady(path: str) -> str:
    """Return ``path`` without what changes from build to build; one longer than any system has stays as it is."""
    if len(path) > LONGEST_PATH:
        return path
    for pattern, rest in UNSTEADY:
        path = pattern.sub(rest, path)
    return _without_hashes(path)


def _without_hashes(path: str) -> str:
    """Take the hashes off the end; a library that was copied twice has two."""
    stem, suffix = path.removesuffix(".so"), ".so" if path.endswith(".so") else ""
    parts = stem.split("-")
    while len(parts) > 1 and HASH.fullmatch(parts[-1]):
        parts.pop()
    return "-".join(parts) + suffix


def paired(before: Sequence[ObjectSummary], after: Sequence[ObjectSummary]) -> Pairs:
    """Pair by path, then by steady path, then (moved) by a steady file name that is left once on either side."""
    both: list[tuple[ObjectSummary, ObjectSummary, bool]] = []
    gone, added = list(before), list(after)
    for key, moved in ((_path, False), (_steady_path, False), (_steady_name, True)):
        found, gone, added = _matched(gone, added, key, once=moved)
        both.extend((old, new, moved) for old, new in found)
    return Pairs(tuple(sorted(both, key=lambda pair: pair[1].path)), tuple(gone), tuple(added))


def _matched(
    before: Sequence[ObjectSummary], after: Sequence[ObjectSummary], key: Key, *, once: bool
) -> tuple[list[tuple[ObjectSummary, ObjectSummary]], list[ObjectSummary], list[ObjectSummary]]:
    old, new = _by(key, before), _by(key, after)
    found: list[tuple[ObjectSummary, ObjectSummary]] = []
    for name, entries in old.items():
        others = new.get(name, [])
        if not once or len(entries) == len(others) == 1:
            found.extend(zip(entries, others, strict=False))
    taken = {id(entry) for pair in found for entry in pair}
    gone = [entry for entry in before if id(entry) not in taken]
    return found, gone, [entry for entry in after if id(entry) not in taken]


def _by(key: Key, entries: Sequence[ObjectSummary]) -> dict[Hashable, list[ObjectSummary]]:
    found: dict[Hashable, list[ObjectSummary]] = {}
    for entry in sorted(entries, key=lambda entry: entry.path):
        found.setdefault(key(entry), []).append(entry)
    return found


def _path(entry: ObjectSummary) -> Hashable:
    return entry.path


def _steady_path(entry: ObjectSummary) -> Hashable:
    return steady(entry.path)


def _steady_name(entry: ObjectSummary) -> Hashable:
    return entry.arch, posixpath.basename(steady(entry.path))
