"""The whole of one object at random access; a very large one in a temporary file, so that memory stays flat."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Final

from msgspec import Struct

from glibc_guard.artifacts import CHANGED, ArtifactError, Content, Limits, Member
from glibc_guard.elf.allowance import Allowance
from glibc_guard.elf.dynamic import Dynamic, read_dynamic
from glibc_guard.elf.errors import ElfError
from glibc_guard.elf.image import Image
from glibc_guard.elf.reader import PT_DYNAMIC, PT_LOAD, Header, check_segments, read_header

if TYPE_CHECKING:
    from typing_extensions import Self

PF_X: Final = 1
STEP: Final = 1024 * 1024
HELD: Final = 64 * 1024 * 1024  # bytes; as many objects as there are threads are held in memory at the same time
HELD_OF_STREAM: Final = 4 * 1024 * 1024  # bytes; of a stream some wait for a thread as well


class ObjectFile:
    """The bytes of an object; use it as a context manager."""

    def __init__(self, content: bytes | mmap.mmap, file: BinaryIO | None = None) -> None:
        """Serve ``content``; a map is that of ``file``, and both are then owned."""
        self._content, self._file = content, file
        self.data = memoryview(content)

    @classmethod
    def of_member(cls, member: Member) -> Self:
        """Hold the member in memory, and map a temporary file without a name for one that is too large for that.

        Never the file itself where it lies plain on disk: were a build to cut it short meanwhile, a look at what was
        mapped behind its new end would kill the process (SIGBUS).

        Raises:
            ArtifactError: the member cannot be read.
            OSError: the temporary file cannot be written.
        """
        with contextlib.closing(member.open()) as content:
            if member.size > (HELD_OF_STREAM if member.sequential else HELD):
                return cls(*mapped(content))
            return cls(_held(content, member.size))

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the content; a map lives on as long as a view of it does."""
        with contextlib.suppress(BufferError):
            self.data.release()
            if isinstance(self._content, mmap.mmap):
                self._content.close()
        if self._file is not None:
            self._file.close()

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer only at the end."""
        return bytes(self.data[offset : offset + size]) if offset >= 0 and size > 0 else b""

    def keep(self, offset: int, size: int) -> None:
        """Do nothing: any byte is read again at no cost."""

    def at_hand(self, offset: int, size: int) -> bool:  # noqa: ARG002  # the same for all
        """Return True."""
        return True


def _pieces(content: Content) -> Iterator[bytes]:
    offset = 0
    while piece := content.read(offset, STEP):
        yield piece
        offset += len(piece)
    content.verify()


def _held(content: Content, size: int) -> mmap.mmap:
    """Return ``content`` in memory of its own, filled piece by piece, which no ``bytes`` can be."""
    held = mmap.mmap(-1, max(size, 1))
    for piece in _pieces(content):
        if held.tell() + len(piece) > size:
            raise ArtifactError(CHANGED)
        held.write(piece)
    if held.tell() < max(size, 1):
        raise ArtifactError(CHANGED)
    return held


def mapped(content: Content) -> tuple[mmap.mmap, BinaryIO]:
    """Return a map of a temporary file that holds ``content``, and the file."""
    import tempfile  # noqa: PLC0415  # lazy, costs 5 ms

    file = tempfile.TemporaryFile(prefix="glibc-guard-")  # noqa: SIM115  # the caller's
    try:
        for piece in _pieces(content):
            file.write(piece)
        file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), file
    except BaseException:
        file.close()
        raise


class LoadedObject(Struct, frozen=True):
    """An object as the loader maps it."""

    file: ObjectFile
    header: Header
    image: Image
    dynamic: Dynamic

    @classmethod
    def of(cls, file: ObjectFile, limits: Limits | None = None) -> Self:
        """Read the headers and the dynamic segment; raises ElfError."""
        allowance = Allowance(limits)
        header = read_header(file, allowance.limits)
        loads = tuple(segment for segment in header.segments if segment.type == PT_LOAD)
        check_segments(loads, len(file.data))
        image = Image(file, loads, allowance)
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
