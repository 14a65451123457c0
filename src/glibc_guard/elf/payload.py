"""What a one-file program carries for itself to unpack: no loader looks at it, and what is in there is not judged.

Looked for is what is known to hold programs or libraries, behind the end of the object and in PyInstaller's section:
a signature or padding is none. Sources: the AppImage specification; PyInstaller's ``archive/readers.py``; Nuitka's
``OnefileBootstrap.c``; UPX's ``struct l_info``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from glibc_guard.elf.image import Bytes, ProgramHeader
from glibc_guard.elf.sections import SHT_NOBITS, Section

_BEGINNINGS: Final = {
    b"hsqs": "a squashfs image",
    b"DWARFS": "a DwarFS image",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b\x08": "compressed data (gzip)",
    b"BZh": "compressed data (bzip2)",
    b"\xfd7zXZ\0": "compressed data (xz)",
    b"\x28\xb5\x2f\xfd": "compressed data (Zstandard)",
    b"KAY\x28\xb5\x2f\xfd": "a one-file archive of Nuitka's",
}
_ELF: Final = b"\x7fELF"
_UPX: Final = b"UPX!"  # behind a checksum of four bytes
_STEP: Final = 1 << 20  # bytes of one piece
_SECTION: Final = "pydata"
_COOKIE: Final = struct.Struct("!8sIIII64s")  # magic, length of all, place and length of the table, Python, its library
_COOKIE_MAGIC: Final = b"MEI\014\013\012\013\016"
_COOKIE_WITHIN: Final = 4096  # bytes before the end
_ENTRY: Final = struct.Struct("!IIIIBc")  # length of the entry, place, packed and unpacked size, whether packed, kind
_BINARY: Final = b"b"
_LONGEST_TABLE: Final = 64 << 20  # bytes
_MOST_ENTRIES: Final = 100_000
_ZIP_MAGIC: Final = b"PK\x05\x06"
_ZIP_END: Final = struct.Struct("<4x6xHL4xH")  # APPNOTE 4.3.16: entries, size of the directory, length of the comment
_LONGEST_COMMENT: Final = 0xFFFF
_ZIP_AT_END: Final = "a zip archive at its end"


def payload(
    data: Bytes, size: int, segments: Sequence[ProgramHeader], table_end: int, sections: Sequence[Section]
) -> str | None:
    """Return in words what an object of ``size`` bytes carries; None where it is nothing that is known.

    ``table_end`` is the end of the section table, 0 where there is none.
    """
    named = [section for section in sections if section.name == _SECTION]
    if len(named) > 1:
        return "several archives of PyInstaller's, which makes one"
    if named and (found := _of_pyinstaller(data, named[0].offset, named[0].offset + named[0].size)):
        return found
    ends = [*(segment.offset + segment.filesz for segment in segments), table_end]
    if _zip_at_end(data, max((end for end in ends if end <= size), default=size), size):
        return _ZIP_AT_END
    ends.extend(section.offset + section.size for section in sections if section.type != SHT_NOBITS)
    end = max((end for end in ends if end <= size), default=size)  # beyond the file only a lie reaches
    if end == size:
        return None
    if found := _of_pyinstaller(data, end, size):
        return found
    found = _behind(data, end, size)
    return None if found is None else f"{size - end} bytes behind its end, {found}"


def packed_by_upx(data: Bytes, headers_end: int) -> str | None:
    """Tell of a program that UPX packed; ``headers_end`` is the end of the program headers. It only looks static."""
    packed = data.read(headers_end + 4, len(_UPX)) == _UPX
    return "the program itself, packed by UPX (upx -d unpacks it)" if packed else None


def _behind(data: Bytes, start: int, end: int) -> str | None:
    """Tell what the bytes from ``start`` to ``end`` begin with, but for zeros, or whether an object is among them."""
    begun, before = False, b""
    for offset in range(start, end, _STEP):
        piece = data.read(offset, min(_STEP, end - offset))
        if not begun and (content := piece.lstrip(b"\0")):
            begun = True
            beginning = content + data.read(offset + len(piece), len(_ELF) * 2) if len(content) < 8 else content
            for magic, name in _BEGINNINGS.items():
                if beginning.startswith(magic):
                    return name
        if _ELF in before + piece:
            return "an ELF object among them"
        before = piece[1 - len(_ELF) :]
    return None


def _zip_at_end(data: Bytes, start: int, size: int) -> bool:
    """Tell of a zip archive anywhere behind ``start``: its readers look for it from the end of the file.

    Sections may be called to lie there, since nothing loads them.
    """
    at = max(start, size - _ZIP_END.size - _LONGEST_COMMENT)
    last = data.read(at, size - at) if size - start >= _ZIP_END.size else b""
    found = last.find(_ZIP_MAGIC)
    while 0 <= found <= len(last) - _ZIP_END.size:
        entries, length, comment = _ZIP_END.unpack_from(last, found)
        behind = found + _ZIP_END.size + comment
        if entries and length and behind <= len(last) and not last[behind:].strip(b"\0"):
            return True
        found = last.find(_ZIP_MAGIC, found + 1)
    return False


def _of_pyinstaller(data: Bytes, start: int, end: int) -> str | None:
    """Tell of the binaries in an archive of PyInstaller's that ends near ``end``; one of ``--onedir`` has none."""
    at = max(start, end - _COOKIE_WITHIN)
    last = data.read(at, max(0, end - at))
    found = last.rfind(_COOKIE_MAGIC)
    if found < 0 or len(last) - found < _COOKIE.size:
        return None
    _, length, offset, table_length, _, _ = _COOKIE.unpack_from(last, found)
    begin = at + found + _COOKIE.size - length
    fits = begin >= start and table_length <= _LONGEST_TABLE
    count = _binaries(data.read(begin + offset, table_length)) if fits else None
    if count is None:
        return "an archive of PyInstaller's with a damaged table"
    return f"{count} binaries in an archive of PyInstaller's" if count else None


def _binaries(table: bytes) -> int | None:
    """Return how many entries of a table of contents are programs or libraries; None where it is damaged."""
    position = count = entries = 0
    while position + _ENTRY.size <= len(table):
        length, *_, kind = _ENTRY.unpack_from(table, position)
        entries += 1
        if length < _ENTRY.size or entries > _MOST_ENTRIES:
            return None
        count += kind == _BINARY
        position += length
    return count if position == len(table) else None
