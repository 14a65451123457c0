"""A progress bar on a terminal, when a check lasts over a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from glibc_guard.report.neutral import plain

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE: Final = 1.0  # seconds without a bar


@contextmanager
def progress_bar(*, visible: bool) -> Iterator[Callable[[str], None] | None]:
    """Give a function to call with the artifact's path for each member that is done; None where nothing is shown."""
    if not visible:
        yield None
        return
    bar = _Bar()
    try:
        yield bar.advance
    finally:
        bar.stop()


class _Bar:
    def __init__(self) -> None:
        self._started = time.monotonic()
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._counts: dict[str, int] = {}

    def advance(self, path: str) -> None:
        self._counts[path] = self._counts.get(path, 0) + 1
        if self._progress is None and time.monotonic() - self._started > PATIENCE:
            self._progress = self._start()
        if self._progress is not None:
            if path not in self._tasks:
                self._tasks[path] = self._progress.add_task(plain(path), total=None)
            self._progress.update(self._tasks[path], completed=self._counts[path])

    def stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()

    @staticmethod
    def _start() -> Progress:
        from rich.console import Console  # noqa: PLC0415  # lazy, most checks are done before a bar is due
        from rich.progress import Progress, SpinnerColumn, TextColumn  # noqa: PLC0415  # lazy

        columns = (
            SpinnerColumn(),
            TextColumn("{task.completed:,.0f} files looked at in {task.description}", markup=False),
        )
        progress = Progress(*columns, console=Console(stderr=True), transient=True)
        progress.start()
        return progress
