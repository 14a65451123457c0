"""Zip archives: wheels, conda packages, eggs, plain zips. Each member is inflated on its own, in any order."""

from __future__ import annotations

import functools
import io
import lzma
import posixpath
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from msgspec import Struct

from glibc_guard.artifacts.bombs import refuse_bomb
from glibc_guard.artifacts.digest import sha256
from glibc_guard.artifacts.inflating import INFLATE_ERRORS, crc32, inflated
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
from glibc_guard.artifacts.packings import START_BYTES
from glibc_guard.artifacts.zip_layout import ENCRYPTED, LOCAL_HEADER, Layout, has_second_name, read_directory
from glibc_guard.limits import Limits, beyond

ReadWhole: TypeAlias = Callable[[str, bytes, int], None]

LONGEST_LINK: Final = 4096  # bytes: PATH_MAX of Linux
STEP: Final = 1024 * 1024  # compressed bytes a piece
RARE_STEP: Final = 4096  # zipfile reads so much at least, and inflates all of it at once: bzip2 to a million times
EMPTY_DEFLATED: Final = 2  # bytes that nothing deflates to
UNIX: Final = 3  # the maker of a member whose attributes are those of Unix (APPNOTE 4.4.2)
USUAL_EXTRA: Final = 64  # bytes of the extra field in a local header
AHEAD: Final = 4 * 1024 * 1024  # compressed bytes that a file on a server fetches at once
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
    """Give every regular file of the archive, the largest first, so that threads end at about the same time.

    ``read_whole`` is called with path, SHA-256 and size of each member that was read to its end.

    Raises:
        ArtifactError: there is no readable central directory, or a bound is exceeded.
    """
    return _members(_opened(file, limits), limits, read_whole)


def _members(source: _Source, limits: Limits, read_whole: ReadWhole | None) -> Iterator[Member]:
    files = [(normalized(info.filename), info) for info in source.archive.infolist() if not info.is_dir()]
    files.sort(key=lambda one: one[1].file_size, reverse=True)
    names = Counter(path for path, _ in files)
    for path, info in files:
        reason = _refusal(path, info, names, limits, of_wheel=read_whole is not None)
        if reason is not None:
            yield unreadable(path[: limits.name_bytes], info.file_size, reason)
        elif read_whole is None and _is_link(info):  # an installer of wheels knows no links
            yield _link(source, path, info)
        else:
            pieces = functools.partial(_pieces, source, path, info, read_whole)
            content = functools.partial(StreamedContent, pieces, limits.retained_bytes, limits.passes)
            start = functools.partial(_start, source, info)
            again = functools.partial(_pieces, source, path, info, None)
            yield Member(path, info.file_size, content, start, pieces=again)


def _opened(file: RandomAccess, limits: Limits) -> _Source:
    directory = read_directory(file, limits)
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
    if archive.start_dir != directory.offset:
        raise ArtifactError("damaged zip archive: its directory is not where its end says")
    infos = archive.infolist()
    if not all(info.filename for info in infos):
        raise ArtifactError("damaged zip archive: a member has no name")
    refuse_bomb(sum(info.file_size for info in infos), file.size, limits)
    file.prefetch(map(_start_of, infos))  # each is asked for its magic, or compared with its local header
    layout = Layout(file, directory, infos)
    for folder in filter(zipfile.ZipInfo.is_dir, infos):
        if folder.file_size or folder.CRC or folder.compress_size > EMPTY_DEFLATED:
            raise ArtifactError(f"damaged zip archive: a folder with content: {normalized(folder.filename)[:200]}")
        if has_second_name(folder):
            raise ArtifactError(f"a folder of the zip archive has two names: {normalized(folder.filename)[:200]}")
        layout.data_offset(folder)
    return _Source(file, archive, layout)


def _refusal(path: str, info: zipfile.ZipInfo, names: Counter[str], limits: Limits, *, of_wheel: bool) -> str | None:
    """Return why nothing can be said of the member, if so, before its content is looked at."""
    if len(path) > limits.name_bytes:
        return beyond(f"a path of {len(path)} characters", "name_bytes", limits.name_bytes)
    if names[path] > 1:
        return "two members have this name: installers differ in which of them they take"
    if path.startswith("../") or path == ".." or (of_wheel and info.filename.startswith("/")):
        return "its name leads out of the folder that it is unpacked into: installers refuse the archive"
    if has_second_name(info):
        return "it has two names: tools differ in the one that they unpack it under"
    return "encrypted zip member: nothing can be said of its content" if info.flag_bits & ENCRYPTED else None


class _Source(Struct, frozen=True):
    """What the data of a member come from."""

    file: RandomAccess
    archive: zipfile.ZipFile
    layout: Layout


def _start_of(info: zipfile.ZipInfo) -> tuple[int, int]:
    """Return where the local header and the first bytes of a member lie; how long its extra field is, is not known."""
    return info.header_offset, LOCAL_HEADER.size + 2 * len(info.orig_filename) + USUAL_EXTRA + FIRST_STEP


def _is_link(info: zipfile.ZipInfo) -> bool:
    """Tell whether all tools that know links make one: of another maker's attributes most write a file."""
    return info.create_system == UNIX and stat.S_ISLNK(info.external_attr >> 16)


def _link(source: _Source, path: str, info: zipfile.ZipInfo) -> Member:
    """Info-ZIP and others store a symbolic link as a member whose content is the target."""
    if info.file_size > LONGEST_LINK:
        return unreadable(path, info.file_size, "a link to a path longer than any system allows")
    try:
        content = b"".join(_pieces(source, path, info, None))
    except ArtifactError as error:
        return unreadable(path, info.file_size, str(error))
    if b"\0" in content:  # as every object holds
        return unreadable(path, info.file_size, "a link to what is no path: tools that know no links write a file")
    target = content.decode("utf-8", "backslashreplace")
    return linked(path, posixpath.normpath(posixpath.join(posixpath.dirname(path), target)).lstrip("/"))


def _start(source: _Source, info: zipfile.ZipInfo) -> bytes:
    """Return the first bytes of a member; none where they do not tell by themselves what it is, or cannot be read."""
    try:
        at = source.layout.data_offset(info)
        data = source.file.read_at(at, min(info.compress_size, FIRST_STEP))
        if info.compress_type == zipfile.ZIP_DEFLATED:  # by zlib, which stops early
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, START_BYTES)
    except (ArtifactError, zlib.error):  # told where it is opened
        return b""
    return data[:START_BYTES] if info.compress_type == zipfile.ZIP_STORED else b""


def _pieces(source: _Source, path: str, info: zipfile.ZipInfo, read_whole: ReadWhole | None) -> Iterator[bytes]:
    """Inflate one member, and hold its size and checksum against the directory at the end."""
    pieces = _checked(_unpacked(source, info), info)
    if read_whole is None:
        yield from pieces
        return
    with sha256(info.file_size) as digest:
        for piece in pieces:
            digest.update(piece)
            yield piece
        read_whole(path, digest.digest(), info.file_size)


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


def _unpacked(source: _Source, info: zipfile.ZipInfo) -> Iterator[bytes]:
    start = source.layout.data_offset(info)
    if info.compress_type == zipfile.ZIP_STORED:
        return _stored(source.file, start, info.compress_size)
    if info.compress_type == zipfile.ZIP_DEFLATED:
        return inflated(_compressed(source.file, start, info.compress_size))
    return _by_zipfile(source.archive, info)


def _stored(file: RandomAccess, start: int, size: int) -> Iterator[bytes]:
    content = PlainContent(file, start, size)
    for offset in range(0, size, STEP):
        if offset and offset % AHEAD == STEP:
            file.prefetch([(start + offset, min(AHEAD, size - offset))])
        piece = content.read(offset, STEP)
        if not piece:
            raise ArtifactError("truncated zip member: the file ends before its data")
        yield piece


def _compressed(file: RandomAccess, start: int, size: int) -> Iterator[bytes]:
    # The first piece is small, since most members are only asked for their first four bytes.
    end = start + size
    step = FIRST_STEP
    ahead = start + step  # whoever reads on from there reads all
    while start < end:
        if start >= ahead:
            file.prefetch([(start, min(AHEAD, end - start))])
            ahead = start + AHEAD
        piece = file.read_at(start, min(step, end - start))
        if not piece:
            raise ArtifactError("truncated zip member: the file ends before its data")
        start += len(piece)
        step = STEP
        yield piece


def _by_zipfile(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    # bzip2, LZMA and what later Pythons add: too rare to deserve a path of their own.
    with archive.open(info) as stream:
        while piece := stream.read(RARE_STEP):
            yield piece
