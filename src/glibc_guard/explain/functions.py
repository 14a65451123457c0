"""The function at an address: from ``.symtab``, else from the dynamic symbols, else what the unwind tables know."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import compress
from operator import and_
from typing import Final

from msgspec import Struct, field

from glibc_guard.elf.dynamic import DT_STRTAB
from glibc_guard.elf.errors import ElfError
from glibc_guard.elf.image import decode
from glibc_guard.elf.layout import Layout
from glibc_guard.elf.sections import Section, read_sections
from glibc_guard.elf.symbols import DT_STRSZ, DT_SYMTAB, hashed_count
from glibc_guard.explain.eh_frame import FrameTable
from glibc_guard.explain.object_file import LoadedObject
from glibc_guard.limits import Limits

SHT_SYMTAB: Final = 2
STT_OBJECT, STT_FUNC, STT_GNU_IFUNC = 1, 2, 10
FUNCTIONS: Final = frozenset({STT_FUNC, STT_GNU_IFUNC})
NAME_BYTES: Final = 16 * 1024


class Function(Struct, frozen=True):
    """What lies around an address; ``name`` is None where only its extent is known."""

    start: int
    size: int  # bytes; 0 where that is not told
    name: str | None = None  # as it is in the symbol table


class Functions:
    """The functions and the data of one object by their addresses."""

    def __init__(self, loaded: LoadedObject) -> None:
        """Read the symbol tables that there are, and no more than their addresses."""
        self._frames = FrameTable(loaded)
        self._named = [table for table in (_static_symbols(loaded), _dynamic_symbols(loaded)) if table is not None]

    def is_inside(self, address: int) -> bool:
        """Tell whether ``address`` lies in a function; True where nothing is known of functions at all.

        Where there is unwind information every compiler writes it for each function, and a name is a good second.
        """
        return not self._frames or self._frames.function_at(address) is not None or self.at(address) is not None

    def at(self, address: int) -> Function | None:
        """Return the function around ``address``; None where none is known."""
        extent = self._frames.function_at(address)
        for table in self._named:
            found = table.around(address, FUNCTIONS)
            # A name without a size reaches to the next one, if nothing says otherwise.
            if found is not None and (found.size or extent is None or found.start >= extent[0]):
                return found
        return None if extent is None else Function(extent[0], extent[1] - extent[0])

    def start_of(self, address: int) -> int:
        """Return where the function around ``address`` begins; ``address`` itself where none is known."""
        extent = self._frames.function_at(address)
        if extent is not None:
            return extent[0]
        function = self.at(address)
        return address if function is None else function.start

    def data_at(self, address: int) -> str | None:
        """Return the name of the variable or table around ``address``."""
        found = (table.around(address, frozenset({STT_OBJECT})) for table in self._named)
        return next((one.name for one in found if one is not None and one.size), None)

    def is_named(self, address: int) -> bool:
        """Tell whether ``address`` lies in a function with a name and a size; stubs of a PLT have none."""
        return any((found := table.around(address, FUNCTIONS)) and found.size for table in self._named)

    def bounds(self, address: int) -> tuple[int, int] | None:
        """Return first address and end of the code around ``address``; None where its end is not told."""
        extent = self._frames.function_at(address)
        if extent is not None:
            return extent
        function = self.at(address)
        return (function.start, function.start + function.size) if function is not None and function.size else None

    def extent(self, address: int) -> tuple[int, int] | None:
        """Return what the unwind information around ``address`` covers: a function, or a whole PLT."""
        return self._frames.function_at(address)


class _Table(Struct):
    """A symbol table, decoded column by column: its entries are only looked at where an address asks for them."""

    values: Sequence[int]
    sizes: Sequence[int]
    types: bytes  # st_info
    name: Callable[[int], str]  # of a symbol by its index
    defined: Sequence[int]  # st_shndx
    _orders: dict[frozenset[int], tuple[list[int], list[int]]] = field(default_factory=dict)

    def around(self, address: int, types: frozenset[int]) -> Function | None:
        starts, order = self._order(types)
        place = bisect_right(starts, address) - 1
        if place < 0:
            return None
        start = starts[place]
        # Several names may begin together, and only one of them have a size.
        index = max(self._equal(starts, order, place), key=self.sizes.__getitem__)
        size = self.sizes[index]
        if size and address >= start + size:
            return None
        return Function(start, size, self.name(index))

    def _equal(self, starts: list[int], order: list[int], place: int) -> list[int]:
        first = place
        while first > 0 and starts[first - 1] == starts[place] and place - first < 16:
            first -= 1
        return order[first : place + 1][::-1]

    def _order(self, types: frozenset[int]) -> tuple[list[int], list[int]]:
        if types not in self._orders:
            selected = self.types.translate(bytes(info & 15 in types for info in range(256)))
            indexes = [*compress(range(len(selected)), map(and_, selected, map(bool, self.defined)))]
            indexes.sort(key=self.values.__getitem__)
            self._orders[types] = [self.values[index] for index in indexes], indexes
        return self._orders[types]


def _static_symbols(loaded: LoadedObject) -> _Table | None:
    layout = loaded.header.layout
    sections = read_sections(loaded.file, layout, loaded.header.section_table)
    table = next((section for section in sections if section.type == SHT_SYMTAB), None)
    strings = next((section for section in sections if section.name == ".strtab"), None)
    if table is None or strings is None:
        return None
    raw = loaded.file.read(table.offset, min(table.size, Limits().symbols * layout.symbol.size))
    return _table(raw, layout, lambda offset: _from_section(loaded, strings, offset))


def _from_section(loaded: LoadedObject, strings: Section, offset: int) -> str:
    return _name(loaded.file.read(strings.offset + offset, min(NAME_BYTES, max(0, strings.size - offset))))


def _dynamic_symbols(loaded: LoadedObject) -> _Table | None:
    start, strings = loaded.dynamic.get(DT_SYMTAB), loaded.dynamic.get(DT_STRTAB)
    if start is None or strings is None:
        return None
    layout, image = loaded.header.layout, loaded.image
    bound = loaded.dynamic.get(DT_STRSZ) or 0
    try:
        count = min(hashed_count(image, loaded.dynamic, layout), image.mapped_after(start) // layout.symbol.size)
        raw = image.read(start, count * layout.symbol.size)
    except ElfError:
        return None
    return _table(raw, layout, lambda offset: _name(image.read(strings + offset, min(NAME_BYTES, bound - offset))))


def _name(raw: bytes) -> str:
    return decode(raw.partition(b"\0")[0])


def _table(raw: bytes, layout: Layout, string: Callable[[int], str]) -> _Table:
    raw = raw[: len(raw) // layout.symbol.size * layout.symbol.size]
    words, halves = _column("I", raw, layout), _column("H", raw, layout)
    if layout.bits == 64:
        longs = _column("Q", raw, layout)
        return _Table(longs[1::3], longs[2::3], raw[4::24], lambda index: string(words[6 * index]), halves[3::12])
    return _Table(words[1::4], words[2::4], raw[12::16], lambda index: string(words[4 * index]), halves[7::8])


def _column(code: str, raw: bytes, layout: Layout) -> array[int]:
    values = array(code, raw)
    if (layout.order == "<") != (sys.byteorder == "little"):
        values.byteswap()
    return values
