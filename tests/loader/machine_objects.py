"""The real objects of this machine: programs and libraries that were not made for these tests."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

FOLDERS: Final = (Path("/usr/bin"), Path("/usr/sbin"), Path("/usr/lib"), Path("/usr/libexec"), Path("/usr/local"))

_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_ELF64_LITTLE: Final = b"\x7fELF\x02\x01\x01"
_EXECUTABLE, _SHARED = 2, 3  # e_type
_X86_64: Final = 62  # e_machine
_PT_DYNAMIC: Final = 2


def machine_objects(limit: int | None = None) -> list[Path]:
    """Dynamic x86_64 ELF files of the system folders, sorted by path, each file once.

    Args:
        limit: how many at most; they are taken at even distances, so that all kinds occur.
    """
    found = [path for folder in FOLDERS for path in _files(folder) if is_dynamic_x86_64(path)]
    if limit is None or limit >= len(found):
        return found
    return [found[position * len(found) // limit] for position in range(limit)]


def _files(folder: Path) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or "debug" in path.relative_to(folder).parts:
            continue
        status = path.stat()
        if (status.st_dev, status.st_ino) not in seen:
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
