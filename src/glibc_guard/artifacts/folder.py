"""Folders: every regular file below them, links left out, since what they point to is read where it lies."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from glibc_guard.artifacts.member import ArtifactError, DiskFile, Member, PlainContent, printable, unreadable


class FileContent(PlainContent):
    """A file that is open only while it is looked at: folders hold many."""

    def __init__(self, path: Path) -> None:
        """Open the file at ``path``; raises ArtifactError."""
        try:
            self._opened = DiskFile(path)
        except OSError as error:
            raise ArtifactError(f"cannot be read: {error.strerror or error}") from error
        super().__init__(self._opened)

    def close(self) -> None:
        """Close the file."""
        self._opened.close()


def folder_members(folder: Path) -> Iterator[Member]:
    """Yield every regular file below ``folder``, sorted, with paths relative to it."""
    failures: list[OSError] = []
    for root, folders, files in os.walk(folder, onerror=failures.append):
        folders.sort()
        for name in sorted(files):
            path = Path(root, name)
            relative = printable(path.relative_to(folder).as_posix())
            try:
                status = path.lstat()
            except OSError as error:
                yield unreadable(relative, 0, f"cannot be read: {error.strerror or error}")
                continue
            if stat.S_ISREG(status.st_mode):
                yield Member(relative, status.st_size, functools.partial(FileContent, path))
        while failures:
            failure = failures.pop()
            yield unreadable(
                printable(os.path.relpath(str(failure.filename), folder)), 0, f"cannot be read: {failure.strerror}"
            )
