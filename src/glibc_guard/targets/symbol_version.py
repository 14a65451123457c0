"""Symbol versions such as ``GLIBC_2.17``: parsed, compared and printed back."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import force_setattr

if TYPE_CHECKING:
    from collections.abc import Iterable

# One to six numbers of at most nine digits, no leading zero: what comes out prints back as what went in.
_NUMBERS = r"(?:0|[1-9][0-9]{0,8})(?:\.(?:0|[1-9][0-9]{0,8})){0,5}"
_NUMBER = re.compile(_NUMBERS)
_VERSION = re.compile(rf"([A-Za-z][A-Za-z0-9]{{0,31}})_({_NUMBERS})")
_LONGEST = 96  # characters; what is longer is no version, and is not worth a place in the cache
_CACHED = 16_384  # distinct names; a large wheel has a few hundred


class SymbolVersion(Struct, frozen=True, eq=False):
    """A numbered version of one namespace.

    Versions of one namespace are ordered by their numbers, and trailing zeros do not count: 4.8 is 4.8.0, as libgcc
    writes ``GCC_16.0`` on one architecture and ``GCC_16.0.0`` on another. Ordering two namespaces is a ``TypeError``.
    """

    namespace: str
    numbers: tuple[int, ...]
    significant: tuple[int, ...] = ()  # the numbers without trailing zeros, always worked out from them

    def __post_init__(self) -> None:
        """Work out once what every comparison needs."""
        force_setattr(self, "significant", _significant(self.numbers))

    def __eq__(self, other: object) -> bool:
        """Tell whether both name the same version of the same namespace."""
        if not isinstance(other, SymbolVersion):
            return NotImplemented
        return self.namespace == other.namespace and self.significant == other.significant

    def __lt__(self, other: object) -> bool:
        """Tell whether this one is older; only within a namespace. Python turns ``>`` round, and ``>=`` likewise."""
        if not isinstance(other, SymbolVersion) or self.namespace != other.namespace:
            return NotImplemented
        return self.significant < other.significant

    def __le__(self, other: object) -> bool:
        """Tell whether this one is older or the same; only within a namespace."""
        if not isinstance(other, SymbolVersion) or self.namespace != other.namespace:
            return NotImplemented
        return self.significant <= other.significant

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash((self.namespace, self.significant))

    def __str__(self) -> str:
        """Write the version as the object has it: ``GLIBC_2.17``."""
        return f"{self.namespace}_{self.number}"

    @property
    def number(self) -> str:
        """The numbers alone: ``2.17``."""
        return ".".join(map(str, self.numbers))


def parse(version: str) -> SymbolVersion | None:
    """Read a version name; None for one that is no number of a namespace.

    ``GLIBC_PRIVATE``, ``GLIBC_ABI_DT_RELR``, ``CXXABI_TM_1`` and ``GLIBCXX_LDBL_3.4`` are names that stand for
    themselves: no number says whether a system has them.
    """
    return _parse(version) if len(version) <= _LONGEST else None


@lru_cache(maxsize=_CACHED)
def _parse(version: str) -> SymbolVersion | None:
    match = _VERSION.fullmatch(version)
    if match is None:
        return None
    return SymbolVersion(match[1], tuple(map(int, match[2].split("."))))


@lru_cache(maxsize=_CACHED)
def significant_numbers(number: str) -> tuple[int, ...] | None:
    """Make a bare number comparable: "2.17" and "2.17.0" are (2, 17); None for what is no version number."""
    if len(number) > _LONGEST or _NUMBER.fullmatch(number) is None:
        return None
    return _significant(tuple(map(int, number.split("."))))


def at_most(number: str, ceiling: str) -> bool:
    """Tell whether a bare number is not above another; what is no number is above everything."""
    needed, promised = significant_numbers(number), significant_numbers(ceiling)
    return needed is not None and promised is not None and needed <= promised


def highest(versions: Iterable[SymbolVersion]) -> dict[str, SymbolVersion]:
    """Find the highest version of each namespace, in the order in which the namespaces were met."""
    found: dict[str, SymbolVersion] = {}
    for version in versions:
        if version.namespace not in found or found[version.namespace] < version:
            found[version.namespace] = version
    return found


def _significant(numbers: tuple[int, ...]) -> tuple[int, ...]:
    end = len(numbers)
    while end and numbers[end - 1] == 0:
        end -= 1
    return numbers[:end]
