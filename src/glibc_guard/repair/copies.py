"""Writes the repaired copy of an artifact: of an ELF file, a wheel, a zip archive or a folder."""

from __future__ import annotations

import csv
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from glibc_guard.model import ArtifactKind
from glibc_guard.repair import wheel_record, zip_copy
from glibc_guard.repair.changes import RepairError

KINDS: Final[tuple[ArtifactKind, ...]] = ("elf", "wheel", "zip", "folder")


@dataclass(frozen=True, slots=True)
class NewContent:
    """An object before and after its repair."""

    before: bytes
    after: bytes


def write_copy(kind: ArtifactKind, source: Path, target: Path, contents: Mapping[str, NewContent]) -> None:
    """Write ``source`` to ``target``, which does not exist, with ``contents`` in place of these objects.

    Raises:
        RepairError: that cannot be done; the message says why.
        OSError: something cannot be read or written.
    """
    if kind == "folder":
        _copy_folder(source, target, contents)
    elif kind == "elf":
        shutil.copy(source, target)  # with its mode
        for content in contents.values():
            _put(target, content)
    else:
        replaced = {path: content.after for path, content in contents.items()}
        names = zip_copy.member_names(source)
        if kind == "wheel" and contents:
            wheel_record.refuse_signed(names)
            name = wheel_record.record_name(names)
            pairs = {path: (content.before, content.after) for path, content in contents.items()}
            replaced[name] = wheel_record.rewritten(zip_copy.content_of(source, name), pairs)
        if contents:
            zip_copy.copy_zip(source, target, replaced)
        else:
            shutil.copyfile(source, target)
        shutil.copymode(source, target)


def _copy_folder(source: Path, target: Path, contents: Mapping[str, NewContent]) -> None:
    _refuse_special_files(source)
    for folder, listed in _installed(source):
        for path in contents:
            if path in listed:
                raise RepairError(
                    f"{path} belongs to an installed package, whose {folder}/RECORD has its hash: repair the wheel and "
                    "install that"
                )
    shutil.copytree(source, target, symlinks=True)
    for path, content in contents.items():
        place = target / path
        if not place.is_file() or place.resolve() != target.resolve() / path:
            raise RepairError(f"{path} is not a file of its own in the folder: repair it where it lies")
        _put(place, content)


def _put(place: Path, content: NewContent) -> None:
    if place.read_bytes() != content.before:
        raise RepairError(f"{place.name} has changed since it was read: run it again")
    mode = stat.S_IMODE(place.stat().st_mode)
    place.chmod(mode | stat.S_IWUSR)
    place.write_bytes(content.after)
    place.chmod(mode)


def _refuse_special_files(source: Path) -> None:
    for root, _, files in os.walk(source):
        for name in files:
            mode = Path(root, name).lstat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
                raise RepairError(f"{Path(root, name).relative_to(source)} is a pipe, a socket or a device")


def _installed(source: Path) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each ``.dist-info`` folder with the paths, relative to ``source``, that its RECORD lists."""
    for record in source.rglob("*.dist-info/RECORD"):
        base = record.parents[1].relative_to(source)
        with record.open(encoding="utf-8", errors="replace", newline="") as file:
            paths = frozenset(os.path.normpath(base / row[0]) for row in csv.reader(file) if row)
        yield record.parent.relative_to(source).as_posix(), paths
