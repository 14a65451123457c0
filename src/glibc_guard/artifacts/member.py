"""One file inside an artifact, and its bytes: read at any offset, held in memory only as far as needed."""

from __future__ import annotations

import io
import os
import posixpath
import sys
import threading
from collections import deque
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


class StreamedContent:
    """Content that can only be produced from its start, such as a deflated zip member.

    The first ``retained`` bytes are kept, since all tables that a loader reads lie there in most objects, and so are
    the latest WINDOW bytes, since patchelf puts tables close together at the end. A request that goes back between the
    two costs another pass.
    """

    def __init__(self, pieces: Pieces, retained: int, passes: int = Limits().passes) -> None:
        """Serve what ``pieces`` yields, in so many ``passes`` at most."""
        self._start_pass = pieces
        self._retained, self._most_passes = retained, passes
        self._head = bytearray()
        self._pieces = pieces()
        self._window: deque[tuple[int, bytes]] = deque()  # the latest pieces, each with its offset
        self._produced = 0
        self._passes = 1
        self._kept: dict[tuple[int, int], bytearray] = {}

    def keep(self, offset: int, size: int) -> None:
        """Hold on to these bytes when they pass by in the first pass; no use for those that have passed already."""
        if offset >= self._produced and self._passes == 1:
            self._kept[offset, offset + size] = bytearray()

    def at_hand(self, offset: int, size: int) -> bool:
        """Tell whether the bytes are kept, lie in the window, or are still to come."""
        end = offset + size
        return end <= len(self._head) or not self._window or offset >= self._window[0][0] or self._held(offset, end)

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer only at the end of the content."""
        end = offset + size
        if end > self._retained and self._window and offset < self._window[0][0] and self._held(offset, end):
            return self._from_kept(offset, end)
        while len(self._head) < min(end, self._retained) and self._advance():
            pass
        data = bytes(self._head[offset:end])
        if end > self._retained:
            data += self._read_beyond(max(offset, len(self._head)), end)
        return data

    def verify(self) -> None:
        """Read to the end; the stream itself compares size and checksum there."""
        while self._advance():
            pass

    def close(self) -> None:
        """Let go of what is kept."""
        self._head, self._pieces = bytearray(), iter(())
        self._window.clear()
        self._kept.clear()

    def _held(self, offset: int, end: int) -> bool:
        return any(start <= offset and end <= start + len(held) for (start, _), held in self._kept.items())

    def _from_kept(self, offset: int, end: int) -> bytes:
        within = ((start, held) for (start, _), held in self._kept.items() if start <= offset)
        return next(bytes(held[offset - start : end - start]) for start, held in within if end <= start + len(held))

    def _read_beyond(self, position: int, end: int) -> bytes:
        if self._window and position < self._window[0][0]:
            self._passes += 1
            if self._passes > self._most_passes:
                raise ArtifactError(beyond("its tables are spread over the file", "passes", self._most_passes))
            self._pieces, self._produced = self._start_pass(), 0
            self._window.clear()
        while self._produced < end and self._advance(position):
            pass
        found = (piece[max(0, position - start) : end - start] for start, piece in self._window if start < end)
        return b"".join(found)

    def _advance(self, wanted_from: int = sys.maxsize) -> bool:
        """Produce a piece, and let go of those that lie behind the window and before ``wanted_from``."""
        piece = next(self._pieces, None)
        if piece is None:
            return False
        start, self._produced = self._produced, self._produced + len(piece)
        self._window.append((start, piece))
        while len(self._window) > 1 and self._window[1][0] <= min(wanted_from, self._produced - WINDOW):
            self._window.popleft()
        if self._passes == 1:
            for (first, last), held in self._kept.items():
                if start < last and first < self._produced:
                    held.extend(piece[max(0, first - start) : last - start])
        missing = min(self._retained, self._produced) - len(self._head)
        if missing > 0:
            self._head += piece[len(self._head) - start :][:missing]
        return True


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
