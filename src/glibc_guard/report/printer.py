"""Collects the lines of a report for people, with colours and wrapping where there is a terminal."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

HANGING: Final = 2  # columns
UNWRAPPED: Final = 100_000  # columns, where the output is no terminal
#: What a wrapped line may begin with, and a job that gives its steps a terminal would obey; see neutral.plain.
COMMAND: Final = re.compile(r"^((?:\x1b\[[0-9;]*m|\s)*)::")


class Printer:
    """Collects lines; everything is literal text, no markup is parsed."""

    def __init__(self, *, color: bool, width: int | None) -> None:
        """Begin with nothing; ``width`` in columns, None where lines must not be wrapped."""
        self._file = io.StringIO()
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

    def line(self, text: str, style: str = "", rest: str = "", *, indent: int = 0) -> None:
        """Add a line that begins with ``text`` in a style."""
        line = Text(text, style=style)
        line.append(rest, style="not bold default")
        self.block(line, indent)

    def blank(self) -> None:
        """Add an empty line."""
        self._console.print()

    def block(self, text: Text, indent: int) -> None:
        """Add styled text, wrapped within its indentation; what follows the first line stands a little further in."""
        room = max(self._console.width - indent - HANGING, 1)
        for number, line in enumerate(text.wrap(self._console, room)):
            by = indent + HANGING * bool(number)
            self._console.print(Padding(line, (0, 0, 0, by), expand=False), soft_wrap=False)

    def columns(self, rows: Sequence[Sequence[Text]], indent: int) -> None:
        """Add rows of which the first columns are as wide as the widest; the last one is wrapped within itself."""
        grid = Table.grid(padding=(0, 2))
        for _ in rows[0]:
            grid.add_column(overflow="fold")
        for row in rows:
            grid.add_row(*row)
        self._console.print(Padding(grid, (0, 0, 0, indent), expand=False))

    def text(self) -> str:
        """Return all lines."""
        return "\n".join(COMMAND.sub(r"\1: :", line.rstrip()) for line in self._file.getvalue().splitlines()) + "\n"
