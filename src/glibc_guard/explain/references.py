"""Where the loader writes the address of a symbol: the dynamic relocations of the symbols that are asked about."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping
from typing import Final

from msgspec import Struct, field

from glibc_guard.elf.errors import ElfError
from glibc_guard.elf.layout import as_integers
from glibc_guard.elf.symbols import DT_SYMTAB, DT_VERSYM, relocated_indexes, relocation_tables, relocations_to
from glibc_guard.elf.versions import INDEX_MASK, read_definitions, read_needs
from glibc_guard.explain.object_file import LoadedObject

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
    names = _Names(loaded, wanted)
    image, dynamic, layout = loaded.image, loaded.dynamic, loaded.header.layout
    matches = names.matches(relocated_indexes(image, dynamic, layout))
    architecture = loaded.header.architecture
    into_data = INTO_DATA.get(architecture, frozenset())
    for raw, addend in relocation_tables(image, dynamic):
        for symbol, kind, address in relocations_to(raw, layout, frozenset(matches), addend=addend):
            for one in matches[symbol]:
                entry = found.setdefault(one, References())
                (entry.data if kind in into_data else entry.slots).add(address)
                if kind == JUMP_SLOT.get(architecture):
                    entry.jumps.add(address)
                if names.value_of_undefined(symbol):
                    entry.canonical.add(names.value_of_undefined(symbol))
    return found


class _Names:
    """The dynamic symbols by their index, with the versions that they are bound to."""

    def __init__(self, loaded: LoadedObject, wanted: frozenset[Wanted]) -> None:
        self._loaded, self._wanted = loaded, wanted
        order = loaded.header.layout.order
        needs = read_needs(loaded.image, loaded.dynamic, order)
        definitions = read_definitions(loaded.image, loaded.dynamic, order)
        self._versions = {need.index: need.version for need in needs}
        self._versions |= {one.index: one.version for one in definitions if not one.base}

    def matches(self, indexes: Collection[int]) -> dict[int, tuple[Wanted, ...]]:
        """Return what is wanted by the indexes of its symbols, of those in ``indexes``."""
        wanted_versions = {one.version for one in self._wanted}
        numbers = self._version_numbers(max(indexes, default=0))
        found = {}
        for index in indexes:
            version = None if numbers is None else self._versions.get(numbers[index] & INDEX_MASK)
            if version in wanted_versions:  # of most symbols the names need not be read
                name = self._loaded.dynamic.string(self._loaded.image, self._fields(index)[0])
                found[index] = tuple(
                    one for one in (Wanted(name, version), Wanted(None, version)) if one in self._wanted
                )
        return found

    def value_of_undefined(self, index: int) -> int:
        fields = self._fields(index)
        section, value = (fields[3], fields[4]) if self._loaded.header.layout.bits == 64 else (fields[5], fields[1])
        return 0 if section else value

    def _version_numbers(self, last: int) -> array[int] | None:
        table = self._loaded.dynamic.get(DT_VERSYM)
        if table is None:
            return None
        size = 2 * (last + 1)
        if size > self._loaded.image.mapped_after(table):
            raise ElfError("the version symbol table reaches beyond the end of its segment")
        return as_integers("H", self._loaded.image.read(table, size), self._loaded.header.layout.order)

    def _fields(self, index: int) -> tuple[int, ...]:
        layout = self._loaded.header.layout
        table = self._loaded.dynamic.get(DT_SYMTAB) or 0
        return layout.symbol.unpack(self._loaded.image.read(table + index * layout.symbol.size, layout.symbol.size))
