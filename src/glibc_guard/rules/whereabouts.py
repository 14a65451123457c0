"""Where a required member may have gone: another folder, another suffix, another spelling."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from glibc_guard.globs import glob_matches

SHOWN: Final = 3
DEEPEST: Final = 16  # folders that a packaging step may have put in or left out
COMPARED: Final = 2000  # names that are looked at closely
LONGEST: Final = 4096  # characters of a path: PATH_MAX of Linux, no longer one is ever unpacked
CLOSELY: Final = (1024, 32)  # characters and folders of a path whose distance is measured
LIKENESS: Final = 0.8
PYTHON: Final = re.compile(r"\b(?:cpython-|cp)(\d)(\d+t?)\b")
MODULE: Final = re.compile(r"\.(?:so|pyd|dll|dylib)(?:\.\d+)*$")
VERSIONED: Final = re.compile(r"\.so(?:\.\d+)*$")


def whereabouts(glob: str, names: Sequence[str]) -> str:
    """Say what of ``names`` could be what ``glob`` asks for, and how it may have come there."""
    if any(name.startswith(f"{glob}/") for name in names):
        return f"it is a folder here: for anything in it write {glob}/**"
    count = len(names)
    names = [name for name in names if len(name) <= LONGEST]
    told = _elsewhere(glob, names) or _in_other_case(glob, names) or _other_suffix(glob, names) or _alike(glob, names)
    return told or f"nothing of a similar name among {count:,} {'file' if count == 1 else 'files'}"


def _elsewhere(glob: str, names: Sequence[str]) -> str | None:
    base = posixpath.basename(glob)
    if not base.strip("*?"):  # any name at all
        return None
    by_distance: dict[int | None, list[str]] = {}
    of_that_name = (name for name in names if glob_matches(base, posixpath.basename(name)))
    for name in islice(of_that_name, COMPARED):
        by_distance.setdefault(_distance(glob, name), []).append(name)
    if not by_distance:
        return None
    nearest = min(by_distance, key=lambda number: (number is None, abs(number or 0), number or 0))
    found = f"found {_listed(by_distance[nearest])}"
    if nearest is None:
        return f"found elsewhere: {_listed(by_distance[nearest])}"
    folders = "one folder" if abs(nearest) == 1 else f"{abs(nearest)} folders"
    return f"{found}: copied {folders} too {'deep' if nearest > 0 else 'high'}?"


def _distance(glob: str, name: str) -> int | None:
    """Return how many folders ``name`` lies too deep for ``glob``, negative where too high; None where neither."""
    if len(name) > CLOSELY[0] or name.count("/") > CLOSELY[1]:
        return None
    for count in range(1, DEEPEST):
        if any(glob_matches(glob, shorter) for shorter in _without_folders(name, count)):
            return count
        if any(glob_matches(shorter, name) for shorter in _without_folders(glob, count)):
            return -count
        if count >= max(name.count("/"), glob.count("/")):
            return None
    return None


def _without_folders(path: str, count: int) -> Iterator[str]:
    """Yield ``path`` without each run of ``count`` folders."""
    *folders, base = path.split("/")
    for start in range(min(len(folders), DEEPEST) - count + 1):
        yield "/".join([*folders[:start], *folders[start + count :], base])


def _in_other_case(glob: str, names: Sequence[str]) -> str | None:
    found = [name for name in names if glob_matches(glob.lower(), name.lower())]
    return f"found {_listed(found)}: another spelling, in upper and lower case" if found else None


def _other_suffix(glob: str, names: Sequence[str]) -> str | None:
    """Look for the same module or library under another suffix, first in the same folder, then in any."""
    folder, base = posixpath.split(glob)
    stem = base.partition(".")[0].rstrip("*?")
    if not stem or "*" in stem or "?" in stem or not MODULE.search(base):
        return None
    alike = [name for name in names if posixpath.basename(name).partition(".")[0] == stem and MODULE.search(name)]
    found = [name for name in alike if glob_matches(folder, posixpath.dirname(name))] or alike
    return f"found {_listed(found)}: {_why_another_suffix(base, posixpath.basename(found[0]))}" if found else None


def _why_another_suffix(wanted: str, found: str) -> str:
    asked, given = PYTHON.search(wanted), PYTHON.search(found)
    if found.endswith((".pyd", ".dll")):
        return "built for Windows?"
    if found.endswith(".dylib") or "-darwin" in found:
        return "built for macOS?"
    if asked and given and asked.groups() != given.groups():
        return f"built for Python {given[1]}.{given[2]} instead of {asked[1]}.{asked[2]}?"
    if VERSIONED.sub("", wanted) == VERSIONED.sub("", found):
        return "another version of the library?"
    return "the same name with another suffix"


def _alike(glob: str, names: Sequence[str]) -> str | None:
    plain = re.sub(r"\*+/?|\?", "", glob)
    suffix = posixpath.splitext(plain)[1]
    candidates = list(islice((name for name in names if name.endswith(suffix)), COMPARED))
    by_base = {posixpath.basename(name): name for name in candidates}
    close = difflib.get_close_matches(posixpath.basename(plain), by_base, n=SHOWN, cutoff=LIKENESS)
    return f"similar: {_listed([by_base[name] for name in close])}" if close else None


def _listed(names: Sequence[str]) -> str:
    shown = sorted(names)
    more = len(shown) - SHOWN
    return ", ".join(shown[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
