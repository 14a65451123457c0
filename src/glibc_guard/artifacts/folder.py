"""Folders: every regular file below them, and the links between those files."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from glibc_guard.artifacts.member import ArtifactError, DiskFile, Member, PlainContent, linked, printable, unreadable

#: First folders of a path that belongs to the machine, and not to what was built on it.
SYSTEM_FOLDERS: Final = frozenset({"usr", "lib", "lib64", "bin", "sbin", "etc", "proc", "sys", "dev"})


class FileContent(PlainContent):
    """A file that is open only while it is looked at: folders hold many."""

    def __init__(self, path: Path) -> None:
        """Open the file at ``path``; raises ArtifactError."""
        try:
            self._opened = DiskFile(path)
        except OSError as error:
            raise ArtifactError(f"cannot be read: {error.strerror or error}") from error
        super().__init__(self._opened)

    def verify(self) -> None:
        """Raise ArtifactError where the file was changed since it was opened."""
        self._opened.check_unchanged()

    def close(self) -> None:
        """Close the file."""
        self._opened.close()


def folder_members(folder: Path, seen: frozenset[Path] = frozenset()) -> Iterator[Member]:
    """Yield every regular file below ``folder``, sorted, with paths relative to it.

    A link to something inside is told as a link. One that leads out of the folder is read like the thing itself, except
    into the folders of the system, which are no part of what is built; ``seen`` keeps links from leading in a circle.
    """
    failures: list[OSError] = []
    inside = folder.resolve()
    for root, folders, files in os.walk(folder, onerror=failures.append):
        folders.sort()
        for name in folders:
            if Path(root, name).is_symlink():
                yield from _linked_folder(Path(root, name), folder, inside, seen | {inside})
        for name in sorted(files):
            member = _member(Path(root, name), folder, inside)
            if member is not None:
                yield member
        while failures:
            failure = failures.pop()
            path = printable(os.path.relpath(str(failure.filename), folder))
            yield unreadable(path, 0, f"cannot be read: {failure.strerror}")


def _linked_folder(path: Path, folder: Path, inside: Path, seen: frozenset[Path]) -> Iterator[Member]:
    relative = printable(path.relative_to(folder).as_posix())
    target = path.resolve()
    if target.is_relative_to(inside):
        yield linked(relative, printable(target.relative_to(inside).as_posix()))
    elif target not in seen and not _is_of_the_system(target):
        for member in folder_members(target, seen | {target}):
            link = None if member.link is None else f"{relative}/{member.link}"
            yield replace(member, path=f"{relative}/{member.path}", link=link)


def _member(path: Path, folder: Path, inside: Path) -> Member | None:
    relative = printable(path.relative_to(folder).as_posix())
    try:
        if path.is_symlink():
            target = path.resolve()
            if target.is_relative_to(inside):
                return linked(relative, printable(target.relative_to(inside).as_posix()))
            if _is_of_the_system(target) or _is_interpreter(path, folder):
                return None
        status = path.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        if path.is_symlink():  # it leads nowhere, on this machine at least
            return None
        return unreadable(relative, 0, f"cannot be read: {getattr(error, 'strerror', None) or error}")
    return (
        Member(relative, status.st_size, functools.partial(FileContent, path), file=path)
        if stat.S_ISREG(status.st_mode)
        else None
    )


def _is_interpreter(path: Path, folder: Path) -> bool:
    """Tell the link of a virtual environment (PEP 405) to its Python, which is no part of it."""
    return path.parent == folder / "bin" and (folder / "pyvenv.cfg").is_file()


def _is_of_the_system(target: Path) -> bool:
    return len(target.parts) > 1 and target.parts[1] in SYSTEM_FOLDERS
