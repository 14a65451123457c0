"""The crates that an earlier run fetched: held against Cargo.lock here, since cargo does so only when it downloads."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Cargo writes the three lines one after the other, ``source`` between them (cargo's ``encode.rs``, format 2 to 4).
_PACKAGE: Final = re.compile(
    r'^name = "([^"\n]+)"\nversion = "([^"\n]+)"\n(?:source = "[^"\n]*"\n)?checksum = "([0-9a-f]{64})"$', re.MULTILINE
)
_STEP: Final = 1 << 20  # bytes


def keep_what_is_locked(crates: Path, locks: Iterable[Path]) -> int:
    """Remove all from the folder ``crates`` but files that one of ``locks`` has the checksum of; return how many stay.

    A build may write there, and the next run's build would unpack what it wrote: code that nobody asked for.
    """
    locked = {entry for lock in locks for entry in _checksums(lock.read_text(encoding="utf-8", errors="replace"))}
    kept = 0
    for parent, folders, files in os.walk(crates):
        for path in (Path(parent, name) for name in (*folders, *files)):
            if path.is_dir() and not path.is_symlink():
                continue
            if not path.is_symlink() and path.is_file() and (path.name, _sha256(path)) in locked:
                kept += 1
            else:
                path.unlink()
    return kept


def _checksums(lock: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each crate's file with its checksum; a crate of a path or of git has none."""
    for name, version, checksum in _PACKAGE.findall(lock.replace("\r\n", "\n")):
        yield f"{name}-{version}.crate", checksum


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_STEP):
            digest.update(piece)
    return digest.hexdigest()
