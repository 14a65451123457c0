"""What file names say: of a wheel its tags, of any artifact its name without the version."""

from __future__ import annotations

import posixpath
import re
from typing import Final

from msgspec import Struct
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from glibc_guard.artifacts.wheel import MAX_TAGS, number_of_tags
from glibc_guard.settings import PYPI

PLATFORM: Final = re.compile(r"(manylinux|musllinux|linux)(?:\d+|_\d+_\d+)?_([a-z]\w*)")
LIBCS: Final = {"manylinux": "glibc", "linux": "glibc", "musllinux": "musl"}
LONGEST_NAME: Final = 4096  # characters; no file system has longer ones
VERSION: Final = re.compile(r"[-_]v?\d+(?:\.\d+)+(?:[-.+~]?(?:a|b|rc|dev|post)\.?\d+)?(?:-\d+)?(?=[-_./]|$)")

MAJOR: Final = re.compile(r"(?<!86[-_]64)[-_]v\d+(?=[-_.]|$)")  # "tool-v12-linux.tar.gz", not "x86-64-v3"


class WheelName(Struct, frozen=True):
    """What the file name of a wheel says (PEP 427)."""

    name: str  # normalized
    version: str
    build: tuple[int, str] | tuple[()]
    interpreters: tuple[str, ...]  # "cp312"
    abis: tuple[str, ...]
    platforms: tuple[str, ...]
    systems: tuple[tuple[str, str], ...]  # libc (or the platform, where it is not Linux) and architecture

    @property
    def tags(self) -> tuple[str, ...]:
        """The expanded tags, sorted."""
        return tuple(sorted(f"{i}-{a}-{p}" for i in self.interpreters for a in self.abis for p in self.platforms))


def wheel_name(path: str) -> WheelName | None:
    """Read the file name at the end of ``path``; None where it is not that of a wheel."""
    file = posixpath.basename(path.removeprefix(PYPI))
    if len(file) > LONGEST_NAME or number_of_tags(file.removesuffix(".whl")) > MAX_TAGS:
        return None
    try:
        name, version, build, _ = parse_wheel_filename(file)
    except (InvalidWheelFilename, ValueError):
        return None
    interpreters, abis, platforms = (tuple(part.split(".")) for part in file.removesuffix(".whl").rsplit("-", 3)[1:])
    systems = tuple(sorted({_system(platform) for platform in platforms}))
    return WheelName(str(name), str(version), build, interpreters, abis, platforms, systems)


def without_version(path: str) -> str:
    """Return the file name at the end of ``path`` without what looks like a version: "tool-1.2-x86_64.tar.gz"."""
    return MAJOR.sub("", VERSION.sub("", posixpath.basename(path.rstrip("/"))))


def _system(platform: str) -> tuple[str, str]:
    match = PLATFORM.fullmatch(platform)
    return (LIBCS[match[1]], match[2]) if match else (platform, "")
