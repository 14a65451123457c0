"""Line number programs (DWARF 2 to 5, 6.2): which file and line the code at an address is from."""

from __future__ import annotations

import operator
import posixpath
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from glibc_guard.elf.dwarf import (
    DW_FORM_DATA16,
    DW_FORM_LINE_STRP,
    DW_FORM_STRING,
    DW_FORM_STRP,
    Cursor,
    DwarfError,
    Shape,
)
from glibc_guard.elf.image import decode
from glibc_guard.explain.debug_sections import Sections
from glibc_guard.explain.dwarf.budget import OF_FILE, Budget

DW_LNCT_PATH, DW_LNCT_DIRECTORY_INDEX, DW_LNCT_MD5 = 1, 2, 5
DW_LNE_END_SEQUENCE, DW_LNE_SET_ADDRESS, DW_LNE_DEFINE_FILE = 1, 2, 3
(
    DW_LNS_COPY,
    DW_LNS_ADVANCE_PC,
    DW_LNS_ADVANCE_LINE,
    DW_LNS_SET_FILE,
    DW_LNS_SET_COLUMN,
    DW_LNS_NEGATE_STMT,
    DW_LNS_SET_BASIC_BLOCK,
    DW_LNS_CONST_ADD_PC,
    DW_LNS_FIXED_ADVANCE_PC,
    DW_LNS_SET_PROLOGUE_END,
    DW_LNS_SET_EPILOGUE_BEGIN,
    DW_LNS_SET_ISA,
) = range(1, 13)
#: How many LEB128 arguments the standard opcodes have (DWARF 5, 6.2.5.2); a table that says otherwise is not followed.
ARGUMENTS: Final = (0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1)
MAX_FILES: Final = 200_000
MAX_PROGRAM: Final = 12 * 1024 * 1024  # bytes; each may be a row of 16 bytes
LINE_BITS: Final = 32
LINE_MASK: Final = 0xFFFFFFFF
LAST_LINE: Final = 0x7FFFFFFF
MAX_OVERLAP: Final = 256  # sequences that are looked at for one address; mostly one


class Place(Struct, frozen=True):
    """A place in a source file; ``file`` is joined with the folder of the compilation; None where nothing is told."""

    file: str | None
    line: int | None


class _Header(Struct, frozen=True):
    """What stands before a line number program."""

    version: int
    shortest: int  # minimum_instruction_length
    line_base: int
    line_range: int
    opcode_base: int
    files: tuple[tuple[bytes, int, bytes | None], ...]  # name, index of the folder, MD5 of the content
    folders: tuple[bytes, ...]
    program: int  # where it begins, in .debug_line
    end: int


class LineTable:
    """The lines of one unit."""

    def __init__(
        self, sections: Sections, at: int, folder: str, executes: Callable[[int], bool], budget: Budget
    ) -> None:
        """Run the program at ``at`` of .debug_line; ``folder`` is that of the compilation.

        What does not begin at an address that ``executes`` is left out: linkers set the addresses of functions that
        they drop to 0, -1 or -2.

        Raises:
            DwarfError: it is damaged, or more than ``budget`` allows.
        """
        self._folder = folder
        header = _read_header(sections, at, budget)
        self._files, self._folders = header.files, header.folders
        self._first_file = 1 if header.version < 5 else 0
        budget.take(header.end - header.program)
        budget.look()
        if header.end - header.program > MAX_PROGRAM:
            budget.spent = True
            raise DwarfError
        self._rows = _Rows(executes)
        try:
            _run(bytes(sections.get("line")[header.program : header.end]), header, sections.order, self._rows)
        except (IndexError, OverflowError) as error:
            raise DwarfError from error
        self._rows.sort()

    @property
    def size(self) -> int:
        """How many rows it has."""
        return len(self._rows.addresses)

    def place(self, address: int) -> Place | None:
        """Return the place of the instruction at ``address``; None where the table tells none, or two."""
        found = {(file, line) for file, line in self._rows.at(address)}
        if len(found) != 1:
            return None
        file, line = found.pop()
        return self.named(file, line)

    def named(self, file: int, line: int) -> Place:
        """Return the place with the number ``file`` of this table; what has no line (0) has no file either."""
        name = self._file(file) if 0 < line <= LAST_LINE else None
        return Place(name, line if name is not None else None)

    def digests(self) -> Iterator[tuple[str, bytes]]:
        """Go over the files whose MD5 is told, by their paths."""
        for index, (_, _, digest) in enumerate(self._files):
            path = self._file(index + self._first_file) if digest is not None else None
            if path is not None and digest is not None:
                yield path, digest

    def _file(self, number: int) -> str | None:
        index = number - self._first_file
        if not 0 <= index < len(self._files):
            return None
        name, folder, _ = self._files[index]
        if not name:
            return None
        path = posixpath.join(self._folder, self._folder_of(folder), decode(name))
        return posixpath.normpath(path)

    def _folder_of(self, index: int) -> str:
        if self._first_file:  # 0 is the folder of the compilation
            index -= 1
        if index == -1:
            return ""
        if not 0 <= index < len(self._folders):
            raise DwarfError
        folder = decode(self._folders[index])
        return posixpath.join(decode(self._folders[0]), folder) if not self._first_file and self._folders else folder


class _Rows:
    """The rows of the table, in sequences: addresses only grow within one."""

    def __init__(self, executes: Callable[[int], bool]) -> None:
        self._executes = executes
        self.addresses = array("Q")
        self.places = array("Q")  # of each row the number of the file and, in the lower half, the line
        self._sequences: list[tuple[int, int, int, int]] = []  # first and last address, first and last row
        self._reach: list[int] = []  # the highest last address so far
        self._start = 0

    def end_sequence(self, address: int) -> None:
        """Take the rows since the last sequence as one that ends before ``address``, or drop them."""
        start, end = self._start, len(self.addresses)
        grows = all(map(operator.le, self.addresses[start:end], self.addresses[start + 1 : end]))
        if start < end and grows and self.addresses[end - 1] <= address and self._kept(self.addresses[start], address):
            self._sequences.append((self.addresses[start], address, start, end))
        else:
            del self.addresses[start:], self.places[start:]
        self._start = len(self.addresses)

    def drop_sequence(self) -> None:
        """Forget rows that no end followed."""
        del self.addresses[self._start :], self.places[self._start :]

    def sort(self) -> None:
        """Make ready for being asked."""
        self.drop_sequence()
        self._sequences.sort()
        highest = 0
        for _, high, _, _ in self._sequences:
            highest = max(highest, high)
            self._reach.append(highest)

    def at(self, address: int) -> list[tuple[int, int]]:
        """Return file and line of the row that covers ``address``, of each sequence that does."""
        found = []
        last = bisect_right(self._sequences, (address, LAST_LINE << 33)) - 1
        for index in range(last, max(-1, last - MAX_OVERLAP), -1):
            if self._reach[index] <= address:
                break
            _, high, start, end = self._sequences[index]
            if address < high:
                row = bisect_right(self.addresses, address, start, end) - 1
                found.append((self.places[row] >> LINE_BITS, self.places[row] & LINE_MASK))
        return found

    def _kept(self, low: int, high: int) -> bool:
        return low < high and self._executes(low) and self._executes(high - 1)


def _run(program: bytes, header: _Header, order: str, rows: _Rows) -> None:  # noqa: C901, PLR0912, PLR0915  # the hot loop
    """Run the program and collect its rows.

    Raises:
        IndexError, OverflowError, DwarfError: it is damaged.
    """
    addresses, places = rows.addresses.append, rows.places.append
    base, wide, opcode_base, shortest = header.line_base, header.line_range, header.opcode_base, header.shortest
    advance = [(opcode - opcode_base) // wide * shortest for opcode in range(256)]
    forward = [base + (opcode - opcode_base) % wide for opcode in range(256)]
    at, end = 0, len(program)
    address, file, line = 0, 1 << LINE_BITS, 1
    while at < end:
        opcode = program[at]
        at += 1
        if opcode >= opcode_base:
            address += advance[opcode]
            line += forward[opcode]
        elif opcode == DW_LNS_SET_COLUMN:  # the most frequent one, and nothing to take note of
            while program[at] >= 0x80:
                at += 1
            at += 1
            continue
        elif opcode in {DW_LNS_NEGATE_STMT, DW_LNS_SET_BASIC_BLOCK, DW_LNS_SET_PROLOGUE_END, DW_LNS_SET_EPILOGUE_BEGIN}:
            continue
        elif opcode == DW_LNS_CONST_ADD_PC:
            address += advance[255]
            continue
        elif opcode == DW_LNS_FIXED_ADVANCE_PC:
            address += int.from_bytes(program[at : at + 2], "little" if order == "<" else "big")
            at += 2
            continue
        elif opcode == 0:
            cursor = Cursor(program, at, order)
            size = cursor.leb128()
            at = cursor.at + size
            if not size or at > end:
                raise DwarfError
            kind = cursor.integer(1)
            if kind == DW_LNE_END_SEQUENCE:
                rows.end_sequence(address)
                address, file, line = 0, 1 << LINE_BITS, 1
            elif kind == DW_LNE_SET_ADDRESS:
                address = cursor.integer(size - 1)
            elif kind == DW_LNE_DEFINE_FILE:
                raise DwarfError
            continue
        elif opcode != DW_LNS_COPY:
            start = at
            while program[at] >= 0x80:
                at += 1
            value = program[at]
            at += 1
            if at - start > 1:
                if at - start > 10:
                    raise DwarfError
                value = 0
                for byte in reversed(program[start:at]):
                    value = value << 7 | byte & 0x7F
            if opcode == DW_LNS_ADVANCE_LINE:
                bits = 7 * (at - start)
                line += value - (1 << bits) if value >> (bits - 1) else value
            elif opcode == DW_LNS_ADVANCE_PC:
                address += value * shortest
            elif opcode == DW_LNS_SET_FILE:
                file = value << LINE_BITS
            elif opcode > DW_LNS_SET_ISA:
                raise DwarfError
            continue
        if not 0 <= line <= LINE_MASK:
            raise DwarfError
        addresses(address)
        places(file | line)


def _read_header(sections: Sections, at: int, budget: Budget) -> _Header:
    cursor = Cursor(sections.get("line"), at, sections.order)
    length, wide = cursor.initial_length()
    end = cursor.at + length
    version = cursor.integer(2)
    if end > len(cursor.data) or not 2 <= version <= 5:
        raise DwarfError
    address = cursor.integer(1) if version >= 5 else 8
    if version >= 5 and cursor.integer(1):  # segment selectors
        raise DwarfError
    program = cursor.integer(wide)
    program += cursor.at
    shortest = cursor.integer(1)
    operations = cursor.integer(1) if version >= 4 else 1
    cursor.integer(1)  # default_is_stmt
    line_base = (cursor.integer(1) ^ 0x80) - 0x80
    line_range, opcode_base = cursor.integer(1), cursor.integer(1)
    arguments = tuple(cursor.integer(1) for _ in range(opcode_base - 1))
    if operations > 1 or not line_range or not opcode_base or arguments[:12] != ARGUMENTS[: len(arguments)]:
        raise DwarfError
    if version >= 5:
        reader = _Tables(cursor, sections, Shape(version, wide, address), budget)
        folders = tuple(name for name, _, _ in reader.read())
        files = tuple(reader.read())
    else:
        folders, files = _old_tables(cursor, budget)
    if cursor.at > program or program > end:
        raise DwarfError
    return _Header(version, shortest, line_base, line_range, opcode_base, files, folders, program, end)


def _old_tables(cursor: Cursor, budget: Budget) -> tuple[tuple[bytes, ...], tuple[tuple[bytes, int, None], ...]]:
    folders, files = [], []
    while folder := cursor.string():
        budget.take(OF_FILE + len(folder))
        folders.append(folder)
    while name := cursor.string():
        budget.take(OF_FILE + len(name))
        files.append((name, cursor.leb128(), None))
        cursor.leb128()  # when it was changed
        cursor.leb128()  # its size
    return tuple(folders), tuple(files)


class _Tables:
    """Reads the tables of folders and files of DWARF 5, which tell themselves what they consist of."""

    def __init__(self, cursor: Cursor, sections: Sections, shape: Shape, budget: Budget) -> None:
        self._cursor, self._sections, self._shape, self._budget = cursor, sections, shape, budget

    def read(self) -> list[tuple[bytes, int, bytes | None]]:
        """Return name, folder and MD5 of each entry of the next table."""
        cursor = self._cursor
        formats = [(cursor.leb128(), cursor.leb128()) for _ in range(cursor.integer(1))]
        count = cursor.leb128()
        if count > MAX_FILES or (count and not formats):
            raise DwarfError
        return [self._entry(formats) for _ in range(count)]

    def _entry(self, formats: list[tuple[int, int]]) -> tuple[bytes, int, bytes | None]:
        name, folder, digest = b"", 0, None
        for content, form in formats:
            self._budget.take(OF_FILE // 2)  # mostly there are two
            number, string = self._cursor.value(form, self._shape)
            if content == DW_LNCT_PATH:
                name = self._string(form, number, string)
                self._budget.take(len(name))
            elif content == DW_LNCT_DIRECTORY_INDEX:
                folder = number
            elif content == DW_LNCT_MD5 and form == DW_FORM_DATA16:
                digest = number.to_bytes(16, "little" if self._cursor.order == "<" else "big")
        return name, folder, digest

    def _string(self, form: int, number: int, string: bytes) -> bytes:
        if form == DW_FORM_STRING:
            return string
        if form not in {DW_FORM_STRP, DW_FORM_LINE_STRP}:
            raise DwarfError
        table = self._sections.get("line_str" if form == DW_FORM_LINE_STRP else "str")
        return Cursor(table, number, self._sections.order).string()
