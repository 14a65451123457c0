"""What installers left in a ``site-packages`` folder of the wheels that they unpacked (PEP 376, PEP 427)."""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from glibc_guard.artifacts.member import ArtifactError, printable
from glibc_guard.artifacts.wheel import PACKAGE_START, START_BYTES, loaded_globally, preloads, tags_in
from glibc_guard.model import InstalledWheel

MAX_WHEELS: Final = 10_000
RECORD_BYTES: Final = 16 * 1024 * 1024  # the one of torch, with 11,000 files, has 1.5 MB


def installed_wheels(folder: Path) -> tuple[InstalledWheel, ...]:
    """Return the packages that were installed into ``folder``, by their ``.dist-info``; none in another folder.

    That is a ``site-packages`` folder or a virtual environment (PEP 405) around one. What cannot be read there is
    passed over: it takes nothing from what is judged, which are the objects.
    """
    inside = _site_packages(folder)
    infos = sorted(inside.glob("*.dist-info"))[:MAX_WHEELS]
    prefix = "" if inside == folder else f"{inside.relative_to(folder).as_posix()}/"
    return tuple(wheel for info in infos if (wheel := _wheel(inside, info, prefix)) is not None)


def owned(wheel: InstalledWheel, native: Iterable[str]) -> frozenset[str]:
    """Return what of the ``native`` objects belongs to ``wheel``: by RECORD, or without one by the name at the top."""
    if wheel.objects:
        return wheel.objects.intersection(native)
    tops = {path: path.rpartition("site-packages/")[2].partition("/")[0].partition(".")[0] for path in native}
    return frozenset(path for path, top in tops.items() if _spelt(top) == _spelt(wheel.name))


def _spelt(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _site_packages(folder: Path) -> Path:
    if not (folder / "pyvenv.cfg").is_file():
        return folder
    found = sorted(folder.glob("lib/python3*/site-packages"))  # lib64 is a link to lib
    return found[0] if len(found) == 1 else folder


def _wheel(folder: Path, info: Path, prefix: str) -> InstalledWheel | None:
    """Read the package of ``info``; what lies in ``folder`` is at ``prefix`` in the artifact."""
    wheel_file = _start_of(info / "WHEEL", START_BYTES)
    if wheel_file is None and not (info / "METADATA").is_file():
        return None
    try:
        tags = tags_in(wheel_file or b"")
    except ArtifactError:
        tags = ()
    platforms = tuple(dict.fromkeys(tag.rsplit("-", 1)[1] for tag in tags))
    paths = frozenset(_recorded(info))
    starts = (path for path in sorted(paths) if PACKAGE_START.fullmatch(path) and not path.startswith(".."))
    texts = [text for path in starts if (text := _start_of(folder / path, START_BYTES)) is not None]
    name = printable(info.name.removesuffix(".dist-info").partition("-")[0])
    return InstalledWheel(
        name,
        platforms,
        frozenset(posixpath.normpath(prefix + path) for path in paths),
        loaded_globally(texts),
        preloads(texts),
    )


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
