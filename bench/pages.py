"""Puts measured tables into a page of docs/, between two markers, and leaves the words around them alone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

BEGIN: Final = "<!-- generated: begin -->\n"
END: Final = "<!-- generated: end -->\n"


def replace_between_markers(page: Path, text: str) -> None:
    """Replace what stands between the markers of ``page`` by ``text``.

    Raises:
        ValueError: the page has no markers.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has no lines {BEGIN.strip()} and {END.strip()}")
    page.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}", encoding="utf-8")
