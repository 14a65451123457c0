"""The job summary: a report as Markdown within the size that the runner takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from glibc_guard.report import markdown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from glibc_guard.model import Report

#: Bytes in the summary file of one step; of a longer one the runner shows nothing
#: (``AttachmentSizeLimit`` in its ``FileCommandManager.cs``).
MAXIMUM: Final = 1024 * 1024

_LEAST: Final = 1000  # bytes; of less than that a reader has nothing


def render(report: Report, *, taken: int, maximum: int = MAXIMUM) -> bytes:
    """Return ``report`` for a summary file that holds ``taken`` of ``maximum`` bytes; empty where no room is left."""
    return within(markdown.blocks(report), taken=taken, maximum=maximum)


def within(blocks: Iterable[str], *, taken: int, maximum: int = MAXIMUM) -> bytes:
    """Return ``blocks`` of Markdown for such a file, cut in time."""
    room = maximum - taken
    if room < _LEAST:
        return b""
    before = "\n" if taken else ""  # what stands there may end within a line
    return f"{before}{markdown.cut_in_time(blocks, room - len(before) - 1)}\n".encode()
