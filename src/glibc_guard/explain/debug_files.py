"""Finds the files that hold the debug information of an object: by build-id, by ``.gnu_debuglink``, or by its code."""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from glibc_guard.artifacts import ArtifactError
from glibc_guard.artifacts.folder import FileContent
from glibc_guard.elf.dwarf import DwarfError
from glibc_guard.elf.image import ProgramHeader
from glibc_guard.elf.sections import SHT_NOBITS, Section
from glibc_guard.elf.sections import content as content_of
from glibc_guard.explain.debug_sections import ElfFile, headers_of
from glibc_guard.explain.object_file import mapped, pieces

NT_GNU_BUILD_ID, SHT_NOTE, SHF_EXECINSTR = 3, 7, 0x4
MAX_FILES: Final = 50_000  # of one folder
MAX_REMARKS: Final = 20
NOTES_BYTES: Final = 64 * 1024
SMALL: Final = 4 * 1024 * 1024  # bytes of a file that is held in memory, and not copied to another
LARGEST: Final = 4 * 1024 * 1024 * 1024  # bytes of a file, which is copied
CRC_STEP: Final = 16 * 1024 * 1024


class DebugFiles:
    """Folders in which debug information lies, and the folder of the object itself."""

    def __init__(self, folders: Sequence[Path] = (), beside: Path | None = None) -> None:
        """Search ``folders``, and what lies near ``beside``: the object on disk or its folder, None in an archive."""
        self.folders = tuple(folders)
        self.beside = beside if beside is None or beside.is_dir() else beside.parent
        self._indexes: dict[Path, _Index] = {}
        self._remarks: dict[str, None] = {}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was refused and why, or not gone through to the end."""
        return tuple(self._remarks)

    def find(self, elf: ElfFile, path: str) -> ElfFile | None:
        """Return the file with lines that belongs to the object ``elf``, called ``path``; None where there is none."""
        return self._by_build_id(elf) or self._by_link(elf, path) or self._by_code(elf, path)

    def named(self, name: str) -> Iterator[Path]:
        """Go over the files called ``name``: beside the object, in ``.debug`` there, and anywhere in the folders."""
        if self.beside is not None:
            yield self.beside / name
            yield self.beside / ".debug" / name
        for folder in self.folders:
            yield from self._index(folder).by_name.get(name, ())

    def remark(self, text: str) -> None:
        """Keep what a reader should know."""
        if len(self._remarks) < MAX_REMARKS:
            self._remarks[text] = None

    def _by_build_id(self, elf: ElfFile) -> ElfFile | None:
        identity = build_id(elf)
        if identity is None or len(identity) < 2:
            return None
        digits = identity.hex()
        for folder in self.folders:
            for path in (
                folder / ".build-id" / digits[:2] / f"{digits[2:]}.debug",
                *self._index(folder).having(identity),
            ):
                found = read(path)
                if found is None:
                    continue
                if build_id(found) != identity:
                    self.remark(f"{path} is not used: its build-id is not that which its name tells")
                elif found.has_lines and not same_layout(elf, found):
                    self.remark(f"{path} is not used: its build-id is that of the object, its code lies elsewhere")
                elif found.has_lines:
                    return found
        return None

    def _by_link(self, elf: ElfFile, path: str) -> ElfFile | None:
        link = debug_link(elf)
        if link is None:
            return None
        name, checksum = link
        for candidate in self.named(name):
            found = read(candidate)
            if found is None or not found.has_lines:
                continue
            if _checksum(found.data) != checksum:
                self.remark(f"{candidate} is not used for {path}: its CRC is not that of .gnu_debuglink")
            elif self._of_other_build(elf, found):
                self.remark(f"{candidate} is not used for {path}: it has another build-id")
            else:
                return found
        return None

    def _by_code(self, elf: ElfFile, path: str) -> ElfFile | None:
        """Find a twin that was not stripped: of the same name and with the same code at the same addresses."""
        name = PurePosixPath(path).name
        for folder in self.folders:
            for candidate in self._index(folder).by_name.get(name, ()):
                found = read(candidate)
                if found is None or not found.has_lines:
                    continue
                if self._of_other_build(elf, found):
                    self.remark(f"{candidate} is not used for {path}: it has another build-id")
                elif not same_code(elf, found):
                    self.remark(f"{candidate} is not used for {path}: its code is another")
                else:
                    return found
        return None

    def _of_other_build(self, elf: ElfFile, found: ElfFile) -> bool:
        one, other = build_id(elf), build_id(found)
        return one is not None and other is not None and one != other

    def _index(self, folder: Path) -> _Index:
        if folder not in self._indexes:
            self._indexes[folder] = _Index(folder)
            if self._indexes[folder].is_cut:
                self.remark(f"{folder} has more than {MAX_FILES} files: not all of them were looked at")
        return self._indexes[folder]


class _Index:
    """The files of a folder and those below it."""

    def __init__(self, folder: Path) -> None:
        self.by_name: dict[str, list[Path]] = {}
        self.is_cut = False
        self._by_build_id: dict[bytes, list[Path]] | None = None
        count = 0
        for parent, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                count += 1
                if count > MAX_FILES:
                    self.is_cut = True
                    return
                self.by_name.setdefault(name, []).append(Path(parent, name))

    def having(self, identity: bytes) -> Sequence[Path]:
        """Return the ELF files with this build-id."""
        if self._by_build_id is None:
            self._by_build_id = {}
            for paths in self.by_name.values():
                for path in paths:
                    found = _build_id_on_disk(path)
                    if found is not None:
                        self._by_build_id.setdefault(found, []).append(path)
        return self._by_build_id.get(identity, ())


def read(path: Path, suffix: str = "") -> ElfFile | None:
    """Read a copy of the ELF file at ``path``; None where there is none that could be read, or it is too large.

    Never a map of the file itself: were a build to cut it short meanwhile, a look at what was mapped behind its new end
    would kill the process (SIGBUS).
    """
    try:
        if not _is_elf(path):
            return None
        with contextlib.closing(FileContent(path)) as content:
            size = path.stat().st_size
            if size > LARGEST:
                return None
            if size <= SMALL:
                data = content.read(0, size)
                content.verify()
                return ElfFile(data, suffix)
            copy, file = mapped(pieces(content))
            file.close()
            return ElfFile(copy, suffix)
    except (ArtifactError, OSError, ValueError, DwarfError):
        return None


def _is_elf(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _build_id_on_disk(path: Path) -> bytes | None:
    """Return the build-id of the ELF file at ``path``, of which no more is read than that takes."""
    try:
        if not _is_elf(path):
            return None
        with contextlib.closing(FileContent(path)) as content:
            headers = headers_of(content)
            notes = (section for section in headers.sections if section.type == SHT_NOTE)
            raw = (content_of(content, section, headers.layout, NOTES_BYTES) for section in notes)
            return next(filter(None, (_build_id_in(one, headers.layout.order) for one in raw)), None)
    except (ArtifactError, OSError, ValueError, DwarfError):
        return None


def build_id(elf: ElfFile) -> bytes | None:
    """Return the build-id (the note NT_GNU_BUILD_ID) of ``elf``."""
    for section in elf.sections.values():
        if section.type == SHT_NOTE:
            found = _build_id_in(bytes(elf.content(section)[:NOTES_BYTES]), elf.order)
            if found:
                return found
    return None


def _build_id_in(notes: bytes, order: str) -> bytes | None:
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from(f"{order}III", notes, at)
        name = notes[at + 12 : at + 12 + name_size]
        start = at + 12 + -(-name_size // 4) * 4
        if kind == NT_GNU_BUILD_ID and name == b"GNU\0":
            return notes[start : start + size]
        at = start + -(-size // 4) * 4
    return None


def debug_link(elf: ElfFile) -> tuple[str, int] | None:
    """Return the name and the CRC32 that ``.gnu_debuglink`` tells; None for a name with a folder."""
    section = elf.sections.get(".gnu_debuglink")
    raw = bytes(elf.content(section)[:NOTES_BYTES]) if section is not None else b""
    name, end, _ = raw.partition(b"\0")
    at = -(-(len(name) + 1) // 4) * 4
    if not end or not name or b"/" in name or name in {b".", b".."} or len(raw) < at + 4:
        return None
    return os.fsdecode(name), int.from_bytes(raw[at : at + 4], "little" if elf.order == "<" else "big")


def same_code(one: ElfFile, other: ElfFile) -> bool:
    """Tell whether all code that ``other`` has in its sections lies at the same addresses of ``one``."""
    if (one.type, one.machine) != (other.type, other.machine):
        return False
    sections = [section for section in other.sections.values() if section.flags & SHF_EXECINSTR and section.size]
    return bool(sections) and all(_has_code(one.data, one.segments, section, other) for section in sections)


def same_layout(one: ElfFile, other: ElfFile) -> bool:
    """Tell whether code lies in sections of the same addresses and sizes; a file of debug information keeps those.

    A build-id may be given to the linker, and then be that of every build.
    """
    sections = [
        {(section.address, section.size) for section in elf.sections.values() if section.flags & SHF_EXECINSTR}
        for elf in (one, other)
    ]
    return (one.type, one.machine) == (other.type, other.machine) and sections[0] == sections[1]


def _has_code(data: memoryview, segments: Sequence[ProgramHeader], section: Section, other: ElfFile) -> bool:
    if section.type == SHT_NOBITS:
        return False
    code = other.content(section)
    for segment in segments:
        into = section.address - segment.vaddr
        if into >= 0 and into + section.size <= segment.filesz:
            at = segment.offset + into
            return data[at : at + section.size] == code
    return False


def _checksum(data: memoryview) -> int:
    checksum = 0
    for at in range(0, len(data), CRC_STEP):
        checksum = zlib.crc32(data[at : at + CRC_STEP], checksum)
    return checksum
