"""Releases of glibc: which exist, and since when on which architecture."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from glibc_guard.targets.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The newest release of which the symbols are known: the last one in the ``abilists`` of ziglang 0.17.0.
NEWEST: Final = (2, 44)
#: The oldest release that can be a target: that of manylinux1, the first promise that packages ever made (PEP 513).
OLDEST: Final = (2, 5)

#: The first release of each architecture that is judged. Source: the DEFAULT lines of
#: ``sysdeps/unix/sysv/linux/**/shlib-versions`` in glibc; i386 has none and keeps 2.0.
FIRST_RELEASES: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {
        "x86_64": (2, 2, 5),  # x86_64/64/shlib-versions
        "i686": (2, 0),
        "aarch64": (2, 17),  # aarch64/shlib-versions
        "ppc64le": (2, 17),  # powerpc/powerpc64/le/shlib-versions (ABI version 2)
        "armv7l": (2, 4),  # arm/shlib-versions (EABI)
        "s390x": (2, 2),  # s390/s390-64/shlib-versions
        "riscv64": (2, 27),  # riscv/shlib-versions
        "loongarch64": (2, 36),  # loongarch/shlib-versions
    }
)
ARCHITECTURES: Final = tuple(FIRST_RELEASES)

_RELEASE_NAME = re.compile(r"(?:glibc[-_ ]?)?([0-9]{1,4}(?:[._][0-9]{1,4}){1,3})")


def name(release: tuple[int, ...]) -> str:
    """Write a release as glibc does: ``2.17``."""
    return ".".join(map(str, release))


def releases() -> tuple[str, ...]:
    """Name every release that can be a target, the oldest first. Since 2.5 every minor number was released."""
    return tuple(name((NEWEST[0], minor)) for minor in range(OLDEST[1], NEWEST[1] + 1))


def find(text: str) -> str | None:
    """Read the name of a release (``2.17``, ``glibc2.17``, ``GLIBC_2_17``); None for what is no such name.

    Raises:
        TargetError: the release is older or newer than what is known, or does not exist.
    """
    match = _RELEASE_NAME.fullmatch(text.lower())
    if match is None:
        return None
    release = tuple(int(number) for number in match[1].replace("_", ".").split("."))
    while len(release) > len(NEWEST) and release[-1] == 0:
        release = release[:-1]
    check_known(release)
    return name(release)


def check_known(release: tuple[int, ...]) -> None:
    """Make sure that a release can be judged.

    Raises:
        TargetError: it is older than 2.5, newer than the newest known one, or does not exist.
    """
    if release > NEWEST and release[: len(NEWEST)] != NEWEST:
        raise TargetError(
            f"glibc {name(release)} is newer than {name(NEWEST)}, the newest release that glibc-guard knows: "
            "update glibc-guard, or name an older target"
        )
    if release < OLDEST:
        raise TargetError(
            f"glibc {name(release)} is older than {name(OLDEST)}, the oldest release that can be a target"
        )
    if name(release) not in releases():
        raise TargetError(f"there is no glibc release {name(release)}; name one such as {name(release[:2])}")


def check_exists(release: str, architecture: str) -> None:
    """Make sure that a release exists for an architecture.

    Raises:
        TargetError: the architecture came later.
    """
    first = FIRST_RELEASES[architecture]
    if tuple(int(number) for number in release.split(".")) < first:
        raise TargetError(
            f"glibc {release} does not exist for {architecture}: the first release there is {name(first)}"
        )
