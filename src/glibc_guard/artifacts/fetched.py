"""Remote files that were read once and may be read again, so that nothing of them is fetched twice."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing_extensions import Self

    from glibc_guard.artifacts.remote import RemoteFile

MOST: Final = 64  # files: each holds a temporary file and a connection
MOST_BYTES: Final = 1024**3  # of several files: the temporary folder may be memory


class Fetched:
    """Keeps remote files open, one in any case and others within MOST and MOST_BYTES; use it as a context manager."""

    def __init__(self, most_bytes: int) -> None:
        """Keep nothing so far; of several files no more than ``most_bytes``."""
        self._most_bytes = min(most_bytes, MOST_BYTES)
        self._files: dict[str, RemoteFile] = {}

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close all that is kept."""
        self.close()

    def take(self, url: str) -> RemoteFile | None:
        """Return what was kept of ``url``, which is the caller's from then on; None where nothing was."""
        return self._files.pop(url, None)

    def keep(self, url: str, file: RemoteFile) -> None:
        """Keep ``file``, or close it where there is no room."""
        room = self._most_bytes - sum(kept.fetched for kept in self._files.values())
        full = len(self._files) >= MOST or file.fetched > room
        if url in self._files or (self._files and full):
            file.close()
        else:
            self._files[url] = file

    def close(self) -> None:
        """Close all that is kept, and keep nothing."""
        with contextlib.ExitStack() as closing:
            for file in self._files.values():
                closing.callback(file.close)
        self._files = {}
