"""missing-member, forbidden-member and member-too-large: what was packaged is not what the configuration asks for.

Globs are relative to the artifact; members of a wheel answer to the path of their installation as well.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import Final

from glibc_guard.config import Settings
from glibc_guard.globs import glob_matches
from glibc_guard.model import NOT_LOADED, Artifact, Finding
from glibc_guard.rules.linkage import installed
from glibc_guard.sizes import is_binary, size_in_words

DEEPEST: Final = 256  # folders of a path that are looked at
SHOWN: Final = 3  # findings of one glob; the rest of them is one finding more
#: Files that mean something by being there: nobody copied them without their content.
MEANT_EMPTY: Final = (".py", ".pyi", ".typed", "keep", ".pth", ".txt")


def member_findings(artifact: Artifact, settings: Settings) -> Iterator[Finding]:
    """Yield what ``settings`` say of members and the artifact does not keep; a source distribution is not built yet."""
    if artifact.kind == "sdist":
        return
    names = _names(artifact)
    if _can_miss_members(artifact):
        for glob in dict.fromkeys(settings.require):
            yield from missing_member(artifact, glob, names)
    for glob in dict.fromkeys(settings.forbid):
        yield from forbidden_member(artifact, glob, names)
    yield from member_too_large(artifact, settings.max_size, names)


def missing_member(artifact: Artifact, glob: str, names: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding where no member matches ``glob``, or only empty ones do; ``names`` leads from name to member."""
    globs = (glob, *_through_linked_folders(artifact, glob))
    found = [name for name in names if any(glob_matches(one, name) for one in globs)]
    empty = [names[name] for name in found if artifact.files.get(names[name]) == 0 and not name.endswith(MEANT_EMPTY)]
    if found and len(empty) < len(found):
        return
    literal = not any(wildcard in glob for wildcard in "*?")
    if found:
        message = f"{_listed(empty)} {'is' if len(empty) == 1 else 'are'} there, but empty (0 bytes)"
        hint = "was it copied without its content, or the copy cut short? Look at the step that writes it"
    else:
        from glibc_guard.rules.whereabouts import whereabouts  # noqa: PLC0415  # lazy, difflib costs time to import

        complaint = f"{glob} is missing" if literal else f"no member matches {glob}"
        message = f"{complaint}; {whereabouts(glob, [name for name in names if installed(name) == name])}"
        hint = (
            "look at the step that copies it, and at what was left from an earlier build in the folder that is packed"
        )
    yield Finding("missing-member", "error", empty[0] if found else None, message, hint=hint)


def forbidden_member(artifact: Artifact, glob: str, names: Mapping[str, str]) -> Iterator[Finding]:
    """Yield findings for the members that match ``glob``, or that lie in a folder that does; many become one."""
    found = list(dict.fromkeys(member for name, member in names.items() if _matches_with_folders(glob, name)))
    hint = "leave it out of what is packed; where it belongs, take the glob from forbid"
    if len(found) > SHOWN:
        size = sum(artifact.files.get(member, 0) for member in found)
        message = f"{len(found):,} members match {glob}, which is forbidden: {_listed(found)} ({size_in_words(size)})"
        yield Finding("forbidden-member", "error", None, message, hint=hint)
        return
    for member in found:
        message = f"{'is' if member == glob else f'matches {glob}, which is'} forbidden"
        yield Finding("forbidden-member", "error", member, message, hint=hint)


def member_too_large(
    artifact: Artifact, limits: Sequence[tuple[str, int]], names: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield findings for the members beyond the strictest limit that concerns them, and for the artifact itself."""
    own_name = PurePosixPath(artifact.path).name
    for glob, limit in limits:
        if artifact.kind != "elf" and _bounds_artifact(glob, own_name) and (artifact.size or 0) > limit:
            yield _too_large(None, f"the artifact {_beyond(artifact.size or 0, limit, glob)}")
    beyond: dict[str, tuple[str, int]] = {}
    for name, member in names.items():
        size = artifact.files.get(member, 0)
        if artifact.nested_wheels and member.endswith(".whl"):  # an artifact of its own, which is judged by itself
            continue
        for glob, limit in limits:
            strictest = beyond.get(member)
            if size > limit and glob_matches(glob, name) and (strictest is None or limit < strictest[1]):
                beyond[member] = (glob, limit)
    for glob, limit in limits:
        found = sorted((m for m, why in beyond.items() if why == (glob, limit)), key=lambda m: -artifact.files[m])
        for member in found[:SHOWN]:
            yield _too_large(member, _beyond(artifact.files[member], limit, glob))
        if rest := found[SHOWN:]:
            few = f"{len(rest):,} smaller {'member' if len(rest) == 1 else 'members'}"
            yield _too_large(None, f"beside these, {few} beyond the limit for {glob}: {_listed(rest)}")


def _can_miss_members(artifact: Artifact) -> bool:
    """Tell whether ``require`` speaks of this artifact.

    Not of a single ELF file, which holds nothing; not of what only carries wheels, which are judged themselves; not of
    one that could not be read to its end, where nobody knows.
    """
    carries_wheels = artifact.nested_wheels and all(item.kind in NOT_LOADED for item in artifact.objects)
    whole = all(entry.path is not None for entry in artifact.unread)
    return artifact.kind not in {"elf", "unknown"} and not carries_wheels and whole


def _names(artifact: Artifact) -> dict[str, str]:
    """Return every name that a glob may match, with the member that it leads to; links are members here."""
    members = [*artifact.files, *(path for path, _ in artifact.links)]
    if artifact.kind == "elf":
        return {posixpath.basename(path): path for path in members}
    names = {path: path for path in members}
    if artifact.kind == "wheel":
        for path in members:
            names.setdefault(installed(path), path)
    return names


def _matches_with_folders(glob: str, name: str) -> bool:
    folders = (name[: place.start()] for place in islice(re.finditer("/", name), DEEPEST))
    return glob_matches(glob, name) or any(glob_matches(glob, folder) for folder in folders)


def _through_linked_folders(artifact: Artifact, glob: str) -> Iterator[str]:
    """Yield where ``glob`` leads to through each link to a folder at its beginning."""
    for path, target in artifact.links:
        if glob.startswith(f"{path}/"):
            yield f"{target}{glob[len(path) :]}"


def _bounds_artifact(glob: str, name: str) -> bool:
    """Tell whether a key bounds the artifact itself: it names its suffix. "**" means members alone."""
    return not glob.endswith(("*", "?")) and "." in glob and glob_matches(glob, name)


def _beyond(size: int, limit: int, glob: str) -> str:
    has, more, allowed = (size_in_words(one, binary=is_binary(limit)) for one in (size, size - limit, limit))
    times = f", {size / limit:.1f} times as much" if size >= 1.1 * limit else ""
    return f"has {has}: {more} more than the {allowed} that max-size allows for {glob}{times}"


def _too_large(member: str | None, message: str) -> Finding:
    where = "`unzip -lv` and `tar -tvf` list the members" if member is None else "`readelf -SW` lists the sections"
    hint = f"debug information, a second copy or a leaked host build? {where} with their sizes"
    return Finding("member-too-large", "error", member, message, hint=hint)


def _listed(paths: Sequence[str]) -> str:
    more = len(paths) - SHOWN
    return ", ".join(paths[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
