"""missing-member, forbidden-member and member-too-large: what was packaged is not what the configuration asks for.

Globs are relative to the artifact; members of a wheel answer to the path of their installation as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from glibc_guard.globs import glob_matches, glob_matches_within
from glibc_guard.model import Artifact, Finding
from glibc_guard.rules.packed import Packed
from glibc_guard.settings import Settings
from glibc_guard.sizes import is_binary, size_in_words

SHOWN: Final = 3  # findings of one glob; the rest of them is one finding more
LOOKED_AT: Final = 200  # links and empty members of one glob


def member_findings(artifact: Artifact, settings: Settings) -> Iterator[Finding]:
    """Yield what ``settings`` say of members and the artifact does not keep; a source distribution is not built yet."""
    if artifact.kind == "sdist":
        return
    packed = Packed(artifact)
    if packed.can_miss_members:
        for glob in dict.fromkeys(settings.require):
            yield from missing_member(packed, glob)
    for glob in dict.fromkeys(settings.forbid):
        yield from forbidden_member(artifact, glob, packed.names)
    yield from member_too_large(artifact, settings.max_size, packed.names)


def missing_member(packed: Packed, glob: str) -> Iterator[Finding]:
    """Yield a finding where no member matches ``glob``, or only empty ones and links that lead nowhere do."""
    globs = (glob, *packed.through_links(glob))
    found = [(name, path) for name, path in packed.promised.items() if any(glob_matches(one, name) for one in globs)]
    if not found:
        hint = (
            "look at the step that copies it, and at what was left from an earlier build in the folder that is packed"
        )
        yield Finding("missing-member", "error", None, _missing(packed, glob), hint=hint)
        return
    if any(packed.artifact.files.get(path) for _, path in found):
        return
    complaints: dict[str, list[str]] = {}
    for _, path in found[:LOOKED_AT]:
        complaint = packed.complaint(path)
        if complaint is None:
            return
        complaints.setdefault(complaint, []).append(path)
    message = "; ".join(_of_several(paths, complaint) for complaint, paths in [*complaints.items()][:SHOWN])
    hint = "was it copied without its content, or the copy cut short? Look at the step that writes it"
    yield Finding("missing-member", "error", found[0][1], message, hint=hint)


def _missing(packed: Packed, glob: str) -> str:
    from glibc_guard.rules.whereabouts import whereabouts  # noqa: PLC0415  # lazy, difflib costs time to import

    complaint = f"no member matches {glob}" if any(wildcard in glob for wildcard in "*?") else f"{glob} is missing"
    promised = packed.promised
    aliased = {path for name, path in promised.items() if name != path}  # known by where they are installed
    return f"{complaint}; {whereabouts(glob, [name for name in promised if name not in aliased])}"


def _of_several(paths: Sequence[str], complaint: str) -> str:
    if len(paths) > 1 and complaint.startswith("is "):
        complaint = complaint.replace("is ", "are ", 1)
    return f"{_listed(paths)} {complaint}"


def forbidden_member(artifact: Artifact, glob: str, names: Mapping[str, str]) -> Iterator[Finding]:
    """Yield findings for the members that match ``glob``, or that lie in a folder that does; many become one."""
    found = list(dict.fromkeys(member for name, member in names.items() if glob_matches_within(glob, name)))
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
    wheels = frozenset(artifact.nested_wheels)
    objects = {item.path for item in artifact.objects}
    beyond: dict[str, tuple[str, int]] = {}
    for name, member in names.items():
        size = artifact.files.get(member, 0)
        if member in wheels:  # an artifact of its own, which is judged by itself
            continue
        for glob, limit in limits:
            strictest = beyond.get(member)
            if size > limit and glob_matches(glob, name) and (strictest is None or limit < strictest[1]):
                beyond[member] = (glob, limit)
    for glob, limit in limits:
        found = sorted((m for m, why in beyond.items() if why == (glob, limit)), key=lambda m: -artifact.files[m])
        for member in found[:SHOWN]:
            yield _too_large(member, _beyond(artifact.files[member], limit, glob), native=member in objects)
        if rest := found[SHOWN:]:
            few = f"{len(rest):,} smaller {'member' if len(rest) == 1 else 'members'}"
            yield _too_large(None, f"beside these, {few} beyond the limit for {glob}: {_listed(rest)}")


def _bounds_artifact(glob: str, name: str) -> bool:
    """Tell whether a key bounds the artifact itself: it names its suffix, or begins with NAME-. "**" means members."""
    names_suffix = not glob.endswith(("*", "?")) and "." in glob
    begins = "-" in re.split(r"[*?]", glob)[0]
    return (names_suffix or begins) and glob_matches(glob, name)


def _beyond(size: int, limit: int, glob: str) -> str:
    has, more, allowed = (size_in_words(one, binary=is_binary(limit)) for one in (size, size - limit, limit))
    times = f", {size / limit:.1f} times as much" if size >= 1.1 * limit else ""
    return f"has {has}: {more} more than the {allowed} that max-size allows for {glob}{times}"


def _too_large(member: str | None, message: str, *, native: bool = False) -> Finding:
    hint = "what is in it that was not meant to be? Leave that out, or allow it"
    if member is None:
        hint = (
            "debug information, a second copy or a leaked host build? `unzip -lv` and `tar -tvf` list the members with "
            "their sizes"
        )
    elif native:
        hint = (
            "debug information, a second copy or a leaked host build? `readelf -SW` lists the sections with their sizes"
        )
    return Finding("member-too-large", "error", member, message, hint=hint)


def _listed(paths: Sequence[str]) -> str:
    more = len(paths) - SHOWN
    return ", ".join(paths[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
