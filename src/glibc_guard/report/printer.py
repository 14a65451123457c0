"""Collects the lines of a report for people, for a file, a pipe or a job's log; `terminal` adds what a terminal can."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

Span: TypeAlias = "tuple[str, str]"  # a text, and its style in the words of rich: "bold red"
Line: TypeAlias = Sequence[Span]

GAP: Final = 2  # columns between two of a table
#: What a wrapped line may begin with, and a job that gives its steps a terminal would obey; see neutral.plain.
COMMAND: Final = re.compile(r"^((?:\x1b\[[0-9;]*m|\s)*)::")


def printer_for(*, color: bool, width: int | None) -> Printer:
    """Return a printer that begins with nothing; ``width`` in columns, None where lines must not be wrapped."""
    if not color and width is None:
        return Printer()
    from glibc_guard.report.terminal import Terminal  # noqa: PLC0415  # lazy: rich costs 20 ms, a log has no use for it

    return Terminal(color=color, width=width)


class Printer:
    """Collects lines, however long, without their styles; everything is literal text, no markup is parsed."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._file = io.StringIO()

    def line(self, text: str, style: str = "", rest: str = "", *, indent: int = 0) -> None:
        """Add a line that begins with ``text`` in a style."""
        self.block([(text, style), (rest, "")], indent)

    def blank(self) -> None:
        """Add an empty line."""
        self._file.write("\n")

    def block(self, line: Line, indent: int) -> None:
        """Add a line, nothing where it is empty; if wrapped, what follows its first row stands a little further in."""
        if words := _words(line):
            self._file.write(f"{' ' * indent}{words}\n")

    def columns(self, rows: Iterable[Sequence[Line]], indent: int) -> None:
        """Add rows of which the first columns are as wide as the widest; the last one is wrapped within itself."""
        texts = [[_words(cell) for cell in row] for row in rows]
        widths = [max(map(_width, column)) + GAP for column in zip(*(row[:-1] for row in texts), strict=True)]
        for *cells, last in texts:
            padded = (cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True))
            self._file.write(f"{' ' * indent}{''.join(padded)}{last}\n")

    def text(self) -> str:
        """Return all lines."""
        return "\n".join(COMMAND.sub(r"\1: :", line.rstrip()) for line in self._file.getvalue().splitlines()) + "\n"


def _words(line: Line) -> str:
    return "".join(text for text, _ in line)


def _width(text: str) -> int:
    """Return how many columns ``text`` takes: a letter of Chinese takes two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415  # lazy: most names are of ASCII alone

    return cell_len(text)
