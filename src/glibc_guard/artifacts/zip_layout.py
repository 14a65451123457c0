"""How the parts of a zip archive lie in the file.

Where they overlap, leave a member out or contradict each other, one reader sees another archive than the next:
installers may stream the local headers, others go by the directory. PyPI refuses such archives since 2025. The format
is that of APPNOTE.TXT of PKWARE.
"""

from __future__ import annotations

import bisect
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from glibc_guard.artifacts.inflating import INFLATE_ERRORS, inflated
from glibc_guard.artifacts.member import ArtifactError, RandomAccess
from glibc_guard.limits import Limits, beyond

END: Final = struct.Struct("<4s4H2LH")  # 4.3.16
END_64: Final = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
LOCATOR_64: Final = struct.Struct("<4sLQL")  # 4.3.15
LOCAL_HEADER: Final = struct.Struct("<4s5HIIIHH")  # 4.3.7
CENTRAL: Final = struct.Struct("<4x24xHHH12x")  # 4.3.12: the lengths of name, extra field and comment
LENGTH_64_FROM: Final = 12  # bytes of END_64 that it does not count: its magic, and the count
LONGEST_COMMENT: Final = 0xFFFF
END_MAGIC, END_64_MAGIC, LOCATOR_MAGIC, LOCAL_MAGIC = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x03\x04"
CENTRAL_MAGIC: Final = b"PK\x01\x02"
DESCRIPTOR_MAGIC: Final = b"PK\x07\x08"  # 4.3.9.3: it may be there, or not
DESCRIPTOR_BYTES: Final = 12  # magic, checksum and the lower half of the compressed size
_DESCRIPTOR: Final = re.compile(rb"PK\x07\x08(?=.{4}(.{4}))", re.DOTALL)
STEP: Final = 1024 * 1024  # bytes of one piece
ENCRYPTED, HAS_DESCRIPTOR, UTF_8 = 0x1, 0x8, 0x800
IN_EXTRA_FIELD: Final = 0xFFFFFFFF
ZIP64_FIELD, UNICODE_PATH_FIELD = 0x0001, 0x7075  # 4.5.3, 4.6.9
DISAGREE: Final = "the zip directory and the local header disagree"
OTHER_FILE: Final = "an installer may see another file"


class Directory(Struct, frozen=True):
    """The central directory, as the records at the end of the file tell of it."""

    offset: int
    size: int
    entries: int
    counts_modulo: int  # the record at the end counts no further than to this


def read_directory(file: RandomAccess, limits: Limits) -> Directory:
    """Return where the directory is.

    Raises:
        ArtifactError: the records at the end are missing, contradict each other, or name too much.
    """
    start = max(0, file.size - END.size - LONGEST_COMMENT)
    tail = file.read_at(start, file.size - start)
    at = tail.rfind(END_MAGIC)
    if at < 0 or len(tail) - at < END.size:
        raise ArtifactError("damaged or truncated zip archive: it has no end of its directory")
    _, _, _, _, entries, size, offset, comment = END.unpack_from(tail, at)
    end = at + END.size + int(comment)
    if end > len(tail) or tail[end:].strip(b"\0") or _another_end(tail, at, end):  # bsdtar pads a pipe's last block
        raise ArtifactError("damaged zip archive: data behind its end, or two ends: tools differ in what they find")
    found = Directory(offset, size, entries, 1 << 16)
    end_of_directory = start + at
    locator = file.read_at(end_of_directory - LOCATOR_64.size, LOCATOR_64.size)
    if end_of_directory >= LOCATOR_64.size and locator.startswith(LOCATOR_MAGIC):
        end_of_directory = _place_of_large(locator, end_of_directory - LOCATOR_64.size)
        found = _large(file, end_of_directory, found)
    if found.size > limits.directory_bytes:
        raise ArtifactError(beyond(f"a zip directory of {found.size} bytes", "directory_bytes", limits.directory_bytes))
    if found.offset + found.size != end_of_directory:
        raise ArtifactError("damaged or truncated zip archive: its directory is not where its end says")
    _refuse_members(file, found, limits)
    return found


def _refuse_members(file: RandomAccess, directory: Directory, limits: Limits) -> None:
    """Refuse too many members before each of them is an object; what the end counts may be a lie."""
    if directory.size // CENTRAL.size <= limits.members:
        return
    raw = file.read_at(directory.offset, directory.size)
    at = count = 0
    while raw.startswith(CENTRAL_MAGIC, at) and at + CENTRAL.size <= len(raw):
        *_, name, extra, comment = CENTRAL.unpack_from(raw, at)
        at += CENTRAL.size + name + extra + comment
        count += 1
        if count > limits.members:
            raise ArtifactError(beyond(f"more than {limits.members} members", "members", limits.members))


def _another_end(tail: bytes, at: int, end: int) -> bool:
    """Tell whether an earlier end has the one from ``at`` to ``end`` in its comment."""
    before = tail.rfind(END_MAGIC, 0, at)
    while before >= 0:
        if before + END.size <= len(tail) and end <= before + END.size + END.unpack_from(tail, before)[-1] <= len(tail):
            return True
        before = tail.rfind(END_MAGIC, 0, before)
    return False


def _place_of_large(locator: bytes, at: int) -> int:
    """Return where the zip64 record is that the ``locator`` at byte ``at`` names, where it is the same to all readers.

    Some go by the locator, others by what lies before it: nothing may be between the two, and nothing in the record
    behind its fields.
    """
    _, disk, offset, disks = LOCATOR_64.unpack(locator)
    if disk or disks > 1:
        raise ArtifactError("a zip archive in several volumes: join them first")
    if offset + END_64.size != at:
        raise ArtifactError("damaged zip archive: the zip64 end of its directory is not where it must be")
    return int(offset)


def _large(file: RandomAccess, offset: int, small: Directory) -> Directory:
    record = file.read_at(offset, END_64.size)
    if len(record) < END_64.size or not record.startswith(END_64_MAGIC):
        raise ArtifactError("damaged zip archive: no zip64 end of its directory where one must be")
    _, length, _, _, disk, of_directory, here, entries, size, start = END_64.unpack(record)
    if length != END_64.size - LENGTH_64_FROM:
        raise ArtifactError("damaged zip archive: more than its fields in the zip64 end of its directory")
    pairs = (
        (small.entries, 0xFFFF, entries),
        (small.size, IN_EXTRA_FIELD, size),
        (small.offset, IN_EXTRA_FIELD, start),
        (here, entries, entries),
        (disk, of_directory, of_directory),
    )
    if any(told not in {unknown, large} for told, unknown, large in pairs):
        raise ArtifactError("damaged zip archive: the two records at its end disagree: tools differ in what they find")
    return Directory(start, size, entries, 1 << 64)


class Layout:
    """The place of each member, and what may be between it and the next one."""

    def __init__(self, file: RandomAccess, directory: Directory, infos: Sequence[zipfile.ZipInfo]) -> None:
        """Take the places from the directory.

        Raises:
            ArtifactError: it counts other members than there are, or the file begins with a member that it leaves out.
        """
        self._file, self._end = file, directory.offset
        self._starts = sorted({info.header_offset for info in infos} | {directory.offset})
        if len(infos) % directory.counts_modulo != directory.entries:
            raise ArtifactError(
                f"damaged zip archive: its directory holds {len(infos)} members, and its end counts {directory.entries}"
            )
        if len(self._starts) <= len(infos):
            raise ArtifactError("damaged zip archive: two members share one place, or lie inside of the directory")
        self._refuse_hidden(0, self._starts[0])

    def data_offset(self, info: zipfile.ZipInfo) -> int:
        """Return where the data of ``info`` begin.

        Raises:
            ArtifactError: its local header tells another story than the directory, it overlaps the next member, or a
                member that the directory does not list is behind it.
        """
        raw = _raw_name(info)
        header = self._file.read_at(info.header_offset, LOCAL_HEADER.size + len(raw))
        beyond_members = info.header_offset >= self._end
        if beyond_members or len(header) < LOCAL_HEADER.size or not header.startswith(LOCAL_MAGIC):
            raise ArtifactError("damaged zip archive: no local header where the directory says")
        _, _, flags, method, _, _, crc, compressed, size, name_length, extra_length = LOCAL_HEADER.unpack_from(header)
        name = header[LOCAL_HEADER.size :] if name_length == len(raw) else b""
        if method != info.compress_type or (flags ^ info.flag_bits) & (ENCRYPTED | HAS_DESCRIPTOR) or name != raw:
            raise ArtifactError(f"{DISAGREE}: {OTHER_FILE}")
        start = info.header_offset + LOCAL_HEADER.size + int(name_length)
        if IN_EXTRA_FIELD in {compressed, size}:
            compressed, size = _sizes(self._file.read_at(start, extra_length), compressed, size)
        told, known = (crc, compressed, size), (info.CRC, info.compress_size, info.file_size)
        if told != known and not (
            flags & HAS_DESCRIPTOR and all(a in {0, b} for a, b in zip(told, known, strict=True))
        ):
            raise ArtifactError(f"{DISAGREE} on size or checksum: {OTHER_FILE}")
        start += int(extra_length)
        self._check_behind(info, start + info.compress_size)
        if told != known:
            self._refuse_early_end(info, start)
        return start

    def _refuse_early_end(self, info: zipfile.ZipInfo, start: int) -> None:
        """Refuse data that end before the directory says so, for a reader of streams whom no header tells their size.

        Such a reader goes on to the end of the deflated stream, or in stored data to what looks like the descriptor,
        and unpacks the member that follows there.
        """
        end = start + info.compress_size
        if info.compress_type == zipfile.ZIP_STORED:
            early = _holds_descriptor(self._file, start, end)
        else:
            early = _first(self._file, LOCAL_MAGIC, start, end) is not None and not self._fills(info, start)
        if early:
            raise ArtifactError(f"its data end earlier for tools that read the zip archive as a stream: {OTHER_FILE}")

    def _fills(self, info: zipfile.ZipInfo, start: int) -> bool:
        """Tell whether a deflated stream ends where the directory says."""
        if info.compress_type != zipfile.ZIP_DEFLATED:
            return False
        steps = range(0, info.compress_size, STEP)
        pieces = (self._file.read_at(start + at, min(STEP, info.compress_size - at)) for at in steps)
        produced = 0
        try:
            for piece in inflated(pieces):
                produced += len(piece)
                if produced > info.file_size:
                    return False
        except INFLATE_ERRORS:
            return False
        return produced == info.file_size

    def _check_behind(self, info: zipfile.ZipInfo, end: int) -> None:
        following = self._starts[bisect.bisect_right(self._starts, info.header_offset)]
        if end > following:
            raise ArtifactError("it overlaps the next member of the zip archive: tools differ in what they find")
        if end < following and info.flag_bits & HAS_DESCRIPTOR:
            end += self._descriptor(info, end, following)
        self._refuse_hidden(end, following)

    def _descriptor(self, info: zipfile.ZipInfo, at: int, following: int) -> int:
        """Return the length of the data descriptor, in any of its four forms; 0 where there is none."""
        found = self._file.read_at(at, min(24, following - at))
        for form in ("<LQQ", "<LLL"):
            values = tuple(
                value & (2 ** (8 * struct.calcsize(f"<{kind}")) - 1)
                for value, kind in zip((info.CRC, info.compress_size, info.file_size), form[1:], strict=True)
            )
            wanted = struct.pack(form, *values)
            for magic in (DESCRIPTOR_MAGIC, b""):
                if found.startswith(magic + wanted):
                    return len(magic + wanted)
        if following - at >= 12:
            raise ArtifactError(f"the zip directory and the data descriptor disagree: {OTHER_FILE}")
        return 0

    def _refuse_hidden(self, start: int, end: int) -> None:
        """Refuse a member that the directory does not list; other bytes between members are of no use to anybody."""
        found = _first(self._file, LOCAL_MAGIC, start, end)  # anywhere: readers of streams look for the next member
        if found is not None:
            raise ArtifactError(
                f"the zip archive holds a member at byte {found} that its directory does not list: installers that "
                "read it as a stream unpack it"
            )


def _windows(file: RandomAccess, start: int, end: int, overlap: int) -> Iterator[tuple[int, bytes]]:
    """Yield offset and bytes of each piece from ``start`` to ``end``, each reaching ``overlap`` bytes into the next."""
    for offset in range(start, end, STEP):
        yield offset, file.read_at(offset, min(STEP + overlap, end - offset))


def _first(file: RandomAccess, magic: bytes, start: int, end: int) -> int | None:
    """Return where ``magic`` lies first from ``start`` to ``end``."""
    for offset, piece in _windows(file, start, end, len(magic) - 1):
        found = piece.find(magic)
        if found >= 0:
            return offset + found
    return None


def _holds_descriptor(file: RandomAccess, start: int, end: int) -> bool:
    """Tell whether stored data hold a descriptor of what is before it; an archive among them holds only its own."""
    for offset, piece in _windows(file, start, end, DESCRIPTOR_BYTES - 1):
        for found in _DESCRIPTOR.finditer(piece):
            (size,) = struct.unpack("<L", found[1])
            if size == (offset + found.start() - start) % 2**32:
                return True
    return False


def _sizes(extra: bytes, compressed: int, size: int) -> tuple[int, int]:
    """Return the sizes from the zip64 field of a local header, where the size comes first."""
    content = dict(extra_fields(extra)).get(ZIP64_FIELD, b"")
    values = [value for (value,) in struct.iter_unpack("<Q", content[: len(content) // 8 * 8])]
    if size == IN_EXTRA_FIELD and values:
        size = values.pop(0)
    if compressed == IN_EXTRA_FIELD and values:
        compressed = values.pop(0)
    return compressed, size


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    """Return the name of a member as it stands in the archive."""
    name = info.orig_filename
    # ASCII is the same in both encodings, and the codec of cp437 is slow.
    return name.encode("utf-8" if info.flag_bits & UTF_8 or name.isascii() else "cp437", "replace")


def extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield identifier and content of each extra field."""
    offset = 0
    while offset + 4 <= len(extra):
        field, length = struct.unpack_from("<HH", extra, offset)
        yield field, extra[offset + 4 : offset + 4 + length]
        offset += 4 + length


def has_second_name(info: zipfile.ZipInfo) -> bool:
    """Tell whether some tools unpack the member under another name: behind a NUL, or in an Info-ZIP Unicode path."""
    if "\0" in info.orig_filename:
        return True
    for field, content in extra_fields(info.extra):
        if field == UNICODE_PATH_FIELD and content[1:5] == struct.pack("<L", zlib.crc32(_raw_name(info))):
            # Not ``filename``, which is the second name already since Python 3.13.
            return content[5:] != info.orig_filename.encode("utf-8", "replace")
    return False
