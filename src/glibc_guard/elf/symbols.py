"""The dynamic symbol table: how long it is, and which symbols another object must provide."""

from __future__ import annotations

import re
import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from glibc_guard.elf.dynamic import DT_STRTAB, Dynamic
from glibc_guard.elf.errors import ElfError
from glibc_guard.elf.image import Image, decode
from glibc_guard.elf.layout import Layout
from glibc_guard.elf.versions import INDEX_MASK
from glibc_guard.limits import beyond
from glibc_guard.model import Binding, UndefinedSymbol, VersionDefinition, VersionNeed

DT_PLTRELSZ, DT_HASH, DT_SYMTAB, DT_RELA, DT_RELASZ, DT_STRSZ = 2, 4, 6, 7, 8, 10
DT_REL, DT_RELSZ, DT_PLTREL, DT_JMPREL = 17, 18, 20, 23
DT_GNU_HASH, DT_VERSYM = 0x6FFFFEF5, 0x6FFFFFF0
VER_NDX_GLOBAL: Final = 1  # no version, as of all below it
BINDINGS: Final[dict[int, Binding]] = {0: "local", 1: "global", 2: "weak", 10: "unique"}
CHAIN_STEP: Final = 256
RELOCATIONS_AT_ONCE: Final = 24 * 12 * 8192  # bytes; whole entries of each kind: 8, 12, 16 or 24 bytes
NAMES_AT_ONCE: Final = 16_384  # so that a table of names without an end is noticed in time
SHN_ABS, STT_TLS = 0xFFF1, 6
# st_info by whose binding and type the loader finds no definition. It does by: global, weak, unique; no type, object,
# function, common, thread-local, IFUNC (do_lookup_x and check_match of elf/dl-lookup.c).
NEVER_FOUND: Final = re.compile(rb"[^\x10-\x12\x15\x16\x1a\x20-\x22\x25\x26\x2a\xa0-\xa2\xa5\xa6\xaa]")
HIDDEN_VERSION, FIRST_HIDEABLE = 0x8000, 3  # the first version that an object defines serves references without one
#: st_other of STV_INTERNAL and STV_HIDDEN: such a symbol is not there for others (do_lookup_x of elf/dl-lookup.c).
OUT_OF_SIGHT: Final = re.compile(b"[" + re.escape(bytes(other for other in range(256) if other & 3 in {1, 2})) + b"]")
UNIQUE: Final = re.compile(rb"[\xa0-\xaf]")  # st_info of STB_GNU_UNIQUE (10), whatever its type


class Symbols(Struct, frozen=True):
    """What the dynamic symbol table tells: names asked for, in table order, and names given."""

    undefined: tuple[UndefinedSymbol, ...] = ()
    defined: frozenset[str] = frozenset()  # empty for a program: nobody links against one
    unique: frozenset[str] = frozenset()  # those of `defined` with the binding STB_GNU_UNIQUE
    unversioned: frozenset[str] = frozenset()  # those of `defined` without a version, where others have one
    by_version: frozenset[str] = frozenset()  # those of `defined` that no reference without a version gets


class Strings:
    """The dynamic string table, read once, with a slow way out for a DT_STRSZ that lies."""

    def __init__(self, image: Image, dynamic: Dynamic) -> None:
        """Read what DT_STRSZ announces, no further than the segment reaches."""
        self._image = image
        self._longest = image.allowance.limits.name_bytes
        self._start = dynamic.get(DT_STRTAB) or 0
        size, limit = dynamic.get(DT_STRSZ) or 0, image.allowance.limits.names_bytes
        if min(size, image.mapped_after(self._start)) > limit:
            raise ElfError(beyond(f"a string table of {size} bytes", "names_bytes", limit))
        self._data = image.read(self._start, min(size, image.mapped_after(self._start)))
        self._text = self._data.decode("ascii") if self._data.isascii() else ""
        self._last_end = self._text.rfind("\0")

    def __getitem__(self, offset: int) -> str:
        """Return the string at ``offset``; raises ElfError where there is none."""
        end = self._data.find(b"\0", offset, offset + self._longest) if offset < len(self._data) else -1
        if end < 0:
            return self._image.string(self._start + offset)
        self._image.allowance.take_names(end - offset)
        return decode(self._data[offset:end])

    def at(self, offsets: Sequence[int]) -> list[str]:
        """Return the strings at ``offsets``; where the table is as linkers write it, in one go."""
        if max(offsets, default=0) <= self._last_end:
            parts = (offsets[at : at + NAMES_AT_ONCE] for at in range(0, len(offsets), NAMES_AT_ONCE))
            return [name for part in parts for name in self._some(part)]
        return [self[offset] for offset in offsets]

    def _some(self, offsets: Sequence[int]) -> list[str]:
        text, find, longest = self._text, self._text.find, self._longest
        ends = [find("\0", offset, offset + longest) for offset in offsets]
        if min(ends) < 0:
            return [self[offset] for offset in offsets]
        self._image.allowance.take_names(sum(ends) - sum(offsets))
        return [text[offset:end] for offset, end in zip(offsets, ends, strict=True)]


def read_symbols(
    image: Image,
    dynamic: Dynamic,
    layout: Layout,
    needs: Sequence[VersionNeed],
    definitions: Sequence[VersionDefinition],
    *,
    of_library: bool,
) -> Symbols:
    """Return the symbols that another object must provide, each tied to its version and library, and those defined.

    What the object itself defines is left out unless it is ``of_library``.
    """
    table = dynamic.get(DT_SYMTAB)
    relocated = relocated_indexes(image, dynamic, layout)
    count = max(hashed_count(image, dynamic, layout), max(relocated, default=-1) + 1)
    if table is None or count == 0:
        return Symbols()
    if count * layout.symbol.size > image.mapped_after(table):
        raise ElfError(f"{count} dynamic symbols do not fit into their segment: a count in the object lies")
    image.allowance.take_symbols(count)
    raw = image.read(table, count * layout.symbol.size)
    versions = _version_indexes(image, dynamic, layout, count)
    by_index: dict[int, tuple[str, str | None]] = {need.index: (need.version, need.library) for need in needs}
    by_index |= {d.index: (d.version, None) for d in definitions if not d.base}  # after the needs, as the loader does
    strings = Strings(image, dynamic)
    undefined: list[UndefinedSymbol] = []
    sections, infos, names = _section_indexes(raw, layout), _infos(raw, layout), _names(raw, layout)
    needed = {need.index for need in needs} - {definition.index for definition in definitions}
    passed_over = _passed_over(raw, layout, sections, _found_range(image, dynamic, layout, count))
    for index in passed_over:
        sections[index] = 0
    # A program's copy of a library's variable (R_*_COPY) is defined in the program, and still looked up by its version.
    copied = {index for index in relocated if sections[index] and versions and versions[index] & INDEX_MASK in needed}
    unasked = passed_over - relocated
    wanted = [i for i, section in enumerate(sections) if i and i not in unasked and (not section or i in copied)]
    # A binding that nobody knows is no local one to the loader: it looks the symbol up, and must find it.
    bound = [(index, binding) for index in wanted if (binding := BINDINGS.get(infos[index] >> 4, "global")) != "local"]
    for (index, binding), name in zip(bound, strings.at([names[index] for index, _ in bound]), strict=True):
        version, library = by_index.get(versions[index] & INDEX_MASK, (None, None)) if versions else (None, None)
        undefined.append(UndefinedSymbol(name, binding, version, library, index in relocated))
    if not of_library:
        return Symbols(tuple(undefined))
    for index in _out_of_sight(raw, layout):
        sections[index] = 0
    defined = frozenset(strings.at([name for name, section in zip(names, sections, strict=True) if section]))
    unique = frozenset(strings.at([names[index] for index in _unique_indexes(raw, layout) if sections[index]]))
    unversioned = by_version = frozenset[str]()
    if any(not definition.base for definition in definitions):
        plain = (index for index, version in enumerate(versions or ()) if version & INDEX_MASK <= VER_NDX_GLOBAL)
        unversioned = frozenset(strings.at([names[i] for i in plain if sections[i]])) if versions else defined
        by_version = _by_version(strings, names, sections, versions or ())
    return Symbols(tuple(undefined), defined, unique, unversioned, by_version)


def _by_version(
    strings: Strings, names: Sequence[int], sections: Sequence[int], versions: Sequence[int]
) -> frozenset[str]:
    """Return the names that are defined in old versions only (foo@V1, and no foo@@V2)."""
    hidden = {i for i, version in enumerate(versions) if version >= HIDDEN_VERSION + FIRST_HIDEABLE and sections[i]}
    if not hidden:
        return frozenset()
    others = [name for i, name in enumerate(names) if sections[i] and i not in hidden]
    return frozenset(strings.at([names[i] for i in hidden])).difference(strings.at(others))


def _out_of_sight(raw: bytes, layout: Layout) -> Iterator[int]:
    others = raw[5::24] if layout.bits == 64 else raw[13::16]
    return (match.start() for match in OUT_OF_SIGHT.finditer(others))


def _passed_over(raw: bytes, layout: Layout, sections: Sequence[int], found: range) -> set[int]:
    """Return the indexes of definitions that the loader does not take for one, so that it looks on in other objects.

    These are one without a value, unless it is absolute or thread-local, one of another type than those of code and
    data, and one out of the range ``found`` of the hash table (check_match of elf/dl-lookup.c in glibc).
    """
    infos = _infos(raw, layout)
    absolute = SHN_ABS if _is_native(layout.order) else int.from_bytes(SHN_ABS.to_bytes(2, "little"), "big")
    never = {match.start() for match in NEVER_FOUND.finditer(infos)}
    empty = {
        index
        for index, value in enumerate(_values(raw, layout))
        if not value and sections[index] != absolute and infos[index] & 0xF != STT_TLS
    }
    beside = {*range(1, found.start), *range(found.stop, len(sections))}
    return {index for index in never | empty | beside if sections[index]}


def _found_range(image: Image, dynamic: Dynamic, layout: Layout, count: int) -> range:
    """Return the indexes that the hash table leads to; an undefined symbol lies before them."""
    table = dynamic.get(DT_GNU_HASH)
    if table is None:
        return range(count)
    first = as_integers("I", image.read(table, 16), layout.order)[1]
    return range(min(first, count), max(min(first, count), min(hashed_count(image, dynamic, layout), count)))


def _values(raw: bytes, layout: Layout) -> list[int]:
    # st_value is 0 in either byte order.
    return memoryview(raw).cast("Q")[1::3].tolist() if layout.bits == 64 else memoryview(raw).cast("I")[1::4].tolist()


def _unique_indexes(raw: bytes, layout: Layout) -> Iterator[int]:
    # Found by a search in the column of st_info, which is done in C: most objects have none.
    return (match.start() for match in UNIQUE.finditer(_infos(raw, layout)))


def _infos(raw: bytes, layout: Layout) -> bytes:
    return raw[4::24] if layout.bits == 64 else raw[12::16]


def _names(raw: bytes, layout: Layout) -> list[int]:
    names = memoryview(raw).cast("I")[:: layout.symbol.size // 4].tolist()
    return names if _is_native(layout.order) else as_integers("I", array("I", names).tobytes(), layout.order).tolist()


def _section_indexes(raw: bytes, layout: Layout) -> list[int]:
    # st_shndx is 0 in either byte order, so that the column can be looked at without decoding the entries.
    column, stride = (3, 12) if layout.bits == 64 else (7, 8)
    return memoryview(raw).cast("H")[column::stride].tolist()


def _version_indexes(image: Image, dynamic: Dynamic, layout: Layout, count: int) -> array[int] | None:
    start = dynamic.get(DT_VERSYM)
    return None if start is None else as_integers("H", image.read(start, 2 * count), layout.order)


def hashed_count(image: Image, dynamic: Dynamic, layout: Layout) -> int:
    """Return how many entries the hash tables know of: what the object defines, and what lies before that.

    No entry of the dynamic segment says how long the symbol table is. An empty DT_GNU_HASH (GNU ld writes one for
    programs) does not count undefined symbols, so the relocations have to be asked as well.
    """
    if (table := dynamic.get(DT_GNU_HASH)) is not None:  # DT_HASH beside it is not looked at (_dl_setup_hash)
        return _count_by_gnu_hash(image, table, layout)
    table = dynamic.get(DT_HASH)
    return 0 if table is None else _count_by_hash(image, table, layout)


def _count_by_hash(image: Image, table: int, layout: Layout) -> int:
    raw = image.read(table, 2 * layout.hash_word)  # nbucket, nchain; a chain entry for every symbol
    return as_integers("I" if layout.hash_word == 4 else "Q", raw, layout.order)[1]


def _count_by_gnu_hash(image: Image, table: int, layout: Layout) -> int:
    buckets, first, bloom_words, _ = as_integers("I", image.read(table, 16), layout.order)
    if max(buckets, bloom_words) > image.allowance.limits.symbols:
        raise ElfError("a count in the GNU hash table lies")
    bucket_table = table + 16 + bloom_words * layout.word
    last = max(as_integers("I", image.read(bucket_table, 4 * buckets), layout.order), default=0)
    if last < first:
        return first  # nothing is defined here
    chain_table = bucket_table + 4 * buckets
    for index, word in _words_from(image, chain_table + 4 * (last - first), layout):
        if word & 1:  # the end of the last chain
            return last + index + 1
    raise ElfError("a chain of the GNU hash table does not end")


def _words_from(image: Image, address: int, layout: Layout) -> Iterator[tuple[int, int]]:
    index = 0
    while index < image.allowance.limits.symbols and (available := image.mapped_after(address) // 4):
        for word in as_integers("I", image.read(address, 4 * min(available, CHAIN_STEP)), layout.order):
            yield index, word
            index += 1
            address += 4


def relocated_indexes(image: Image, dynamic: Dynamic, layout: Layout) -> frozenset[int]:
    """Return the index of every symbol that a relocation refers to: what the loader will look up."""
    found: set[int] = set()
    for raw, addend in relocation_tables(image, dynamic):
        column = _symbol_column(raw, layout, addend=addend)
        if max(column, default=0) >= image.allowance.limits.symbols:
            what = f"a relocation refers to the dynamic symbol {max(column)}"
            raise ElfError(beyond(what, "symbols", image.allowance.limits.symbols))
        found.update(column)
    return frozenset(found - {0})


def relocation_tables(image: Image, dynamic: Dynamic) -> Iterator[tuple[bytes, bool]]:
    """Yield the relocations that may refer to symbols, piece by piece, and whether the entries have an addend."""
    plt_has_addend = dynamic.get(DT_PLTREL) != DT_REL
    for start_tag, size_tag, addend in (
        (DT_RELA, DT_RELASZ, True),
        (DT_REL, DT_RELSZ, False),
        (DT_JMPREL, DT_PLTRELSZ, plt_has_addend),
    ):
        start, size = dynamic.get(start_tag), dynamic.get(size_tag)
        if start is not None and size:
            if size > image.mapped_after(start):
                raise ElfError("a table of relocations does not fit into its segment: a size in the object lies")
            for offset in range(0, size, RELOCATIONS_AT_ONCE):
                yield image.read(start + offset, min(RELOCATIONS_AT_ONCE, size - offset)), addend


def _symbol_column(raw: bytes, layout: Layout, *, addend: bool) -> Sequence[int]:
    # A relocation is r_offset, r_info and maybe r_addend, each a word; r_info holds the symbol above the type: in its
    # upper 32 bits (64-bit objects) or upper 24 bits. Slicing a column of 32-bit integers is done in C.
    integers, words = _relocation_words(raw, layout, addend=addend)
    if layout.bits == 64:
        return integers[(3 if layout.order == "<" else 2) :: words]
    return [info >> 8 for info in integers[1::words]]


def relocations_to(
    raw: bytes, layout: Layout, wanted: frozenset[int], *, addend: bool
) -> Iterator[tuple[int, int, int]]:
    """Yield symbol, type and address of each relocation of the table ``raw`` that refers to a symbol in ``wanted``."""
    entry = struct.Struct(layout.order + ("QQ" if layout.bits == 64 else "II"))
    size = (3 if addend else 2) * layout.word
    for number, symbol in enumerate(_symbol_column(raw, layout, addend=addend)):
        if symbol in wanted:
            address, info = entry.unpack_from(raw, number * size)
            yield symbol, info & (0xFFFFFFFF if layout.bits == 64 else 0xFF), address


def _relocation_words(raw: bytes, layout: Layout, *, addend: bool) -> tuple[array[int], int]:
    """Return a table of relocations as 32-bit integers, and how many of them are one relocation."""
    words = (3 if addend else 2) * layout.word // 4
    return as_integers("I", raw[: len(raw) // (4 * words) * 4 * words], layout.order), words


def as_integers(code: str, raw: bytes, order: str) -> array[int]:
    """Decode ``raw`` as integers of the type ``code`` of ``array``, in the byte order of the object."""
    values = array(code, raw)
    if not _is_native(order):
        values.byteswap()
    return values


def _is_native(order: str) -> bool:
    return (order == "<") == (sys.byteorder == "little")
