"""Takes a version need out of an object all of whose references to that version are weak: the code copes without.

The loader checks every version need before it looks at any symbol (``_dl_check_map_versions``, ``elf/dl-version.c``),
and before glibc 2.30 the look-up of a missing version is fatal for weak symbols too, even where the need is marked so.
So the references lose their version (index 1, VER_NDX_GLOBAL, in DT_VERSYM) and the need leaves the chain. Where the
symbol exists the reference still finds it, elsewhere it is 0, as the code was written for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from glibc_guard.elf import ElfError
from glibc_guard.elf.symbols import DT_VERSYM, VER_NDX_GLOBAL
from glibc_guard.elf.versions import DT_VERDEF, DT_VERNEED
from glibc_guard.model import ElfObject
from glibc_guard.repair.anatomy import RECORD, Anatomy, DynamicSymbol, Entry, Needs
from glibc_guard.repair.changes import Change, Refusal, Repair, RepairError, change
from glibc_guard.repair.overlaps import refuse_overlaps
from glibc_guard.repair.references import why_not_looked_at, why_not_optional, why_not_the_same
from glibc_guard.targets import glibc_symbols

RULE: Final = "symbol-version-too-new"
DT_VERNEEDNUM, DT_GNU_PRELINKED = 0x6FFFFFFF, 0x6FFFFDF5
SHT_PROGBITS, SHT_GNU_VERNEED, SHT_GNU_VERSYM = 1, 0x6FFFFFFE, 0x6FFFFFFF
#: Where the fields lie in Elf_Verneed and Elf_Vernaux, which are the same in both classes.
VN_CNT, VN_AUX, VN_NEXT, VNA_NEXT = 2, 8, 12, 12

Defined = Callable[[str], str | None]  # name of a symbol → path of an object of the artifact that defines it


class Need(Struct, frozen=True):
    """What is to be taken out."""

    library: str
    version: str


def without_need(data: bytes, facts: ElfObject, need: Need, defined: Defined) -> Repair | Refusal:
    """Return the repair of the object ``data`` after which it does not ask for ``need``, or why there is none."""
    try:
        anatomy = Anatomy(data)
        place, entry = _place(anatomy, facts, need)
        numbers = frozenset(number for number, index in enumerate(anatomy.version_indexes) if index == entry.index)
        symbols = [anatomy.symbol(number) for number in sorted(numbers)]
        _refuse_unless_safe(anatomy, facts, need, symbols, defined)
        refuse_overlaps(anatomy)
        changes = (*_unversioned(anatomy, entry, symbols), *_unlinked(anatomy, place, entry))
    except _SymbolError as error:
        return Refusal(RULE, facts.path, str(error), need.library, need.version, error.symbol)
    except (RepairError, ElfError) as error:
        return Refusal(RULE, facts.path, str(error), need.library, need.version)
    names = tuple(dict.fromkeys(symbol.name for symbol in symbols))
    are = "is" if len(names) == 1 else "are"
    message = (
        f"{need.version} of {need.library} is not asked for any more: {', '.join(names)}, which the code can do "
        f"without (weak), {are} looked up without a version"
    )
    return Repair(RULE, facts.path, message, changes, need.library, need.version, names)


def facts_without(facts: ElfObject, need: Need) -> ElfObject:
    """Return what is known of the object once it does not ask for ``need``."""
    kept = tuple(one for one in facts.version_needs if (one.library, one.version) != (need.library, need.version))
    undefined = tuple(
        replace(one, library=None, version=None) if (one.library, one.version) == (need.library, need.version) else one
        for one in facts.undefined
    )
    return replace(facts, version_needs=kept, undefined=undefined)


class _SymbolError(RepairError):
    """A repair that one symbol stands in the way of."""

    def __init__(self, symbol: str, reason: str) -> None:
        super().__init__(f"{symbol} {reason}")
        self.symbol = symbol


def _place(anatomy: Anatomy, facts: ElfObject, need: Need) -> tuple[int, Entry]:
    """Return the number of the library's needs and the entry; refuses what no linker writes."""
    if facts.inconsistencies:
        raise RepairError(f"the object is inconsistent: {facts.inconsistencies[0]}")
    if DT_GNU_PRELINKED in dict(anatomy.dynamic_entries):
        raise RepairError("the object was prelinked, with a checksum of its own: undo that first (prelink -u)")
    for tag, times in Counter(tag for tag, _ in anatomy.dynamic_entries).items():
        if times > 1 and tag in {DT_VERNEED, DT_VERNEEDNUM, DT_VERSYM}:
            raise RepairError(f"the dynamic segment names the tag {tag:#x} {times} times")
    found = [
        (number, entry)
        for number, needs in enumerate(anatomy.needs)
        for entry in needs.entries
        if (needs.library, entry.version) == (need.library, need.version)
    ]
    if len(found) != 1:
        raise RepairError(f"the version is asked for {len(found)} times")
    indexes = Counter(entry.index for needs in anatomy.needs for entry in needs.entries)
    indexes.update(index for _, index in anatomy.definitions if index >= 0)
    entry = found[0][1]
    if indexes[entry.index] > 1 or min(indexes) <= VER_NDX_GLOBAL:
        raise RepairError("two versions share an index, or one has an index that stands for no version")
    return found[0]


def _refuse_unless_safe(
    anatomy: Anatomy, facts: ElfObject, need: Need, symbols: Sequence[DynamicSymbol], defined: Defined
) -> None:
    architecture = facts.architecture
    if not symbols:
        raise RepairError("no symbol uses the version: it may be the mark of something else that the object relies on")
    if need.library not in glibc_symbols.load(architecture).libraries:
        raise RepairError(f"what {need.library} defines at which version is not known: only glibc's symbols are")
    for symbol in symbols:
        reason = why_not_optional(symbol) or why_not_the_same(symbol.name, need.version, architecture)
        if reason is not None:
            raise _SymbolError(symbol.name, reason)
        if (path := defined(symbol.name)) is not None:
            raise _SymbolError(symbol.name, f"is defined by {path} too, which a reference without a version may take")
    relocations = anatomy.relocations_of(frozenset(symbol.number for symbol in symbols))
    for symbol in symbols:
        reason = why_not_looked_at(anatomy, relocations[symbol.number], architecture)
        if reason is not None:
            raise _SymbolError(symbol.name, reason)


def _unversioned(anatomy: Anatomy, entry: Entry, symbols: Collection[DynamicSymbol]) -> Iterator[Change]:
    start = anatomy.dynamic.get(DT_VERSYM) or 0
    after = anatomy.packed("H", VER_NDX_GLOBAL)
    for symbol in symbols:
        what = f"version index of the reference to {symbol.name}: {entry.index} → {VER_NDX_GLOBAL} (no version)"
        yield change(anatomy.data, anatomy.offset(start + 2 * symbol.number, 2), after, what)


def _unlinked(anatomy: Anatomy, number: int, entry: Entry) -> Iterator[Change]:
    """Take ``entry`` out of the chain, and with it the needs of its library where it is the only one."""
    needs = anatomy.needs[number]
    if len(needs.entries) > 1:
        yield from _without_entry(anatomy, needs, entry)
    elif len(anatomy.needs) > 1:
        yield from _without_library(anatomy, number)
    else:
        yield from _without_versions(anatomy)


def _without_entry(anatomy: Anatomy, needs: Needs, entry: Entry) -> Iterator[Change]:
    data, position = anatomy.data, needs.entries.index(entry)
    if position == 0:
        first = anatomy.packed("I", needs.first + entry.following)
        yield change(data, needs.offset + VN_AUX, first, "vn_aux: the first version need is the next one")
    else:
        before = needs.entries[position - 1]
        following = before.following + entry.following if entry.following else 0
        link = anatomy.packed("I", following)
        yield change(data, before.offset + VNA_NEXT, link, f"vna_next of {before.version}: past the version need")
    count = anatomy.packed("H", needs.count - 1)
    yield change(data, needs.offset + VN_CNT, count, f"vn_cnt: {needs.count} → {needs.count - 1}")
    yield change(data, entry.offset, bytes(RECORD), "the version need itself (Elf_Vernaux)")


def _without_library(anatomy: Anatomy, number: int) -> Iterator[Change]:
    """Take out all needs of a library; where they come first, those of the next one take their place.

    So the address of the whole chain stays what DT_VERNEED and the section table say.
    """
    data, needs = anatomy.data, anatomy.needs[number]
    gone = needs
    if number == 0:
        gone = anatomy.needs[1]
        distance = gone.offset - needs.offset
        moved = bytearray(data[gone.offset : gone.offset + RECORD])
        moved[VN_AUX : VN_AUX + 4] = anatomy.packed("I", (gone.first + distance) % 2**32)
        moved[VN_NEXT : VN_NEXT + 4] = anatomy.packed("I", (gone.following + distance) % 2**32 if gone.following else 0)
        yield change(data, needs.offset, bytes(moved), f"the version needs of {gone.library} come first (Elf_Verneed)")
    else:
        before = anatomy.needs[number - 1]
        following = before.following + needs.following if needs.following else 0
        link = anatomy.packed("I", following)
        yield change(data, before.offset + VN_NEXT, link, f"vn_next of {before.library}: past {needs.library}")
    yield change(data, gone.offset, bytes(RECORD), f"the place of the version needs of {gone.library} (Elf_Verneed)")
    yield change(data, needs.entries[0].offset, bytes(RECORD), "the version need itself (Elf_Vernaux)")
    yield from _counted(anatomy, len(anatomy.needs) - 1)


def _counted(anatomy: Anatomy, count: int) -> Iterator[Change]:
    """Mend what honest readers count by: DT_VERNEEDNUM and sh_info."""
    entry = anatomy.layout.dynamic
    word = "Q" if anatomy.layout.bits == 64 else "I"
    for number, (tag, value) in enumerate(anatomy.dynamic_entries):
        if tag == DT_VERNEEDNUM:
            place = anatomy.offset(anatomy.dynamic_address + number * entry.size, entry.size) + entry.size // 2
            yield change(anatomy.data, place, anatomy.packed(word, count), f"DT_VERNEEDNUM: {value} → {count}")
    for number, section in enumerate(anatomy.sections):
        if section.type == SHT_GNU_VERNEED:
            place = anatomy.section_field(number, "sh_info")
            yield change(anatomy.data, place, anatomy.packed("I", count), f"sh_info of .gnu.version_r: {count}")


def _without_versions(anatomy: Anatomy) -> Iterator[Change]:
    """Take out the last version need of all: the loader knows no empty chain, so that the tags go too.

    DT_VERSYM goes with them unless the object defines versions: with it alone the loader indexes an array of versions
    that it never made (``l_versions``, ``elf/dl-version.c`` and ``elf/do-rel.h``), and crashes.
    """
    gone = {DT_VERNEED, DT_VERNEEDNUM}
    types = {SHT_GNU_VERNEED}
    if anatomy.dynamic.get(DT_VERDEF) is None:
        gone.add(DT_VERSYM)
        types.add(SHT_GNU_VERSYM)
    (needs,) = anatomy.needs
    for offset, what in ((needs.offset, "Elf_Verneed"), (needs.entries[0].offset, "Elf_Vernaux")):
        yield change(anatomy.data, offset, bytes(RECORD), f"the only version need of all ({what})")
    entry = anatomy.layout.dynamic
    kept = [pair for pair in anatomy.dynamic_entries if pair[0] not in gone]
    table = b"".join(entry.pack(*pair) for pair in kept).ljust(len(anatomy.dynamic_entries) * entry.size, b"\0")
    names = "DT_VERNEED and DT_VERNEEDNUM" + (" and DT_VERSYM" if DT_VERSYM in gone else "")
    place = anatomy.offset(anatomy.dynamic_address, len(table))
    yield change(anatomy.data, place, table, f"the dynamic segment without {names}")
    for number, section in enumerate(anatomy.sections):
        if section.type in types:
            # Without its name too: tools expect a certain type where the name is ".gnu.version".
            place = anatomy.section_field(number, "sh_name")
            header = anatomy.packed("I", 0) + anatomy.packed("I", SHT_PROGBITS)
            yield change(
                anatomy.data, place, header, f"{section.name or number}: a section like any other, without name"
            )
            place = anatomy.section_field(number, "sh_link")
            yield change(anatomy.data, place, bytes(8), f"{section.name or number}: sh_link and sh_info: 0")
