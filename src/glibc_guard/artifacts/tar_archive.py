"""Tar archives, compressed or not: a single stream, whose members are read as they pass by."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import posixpath
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final, cast

from glibc_guard.artifacts.bombs import refuse_bomb
from glibc_guard.artifacts.member import (
    ArtifactError,
    Content,
    Member,
    MemoryFile,
    PlainContent,
    StreamedContent,
    linked,
    normalized,
    printable,
    unreadable,
)
from glibc_guard.artifacts.tar_header import Header
from glibc_guard.limits import Limits, beyond

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STEP: Final = 1024 * 1024
BUFFER: Final = 64 * 1024  # bytes that tarfile holds: it copies what is left of them at each header
XZ_MEMORY: Final = 256 * 1024 * 1024  # bytes; `xz -9` asks for 65 MiB, a dictionary of 4 GiB can be asked for
STREAM_ERRORS: Final = (tarfile.TarError, zlib.error, lzma.LZMAError, zstd.ZstdError, EOFError, OSError, ValueError)


def decompressed(stream: BinaryIO, magic: bytes) -> BinaryIO:
    """Return ``stream`` with the compression undone that ``magic``, its first bytes, announces."""
    if magic.startswith(b"\x1f\x8b"):
        return cast("BinaryIO", gzip.GzipFile(fileobj=stream))
    if magic.startswith(b"BZh"):
        return cast("BinaryIO", bz2.BZ2File(stream))
    if magic.startswith(b"\xfd7zXZ\x00"):
        return cast("BinaryIO", io.BufferedReader(_Xz(stream), STEP))
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return cast("BinaryIO", zstd.ZstdFile(stream))
    return stream


class _Xz(io.RawIOBase):
    """The content of an xz file, whose header may not ask for any amount of memory: lzma.LZMAFile has no bound."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._rest = stream, b""
        self._decoder: lzma.LZMADecompressor | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  # what io.RawIOBase says
        while True:
            if self._decoder is None and not self._begin():
                return 0
            piece = self._piece(len(buffer))
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)

    def _begin(self) -> bool:
        """Begin the next stream, behind padding; tell whether there is one."""
        self._rest = self._rest.lstrip(b"\0")
        while not self._rest and (piece := self._stream.read(STEP)):
            self._rest = piece.lstrip(b"\0")
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY) if self._rest else None
        return self._decoder is not None

    def _piece(self, size: int) -> bytes:
        decoder = cast("lzma.LZMADecompressor", self._decoder)
        given = b""
        if decoder.needs_input:
            given, self._rest = self._rest or self._stream.read(STEP), b""
            if not given:
                raise EOFError("the xz stream ends before its end marker")
        piece = decoder.decompress(given, size)
        if decoder.eof:
            self._rest, self._decoder = decoder.unused_data, None
        return piece


def tar_members(stream: BinaryIO, limits: Limits, size: int) -> Iterator[Member]:
    """Yield every regular file of the tar in ``stream``, decompressed already; each is valid until the next is taken.

    ``size`` is that of the archive in bytes, still compressed. Devices and pipes are passed over: nothing loads them.

    Raises:
        ArtifactError: the stream is damaged or truncated, or a bound is exceeded.
    """
    bounded = _Bounded(stream, limits)
    try:
        with tarfile.open(fileobj=cast("BinaryIO", bounded), mode="r|", bufsize=BUFFER, tarinfo=Header) as archive:
            total = 0
            links: set[str] = set()
            for info in archive:
                cast("Header", info).check()
                archive.members = []  # type: ignore[attr-defined]  # tarfile would keep a record of every member
                total += info.size
                refuse_bomb(total, size, limits)
                bounded.expect(info.size)
                yield from _told(archive, info, limits, links)
            _check_the_rest(archive)
    except RecursionError as error:
        raise ArtifactError("damaged archive: a chain of extended headers that describe each other") from error
    except STREAM_ERRORS as error:
        raise ArtifactError(f"damaged or truncated archive: {error}") from error


def _told(archive: tarfile.TarFile, info: tarfile.TarInfo, limits: Limits, links: set[str]) -> Iterator[Member]:
    """Yield the member, if it is a file or a link; ``links`` are the paths of the symbolic links before it."""
    if not (info.isreg() or info.issym() or info.islnk()):
        return
    path = normalized(printable(info.name))
    if len(info.name) > limits.name_bytes:
        yield unreadable(path[:100], info.size, beyond("a path", "name_bytes", limits.name_bytes))
    elif path.split("/")[0] == "..":
        yield unreadable(path, info.size, "its name leads out of the folder that the archive is unpacked into")
    elif links and any(str(parent) in links for parent in PurePosixPath(path).parents):
        yield unreadable(path, info.size, "it lies behind a link of the same archive: it is unpacked to another place")
    elif info.isreg():
        yield _member(archive, info, path, limits)
    else:
        if info.issym():
            links.add(path)
        yield _link(info)


class _Bounded:
    """A stream that yields what its members announce, and some headers: tarfile holds all of a header in memory."""

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        self._stream, self._limit = stream, limits.header_bytes
        self._produced, self._allowed = 0, STEP + limits.header_bytes

    def expect(self, size: int) -> None:
        """Let ``size`` bytes pass behind what was read, and the next header."""
        self._allowed = self._produced + size + STEP + self._limit

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; raises ArtifactError behind the bound."""
        piece = self._stream.read(size)
        self._produced += len(piece)
        if self._produced > self._allowed:
            raise ArtifactError(
                beyond("headers or padding of a tar archive without an end", "header_bytes", self._limit)
            )
        return piece


def _check_the_rest(archive: tarfile.TarFile) -> None:
    """Read on to the end, where gzip, bzip2, xz and zstd prove their checksum; nothing but padding may be there."""
    while piece := archive.fileobj.read(STEP):
        if piece.strip(b"\0"):
            raise tarfile.ReadError("data behind the end of the archive: other tools would go on reading")


def _link(info: tarfile.TarInfo) -> Member:
    path = normalized(printable(info.name))
    target = printable(info.linkname.removeprefix("./"))
    if info.issym() and not target.startswith("/"):
        target = posixpath.join(posixpath.dirname(path), target)
    return linked(path, posixpath.normpath(target).lstrip("/"))


def _member(archive: tarfile.TarFile, info: tarfile.TarInfo, path: str, limits: Limits) -> Member:
    if not info.size:
        return Member(path, 0, _nothing)

    # The stream cannot go back, so all of the object stays in memory while it is looked at.
    def pieces() -> Iterator[bytes]:
        if info.size > limits.sequential_object_bytes:
            what = (
                f"{info.size} bytes in a tar, which is read in one go (its folder can be checked once it is unpacked)"
            )
            raise ArtifactError(beyond(what, "sequential_object_bytes", limits.sequential_object_bytes))
        source = archive.extractfile(info)
        if source is None:
            return
        with contextlib.closing(source):
            try:
                while piece := source.read(STEP):
                    yield piece
            except STREAM_ERRORS as error:
                raise ArtifactError(f"damaged or truncated archive: {error}") from error

    return Member(path, info.size, lambda: StreamedContent(pieces, limits.sequential_object_bytes), sequential=True)


def _nothing() -> Content:
    return PlainContent(MemoryFile(b""))
