"""The printer for a terminal, by rich: with colours, and with lines wrapped to its width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from glibc_guard.report.printer import GAP, Line, Printer

HANGING: Final = 2  # columns
#: What a span takes back of the first one, whose style is that of the whole text to rich.
ANEW: Final = "not bold not dim default"
UNWRAPPED: Final = 100_000  # columns, where there are colours and lines must not be wrapped


class Terminal(Printer):
    """Collects lines with their styles, wrapped."""

    def __init__(self, *, color: bool, width: int | None) -> None:
        """Begin with nothing; ``width`` in columns, None where lines must not be wrapped."""
        super().__init__()
        self._console = Console(
            file=self._file,
            force_terminal=color,
            no_color=not color,
            color_system="standard" if color else None,
            width=width or UNWRAPPED,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )

    def block(self, line: Line, indent: int) -> None:
        """Add a line, as `Printer.block` says."""
        room = max(self._console.width - indent - HANGING, 1)
        for number, row in enumerate(_styled(line).wrap(self._console, room)):
            by = indent + HANGING * bool(number)
            self._console.print(Padding(row, (0, 0, 0, by), expand=False), soft_wrap=False)

    def columns(self, rows: Iterable[Sequence[Line]], indent: int) -> None:
        """Add rows, as `Printer.columns` says."""
        grid = Table.grid(padding=(0, GAP))
        for row in rows:
            grid.add_row(*map(_styled, row))
        self._console.print(Padding(grid, (0, 0, 0, indent), expand=False))


def _styled(line: Line) -> Text:
    (first, style), *others = line
    text = Text(first, style, overflow="fold")
    for words, own in others:
        text.append(words, f"{ANEW} {own}")
    return text
