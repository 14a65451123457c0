"""Writes the repaired copy of an artifact: of an ELF file, a wheel, a zip archive or a folder."""

from __future__ import annotations

import csv
import io
import os
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from glibc_guard.model import ArtifactKind
from glibc_guard.repair import wheel_record, zip_copy
from glibc_guard.repair.changes import RepairError


class NewContent(Struct, frozen=True):
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
            zip_copy.refuse_damaged(source)
            name = wheel_record.record_name(names)
            pairs = {path: (content.before, content.after) for path, content in contents.items()}
            replaced[name] = wheel_record.rewritten(zip_copy.content_of(source, name), pairs)
        if contents:
            zip_copy.copy_zip(source, target, replaced)
        else:
            shutil.copyfile(source, target)
        shutil.copymode(source, target)


class Surroundings(Struct, frozen=True):
    """What stands in the way of a change to some objects of an artifact."""

    kind: ArtifactKind
    source: Path
    installed: tuple[tuple[str, frozenset[str]], ...]  # of a folder: .dist-info folders and what their RECORD lists

    @classmethod
    def of(cls, kind: ArtifactKind, source: Path) -> Surroundings:
        """Look around in ``source``; raises RepairError."""
        return cls(kind, source, tuple(_installed(source)) if kind == "folder" else ())

    def why_not(self, path: str, archives: Collection[str]) -> str | None:
        """Say why the object at ``path`` is not rewritten in a copy; None where it can be.

        ``archives`` are the paths of archives inside.
        """
        holder = next((one for one in archives if path.startswith(f"{one}/")), None)
        if holder is not None:
            return f"lies in {holder}, an archive inside the artifact: repair that by itself"
        real = os.path.realpath(self.source / path)
        if self.kind == "folder" and real != str(Path(os.path.realpath(self.source), path)):
            return "is reached by a link that leads out of the folder: repair it where it lies"
        owner = next((folder for folder, listed in self.installed if path in listed), None)
        if owner is not None:
            return f"belongs to an installed package, and {owner}/RECORD has its hash: repair the wheel, install that"
        return None


def _copy_folder(source: Path, target: Path, contents: Mapping[str, NewContent]) -> None:
    for root, _, files in os.walk(source):
        for name in files:
            mode = Path(root, name).lstat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
                raise RepairError(f"{Path(root, name).relative_to(source)} is a pipe, a socket or a device")
    shutil.copytree(source, target, symlinks=True)
    for path, content in contents.items():
        _put(target / path, content)


def _put(place: Path, content: NewContent) -> None:
    if place.read_bytes() != content.before:
        raise RepairError(f"{place.name} has changed since it was read: run it again")
    mode = stat.S_IMODE(place.stat().st_mode)
    place.chmod(mode | stat.S_IWUSR)
    place.write_bytes(content.after)
    place.chmod(mode)


def _installed(source: Path) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each ``.dist-info`` folder with the paths, relative to ``source``, that its RECORD lists."""
    for record in source.rglob("*.dist-info/RECORD"):
        base = record.parents[1].relative_to(source)
        try:
            rows = list(csv.reader(io.StringIO(record.read_text(encoding="utf-8", errors="replace"), newline="")))
        except (OSError, csv.Error) as error:
            raise RepairError(f"{record} cannot be read: {error}") from error
        paths = frozenset(os.path.normpath(base / row[0]) for row in rows if row)
        yield record.parent.relative_to(source).as_posix(), paths
