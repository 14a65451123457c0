"""One file inside an artifact, and its bytes: read at any offset, held in memory only as far as needed."""

from __future__ import annotations

import bisect
import io
import os
import posixpath
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from msgspec import Struct

from glibc_guard.limits import Limits, beyond
from glibc_guard.model import RecordProblem, WheelFacts

CHANGED: Final = "changed while it was read: is a build still writing it?"
WINDOW: Final = 4 * 1024 * 1024  # bytes

#: Starts a new pass over the content, in pieces, from its first byte; raises ArtifactError where it is damaged.
Pieces: TypeAlias = Callable[[], Iterator[bytes]]


class ArtifactError(Exception):
    """An artifact or a member of it that cannot be read; the message says why and what to do."""


class Content(Protocol):
    """The bytes of one member."""

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer only at the end of the content."""

    def keep(self, offset: int, size: int) -> None:
        """Hold on to these bytes when they pass by, so that they are at hand later."""

    def at_hand(self, offset: int, size: int) -> bool:
        """Tell whether reading these bytes costs no second pass over the content."""

    def verify(self) -> None:
        """Read what is left to the end, so that the container can prove its checksum; raises ArtifactError."""

    def close(self) -> None:
        """Let go of what is held; the content is not read again."""


class Problems(Protocol):
    """What did not agree with the RECORD of a wheel, known when its members were read."""

    def problems(self) -> tuple[RecordProblem, ...]:
        """Return it, sorted by path."""


class NestedWheel(Struct, frozen=True):
    """A wheel inside another artifact: it makes its own promise, so that it is judged as an artifact of its own."""

    path: str  # inside the artifact
    size: int  # bytes
    sha256: str
    facts: WheelFacts
    record: Problems


class Member(Struct, frozen=True):
    """A regular file inside an artifact; ``path`` uses forward slashes and is relative to the artifact."""

    path: str
    size: int  # bytes, as the container declares
    open: Callable[[], Content]
    start: Callable[[], bytes] | None = None  # its first bytes for less than opening it; none: only opening tells
    sequential: bool = False  # the content can only be read until the next member is asked for
    link: str | None = None  # a link: the path inside the artifact that it leads to; it has no content
    archive: bool = False  # an archive whose members follow: named here, and not to be opened again
    wheel: NestedWheel | None = None  # the wheel inside the artifact that it belongs to; its path is relative to that
    file: Path | None = None  # where the content lies plain on disk, by itself
    pieces: Pieces | None = None  # the content anew, held nowhere; None where only ``open`` gives it


def printable(name: str) -> str:
    """Return ``name`` without the surrogates that stand for bytes that are not UTF-8: they could not be written."""
    if name.isascii():
        return name
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def normalized(name: str) -> str:
    """Return the path that a member called ``name`` is unpacked to: no ".", no "//", no way back, no root."""
    return posixpath.normpath(name.lstrip("/"))


def linked(path: str, target: str) -> Member:
    """Return a member that is a link to ``target``, a path inside the artifact."""
    return Member(path, 0, unreadable(path, 0, "a link").open, link=target)


def unreadable(path: str, size: int, reason: str) -> Member:
    """Return a member whose content is known to be unreadable before anything is read."""

    def refuse() -> Content:
        raise ArtifactError(reason)

    return Member(path, size, refuse)


class RandomAccess(Protocol):
    """A whole archive: a file on disk, one on a server, or an archive inside another one, held in memory."""

    size: int

    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer only at the end. Safe to call from several threads."""

    def prefetch(self, places: Iterable[tuple[int, int]]) -> None:
        """Take note that these places (offset, size) will be read: a file that is far away fetches them together."""


class DiskFile:
    """A file on disk that several threads read at once."""

    def __init__(self, path: Path) -> None:
        """Open ``path``; raises OSError."""
        self._file = path.open("rb", buffering=0)
        self._lock = threading.Lock()
        self.identity = identity(os.fstat(self._file.fileno()))
        self.size = self.identity[2]
        self._path = path

    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer only at the end."""
        size = min(size, self.size - offset)
        if offset < 0 or size <= 0:  # a place that a damaged table names
            return b""
        data = self._read_once(offset, size)
        # One call returns at most 2 GiB on Linux, and less when a signal arrives.
        while 0 < len(data) < size and (more := self._read_once(offset + len(data), size - len(data))):
            data += more
        return data

    def _read_once(self, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), size, offset)
        with self._lock:  # Windows has no pread
            self._file.seek(offset)
            return self._file.read(size) or b""

    def check_unchanged(self) -> None:
        """Raise ArtifactError where the file is not the one that was opened, or was written to since."""
        try:
            now = {identity(os.fstat(self._file.fileno())), identity(self._path.stat())}
        except OSError as error:
            raise ArtifactError(f"{CHANGED}: it is gone") from error
        if now != {self.identity}:
            raise ArtifactError(CHANGED)

    def prefetch(self, places: Iterable[tuple[int, int]]) -> None:
        """Do nothing: the file is here."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def identity(status: os.stat_result) -> tuple[int, int, int, int]:
    """Return what is another for another file, or for other content: device, inode, bytes, time of the last change."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class MemoryFile:
    """An archive that lies in memory."""

    def __init__(self, data: bytes) -> None:
        """Serve ``data``."""
        self._data = data
        self.size = len(data)

    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer only at the end."""
        return self._data[offset : offset + size] if offset >= 0 else b""

    def prefetch(self, places: Iterable[tuple[int, int]]) -> None:
        """Do nothing: the archive is here."""


class PlainContent:
    """Content that lies uncompressed in a file."""

    def __init__(self, file: RandomAccess, offset: int = 0, size: int | None = None) -> None:
        """Serve ``size`` bytes (by default all) of ``file`` from ``offset``."""
        self._file = file
        self._offset = offset
        self._size = file.size - offset if size is None else size

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer only at the end of the content."""
        return self._file.read_at(self._offset + offset, max(0, min(size, self._size - offset)))

    def keep(self, offset: int, size: int) -> None:
        """Do nothing: any byte is read again at no cost."""

    def at_hand(self, offset: int, size: int) -> bool:  # noqa: ARG002  # the same for all
        """Return True."""
        return True

    def verify(self) -> None:
        """Do nothing: a plain file carries no checksum."""

    def close(self) -> None:
        """Do nothing: the file belongs to the artifact."""


class _Run:
    """Pieces of a content that adjoin each other; they are kept as they are, since to join them would copy them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._starts: list[int] = []
        self._pieces: list[bytes] = []
        self.end = 0

    def __bool__(self) -> bool:
        """Tell whether there is a piece."""
        return bool(self._pieces)

    @property
    def start(self) -> int:
        """The offset of the first byte."""
        return self._starts[0] if self._starts else self.end

    def append(self, start: int, piece: bytes) -> None:
        """Add what begins at ``start``, where the others end."""
        self._starts.append(start)
        self._pieces.append(piece)
        self.end = start + len(piece)

    def drop_before(self, offset: int) -> None:
        """Let go of the pieces that end at ``offset`` or before, but for the last one."""
        count = bisect.bisect_right(self._starts, offset) - 1
        if count > 0:
            del self._starts[:count], self._pieces[:count]

    def read(self, offset: int, end: int) -> bytes:
        """Return what is there from ``offset`` to ``end``; nothing of it may lie before the first piece."""
        found = []
        for at in range(max(0, bisect.bisect_right(self._starts, offset) - 1), len(self._starts)):
            start = self._starts[at]
            if start >= end:
                break
            found.append(self._pieces[at][max(0, offset - start) : end - start])
        return found[0] if len(found) == 1 else b"".join(found)


class StreamedContent:
    """Content that can only be produced from its start, such as a deflated zip member.

    The pieces with the first ``retained`` bytes are kept, since all tables that a loader reads lie there in most
    objects, and so are those with the latest WINDOW bytes, since patchelf puts tables close together at the end. A
    request that goes back between the two costs another pass.
    """

    def __init__(self, pieces: Pieces, retained: int, passes: int = Limits().passes) -> None:
        """Serve what ``pieces`` yields, in so many ``passes`` at most."""
        self._start_pass = pieces
        self._retained, self._most_passes = retained, passes
        self._pieces = pieces()
        self._head, self._latest = _Run(), _Run()  # what is kept of the beginning, and of what was produced last
        self._passes = 1
        self._kept: dict[tuple[int, int], bytearray] = {}

    def keep(self, offset: int, size: int) -> None:
        """Hold on to these bytes when they pass by in the first pass; no use for those that have passed already."""
        if offset >= self._latest.end and self._passes == 1:
            self._kept[offset, offset + size] = bytearray()

    def at_hand(self, offset: int, size: int) -> bool:
        """Tell whether the bytes are kept, lie in the window, or are still to come."""
        end = offset + size
        return self._is_held(offset, end) or self._from_kept(offset, end) is not None

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer only at the end of the content."""
        end = offset + size
        if not self._is_held(offset, end):
            kept = self._from_kept(offset, end)
            if kept is not None:
                return kept
            self._start_again()
        if end <= self._head.end:
            return self._head.read(offset, end)
        beyond_head = max(offset, self._head.end)
        while self._latest.end < end and self._advance(beyond_head):
            pass
        if offset >= self._latest.start:
            return self._latest.read(offset, end)
        return self._head.read(offset, beyond_head) + self._latest.read(beyond_head, end)

    def verify(self) -> None:
        """Read to the end; the stream itself compares size and checksum there."""
        while self._advance():
            pass

    def close(self) -> None:
        """Let go of what is kept."""
        self._head, self._latest, self._pieces = _Run(), _Run(), iter(())
        self._kept.clear()

    def _is_held(self, offset: int, end: int) -> bool:
        """Tell whether the bytes are in what is held of the beginning and of the end, or are still to come."""
        return end <= self._head.end or offset >= self._latest.start or self._head.end >= self._latest.start

    def _from_kept(self, offset: int, end: int) -> bytes | None:
        for (start, _), held in self._kept.items():
            if start <= offset and end <= start + len(held):
                return bytes(held[offset - start : end - start])
        return None

    def _start_again(self) -> None:
        self._passes += 1
        if self._passes > self._most_passes:
            raise ArtifactError(beyond("its tables are spread over the file", "passes", self._most_passes))
        self._pieces, self._latest = self._start_pass(), _Run()

    def _advance(self, wanted_from: int = sys.maxsize) -> bool:
        """Produce a piece, and let go of those that lie behind the window and before ``wanted_from``."""
        piece = next(self._pieces, None)
        if piece is None:
            return False
        start = self._latest.end
        self._latest.append(start, piece)
        self._latest.drop_before(min(wanted_from, self._latest.end - WINDOW))
        if start == self._head.end < self._retained:
            self._head.append(start, piece)
        if self._passes == 1:
            self._keep(start, piece)
        return True

    def _keep(self, start: int, piece: bytes) -> None:
        end = start + len(piece)
        for (first, last), held in self._kept.items():
            if start < last and first < end:
                held.extend(piece[max(0, first - start) : last - start])


class AsStream(io.RawIOBase):
    """Part of a RandomAccess (by default all of it) in the shape that zipfile and tarfile want."""

    def __init__(self, file: RandomAccess, offset: int = 0, size: int | None = None) -> None:
        """Serve ``size`` bytes of ``file`` from ``offset``."""
        self._content = PlainContent(file, offset, size)
        self._size = file.size - offset if size is None else size
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; raises OSError before the start."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("seek before the start of the file")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer`` and return how many bytes there were."""
        data = self._content.read(self._position, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
