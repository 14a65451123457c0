"""Which of several artifacts one process may load: each once, wheels for one interpreter, one of each distribution."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from glibc_guard.model import Artifact

Interpreter: TypeAlias = "tuple[str, str]"  # tags of Python and ABI: ("cp312", "cp312")

PYTHON_TAG: Final = re.compile(r"(?P<name>[a-z]+)(?P<major>\d)(?P<minor>\d{0,3})")
STABLE: Final = {"none": "", "abi3": "", "abi3t": "t"}  # how the ABI of the oldest interpreter ends that takes it


def companies(artifacts: Mapping[int, Artifact]) -> list[tuple[int, ...]]:
    """Return the largest sets of ``artifacts``, by their numbers, of which one process may load every member.

    Wheels of one distribution are never installed together. Where there are several for an interpreter, each is in a
    set with a choice of the others.
    """
    if len(artifacts) == 1:
        return [(*artifacts,)]
    numbers = [*_different(artifacts)]
    wheels = {number: artifacts[number] for number in numbers if artifacts[number].wheel is not None}
    others = [number for number in numbers if number not in wheels]
    found = [
        frozenset((*others, *chosen))
        for group in _by_interpreter(wheels)
        for chosen in _rounds({n: wheels[n] for n in group})
    ] or [frozenset(others)]
    largest = dict.fromkeys(one for one in found if not any(one < other for other in found))
    return [tuple(sorted(one)) for one in largest]


def _different(artifacts: Mapping[int, Artifact]) -> Iterator[int]:
    """Yield the number of each artifact that no path before it, or folder around it, has brought already."""
    paths = {number: posixpath.normpath(artifact.path) for number, artifact in artifacts.items()}
    folders = {paths[number] for number, artifact in artifacts.items() if artifact.kind == "folder"}
    seen: set[str] = set()
    for number, artifact in artifacts.items():
        inside = artifact.wheel is None and any(parent in folders for parent in _parents(paths[number]))
        if not inside and paths[number] not in seen:
            yield number
        seen.add(paths[number])


def _parents(path: str) -> Iterator[str]:
    while (parent := posixpath.dirname(path)) not in {path, ""}:
        yield parent
        path = parent
    if not path.startswith("/"):
        yield "."


def _by_interpreter(wheels: Mapping[int, Artifact]) -> Iterator[frozenset[int]]:
    """Yield the wheels that an interpreter takes, for each that a tag names, and those that none of these takes."""
    tags = {number: _interpreters(artifact) for number, artifact in wheels.items()}
    named = dict.fromkeys(one for accepted in tags.values() for tag in sorted(accepted) for one in _named_by(tag))
    left = frozenset(wheels)
    for interpreter in named:
        accepted = _accepted(interpreter)
        group = frozenset(number for number, offered in tags.items() if not offered.isdisjoint(accepted))
        left -= group
        yield group
    if left:
        yield left


def _interpreters(artifact: Artifact) -> frozenset[Interpreter]:
    tags = artifact.wheel.tags if artifact.wheel is not None else ()
    return frozenset((tag.split("-")[0], tag.split("-")[1]) for tag in tags)


def _named_by(tag: Interpreter) -> Iterator[Interpreter]:
    """Yield the interpreter that a tag names, or the oldest that takes it; none for "py3", which fits any."""
    match = PYTHON_TAG.fullmatch(tag[0])
    if match is not None and match["minor"] and match["name"] != "py":
        yield tag[0], f"{tag[0]}{STABLE[tag[1]]}" if tag[1] in STABLE else tag[1]


def _accepted(interpreter: Interpreter) -> frozenset[Interpreter]:
    """Return every pair of tags of Python and ABI that an installer takes for ``interpreter``."""
    from packaging.tags import compatible_tags, cpython_tags, generic_tags  # noqa: PLC0415  # lazy: for several wheels

    python, abi = interpreter
    match = PYTHON_TAG.fullmatch(python)
    version = (int(match["major"]), int(match["minor"])) if match is not None else (3, 0)
    own = cpython_tags(version, [abi], ["any"]) if python.startswith("cp") else generic_tags(python, [abi], ["any"])
    tags: Iterable[tuple[str, str]] = (
        (tag.interpreter, tag.abi) for tag in (*own, *compatible_tags(version, python, ["any"]))
    )
    return frozenset(tags)


def _rounds(wheels: Mapping[int, Artifact]) -> Iterator[frozenset[int]]:
    """Yield choices of one wheel of each distribution, until each wheel was chosen."""
    by_name: dict[str, list[int]] = {}
    for number, artifact in wheels.items():
        by_name.setdefault(artifact.wheel.name if artifact.wheel is not None else "", []).append(number)
    for turn in range(max(map(len, by_name.values()), default=0)):
        yield frozenset(numbers[min(turn, len(numbers) - 1)] for numbers in by_name.values())
