"""Where an object uses a symbol of another one: from the relocations to the instructions and the data that need it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final, Literal, TypeAlias

from msgspec import Struct, field

from glibc_guard.elf.dynamic import DT_STRTAB
from glibc_guard.elf.reader import ET_EXEC
from glibc_guard.elf.symbols import DT_SYMTAB
from glibc_guard.explain import aarch64, x86, x86_registers
from glibc_guard.explain.functions import Functions
from glibc_guard.explain.object_file import LoadedObject
from glibc_guard.explain.references import References, Wanted, references
from glibc_guard.explain.registers import uses_of

DT_PLTGOT: Final = 3
FOLLOWED_BYTES: Final = 2 * 1024 * 1024  # of functions of i686 that may read a slot by its distance from the table
X86: Final = frozenset({"x86_64", "i686"})

#: Address and the slot, stub or constant that is used there.
Uses: TypeAlias = Iterator[tuple[int, int]]
#: Address of an instruction, offset of its displacement in the segment, and the slot.
Operands: TypeAlias = Iterator[tuple[int, int, int]]


class Places(Struct):
    """The addresses at which a symbol is used."""

    code: set[int] = field(default_factory=set)  # of instructions, or of their opcodes behind prefixes
    data: set[int] = field(default_factory=set)  # of pointers to it in tables and variables
    slots: set[int] = field(default_factory=set)  # that the loader writes its address to


def call_sites(loaded: LoadedObject, functions: Functions, wanted: frozenset[Wanted]) -> dict[Wanted, Places]:
    """Return the places of each of ``wanted`` that a relocation refers to; raises ElfError.

    Instructions are looked for on x86_64, i686 and aarch64. Bytes that only look like one are no instruction: a place
    counts only within a known function, where functions are known at all.
    """
    referred = references(loaded, wanted)
    owners: dict[int, list[Wanted]] = {}
    for one, entry in referred.items():
        for address in (*entry.slots, *entry.canonical):
            owners.setdefault(address, []).append(one)
    found = {
        one: Places(data=entry.data | set(_pointers(loaded, entry)), slots=entry.slots)
        for one, entry in referred.items()
    }
    arch = loaded.header.architecture
    scanner = _on_x86 if arch in X86 else _on_aarch64 if arch == "aarch64" else _nowhere
    for address, target in scanner(loaded, functions, referred):
        if functions.is_inside(address):
            for one in owners[target]:
                found[one].code.add(address)
    return found


def _pointers(loaded: LoadedObject, entry: References) -> Iterator[int]:
    """Yield where data have the address of a canonical PLT entry in the program, for which nothing is relocated.

    Such an address is fixed when a program is linked that is always loaded to the same place.
    """
    word = loaded.header.layout.word
    order: Literal["little", "big"] = "little" if loaded.header.layout.order == "<" else "big"
    # The symbol table, which has the address as well, lies before its strings.
    table = range(loaded.dynamic.get(DT_SYMTAB) or 0, loaded.dynamic.get(DT_STRTAB) or 0)
    for base, view in loaded.data() if loaded.header.type == ET_EXEC else ():
        for canonical in entry.canonical:
            for match in re.finditer(re.escape(canonical.to_bytes(word, order)), view):
                address = base + match.start()
                if address % word == 0 and address not in table:
                    yield address


def _nowhere(_: LoadedObject, __: Functions, ___: Mapping[Wanted, References]) -> Uses:
    return iter(())


def _slots(referred: Mapping[Wanted, References]) -> set[int]:
    return {address for entry in referred.values() for address in (*entry.slots, *entry.canonical)}


def _on_x86(loaded: LoadedObject, functions: Functions, referred: Mapping[Wanted, References]) -> Uses:
    segments = [x86.Code(base, view) for base, view in loaded.code()]
    slots = _slots(referred)
    stubs = {address: address for entry in referred.values() for address in entry.canonical}
    for code in segments:
        for address, displacement, slot in _operands(loaded, code, slots):
            jumps = x86.is_jump(code, displacement)
            stub = x86.stub_around(code, displacement - 2, functions) if jumps else None
            if stub is None:
                yield address, slot
            else:
                stubs[stub] = slot
        if loaded.header.architecture == "i686":
            yield from _by_table(loaded, functions, code, referred, stubs)
    for code in segments:
        for address, stub in x86.branches(code, stubs):
            yield address, stubs[stub]


def _operands(loaded: LoadedObject, code: x86.Code, slots: Collection[int]) -> Operands:
    wide = loaded.header.architecture == "x86_64"
    if wide:
        yield from x86.memory_operands(code, slots)
    if loaded.header.type == ET_EXEC:
        yield from x86.constants(code, slots, x86.BEFORE_CONSTANT)
        yield from () if wide else x86.constants(code, slots, x86.BEFORE_ADDRESS)


def _by_table(
    loaded: LoadedObject,
    functions: Functions,
    code: x86.Code,
    referred: Mapping[Wanted, References],
    stubs: dict[int, int],
) -> Uses:
    """Yield what reads a slot of i686 by its distance from the table, whose address is in a register; add to ``stubs``.

    Distances are small numbers, of which code is full: those of fields of structures look alike. So beside stubs only
    that counts whose register is shown to hold the address.
    """
    table = loaded.dynamic.get(DT_PLTGOT)
    if table is None:  # it tells only where there is a PLT
        table = x86_registers.table_of(code)
    if table is None:
        return
    slots = _slots(referred)
    jumps = {slot for entry in referred.values() for slot in entry.jumps}
    by_displacement = {slot - table: slot for slot in slots}
    suspects = set()
    for address, at, displacement in x86.constants(code, by_displacement, x86.BEFORE_DISPLACEMENT):
        slot = by_displacement[displacement]
        stub = x86.stub_around(code, at - 2, functions) if x86.is_jump_by_table(code, at) else None
        if stub is not None:
            stubs[stub] = slot
        elif slot not in jumps:
            suspects.add(functions.bounds(address))
    left = FOLLOWED_BYTES
    for start, end in sorted(bounds for bounds in suspects if bounds is not None):
        if left >= end - start and x86_registers.takes_table(code, start, end, table):
            left -= end - start
            yield from uses_of(x86_registers.Function(code, start, end, slots - jumps, wide=False)).slots.items()


def _on_aarch64(loaded: LoadedObject, _: Functions, referred: Mapping[Wanted, References]) -> Uses:
    stubs = {address: address for entry in referred.values() for address in entry.canonical}
    segments = list(loaded.code())
    for base, view in segments:
        for use in aarch64.slot_uses(view, base, _slots(referred)):
            if use.stub is None:
                yield use.address, use.slot
            else:
                stubs[use.stub] = use.slot
    for base, view in segments:
        for address, stub in aarch64.branches(view, base, stubs):
            yield address, stubs[stub]
