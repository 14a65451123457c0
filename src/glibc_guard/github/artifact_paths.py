"""The input ``artifacts``: paths and globs, one a line, as the paths that exist."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Final

from glibc_guard.github.inputs import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAXIMUM_LISTED: Final = 10


def expand(lines: Sequence[str], folder: Path) -> list[str]:
    """Return the paths under ``folder`` that ``lines`` name, each once, as they were written where they are no globs.

    A line that starts with ``!`` takes out what it matches. A folder counts only where its line matches no file,
    so that ``dist/**`` means the files.

    Raises:
        InputError: there is no line, or one matches nothing.
    """
    wanted = [line for line in lines if not line.startswith("!")]
    if not wanted:
        raise InputError("The input artifacts is empty: give a path or a glob a line, such as dist/*.whl")
    excluded = {folder / path for line in lines if line.startswith("!") for path in _matches(line[1:].strip(), folder)}
    found: dict[str, None] = {}
    for line in wanted:
        matches = _matches(line, folder)
        if not matches:
            raise InputError(f"The input artifacts: {line} matches nothing in {folder}, which holds {_listing(folder)}")
        files = [path for path in matches if not (folder / path).is_dir()]
        found |= dict.fromkeys(path for path in files or matches if folder / path not in excluded)
    if not found:
        raise InputError(f"The input artifacts: the lines with ! take out all that the others match in {folder}")
    return list(found)


def _matches(line: str, folder: Path) -> list[str]:
    if (folder / line).exists():  # a file name may hold the characters of a glob
        return [line]
    return sorted(glob.glob(line, root_dir=folder, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern


def _listing(folder: Path) -> str:
    try:
        names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    except OSError as problem:
        return f"nothing readable ({problem.strerror})"
    if not names:
        return "nothing"
    more = len(names) - _MAXIMUM_LISTED
    return ", ".join(names[:_MAXIMUM_LISTED]) + (f" and {more} more" if more > 0 else "")
