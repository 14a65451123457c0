"""Which units cover an address: ``.debug_aranges`` where it tells, else the first entries of the units."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from glibc_guard.elf.dwarf import Cursor, DwarfError
from glibc_guard.explain.debug_sections import Sections
from glibc_guard.explain.dwarf.budget import OF_HEADER, OF_RANGE, Budget
from glibc_guard.explain.dwarf.ranges import ranges
from glibc_guard.explain.dwarf.units import Unit, Units

MAX_COVERED: Final = 1_000_000  # ranges of all units together
MAX_OVERLAP: Final = 256  # units that are looked at for one address; mostly one


class AddressIndex:
    """The units of one file, by address."""

    def __init__(self, sections: Sections, units: Units, executes: Callable[[int], bool]) -> None:
        """Read what the units cover; those that do not tell, or are damaged, are left out."""
        listed = _aranges(sections, units)
        covered = []
        for number, unit in enumerate(units.units):
            found = listed.pop(number, None) or _told(unit)
            covered += [(low, high, number) for low, high in found if executes(low)]
            if len(covered) > MAX_COVERED:
                units.budget.spent = True
                break
        self._covered = sorted(covered)
        self._units = units
        self._reach: list[int] = []
        for _, high, _ in self._covered:
            self._reach.append(max(high, self._reach[-1] if self._reach else 0))

    def units_at(self, address: int) -> list[Unit]:
        """Return the units that say that they cover ``address``, in their order: mostly one."""
        last = bisect_right(self._covered, (address, 1 << 64, 0)) - 1
        found = {}
        for index in range(last, max(-1, last - MAX_OVERLAP), -1):
            if self._reach[index] <= address:
                break
            low, high, number = self._covered[index]
            if low <= address < high:
                found[number] = self._units.units[number]
        return [found[number] for number in sorted(found)]


def _told(unit: Unit) -> list[tuple[int, int]]:
    try:
        return ranges(unit, unit.root)
    except DwarfError:
        return []


def _aranges(sections: Sections, units: Units) -> dict[int, list[tuple[int, int]]]:
    """Return what ``.debug_aranges`` (DWARF 5, 6.1.2) says of each unit, by its number."""
    section = sections.get("aranges")
    numbers = {unit.start: number for number, unit in enumerate(units.units)}
    found: dict[int, list[tuple[int, int]]] = {}
    at = count = 0
    try:
        while at < len(section):
            units.budget.take(OF_HEADER)
            cursor = Cursor(section, at, sections.order)
            length, wide = cursor.initial_length()
            start, at = at, cursor.at + length
            if cursor.integer(2) != 2:
                continue
            unit = numbers.get(cursor.integer(wide))
            size, segment = cursor.integer(1), cursor.integer(1)
            if unit is not None and size in {4, 8} and not segment:
                cursor.at = start + -(-(cursor.at - start) // (2 * size)) * 2 * size
                pairs = _pairs(cursor, min(at, len(section)), size, units.budget)
                count += len(pairs)
                if count > MAX_COVERED:
                    units.budget.spent = True
                    break
                found.setdefault(unit, []).extend(pairs)
    except DwarfError:  # what was found before is true all the same
        pass
    return found


def _pairs(cursor: Cursor, end: int, size: int, budget: Budget) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    while cursor.at + 2 * size <= end and len(pairs) <= MAX_COVERED:
        budget.take(OF_RANGE)
        low, length = cursor.integer(size), cursor.integer(size)
        if length:
            pairs.append((low, low + length))
    return pairs
