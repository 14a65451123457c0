"""The whole of one object at random access: a map of the file, or of a temporary one, so that memory stays flat."""

from __future__ import annotations

import contextlib
import mmap
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from glibc_guard.artifacts import Member
from glibc_guard.elf.dynamic import Dynamic, read_dynamic
from glibc_guard.elf.errors import ElfError
from glibc_guard.elf.image import Image
from glibc_guard.elf.reader import PT_DYNAMIC, PT_LOAD, Header, read_header

if TYPE_CHECKING:
    from typing_extensions import Self

PF_X: Final = 1
STEP: Final = 1024 * 1024


class ObjectFile:
    """The bytes of an object; use it as a context manager."""

    def __init__(self, file: BinaryIO) -> None:
        """Map ``file``, which is then owned; raises OSError or ValueError (an empty file)."""
        self._file = file
        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.data = memoryview(self._map)

    @classmethod
    def of_path(cls, path: Path) -> Self:
        """Map the file at ``path``; raises OSError or ValueError."""
        return cls._owning(path.open("rb"))

    @classmethod
    def of_member(cls, member: Member) -> Self:
        """Map the file itself where it lies plain on disk, else a temporary one without a name.

        Raises:
            ArtifactError: the member cannot be read.
            OSError: the file cannot be read, or the temporary one not be written.
        """
        if member.file is not None:
            return cls.of_path(member.file)
        file = tempfile.TemporaryFile(prefix="glibc-guard-")  # noqa: SIM115  # owned by the result
        with contextlib.closing(member.open()) as content:
            offset = 0
            while piece := content.read(offset, STEP):
                file.write(piece)
                offset += len(piece)
        file.flush()
        return cls._owning(file)

    @classmethod
    def _owning(cls, file: BinaryIO) -> Self:
        try:
            return cls(file)
        except (OSError, ValueError):
            file.close()
            raise

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the map and the file; the map lives on as long as a view of it does."""
        with contextlib.suppress(BufferError):
            self.data.release()
            self._map.close()
        self._file.close()

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer only at the end."""
        return bytes(self.data[offset : offset + size]) if offset >= 0 and size > 0 else b""

    def keep(self, offset: int, size: int) -> None:
        """Do nothing: any byte is read again at no cost."""

    def at_hand(self, offset: int, size: int) -> bool:  # noqa: ARG002  # the same for all
        """Return True."""
        return True


@dataclass(frozen=True, slots=True)
class LoadedObject:
    """An object as the loader maps it."""

    file: ObjectFile
    header: Header
    image: Image
    dynamic: Dynamic

    @classmethod
    def of(cls, file: ObjectFile) -> Self:
        """Read the headers and the dynamic segment; raises ElfError."""
        header = read_header(file)
        image = Image(file, tuple(segment for segment in header.segments if segment.type == PT_LOAD))
        tables = [segment.vaddr for segment in header.segments if segment.type == PT_DYNAMIC]
        if not tables:
            raise ElfError("it has no dynamic segment")
        return cls(file, header, image, read_dynamic(image, tables[-1], header.layout))

    def code(self) -> Iterator[tuple[int, memoryview]]:
        """Yield address and bytes of each executable segment."""
        return self._segments(executable=True)

    def data(self) -> Iterator[tuple[int, memoryview]]:
        """Yield address and bytes of each other segment."""
        return self._segments(executable=False)

    def _segments(self, *, executable: bool) -> Iterator[tuple[int, memoryview]]:
        for segment in self.header.segments:
            if segment.type == PT_LOAD and bool(segment.flags & PF_X) == executable:
                yield segment.vaddr, self.file.data[segment.offset : segment.offset + segment.filesz]
