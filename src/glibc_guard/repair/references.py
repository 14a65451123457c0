"""Whether a reference can go without its version: what can be proven of the symbol, of its uses and of glibc.

Without a version, ``check_match`` of glibc's ``elf/dl-lookup.c`` takes the oldest version of a library even if hidden,
else the default one. So the same function is found where glibc never had but one version of that name.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from glibc_guard.repair.anatomy import DynamicSymbol
from glibc_guard.targets import glibc_symbols

STB_WEAK, STT_TLS, STV_DEFAULT = 2, 6, 0


@dataclass(frozen=True, slots=True)
class Relocations:
    """The relocation types of one architecture that concern a function or variable of another object."""

    addresses: frozenset[int]  # the address is stored where code can look whether it is 0: GLOB_DAT, absolute
    calls: int  # JUMP_SLOT: only calls go through it


#: Numbers of the processor supplements (``elf/elf.h`` of glibc).
RELOCATIONS: Final = {
    "x86_64": Relocations(frozenset({1, 6}), 7),
    "i686": Relocations(frozenset({1, 6}), 7),
    "aarch64": Relocations(frozenset({257, 1025}), 1026),
    "armv7l": Relocations(frozenset({2, 21}), 22),
    "ppc64le": Relocations(frozenset({38, 20}), 21),
    "s390x": Relocations(frozenset({22, 10}), 11),
    "riscv64": Relocations(frozenset({2}), 5),
    "loongarch64": Relocations(frozenset({2}), 5),
}


def why_not_optional(symbol: DynamicSymbol, relocations: Collection[int], architecture: str) -> str | None:
    """Say why the code may not do without ``symbol``; None where it is weak and code can tell that it is missing."""
    if symbol.section:
        return "is defined here (a copy of the library's variable, or an own version of that name)"
    if symbol.binding != STB_WEAK:
        return "is not weak: the code cannot do without it"
    if symbol.type == STT_TLS or symbol.visibility != STV_DEFAULT:
        return "is thread-local or not of default visibility: what the code does without it is not known"
    if symbol.value:
        return (
            "has an address in this program itself (it is not position independent), so that the code cannot tell that "
            "the symbol is missing and would call it: compile with -fPIE"
        )
    return _why_not_by_relocations(relocations, RELOCATIONS[architecture])


def _why_not_by_relocations(relocations: Collection[int], known: Relocations) -> str | None:
    strange = sorted(set(relocations) - known.addresses - {known.calls})
    if strange:
        return f"is used by a relocation of type {strange[0]}, of which it is not known what it does without the symbol"
    if relocations and not known.addresses.intersection(relocations):
        return "is only called and never compared with 0: the call would end the program where the symbol is missing"
    return None


def why_not_the_same(symbol: str, version: str, architecture: str) -> str | None:
    """Say why ``symbol`` without ``version`` might be another function than with it; None where it is the same."""
    table = glibc_symbols.load(architecture)
    definitions = table.definitions(symbol)
    others = sorted({one.version for one in definitions} - {version})
    if others:
        return f"exists as {symbol}@{others[0]} too, which a reference without a version may take"
    if not definitions:
        newest = table.releases[-1]
        return f"is in no glibc that glibc-guard knows (up to {newest}): what it would be bound to is not known"
    for release in table.releases:
        if set(table.providers(symbol, version, release)) != set(table.provides_unversioned(symbol, release)):
            return f"is hidden in glibc {release}, where only a reference with the version finds it"
    return None
