"""How the parts of a zip archive lie in the file.

Where they overlap, leave a member out or contradict each other, one reader sees another archive than the next:
installers may stream the local headers, others go by the directory. PyPI refuses such archives since 2025. The format
is that of APPNOTE.TXT of PKWARE.
"""

from __future__ import annotations

import bisect
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from glibc_guard.artifacts.member import ArtifactError, RandomAccess
from glibc_guard.limits import Limits, beyond

END: Final = struct.Struct("<4s4H2LH")  # 4.3.16
END_64: Final = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
LOCATOR_64: Final = struct.Struct("<4sLQL")  # 4.3.15
LOCAL_HEADER: Final = struct.Struct("<4s5HIIIHH")  # 4.3.7
LONGEST_COMMENT: Final = 0xFFFF
END_MAGIC, END_64_MAGIC, LOCATOR_MAGIC, LOCAL_MAGIC = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x03\x04"
DESCRIPTOR_MAGIC: Final = b"PK\x07\x08"  # 4.3.9.3: it may be there, or not
ENCRYPTED, HAS_DESCRIPTOR, UTF_8 = 0x1, 0x8, 0x800
IN_EXTRA_FIELD: Final = 0xFFFFFFFF
ZIP64_FIELD, UNICODE_PATH_FIELD = 0x0001, 0x7075  # 4.5.3, 4.6.9
DISAGREE: Final = "the zip directory and the local header disagree"
OTHER_FILE: Final = "an installer may see another file"


@dataclass(frozen=True, slots=True)
class Directory:
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
    if start + at + END.size + comment != file.size or _another_end(tail, at):
        raise ArtifactError("damaged zip archive: data behind its end, or two ends: tools differ in what they find")
    found = Directory(offset, size, entries, 1 << 16)
    end_of_directory = start + at
    locator = file.read_at(end_of_directory - LOCATOR_64.size, LOCATOR_64.size)
    if end_of_directory >= LOCATOR_64.size and locator.startswith(LOCATOR_MAGIC):
        end_of_directory = int(LOCATOR_64.unpack(locator)[2])
        found = _large(file, end_of_directory, start + at - LOCATOR_64.size, found)
    if found.size > limits.directory_bytes:
        raise ArtifactError(beyond(f"a zip directory of {found.size} bytes", "directory_bytes", limits.directory_bytes))
    if found.offset + found.size != end_of_directory:
        raise ArtifactError("damaged or truncated zip archive: its directory is not where its end says")
    return found


def _another_end(tail: bytes, at: int) -> bool:
    """Tell whether a comment holds what looks like the end of an archive, or an earlier end has it as its comment."""
    before = tail.rfind(END_MAGIC, 0, at)
    while before >= 0:
        if before + END.size <= len(tail) and before + END.size + END.unpack_from(tail, before)[-1] == len(tail):
            return True
        before = tail.rfind(END_MAGIC, 0, before)
    return False


def _large(file: RandomAccess, offset: int, end: int, small: Directory) -> Directory:
    record = file.read_at(offset, END_64.size)
    if len(record) < END_64.size or not record.startswith(END_64_MAGIC):
        raise ArtifactError("damaged zip archive: no zip64 end of its directory where one must be")
    _, length, _, _, _, _, _, entries, size, start = END_64.unpack(record)
    if offset + 12 + length != end:
        raise ArtifactError("damaged zip archive: data behind the zip64 end of its directory")
    pairs = (
        (small.entries, 0xFFFF, entries),
        (small.size, IN_EXTRA_FIELD, size),
        (small.offset, IN_EXTRA_FIELD, start),
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
        raw = info.orig_filename.encode("utf-8" if info.flag_bits & UTF_8 else "cp437", "replace")
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
        self._check_behind(info, start + int(extra_length) + info.compress_size)
        return start + int(extra_length)

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
        if end - start >= LOCAL_HEADER.size and self._file.read_at(start, 4) == LOCAL_MAGIC:
            raise ArtifactError(
                f"the zip archive holds a member at byte {start} that its directory does not list: installers that "
                "read it as a stream unpack it"
            )


def _sizes(extra: bytes, compressed: int, size: int) -> tuple[int, int]:
    """Return the sizes from the zip64 field of a local header, where the size comes first."""
    content = dict(extra_fields(extra)).get(ZIP64_FIELD, b"")
    values = [value for (value,) in struct.iter_unpack("<Q", content[: len(content) // 8 * 8])]
    if size == IN_EXTRA_FIELD and values:
        size = values.pop(0)
    if compressed == IN_EXTRA_FIELD and values:
        compressed = values.pop(0)
    return compressed, size


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
    raw = info.orig_filename.encode("utf-8" if info.flag_bits & UTF_8 else "cp437", "replace")
    for field, content in extra_fields(info.extra):
        if field == UNICODE_PATH_FIELD and content[1:5] == struct.pack("<L", zlib.crc32(raw)):
            # Not ``filename``, which is the second name already since Python 3.13.
            return content[5:] != info.orig_filename.encode("utf-8", "replace")
    return False
