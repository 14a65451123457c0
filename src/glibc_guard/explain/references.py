"""Where the loader writes the address of a symbol: the dynamic relocations of the symbols that are asked about."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias

from msgspec import Struct, field

from glibc_guard.elf.errors import ElfError
from glibc_guard.elf.symbols import (
    DT_JMPREL,
    DT_PLTREL,
    DT_PLTRELSZ,
    DT_REL,
    DT_RELA,
    DT_RELASZ,
    DT_RELSZ,
    DT_SYMTAB,
    DT_VERSYM,
)
from glibc_guard.elf.versions import INDEX_MASK, read_definitions, read_needs
from glibc_guard.explain.object_file import LoadedObject

Place: TypeAlias = Literal["slot", "data"]

#: Relocations that write the address of a symbol into data of the program itself (its psABI's R_*_64, R_*_32, …); all
#: others fill a slot of the global offset table, or a program's copy of a variable, which code then refers to.
INTO_DATA: Final[Mapping[str, frozenset[int]]] = {
    "x86_64": frozenset({1, 10}),
    "i686": frozenset({1, 2}),
    "aarch64": frozenset({257, 258}),
    "armv7l": frozenset({2, 3}),
    "ppc64le": frozenset({1, 38}),
    "s390x": frozenset({4, 22}),
    "riscv64": frozenset({1, 2}),
    "loongarch64": frozenset({1, 2}),
}
BLOCK: Final = 8192  # bytes of the version symbol table that are read at once
#: Relocations of slots that nothing but the PLT reads (R_*_JUMP_SLOT).
JUMP_SLOT: Final[Mapping[str, int]] = {"x86_64": 7, "i686": 7, "aarch64": 1026}


class Wanted(Struct, frozen=True, order=True):
    """A symbol that is asked about; ``name`` None stands for every symbol of the version."""

    name: str | None
    version: str | None


class References(Struct):
    """What refers to one wanted symbol: addresses of slots and of data, and its canonical PLT entry."""

    slots: set[int] = field(default_factory=set)
    jumps: set[int] = field(default_factory=set)  # those slots that only stubs of a PLT read
    data: set[int] = field(default_factory=set)
    canonical: set[int] = field(default_factory=set)  # st_value of an undefined function: its address in the program


def references(loaded: LoadedObject, wanted: frozenset[Wanted]) -> dict[Wanted, References]:
    """Return the places of each symbol that some relocation refers to; raises ElfError."""
    found: dict[Wanted, References] = {}
    matches: dict[int, tuple[Wanted, ...]] = {}
    names = _Names(loaded, wanted)
    into_data = INTO_DATA.get(loaded.header.architecture, frozenset())
    for address, symbol, kind in _relocations(loaded):
        if symbol not in matches:
            matches[symbol] = names.matching(symbol)
        for one in matches[symbol]:
            entry = found.setdefault(one, References())
            (entry.data if kind in into_data else entry.slots).add(address)
            if kind == JUMP_SLOT.get(loaded.header.architecture):
                entry.jumps.add(address)
            if names.value_of_undefined(symbol):
                entry.canonical.add(names.value_of_undefined(symbol))
    return found


class _Names:
    """The dynamic symbols by their index, with the versions that they are bound to."""

    def __init__(self, loaded: LoadedObject, wanted: frozenset[Wanted]) -> None:
        self._loaded = loaded
        self._wanted, self._wanted_versions = wanted, {one.version for one in wanted}
        self._indices: dict[int, bytes] = {}  # by its number, each block of the version symbol table that was asked for
        order = loaded.header.layout.order
        self._order: Literal["little", "big"] = "little" if order == "<" else "big"
        needs = read_needs(loaded.image, loaded.dynamic, order)
        definitions = read_definitions(loaded.image, loaded.dynamic, order)
        self._versions = {need.index: need.version for need in needs}
        self._versions |= {one.index: one.version for one in definitions if not one.base}

    def matching(self, index: int) -> tuple[Wanted, ...]:
        version = self._version(index)
        if version not in self._wanted_versions:  # most symbols: their names need not be read
            return ()
        name = self._loaded.dynamic.string(self._loaded.image, self._fields(index)[0])
        return tuple(one for one in (Wanted(name, version), Wanted(None, version)) if one in self._wanted)

    def value_of_undefined(self, index: int) -> int:
        fields = self._fields(index)
        section, value = (fields[3], fields[4]) if self._loaded.header.layout.bits == 64 else (fields[5], fields[1])
        return 0 if section else value

    def _version(self, index: int) -> str | None:
        table = self._loaded.dynamic.get(DT_VERSYM)
        if table is None:
            return None
        block, at = divmod(2 * index, BLOCK)
        if block not in self._indices:
            start = table + BLOCK * block
            self._indices[block] = self._loaded.image.read(
                start, max(2, min(BLOCK, self._loaded.image.mapped_after(start)))
            )
        number = self._indices[block][at : at + 2]
        if len(number) < 2:
            raise ElfError("the version symbol table reaches beyond the end of its segment")
        return self._versions.get(int.from_bytes(number, self._order) & INDEX_MASK)

    def _fields(self, index: int) -> tuple[int, ...]:
        layout = self._loaded.header.layout
        table = self._loaded.dynamic.get(DT_SYMTAB) or 0
        return layout.symbol.unpack(self._loaded.image.read(table + index * layout.symbol.size, layout.symbol.size))


def _relocations(loaded: LoadedObject) -> Iterator[tuple[int, int, int]]:
    """Yield address, symbol index and type of each relocation that refers to a symbol."""
    layout, dynamic = loaded.header.layout, loaded.dynamic
    wide = layout.bits == 64
    for start_tag, size_tag, addend in (
        (DT_RELA, DT_RELASZ, True),
        (DT_REL, DT_RELSZ, False),
        (DT_JMPREL, DT_PLTRELSZ, dynamic.get(DT_PLTREL) != DT_REL),
    ):
        start, size = dynamic.get(start_tag), dynamic.get(size_tag)
        if start is None or not size:
            continue
        entry = struct.Struct(layout.order + ("Q" if wide else "I") * (3 if addend else 2))
        raw = loaded.image.read(start, min(size, loaded.image.mapped_after(start)))
        for fields in entry.iter_unpack(raw[: len(raw) // entry.size * entry.size]):
            symbol, kind = (fields[1] >> 32, fields[1] & 0xFFFFFFFF) if wide else (fields[1] >> 8, fields[1] & 0xFF)
            if symbol:
                yield fields[0], symbol, kind
