"""The real objects of this machine: programs and libraries that were not made for these tests."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

FOLDERS: Final = (Path("/usr/bin"), Path("/usr/sbin"), Path("/usr/lib"), Path("/usr/libexec"), Path("/usr/local"))

_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_ELF64_LITTLE: Final = b"\x7fELF\x02\x01\x01"
_EXECUTABLE, _SHARED = 2, 3  # e_type
_X86_64: Final = 62  # e_machine
_PT_DYNAMIC: Final = 2


def machine_objects(limit: int | None = None) -> list[Path]:
    """Dynamic x86_64 ELF files, folder by folder and sorted by path in each, every file once.

    Args:
        limit: how many at most; they are taken at even distances, so that all kinds occur.
    """
    found = _machine_objects()
    if limit is None or limit >= len(found):
        return list(found)
    return [found[position * len(found) // limit] for position in range(limit)]


@lru_cache(maxsize=1)
def _machine_objects() -> tuple[Path, ...]:
    return tuple(path for folder in FOLDERS for path in _files(folder) if is_dynamic_x86_64(path))


def _files(folder: Path) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "debug")
        for name in sorted(names):
            path = Path(parent, name)
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                yield path


def is_dynamic_x86_64(path: Path) -> bool:
    """Whether the file is a program or library that ``ld.so`` of x86_64 can be asked about."""
    with path.open("rb") as stream:
        head = stream.read(_HEADER.size)
        if len(head) < _HEADER.size or not head.startswith(_ELF64_LITTLE):
            return False
        _, kind, machine, _, _, offset, _, _, _, size, count, *_ = _HEADER.unpack(head)
        if kind not in {_EXECUTABLE, _SHARED} or machine != _X86_64:
            return False
        stream.seek(offset)
        table = stream.read(size * count)
    return any(table[start : start + 4] == struct.pack("<I", _PT_DYNAMIC) for start in range(0, len(table), size or 1))
