"""The whole of one object at random access; a very large one in a temporary file, so that memory stays flat."""

from __future__ import annotations

import contextlib
import mmap
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
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
HELD: Final = 192 * 1024 * 1024  # bytes of all objects that are looked through, or wait for it, at the same time


class Memory:
    """What objects may take of the memory together; safe to use from several threads."""

    def __init__(self, size: int = HELD) -> None:
        """Begin with ``size`` bytes."""
        self._left, self._lock = size, threading.Lock()

    def take(self, size: int) -> bool:
        """Take ``size`` bytes; tell whether there were so many."""
        with self._lock:
            enough = size <= self._left
            self._left -= size if enough else 0
            return enough

    def give_back(self, size: int) -> None:
        """Give back what was taken."""
        with self._lock:
            self._left += size


class ObjectFile:
    """The bytes of an object; use it as a context manager."""

    def __init__(self, content: bytes | mmap.mmap, release: Callable[[], object] | None = None) -> None:
        """Serve ``content``; a map is owned, and ``release`` called when that is let go of."""
        self._content, self._release = content, release
        self.data = memoryview(content)

    @classmethod
    def of_member(cls, member: Member, memory: Memory) -> Self:
        """Hold the member in ``memory``, and map a temporary file without a name for one that is too large for that.

        Never the file itself where it lies plain on disk: were a build to cut it short meanwhile, a look at what was
        mapped behind its new end would kill the process (SIGBUS).

        Raises:
            ArtifactError: the member cannot be read.
            OSError: the temporary file cannot be written.
        """
        if not memory.take(member.size):
            content, file = mapped(_pieces_of(member))
            return cls(content, file.close)
        release = partial(memory.give_back, member.size)
        try:
            return cls(_held(_pieces_of(member), member.size), release)
        except BaseException:
            release()
            raise

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the content; a map lives on as long as a view of it does."""
        with contextlib.suppress(BufferError):
            self.data.release()
            if isinstance(self._content, mmap.mmap):
                self._content.close()
        if self._release is not None:
            self._release()

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer only at the end."""
        return bytes(self.data[offset : offset + size]) if offset >= 0 and size > 0 else b""

    def keep(self, offset: int, size: int) -> None:
        """Do nothing: any byte is read again at no cost."""

    def at_hand(self, offset: int, size: int) -> bool:  # noqa: ARG002  # the same for all
        """Return True."""
        return True


def pieces(content: Content) -> Iterator[bytes]:
    """Go over ``content`` from its start to its end, which proves its checksum."""
    offset = 0
    while piece := content.read(offset, STEP):
        yield piece
        offset += len(piece)
    content.verify()


def _pieces_of(member: Member) -> Iterator[bytes]:
    if member.pieces is not None:
        yield from member.pieces()
        return
    with contextlib.closing(member.open()) as content:
        yield from pieces(content)


def _held(content: Iterable[bytes], size: int) -> mmap.mmap:
    """Return ``content`` in memory of its own, filled piece by piece, which no ``bytes`` can be."""
    held = _memory(max(size, 1))
    for piece in content:
        if held.tell() + len(piece) > size:
            raise ArtifactError(CHANGED)
        held.write(piece)
    if held.tell() < max(size, 1):
        raise ArtifactError(CHANGED)
    return held


def _memory(size: int) -> mmap.mmap:
    if sys.platform != "linux":
        return mmap.mmap(-1, size)
    # All of it is written at once: one call for its pages takes a third less than a fault for each of them.
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)


def mapped(content: Iterable[bytes]) -> tuple[mmap.mmap, BinaryIO]:
    """Return a map of a temporary file that holds ``content``, and the file."""
    import tempfile  # noqa: PLC0415  # lazy, costs 5 ms

    file = tempfile.TemporaryFile(prefix="glibc-guard-")  # noqa: SIM115  # the caller's
    try:
        for piece in content:
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
