"""Copies a zip archive with other content for some members; all others stay as they are, byte by byte.

``zipfile`` can copy no member without inflating it, and forgets what it does not know of; so the records of the archive
are copied here (APPNOTE.TXT of PKWARE, 4.3), and only sizes, checksums and offsets are put in.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from msgspec import Struct

from glibc_guard.artifacts.member import normalized
from glibc_guard.repair.changes import RepairError

LOCAL: Final = struct.Struct("<4s5H3I2H")  # …, time, date, crc, compressed, size, name length, extra length
CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
END: Final = struct.Struct("<4s4H2IH")
ZIP64_LOCATOR: Final = b"PK\x06\x07"
ZIP64_FIELD: Final = 1
DESCRIPTOR_FLAG: Final = 0x8  # sizes behind the data
ENCRYPTED_FLAG: Final = 0x1
NO_SIZE: Final = 0xFFFFFFFF
STEP: Final = 1024 * 1024


class _Record(Struct, frozen=True):
    """One entry of the central directory as it is written in the file."""

    fields: tuple[int, ...]  # without the signature
    name: bytes
    rest: bytes  # extra field and comment
    path: str

    @property
    def flags(self) -> int:
        return self.fields[2]

    @property
    def method(self) -> int:
        return self.fields[3]

    @property
    def compressed(self) -> int:
        return self.fields[7]

    @property
    def offset(self) -> int:
        return self.fields[15]


def copy_zip(source: Path, target: Path, replaced: Mapping[str, bytes]) -> None:
    """Write ``source`` to ``target`` with the members of ``replaced`` (by normalized path) having other content.

    Order, names, times, modes, comments and the way of compressing stay.

    Raises:
        RepairError: the archive is of a form that is not copied; the message says which.
        OSError: it cannot be read or written.
    """
    with source.open("rb") as file, target.open("xb") as copy:
        start, end = _directory(file)
        records = list(_records(file, start, end))
        missing = replaced.keys() - {record.path for record in records}
        if missing:
            raise RepairError(f"{min(missing)} lies in an archive inside it: take that out and repair it by itself")
        places = _copied(file, copy, records, start, replaced)
        directory = copy.tell()
        for record in records:
            fields = places[record.offset]
            copy.write(CENTRAL.pack(b"PK\x01\x02", *fields) + record.name + record.rest)
        size = copy.tell() - directory
        file.seek(end)
        tail = file.read()
        signature, *counts, _, _, comment = END.unpack_from(tail)
        copy.write(END.pack(signature, *counts, size, directory, comment) + tail[END.size :])


def member_names(source: Path) -> list[str]:
    """Return the normalized path of every member that is no folder; raises RepairError."""
    with _opened(source) as archive:
        return [normalized(info.filename) for info in archive.infolist() if not info.is_dir()]


def content_of(source: Path, path: str) -> bytes:
    """Return the content of the member with the normalized ``path``, held against its CRC; raises RepairError."""
    with _opened(source) as archive:
        (info,) = [one for one in archive.infolist() if not one.is_dir() and normalized(one.filename) == path]
        return archive.read(info)


def refuse_damaged(source: Path) -> None:
    """Raise RepairError where a member does not fit its CRC: the check reads none but those that matter to it."""
    with _opened(source) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise RepairError(f"{damaged} does not fit its checksum, so that no installer takes the wheel: build it again")


@contextmanager
def _opened(source: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(source) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        raise RepairError(f"it is a damaged zip archive: {error}") from error


def _directory(file: BinaryIO) -> tuple[int, int]:
    """Return where the central directory begins and where its end record does."""
    size = file.seek(0, os.SEEK_END)
    begin = max(0, size - END.size - 0xFFFF - 20)
    file.seek(begin)
    tail = file.read()
    found = tail.rfind(b"PK\x05\x06")
    if found < 0 or found + END.size > len(tail):
        raise RepairError("its end record is not where it must be")
    _, disk, first_disk, here, count, length, start, comment = END.unpack_from(tail, found)
    if ZIP64_LOCATOR in tail[max(0, found - 20) : found] or NO_SIZE in {length, start} or count == 0xFFFF:
        raise RepairError("it is a zip64 archive (over 4 GiB, or over 65,534 members), which is not rewritten")
    if disk or first_disk or here != count or found + END.size + comment != len(tail):
        raise RepairError("its end record does not fit it: it is split, or something is appended")
    if start + length != begin + found:
        raise RepairError("bytes lie before it, or between its directory and its end, that belong to no member")
    return start, begin + found


def _records(file: BinaryIO, start: int, end: int) -> Iterator[_Record]:
    file.seek(start)
    data = file.read(end - start)
    offset = 0
    while offset < len(data):
        if len(data) - offset < CENTRAL.size or data[offset : offset + 4] != b"PK\x01\x02":
            raise RepairError("its directory is damaged, or signed")
        _, *fields = CENTRAL.unpack_from(data, offset)
        name_end = offset + CENTRAL.size + fields[9]
        rest_end = name_end + fields[10] + fields[11]
        name = data[offset + CENTRAL.size : name_end]
        text = name.decode("utf-8" if fields[2] & 0x800 else "cp437", "replace").split("\0")[0]
        if NO_SIZE in {fields[7], fields[8], fields[15]}:
            raise RepairError("it is a zip64 archive (over 4 GiB), which is not rewritten")
        yield _Record(tuple(fields), name, data[name_end:rest_end], normalized(text))
        offset = rest_end


def _copied(
    file: BinaryIO, copy: BinaryIO, records: list[_Record], end: int, replaced: Mapping[str, bytes]
) -> dict[int, tuple[int, ...]]:
    """Copy all members in the order in which they lie; return the new directory entry of each by its old offset."""
    ordered = sorted(records, key=lambda record: record.offset)
    if ordered and ordered[0].offset != 0:
        raise RepairError("bytes lie before its first member that belong to none")
    places: dict[int, tuple[int, ...]] = {}
    for record, following in zip(ordered, [*(one.offset for one in ordered[1:]), end], strict=True):
        header = _local_header(file, record, following)
        at = copy.tell()
        if at + record.fields[8] >= NO_SIZE:
            raise RepairError("it would be larger than 4 GiB, for which zip64 is needed")
        places[record.offset] = (*record.fields[:15], at)
        if record.path in replaced and not record.name.endswith(b"/"):
            sizes = _written(copy, record, header, replaced[record.path])
            flags = record.flags & ~DESCRIPTOR_FLAG
            places[record.offset] = (*record.fields[:2], flags, *record.fields[3:6], *sizes, *record.fields[9:15], at)
        else:
            _copy(file, copy, record.offset, following)
    return places


def _local_header(file: BinaryIO, record: _Record, following: int) -> bytes:
    """Return the local header with name and extra field; refuses members that lie over each other."""
    file.seek(record.offset)
    header = file.read(LOCAL.size)
    if len(header) < LOCAL.size or header[:4] != b"PK\x03\x04":
        raise RepairError("its directory names a place where no member is")
    *_, name_size, extra_size = LOCAL.unpack(header)
    header += file.read(name_size + extra_size)
    if record.offset + len(header) + record.compressed > following:
        raise RepairError("two of its members lie over each other")
    return header


def _written(copy: BinaryIO, record: _Record, header: bytes, content: bytes) -> tuple[int, int, int]:
    """Write a member with other content, compressed as before; return its checksum and sizes."""
    if record.flags & ENCRYPTED_FLAG or record.method not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise RepairError(f"{record.path} is compressed by a method ({record.method}) that is not rewritten")
    data = content
    if record.method == zipfile.ZIP_DEFLATED:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = deflater.compress(content) + deflater.flush()
    checksum = zlib.crc32(content)
    _, version, flags, method, time, date, _, _, _, name_size, extra_size = LOCAL.unpack_from(header)
    name = header[LOCAL.size : LOCAL.size + name_size]
    extra = _without_zip64(header[LOCAL.size + name_size :], extra_size)
    sizes = (checksum, len(data), len(content))
    plain = (version, flags & ~DESCRIPTOR_FLAG, method, time, date)
    copy.write(LOCAL.pack(b"PK\x03\x04", *plain, *sizes, len(name), len(extra)) + name + extra + data)
    return sizes


def _without_zip64(extra: bytes, size: int) -> bytes:
    """Leave out the zip64 sizes, which some writers put in for small members too: they are those of the old content."""
    kept, offset = b"", 0
    while offset + 4 <= size:
        kind, length = struct.unpack_from("<HH", extra, offset)
        if kind != ZIP64_FIELD:
            kept += extra[offset : offset + 4 + length]
        offset += 4 + length
    return kept + extra[offset:size]


def _copy(file: BinaryIO, copy: BinaryIO, start: int, end: int) -> None:
    file.seek(start)
    while start < end:
        piece = file.read(min(STEP, end - start))
        if not piece:
            raise RepairError("it ends before its last member does")
        copy.write(piece)
        start += len(piece)
