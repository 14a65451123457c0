"""What installers left in a ``site-packages`` folder of the wheels that they unpacked (PEP 376, PEP 427)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from glibc_guard.artifacts.member import ArtifactError, printable
from glibc_guard.artifacts.wheel import PACKAGE_START, START_BYTES, loaded_globally, tags_in
from glibc_guard.model import InstalledWheel

MAX_WHEELS: Final = 10_000
RECORD_BYTES: Final = 16 * 1024 * 1024  # the one of torch, with 11,000 files, has 1.5 MB


def installed_wheels(folder: Path) -> tuple[InstalledWheel, ...]:
    """Return the wheels that were unpacked into ``folder``, by their ``.dist-info``; none where it is another folder.

    What cannot be read there is passed over: it takes nothing from what is judged, which are the objects.
    """
    infos = sorted(folder.glob("*.dist-info"))[:MAX_WHEELS]
    return tuple(wheel for info in infos if (wheel := _wheel(folder, info)) is not None)


def _wheel(folder: Path, info: Path) -> InstalledWheel | None:
    wheel_file = _start_of(info / "WHEEL", START_BYTES)
    if wheel_file is None:
        return None
    try:
        tags = tags_in(wheel_file)
    except ArtifactError:
        tags = ()
    platforms = tuple(dict.fromkeys(tag.rsplit("-", 1)[1] for tag in tags))
    paths = frozenset(_recorded(info))
    starts = (path for path in sorted(paths) if PACKAGE_START.fullmatch(path) and not path.startswith(".."))
    texts = [text for path in starts if (text := _start_of(folder / path, START_BYTES)) is not None]
    name = printable(info.name.removesuffix(".dist-info").partition("-")[0])
    return InstalledWheel(name, platforms, paths, loaded_globally(texts))


def _recorded(info: Path) -> Iterator[str]:
    text = (_start_of(info / "RECORD", RECORD_BYTES) or b"").decode("utf-8", "replace")
    try:
        yield from (row[0] for row in csv.reader(io.StringIO(text, newline="")) if row)
    except csv.Error:
        return


def _start_of(path: Path, size: int) -> bytes | None:
    """Return the first ``size`` bytes of a regular file; None where there is none that can be read."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return None
