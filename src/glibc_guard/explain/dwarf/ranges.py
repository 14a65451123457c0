"""The addresses that an entry covers: DW_AT_low_pc, DW_AT_high_pc and DW_AT_ranges (DWARF 5, 2.17)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glibc_guard.elf.dwarf import DW_FORM_RNGLISTX, Cursor, DwarfError
from glibc_guard.explain.dwarf.budget import OF_KNOWN_RANGE, OF_RANGE
from glibc_guard.explain.dwarf.units import DW_AT_GNU_RANGES_BASE, DW_AT_RNGLISTS_BASE, Entry, Unit

DW_AT_LOW_PC, DW_AT_HIGH_PC, DW_AT_RANGES = 0x11, 0x12, 0x55
MAX_RANGES: Final = 200_000  # of one entry

(
    DW_RLE_END_OF_LIST,
    DW_RLE_BASE_ADDRESSX,
    DW_RLE_STARTX_ENDX,
    DW_RLE_STARTX_LENGTH,
    DW_RLE_OFFSET_PAIR,
    DW_RLE_BASE_ADDRESS,
    DW_RLE_START_END,
    DW_RLE_START_LENGTH,
) = range(8)


def ranges(unit: Unit, entry: Entry) -> list[tuple[int, int]]:
    """Return what ``entry`` of ``unit`` covers: the first address of each range, and the one behind it.

    Raises:
        DwarfError: it is damaged, or the budget is spent.
    """
    if DW_AT_RANGES in entry.attributes:
        form, number, _ = entry.attributes[DW_AT_RANGES]
        return _known_list(unit, form, number)
    if DW_AT_LOW_PC not in entry.attributes or DW_AT_HIGH_PC not in entry.attributes:
        return []
    low = unit.address(*entry.attributes[DW_AT_LOW_PC][:2])
    form, high, _ = entry.attributes[DW_AT_HIGH_PC]
    high = unit.address(form, high) if unit.is_address(form) else low + high
    return [(low, high)] if low < high else []


def _known_list(unit: Unit, form: int, number: int) -> list[tuple[int, int]]:
    """Return a list of ranges, which many entries of a hostile unit may share: it is read once."""
    found = unit.range_lists.get((form, number))
    if found is None:
        listed = _list(unit, number) if unit.shape.version < 5 else _range_list(unit, form, number)
        found = [(low, high) for low, high in listed if low < high]
        unit.range_lists[form, number] = found
    unit.budget.take(OF_KNOWN_RANGE * len(found))
    return found


def _base(unit: Unit) -> int:
    """Return what the offsets of a list of ranges count from, at its beginning."""
    root = (unit.skeleton or unit).root
    if DW_AT_LOW_PC not in root.attributes:
        return 0
    return (unit.skeleton or unit).address(*root.attributes[DW_AT_LOW_PC][:2])


def _list(unit: Unit, at: int) -> Iterator[tuple[int, int]]:
    """Go over a list of .debug_ranges (DWARF 4, 2.17.3); that of a split unit is in the object itself."""
    owner = unit.skeleton or unit
    if unit.skeleton is not None:
        at += owner.root.number(DW_AT_GNU_RANGES_BASE) or 0
    size = unit.shape.address
    cursor = Cursor(owner.sections.get("ranges"), at, unit.sections.order)
    base, selects = _base(unit), (1 << 8 * size) - 1
    for _ in range(MAX_RANGES):
        unit.budget.take(OF_RANGE)
        low, high = cursor.integer(size), cursor.integer(size)
        if low == selects:
            base = high
        elif not low and not high:
            return
        else:
            yield base + low, base + high
    raise DwarfError


def _range_list(unit: Unit, form: int, number: int) -> Iterator[tuple[int, int]]:
    """Go over a list of .debug_rnglists (DWARF 5, 2.17.3 and 7.25)."""
    section, wide = unit.sections.get("rnglists"), unit.shape.wide
    if form == DW_FORM_RNGLISTX:
        table = unit.root.number(DW_AT_RNGLISTS_BASE)
        if table is None:
            table = 12 if wide == 4 else 20  # behind the header of the only contribution
        number = table + Cursor(section, table + number * wide, unit.sections.order).integer(wide)
    return _range_entries(unit, Cursor(section, number, unit.sections.order))


def _range_entries(unit: Unit, cursor: Cursor) -> Iterator[tuple[int, int]]:
    base, size = _base(unit), unit.shape.address
    for _ in range(MAX_RANGES):
        unit.budget.take(OF_RANGE)
        kind = cursor.integer(1)
        if kind == DW_RLE_END_OF_LIST:
            return
        if kind == DW_RLE_BASE_ADDRESSX:
            base = unit.indexed_address(cursor.leb128())
        elif kind == DW_RLE_BASE_ADDRESS:
            base = cursor.integer(size)
        elif kind == DW_RLE_OFFSET_PAIR:
            low, high = cursor.leb128(), cursor.leb128()
            yield base + low, base + high
        elif kind in {DW_RLE_STARTX_ENDX, DW_RLE_STARTX_LENGTH}:
            low, value = unit.indexed_address(cursor.leb128()), cursor.leb128()
            yield low, low + value if kind == DW_RLE_STARTX_LENGTH else unit.indexed_address(value)
        elif kind in {DW_RLE_START_END, DW_RLE_START_LENGTH}:
            low = cursor.integer(size)
            yield low, low + cursor.leb128() if kind == DW_RLE_START_LENGTH else cursor.integer(size)
        else:
            raise DwarfError
    raise DwarfError
