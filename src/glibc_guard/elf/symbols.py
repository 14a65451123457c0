"""The dynamic symbol table: how long it is, and which symbols another object must provide."""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from glibc_guard.elf.dynamic import DT_STRTAB, Dynamic
from glibc_guard.elf.errors import ElfError
from glibc_guard.elf.exports import Exports
from glibc_guard.elf.hash_tables import HashTable, read_hash_table
from glibc_guard.elf.image import Image, decode
from glibc_guard.elf.layout import Layout, as_integers, is_native
from glibc_guard.elf.versions import INDEX_MASK
from glibc_guard.limits import beyond
from glibc_guard.model import Binding, UndefinedSymbol, VersionDefinition, VersionNeed

DT_PLTRELSZ, DT_SYMTAB, DT_RELA, DT_RELASZ, DT_STRSZ = 2, 6, 7, 8, 10
DT_REL, DT_RELSZ, DT_PLTREL, DT_JMPREL = 17, 18, 20, 23
DT_VERSYM: Final = 0x6FFFFFF0
VER_NDX_GLOBAL: Final = 1  # no version, as of all below it
BINDINGS: Final[dict[int, Binding]] = {0: "local", 1: "global", 2: "weak", 10: "unique"}
RELOCATIONS_AT_ONCE: Final = 24 * 12 * 8192  # bytes; whole entries of each kind: 8, 12, 16 or 24 bytes
NAMES_AT_ONCE: Final = 16_384  # so that a table of names without an end is noticed in time
SHN_ABS, STT_TLS = 0xFFF1, 6
WEAK: Final = 2  # STB_WEAK
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
    lookup: Exports | None = None  # what of `defined` the loader finds; None for a program


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

    def as_stored(self, names: Sequence[str], offsets: Sequence[int]) -> Sequence[str]:
        """Return ``names``, those at ``offsets``, with a character for each byte (Latin-1)."""
        return names if self._text else [self._stored(offset) for offset in offsets]

    def _stored(self, offset: int) -> str:
        end = self._data.find(b"\0", offset, offset + self._longest) if offset < len(self._data) else -1
        return self._data[offset:end].decode("latin-1") if end >= 0 else self[offset].encode().decode("latin-1")

    def _some(self, offsets: Sequence[int]) -> list[str]:
        text, find, longest = self._text, self._text.find, self._longest
        ends = [find("\0", offset, offset + longest) for offset in offsets]
        if min(ends) < 0:
            return [self[offset] for offset in offsets]
        self._image.allowance.take_names(sum(ends) - sum(offsets))
        return [text[offset:end] for offset, end in zip(offsets, ends, strict=True)]


class _Entries(Struct):
    """The dynamic symbol table, column by column."""

    raw: bytes
    layout: Layout
    strings: Strings
    names: Sequence[int]  # offsets into the string table
    infos: bytes
    versions: Sequence[int] | None  # as the version symbol table has them; None without one
    sections: list[int]  # 0, of an undefined symbol, also where the loader does not take it for a definition

    def drop(self, indexes: Iterable[int]) -> None:
        """Take these for undefined from now on."""
        for index in indexes:
            self.sections[index] = 0

    def names_at(self, indexes: Iterable[int]) -> list[str]:
        """Return the names of the symbols ``indexes``."""
        return self.strings.at([self.names[index] for index in indexes])

    def out_of_sight(self) -> set[int]:
        """Return the indexes of the definitions that are not there for other objects."""
        others = self.raw[5::24] if self.layout.bits == 64 else self.raw[13::16]
        return {match.start() for match in OUT_OF_SIGHT.finditer(others) if self.sections[match.start()]}

    def hidden_versions(self) -> set[int]:
        """Return the indexes of the definitions that serve no reference without a version: foo@V1."""
        least = HIDDEN_VERSION + FIRST_HIDEABLE
        return {i for i, version in enumerate(self.versions or ()) if version >= least and self.sections[i]}


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
    relocated = relocated_indexes(image, dynamic, layout)
    table = read_hash_table(image, dynamic, layout)
    entries = _read_entries(image, dynamic, layout, max(table.count, max(relocated, default=-1) + 1))
    if entries is None:
        return Symbols()
    passed_over = _passed_over(entries, table.found)
    entries.drop(passed_over)
    out_of_sight = entries.out_of_sight()
    given = [i for i, section in enumerate(entries.sections) if section and i not in out_of_sight]
    exports = _exports(entries, table, given if of_library else [index for index in given if index in relocated])
    # What an object uses of its own is looked up like all else: what its table does not lead to must be in another.
    # For a weak symbol 0 will do.
    entries.drop(exports.missed({index for index in relocated if entries.infos[index] >> 4 != WEAK}))
    undefined = tuple(_undefined(entries, needs, definitions, relocated, passed_over - relocated))
    if not of_library:
        return Symbols(undefined)
    entries.drop(out_of_sight)
    return _with_definitions(entries, definitions, Symbols(undefined, frozenset(exports.names), lookup=exports))


def _read_entries(image: Image, dynamic: Dynamic, layout: Layout, count: int) -> _Entries | None:
    start = dynamic.get(DT_SYMTAB)
    if start is None or count == 0:
        return None
    if count * layout.symbol.size > image.mapped_after(start):
        raise ElfError(f"{count} dynamic symbols do not fit into their segment: a count in the object lies")
    image.allowance.take_symbols(count)
    raw = image.read(start, count * layout.symbol.size)
    versions = _version_indexes(image, dynamic, layout, count)
    strings = Strings(image, dynamic)
    return _Entries(
        raw, layout, strings, _names(raw, layout), _infos(raw, layout), versions, _section_indexes(raw, layout)
    )


def _exports(entries: _Entries, table: HashTable, indexes: Sequence[int]) -> Exports:
    names = entries.names_at(indexes)
    as_stored = entries.strings.as_stored(names, [entries.names[index] for index in indexes])
    return Exports(table, array("I", indexes), names, as_stored, frozenset(entries.hidden_versions()))


def _undefined(
    entries: _Entries,
    needs: Sequence[VersionNeed],
    definitions: Sequence[VersionDefinition],
    relocated: frozenset[int],
    unasked: set[int],
) -> Iterator[UndefinedSymbol]:
    """Yield what the loader looks up elsewhere, and what no relocation refers to; never the indexes ``unasked``."""
    sections, infos, versions = entries.sections, entries.infos, entries.versions
    by_index: dict[int, tuple[str, str | None]] = {need.index: (need.version, need.library) for need in needs}
    by_index |= {d.index: (d.version, None) for d in definitions if not d.base}  # after the needs, as the loader does
    needed = {need.index for need in needs} - {definition.index for definition in definitions}
    # A program's copy of a library's variable (R_*_COPY) is defined in the program, and still looked up by its version.
    copied = {index for index in relocated if sections[index] and versions and versions[index] & INDEX_MASK in needed}
    wanted = [i for i, section in enumerate(sections) if i and i not in unasked and (not section or i in copied)]
    # A binding that nobody knows is no local one to the loader: it looks the symbol up, and must find it.
    bound = [(index, binding) for index in wanted if (binding := BINDINGS.get(infos[index] >> 4, "global")) != "local"]
    for (index, binding), name in zip(bound, entries.names_at(index for index, _ in bound), strict=True):
        version, library = by_index.get(versions[index] & INDEX_MASK, (None, None)) if versions else (None, None)
        yield UndefinedSymbol(name, binding, version, library, index in relocated)


def _with_definitions(entries: _Entries, definitions: Sequence[VersionDefinition], symbols: Symbols) -> Symbols:
    """Add what else there is to tell of the names that are defined."""
    sections, versions = entries.sections, entries.versions
    # Found by a search in the column of st_info, which is done in C: most objects have none.
    unique = frozenset(entries.names_at(at for m in UNIQUE.finditer(entries.infos) if sections[at := m.start()]))
    unversioned = by_version = frozenset[str]()
    if any(not definition.base for definition in definitions):
        plain = (index for index, version in enumerate(versions or ()) if version & INDEX_MASK <= VER_NDX_GLOBAL)
        unversioned = frozenset(entries.names_at(i for i in plain if sections[i])) if versions else symbols.defined
        by_version = _by_version(entries)
    return replace(symbols, unique=unique, unversioned=unversioned, by_version=by_version)


def _by_version(entries: _Entries) -> frozenset[str]:
    """Return the names that are defined in old versions only (foo@V1, and no foo@@V2)."""
    hidden = entries.hidden_versions()
    if not hidden:
        return frozenset()
    others = (index for index, section in enumerate(entries.sections) if section and index not in hidden)
    return frozenset(entries.names_at(hidden)).difference(entries.names_at(others))


def _passed_over(entries: _Entries, found: range) -> set[int]:
    """Return the indexes of definitions that the loader does not take for one, so that it looks on in other objects.

    These are one without a value, unless it is absolute or thread-local, one of another type than those of code and
    data, and one out of the range ``found`` of the hash table (check_match of elf/dl-lookup.c in glibc).
    """
    infos, sections, layout = entries.infos, entries.sections, entries.layout
    absolute = SHN_ABS if is_native(layout.order) else int.from_bytes(SHN_ABS.to_bytes(2, "little"), "big")
    columns = enumerate(zip(sections, _values(entries.raw, layout), strict=True))
    without_value = [index for index, (section, value) in columns if section and not value]
    empty = [index for index in without_value if sections[index] != absolute and infos[index] & 0xF != STT_TLS]
    never = [match.start() for match in NEVER_FOUND.finditer(infos)]
    beside = [*range(1, min(found.start, len(sections))), *range(found.stop, len(sections))]
    return {index for some in (never, empty, beside) for index in some if sections[index]}


def _values(raw: bytes, layout: Layout) -> list[int]:
    # st_value is 0 in either byte order.
    return memoryview(raw).cast("Q")[1::3].tolist() if layout.bits == 64 else memoryview(raw).cast("I")[1::4].tolist()


def _infos(raw: bytes, layout: Layout) -> bytes:
    return raw[4::24] if layout.bits == 64 else raw[12::16]


def _names(raw: bytes, layout: Layout) -> list[int]:
    names = memoryview(raw).cast("I")[:: layout.symbol.size // 4].tolist()
    return names if is_native(layout.order) else as_integers("I", array("I", names).tobytes(), layout.order).tolist()


def _section_indexes(raw: bytes, layout: Layout) -> list[int]:
    # st_shndx is 0 in either byte order, so that the column can be looked at without decoding the entries.
    column, stride = (3, 12) if layout.bits == 64 else (7, 8)
    return memoryview(raw).cast("H")[column::stride].tolist()


def _version_indexes(image: Image, dynamic: Dynamic, layout: Layout, count: int) -> array[int] | None:
    start = dynamic.get(DT_VERSYM)
    return None if start is None else as_integers("H", image.read(start, 2 * count), layout.order)


def hashed_count(image: Image, dynamic: Dynamic, layout: Layout) -> int:
    """Return how many entries the hash table knows of: what the object defines, and what lies before that.

    No entry of the dynamic segment says how long the symbol table is. An empty DT_GNU_HASH (GNU ld writes one for
    programs) does not count undefined symbols, so the relocations have to be asked as well.
    """
    return read_hash_table(image, dynamic, layout).count


def relocated_indexes(image: Image, dynamic: Dynamic, layout: Layout) -> frozenset[int]:
    """Return the index of every symbol that a relocation refers to: what the loader will look up."""
    found: set[int] = set()
    for raw, addend in relocation_tables(image, dynamic):
        some = set(_symbol_column(raw, layout, addend=addend))  # most relocations refer to none, or to one of a few
        if max(some, default=0) >= image.allowance.limits.symbols:
            what = f"a relocation refers to the dynamic symbol {max(some)}"
            raise ElfError(beyond(what, "symbols", image.allowance.limits.symbols))
        found |= some
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
