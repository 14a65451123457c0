"""Whether a reference can go without its version: what can be proven of the symbol, of its uses and of glibc.

Without a version, ``check_match`` of glibc's ``elf/dl-lookup.c`` takes the oldest version of a library even if hidden,
else the default one. So the same function is found where glibc never had but one version of that name.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from msgspec import Struct

from glibc_guard.repair.anatomy import Anatomy, DynamicSymbol
from glibc_guard.repair.comparisons import are_compared
from glibc_guard.targets import glibc_symbols

STB_WEAK, STT_TLS, STV_DEFAULT = 2, 6, 0


class Relocations(Struct, frozen=True):
    """The relocation types of one architecture that concern a function or variable of another object."""

    pointers: int  # absolute: the address is stored in data
    slots: int  # GLOB_DAT: the address is stored in the global offset table, for a comparison or for calls
    calls: int  # JUMP_SLOT: only calls go through it


#: Numbers of the processor supplements (``elf/elf.h`` of glibc). Two have no GLOB_DAT, and use what is absolute.
RELOCATIONS: Final = {
    "x86_64": Relocations(1, 6, 7),
    "i686": Relocations(1, 6, 7),
    "aarch64": Relocations(257, 1025, 1026),
    "armv7l": Relocations(2, 21, 22),
    "ppc64le": Relocations(38, 20, 21),
    "s390x": Relocations(22, 10, 11),
    "riscv64": Relocations(2, 2, 5),
    "loongarch64": Relocations(2, 2, 5),
}
#: Where a slot may be filled by an absolute relocation: of the table of contents (.toc), or for want of GLOB_DAT.
POINTERS_IN_SLOTS: Final = frozenset({"ppc64le", "riscv64", "loongarch64"})
TABLES_OF_SLOTS: Final = (".got", ".toc", ".plt")


def why_not_optional(symbol: DynamicSymbol) -> str | None:
    """Say why the code may not do without ``symbol``; None where it is weak, and 0 where it is missing."""
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
    return None


def why_not_looked_at(anatomy: Anatomy, relocations: Collection[tuple[int, int]], architecture: str) -> str | None:
    """Say why code may call a weak symbol without a look at its address; None where some looks, or nothing uses it.

    ``relocations`` are types and addresses of those that refer to the symbol.
    """
    known = RELOCATIONS[architecture]
    strange = sorted({kind for kind, _ in relocations} - {known.pointers, known.slots, known.calls})
    if strange:
        return f"is used by a relocation of type {strange[0]}, of which it is not known what it does without the symbol"
    in_tables = architecture in POINTERS_IN_SLOTS
    if any(
        kind == known.pointers and not (in_tables and _may_be_slot(anatomy, address)) for kind, address in relocations
    ):
        return None
    slots = {address for kind, address in relocations if kind in {known.pointers, known.slots}}
    if relocations and not slots:
        return "is only called and never compared with 0: the call would end the program where the symbol is missing"
    return _why_not_by_code(anatomy, slots, architecture) if slots else None


def _why_not_by_code(anatomy: Anatomy, slots: Collection[int], architecture: str) -> str | None:
    """Say why the slots do not show that the code looks: calls may go through them (``-fno-plt``)."""
    compared = are_compared(anatomy, slots)
    if compared is None:
        return (
            "is used by way of the global offset table, and on "
            f"{architecture} it is not looked whether the code compares it with 0 before it calls it"
        )
    if not compared:
        return (
            "is used by way of the global offset table (as -fno-plt does for calls), and no code is found that "
            "compares it with 0: a call would end the program where the symbol is missing"
        )
    return None


def _may_be_slot(anatomy: Anatomy, address: int) -> bool:
    """Tell whether ``address`` may lie in the global offset table, which only sections tell."""
    around = (one.name for one in anatomy.sections if one.address <= address < one.address + one.size and one.address)
    name = next(around, TABLES_OF_SLOTS[0])
    return name.startswith(TABLES_OF_SLOTS)


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
