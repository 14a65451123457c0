"""The whole of one object at random access; a very large one in a temporary file, so that memory stays flat."""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
WORTH_A_THREAD: Final = 64 * 1024 * 1024  # bytes; of smaller objects there are several at once
AHEAD: Final = 4  # pieces that are made before they are wanted
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
        held = memory.take(member.size)
        try:
            content, file = mapped(_exactly(member), held=held)
        except BaseException:
            if held:
                memory.give_back(member.size)
            raise
        return cls(content, partial(_let_go, file, memory, member.size if held else 0))

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


def _exactly(member: Member) -> Iterator[bytes]:
    """Go over the member, which must have as many bytes as when it was judged."""
    left = member.size
    content = _pieces_of(member)
    for piece in _ahead(content) if member.size >= WORTH_A_THREAD else content:
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        raise ArtifactError(CHANGED)


def _ahead(content: Iterable[bytes]) -> Iterator[bytes]:
    """Yield ``content``, while the next pieces are made on another thread."""
    pieces = iter(content)
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(pool.submit(next, pieces, b"") for _ in range(AHEAD))
        while piece := waiting.popleft().result():
            waiting.append(pool.submit(next, pieces, b""))
            yield piece


def mapped(content: Iterable[bytes], *, held: bool = False) -> tuple[mmap.mmap, BinaryIO]:
    """Return a map of a file without a name that has ``content``, ``held`` in memory where there is such; and the file.

    No memory of the process itself: that is filled under the interpreter's lock, and a file is not.
    """
    file = _file_in_memory() if held and sys.platform == "linux" else _temporary_file()
    try:
        for piece in content:
            file.write(piece)
        file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), file
    except BaseException:
        file.close()
        raise


def _file_in_memory() -> BinaryIO:
    try:
        return os.fdopen(os.memfd_create("glibc-guard"), "w+b")
    except OSError:  # a sandbox that knows no such call
        return _temporary_file()


def _temporary_file() -> BinaryIO:
    import tempfile  # noqa: PLC0415  # lazy, costs 5 ms

    return tempfile.TemporaryFile(prefix="glibc-guard-")


def _let_go(file: BinaryIO, memory: Memory, size: int) -> None:
    file.close()
    memory.give_back(size)


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
