"""Split debug information (DWARF 5, 7.3.2, and the GNU form before): units that the compiler left in ``.dwo`` files.

The object keeps a skeleton of each unit, with its addresses and lines; ``.dwp`` packages hold the rest of many units.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from glibc_guard.elf.dwarf import Cursor, DwarfError
from glibc_guard.elf.image import decode
from glibc_guard.explain.debug_files import DebugFiles, read
from glibc_guard.explain.debug_sections import Content, ElfFile, Sections
from glibc_guard.explain.dwarf.budget import Budget
from glibc_guard.explain.dwarf.units import (
    DW_AT_COMP_DIR,
    DW_AT_DWO_NAME,
    DW_AT_GNU_DWO_ID,
    DW_AT_GNU_DWO_NAME,
    Unit,
    Units,
)

MAX_COLUMNS: Final = 16
MAX_PACKAGED: Final = 1_000_000
#: DW_SECT_ numbers of the index of a package (DWARF 5, 7.3.5.3, and the GNU form, version 2).
SECTIONS: Final = {
    5: {1: "info", 3: "abbrev", 4: "line", 5: "loclists", 6: "str_offsets", 7: "macro", 8: "rnglists"},
    2: {1: "info", 2: "types", 3: "abbrev", 4: "line", 5: "loc", 6: "str_offsets", 7: "macinfo", 8: "macro"},
}


class SplitUnits:
    """Finds the split unit of a skeleton."""

    def __init__(self, companions: DebugFiles, path: str, budget: Budget) -> None:
        """Search ``companions`` for what belongs to the object called ``path``."""
        self._budget = budget
        self._companions, self._name = companions, PurePosixPath(path).name
        self._packages: list[_Package] | None = None

    def of(self, skeleton: Unit) -> tuple[Unit, Units] | None:
        """Return the split unit of ``skeleton``, and all units around it; None where it is none, or nothing is found.

        Raises:
            DwarfError: the debug information is damaged.
        """
        root = skeleton.root
        name = skeleton.string(root, DW_AT_DWO_NAME) or skeleton.string(root, DW_AT_GNU_DWO_NAME)
        identity = skeleton.identity if skeleton.shape.version >= 5 else root.number(DW_AT_GNU_DWO_ID)
        if not name or identity is None:
            return None
        folder = decode(skeleton.string(root, DW_AT_COMP_DIR) or b"")
        for sections in self._candidates(decode(name), folder, identity):
            found = _unit_with(sections, identity, self._budget)
            if found is not None:
                found[0].skeleton = skeleton
                return found
        return None

    def _candidates(self, name: str, folder: str, identity: int) -> Iterator[Sections]:
        for path in self._paths(name, folder):
            elf = read(path, ".dwo")
            if elf is None:
                continue
            if _unit_with(elf, identity, self._budget) is not None:
                yield elf
            else:
                self._companions.remark(f"{path} is not used: it is of another build")
        for package in self._read_packages():
            sections = package.of(identity)
            if sections is not None:
                yield sections

    def _paths(self, name: str, folder: str) -> Iterator[Path]:
        if "\0" in name or "\0" in folder:
            return
        for around in (folder, *map(str, self._companions.folders)):
            yield Path(around, name)
        yield from self._companions.named(PurePosixPath(name).name)

    def _read_packages(self) -> list[_Package]:
        if self._packages is None:
            found = (read(path, ".dwo") for path in self._companions.named(f"{self._name}.dwp"))
            self._packages = [_Package(elf) for elf in found if elf is not None]
        return self._packages


def _unit_with(sections: Sections, identity: int, budget: Budget) -> tuple[Unit, Units] | None:
    units = Units(sections, budget, split=True)
    for unit in units.units:
        try:
            found = unit.identity if unit.shape.version >= 5 else unit.root.number(DW_AT_GNU_DWO_ID)
        except DwarfError:
            continue
        if found == identity:
            return unit, units
    return None


class _Package:
    """A ``.dwp`` file: where each unit's part of each section is (DWARF 5, 7.3.5.3)."""

    def __init__(self, elf: ElfFile) -> None:
        self._elf = elf
        self._rows: dict[int, int] = {}
        self._names: list[str | None] = []
        section = elf.sections.get(".debug_cu_index")
        self._index = b"" if section is None else bytes(elf.content(section))
        try:
            self._read()
        except DwarfError:
            self._rows = {}

    def of(self, identity: int) -> Sections | None:
        """Return the parts of one unit."""
        row = self._rows.get(identity)
        if row is None:
            return None
        columns = len(self._names)
        offsets = Cursor(self._index, self._table + 4 * columns * row, self._elf.order)
        sizes = Cursor(self._index, self._table + 4 * columns * (self._count + row), self._elf.order)
        parts = {}
        for name in self._names:
            offset, size = offsets.integer(4), sizes.integer(4)
            if name is not None:
                parts[name] = self._elf.get(name)[offset : offset + size]
        return _Parts(self._elf, parts)

    def _read(self) -> None:
        cursor = Cursor(self._index, 0, self._elf.order)
        version = cursor.integer(4) if self._elf.order == "<" else cursor.integer(2)
        cursor.at = 4
        columns, self._count, slots = cursor.integer(4), cursor.integer(4), cursor.integer(4)
        if version not in SECTIONS or columns > MAX_COLUMNS or max(self._count, slots) > MAX_PACKAGED:
            raise DwarfError
        identities = [cursor.integer(8) for _ in range(slots)]
        rows = [cursor.integer(4) for _ in range(slots)]
        self._names = [SECTIONS[version].get(cursor.integer(4)) for _ in range(columns)]
        self._table = cursor.at - 4 * columns  # row 0 has the numbers of the sections
        self._rows = {found: row for found, row in zip(identities, rows, strict=True) if 0 < row <= self._count}


class _Parts:
    """The sections of one unit of a package; strings are shared."""

    def __init__(self, elf: ElfFile, parts: dict[str, Content]) -> None:
        self.order, self._elf, self._parts = elf.order, elf, parts

    def get(self, name: str) -> Content:
        return self._elf.get(name) if name == "str" else self._parts.get(name, b"")
