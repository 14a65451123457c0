"""Abbreviation tables (DWARF 5, 7.5.3): what the entries of a unit consist of."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from glibc_guard.elf.dwarf import (
    BLOCKS,
    DW_FORM_IMPLICIT_CONST,
    DW_FORM_INDIRECT,
    DW_FORM_STRING,
    LEB128,
    LEB128_BLOCKS,
    Cursor,
    DwarfError,
    Shape,
    fixed_size,
)
from glibc_guard.explain.debug_sections import Content
from glibc_guard.explain.dwarf.budget import OF_ABBREVIATION, OF_ATTRIBUTE, Budget

MAX_ABBREVIATIONS: Final = 100_000
MAX_ATTRIBUTES: Final = 256  # of one entry; compilers write up to some thirty

# Kinds of values whose size is seen only in the entry.
SKIP_LEB128, SKIP_STRING, SKIP_BLOCK_LEB128, SKIP_INDIRECT = 8, 9, 10, 11  # 1, 2 and 4: a block with such a length


class Abbreviation(Struct, frozen=True):
    """How an entry of one kind is laid out."""

    tag: int
    children: bool
    attributes: tuple[tuple[int, int, int], ...]  # name, form, the value of DW_FORM_implicit_const
    lead: int  # bytes that every such entry begins with
    rest: tuple[tuple[int, int], ...]  # kind of a value of any size, and how many bytes of fixed size follow it

    def has(self, *names: int) -> bool:
        """Tell whether entries have one of these attributes."""
        return any(attribute[0] in names for attribute in self.attributes)


class Abbreviations:
    """One table, read as far as it is wanted: most units are asked for their first entry only."""

    def __init__(self, table: Content, at: int, order: str, shape: Shape, budget: Budget) -> None:
        """Read the table at ``at`` of the section."""
        self._budget = budget
        self._cursor, self._shape = Cursor(table, at, order), shape
        self._known: dict[int, Abbreviation] = {}
        self._ended = False

    def __getitem__(self, code: int) -> Abbreviation:
        """Return the abbreviation of this code.

        Raises:
            DwarfError: there is none, or the budget is spent.
        """
        found = self._known.get(code)
        while found is None:
            if self._ended or len(self._known) >= MAX_ABBREVIATIONS:
                raise DwarfError
            self._read_next()
            found = self._known.get(code)
        return found

    def _read_next(self) -> None:
        cursor = self._cursor
        code = cursor.leb128()
        if code == 0:
            self._ended = True
            return
        tag, children = cursor.leb128(), cursor.integer(1) != 0
        attributes: list[tuple[int, int, int]] = []
        while len(attributes) <= MAX_ATTRIBUTES:
            name, form = cursor.leb128(), cursor.leb128()
            if not name and not form:
                self._budget.take(OF_ABBREVIATION + OF_ATTRIBUTE * len(attributes))
                lead, rest = _layout([form for _, form, _ in attributes], self._shape)
                self._known.setdefault(code, Abbreviation(tag, children, tuple(attributes), lead, rest))
                return
            attributes.append((name, form, cursor.signed_leb128() if form == DW_FORM_IMPLICIT_CONST else 0))
        self._ended = True


def _layout(forms: list[int], shape: Shape) -> tuple[int, tuple[tuple[int, int], ...]]:
    runs = [0]
    kinds = []
    for form in forms:
        size = fixed_size(form, shape)
        if size is None:
            kinds.append(_kind(form))
            runs.append(0)
        else:
            runs[-1] += size
    return runs[0], tuple(zip(kinds, runs[1:], strict=True))


def _kind(form: int) -> int:
    if form in LEB128:
        return SKIP_LEB128
    if form in BLOCKS:
        return BLOCKS[form]
    if form in LEB128_BLOCKS:
        return SKIP_BLOCK_LEB128
    if form == DW_FORM_STRING:
        return SKIP_STRING
    if form == DW_FORM_INDIRECT:
        return SKIP_INDIRECT
    raise DwarfError
