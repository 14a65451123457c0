"""Tar archives, compressed or not: a single stream, whose members are read as they pass by."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import posixpath
import sys
import tarfile
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from glibc_guard.limits import Limits
from glibc_guard.artifacts.member import ArtifactError, Member, StreamedContent, linked, normalized, printable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from typing_extensions import Self

STEP: Final = 1024 * 1024
STREAM_ERRORS: Final = (tarfile.TarError, zlib.error, lzma.LZMAError, zstd.ZstdError, EOFError, OSError, ValueError)


def decompressed(stream: BinaryIO, magic: bytes) -> BinaryIO:
    """Return ``stream`` with the compression undone that ``magic``, its first bytes, announces."""
    if magic.startswith(b"\x1f\x8b"):
        return cast("BinaryIO", gzip.GzipFile(fileobj=stream))
    if magic.startswith(b"BZh"):
        return cast("BinaryIO", bz2.BZ2File(stream))
    if magic.startswith(b"\xfd7zXZ\x00"):
        return cast("BinaryIO", lzma.LZMAFile(stream))
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return cast("BinaryIO", zstd.ZstdFile(stream))
    return stream


def tar_members(stream: BinaryIO, limits: Limits) -> Iterator[Member]:
    """Yield every regular file of the tar in ``stream``, decompressed already; each is valid until the next is taken.

    Raises:
        ArtifactError: the stream is damaged or truncated, or a bound is exceeded.
    """
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=STEP, tarinfo=_StrictHeader) as archive:
            total = 0
            for info in archive:
                archive.members = []  # type: ignore[attr-defined]  # tarfile would keep a record of every member
                total += info.size
                if total > limits.inflated_bytes:
                    raise ArtifactError(
                        f"the members inflate to more than {limits.inflated_bytes} bytes (limit inflated_bytes)"
                    )
                if info.isreg():
                    yield _member(archive, info, limits)
                elif info.issym() or info.islnk():
                    yield _link(info)
            _check_the_rest(archive)
    except STREAM_ERRORS as error:
        raise ArtifactError(f"damaged or truncated archive: {error}") from error


class _StrictHeader(tarfile.TarInfo):
    """To tarfile a damaged or missing header behind the first member is the end of the archive; here it is an error."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":
                raise
            raise tarfile.ReadError(f"{error}: no header where one must be") from error


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


def _member(archive: tarfile.TarFile, info: tarfile.TarInfo, limits: Limits) -> Member:
    # The stream cannot go back, so all of the object stays in memory while it is looked at.
    def pieces() -> Iterator[bytes]:
        if info.size > limits.sequential_object_bytes:
            raise ArtifactError(
                f"{info.size} bytes in a tar, which is read in one go: more than the limit sequential_object_bytes "
                f"({limits.sequential_object_bytes}); unpack the archive and check the folder"
            )
        source = archive.extractfile(info)
        if source is None:
            return
        with contextlib.closing(source):
            try:
                while piece := source.read(STEP):
                    yield piece
            except STREAM_ERRORS as error:
                raise ArtifactError(f"damaged or truncated archive: {error}") from error

    path = normalized(printable(info.name))
    return Member(path, info.size, lambda: StreamedContent(pieces, limits.sequential_object_bytes), sequential=True)
