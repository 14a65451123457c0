"""Zip archives: wheels, conda packages, eggs, plain zips. Each member is inflated on its own, in any order."""

from __future__ import annotations

import functools
import io
import lzma
import posixpath
import stat
import struct
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from glibc_guard.artifacts.digest import sha256
from glibc_guard.artifacts.inflating import INFLATE_ERRORS, crc32, inflated
from glibc_guard.limits import Limits
from glibc_guard.artifacts.member import (
    ArtifactError,
    AsStream,
    Member,
    PlainContent,
    RandomAccess,
    StreamedContent,
    linked,
    normalized,
    unreadable,
)

LOCAL_HEADER: Final = struct.Struct("<4s5HIIIHH")
ReadWhole: TypeAlias = Callable[[str, bytes, int], None]

LONGEST_LINK: Final = 4096  # bytes: PATH_MAX of Linux
ENCRYPTED: Final = 0x1
STEP: Final = 256 * 1024  # compressed bytes a piece
FIRST_STEP: Final = 512  # the tables that a block of deflate begins with take up to 300 bytes
DECOMPRESSION_ERRORS: Final[tuple[type[Exception], ...]] = (
    *INFLATE_ERRORS,
    lzma.LZMAError,
    zipfile.BadZipFile,
    EOFError,
    OSError,
    NotImplementedError,
)


def zip_members(file: RandomAccess, limits: Limits, read_whole: ReadWhole | None = None) -> Iterator[Member]:
    """Yield every regular file of the archive, the largest first, so that threads end at about the same time.

    ``read_whole`` is called with path, SHA-256 and size of each member that was read to its end.

    Raises:
        ArtifactError: there is no readable central directory, or a bound is exceeded.
    """
    try:
        archive = zipfile.ZipFile(io.BufferedReader(AsStream(file)))
    except (
        zipfile.BadZipFile,
        OSError,
        ValueError,
        LookupError,
        ArithmeticError,
        NotImplementedError,
        struct.error,
    ) as error:
        raise ArtifactError(f"damaged or truncated zip archive: {error}") from error
    if not all(info.filename for info in archive.infolist()):
        raise ArtifactError("damaged zip archive: a member has no name")
    files = [info for info in archive.infolist() if not info.is_dir()]
    if sum(info.file_size for info in files) > limits.inflated_bytes:
        raise ArtifactError(f"the members inflate to more than {limits.inflated_bytes} bytes (limit inflated_bytes)")
    names = Counter(normalized(info.filename) for info in files)
    for info in sorted(files, key=lambda info: info.file_size, reverse=True):
        path = normalized(info.filename)
        if names[path] > 1:
            reason = "two members have this name: installers differ in which of them they take"
            yield unreadable(path, info.file_size, reason)
        elif read_whole is not None and (info.filename.startswith("/") or path.split("/")[0] == ".."):
            reason = "its name leads out of the folder that the wheel is installed into: installers refuse the wheel"
            yield unreadable(path, info.file_size, reason)
        elif info.flag_bits & ENCRYPTED:
            reason = "encrypted zip member: nothing can be said of its content"
            yield unreadable(path, info.file_size, reason)
        elif read_whole is None and stat.S_ISLNK(info.external_attr >> 16):  # an installer of wheels knows no links
            yield _link(file, archive, info)
        else:
            pieces = functools.partial(_pieces, file, archive, info, read_whole)
            content = functools.partial(StreamedContent, pieces, limits.retained_bytes)
            yield Member(path, info.file_size, content)


def _link(file: RandomAccess, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    """Info-ZIP and others store a symbolic link as a member whose content is the target."""
    path = normalized(info.filename)
    if info.file_size > LONGEST_LINK:
        return unreadable(path, info.file_size, "a link to a path longer than any system allows")
    try:
        target = b"".join(_pieces(file, archive, info, None)).decode("utf-8", "backslashreplace")
    except ArtifactError as error:
        return unreadable(path, info.file_size, str(error))
    return linked(path, posixpath.normpath(posixpath.join(posixpath.dirname(path), target)).lstrip("/"))


def _pieces(
    file: RandomAccess, archive: zipfile.ZipFile, info: zipfile.ZipInfo, read_whole: ReadWhole | None
) -> Iterator[bytes]:
    """Inflate one member, and hold its size and checksum against the directory at the end."""
    pieces = _checked(_unpacked(file, archive, info), info)
    if read_whole is None:
        yield from pieces
        return
    with sha256(info.file_size) as digest:
        for piece in pieces:
            digest.update(piece)
            yield piece
        read_whole(normalized(info.filename), digest.digest(), info.file_size)


def _checked(pieces: Iterator[bytes], info: zipfile.ZipInfo) -> Iterator[bytes]:
    produced = checksum = 0
    try:
        for piece in pieces:
            produced += len(piece)
            if produced > info.file_size:
                raise ArtifactError(f"inflates to more than the {info.file_size} bytes that the zip directory declares")
            checksum = crc32(piece, checksum)
            yield piece
    except DECOMPRESSION_ERRORS as error:
        raise ArtifactError(f"damaged zip member: {error}") from error
    if produced < info.file_size:
        raise ArtifactError(f"truncated zip member: {produced} of {info.file_size} bytes")
    if checksum != info.CRC:
        raise ArtifactError("bad checksum (CRC-32): the zip member is damaged")


def _unpacked(file: RandomAccess, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    start = _data_offset(file, info)
    if info.compress_type == zipfile.ZIP_STORED:
        return _stored(file, start, info.compress_size)
    if info.compress_type == zipfile.ZIP_DEFLATED:
        return inflated(_compressed(file, start, info.compress_size))
    return _by_zipfile(archive, info)


def _data_offset(file: RandomAccess, info: zipfile.ZipInfo) -> int:
    """Where the member's data begin; refuses a local header that tells another story than the directory."""
    central_name = info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437", "replace")
    header = file.read_at(info.header_offset, LOCAL_HEADER.size + len(central_name))
    if len(header) < LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
        raise ArtifactError("damaged zip archive: no local header where the directory says")
    _, _, flags, method, _, _, _, _, _, name_length, extra_length = LOCAL_HEADER.unpack_from(header)
    name = header[LOCAL_HEADER.size :] if name_length == len(central_name) else b""
    if method != info.compress_type or flags & ENCRYPTED or name != central_name:
        raise ArtifactError("the zip directory and the local header disagree: an installer may see another file")
    return info.header_offset + LOCAL_HEADER.size + int(name_length) + int(extra_length)


def _stored(file: RandomAccess, start: int, size: int) -> Iterator[bytes]:
    content = PlainContent(file, start, size)
    for offset in range(0, size, STEP):
        piece = content.read(offset, STEP)
        if not piece:
            raise ArtifactError("truncated zip member: the file ends before its data")
        yield piece


def _compressed(file: RandomAccess, start: int, size: int) -> Iterator[bytes]:
    # The first piece is small, since most members are only asked for their first four bytes.
    end = start + size
    step = FIRST_STEP
    while start < end:
        piece = file.read_at(start, min(step, end - start))
        if not piece:
            raise ArtifactError("truncated zip member: the file ends before its data")
        start += len(piece)
        step = STEP
        yield piece


def _by_zipfile(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    # bzip2, LZMA and what later Pythons add: too rare to deserve a path of their own.
    with archive.open(info) as stream:
        while piece := stream.read(STEP):
            yield piece
