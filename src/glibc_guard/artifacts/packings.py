"""Files that may hold programs or libraries in a packing which is not opened: nothing of them was judged."""

from __future__ import annotations

import io
import zlib
from typing import Final

from glibc_guard.artifacts.member import Content

START_BYTES: Final = 8  # what `packed` has to know of a file at least
_NOT_OPENED: Final = {
    b"hsqs": "a squashfs image",
    b"\xed\xab\xee\xdb": "an RPM package",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
}
_GZIP: Final = b"\x1f\x8b\x08"
_WITH_GZIP: Final = 16 + zlib.MAX_WBITS  # what zlib calls a stream of gzip
_GZIP_STEP: Final = 4096  # bytes: what is left of a piece is copied at each end of a member
_COMPRESSED: Final = (_GZIP, b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")
_BLOCK: Final = 1 << 20  # bytes: more than a whole block of bzip2, which is the largest
_ELF: Final = b"\x7fELF"
#: e_type of what no loader maps, in both byte orders: modules of the kernel (ET_REL) are compressed as a rule.
_NOT_LOADED: Final = frozenset({b"\1\0", b"\0\1", b"\4\0", b"\0\4"})
_TYPE: Final = slice(16, 18)
#: Behind the text of a self-extracting script, at the beginning of a line: makeself and its like.
_ARCHIVES: Final = (
    b"PK\x03\x04",
    _GZIP,
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"hsqs",
)
_BZIP2: Final = b"1AY&SY"  # the first block of bzip2, behind its magic and level
_BZIP2_LINES: Final = tuple(b"\nBZh%d" % level + _BZIP2 for level in range(1, 10))
_LONGEST: Final = 12  # bytes of what is looked for in a script


def may_be_packed(start: bytes) -> bool:
    """Tell whether `packed` has anything to look at in a file that begins so."""
    return start.startswith((b"#!", *_COMPRESSED, *_NOT_OPENED))


def packed(start: bytes, content: Content, size: int) -> str | None:
    """Return what keeps a file of ``size`` bytes from being judged; None where it is mere data.

    ``start`` is the beginning of ``content``. Raises ArtifactError where that is damaged.
    """
    if start.startswith(b"#!"):
        return _behind_script(content, size)
    if start.startswith(_COMPRESSED):
        return _compressed(start, content, size)
    for magic, name in _NOT_OPENED.items():
        if start.startswith(magic):
            return f"{name}, which is not opened: unpack it, and check the folder"
    return None


def _compressed(start: bytes, content: Content, size: int) -> str | None:
    from glibc_guard.artifacts.tar_archive import STREAM_ERRORS  # noqa: PLC0415  # lazy, few members

    try:
        found = _beginning(start, content)
    except EOFError:
        if size <= _BLOCK:  # cut off: nothing unpacks it
            return None
        return f"compressed, and its first {_BLOCK} bytes do not tell what it holds: unpack it"
    except (*STREAM_ERRORS, zlib.error):  # data that only begin so
        return None
    if found.startswith(_ELF) and found[_TYPE] not in _NOT_LOADED:
        return "a compressed program or library, which is not judged: unpack it"
    return None


def _beginning(start: bytes, content: Content) -> bytes:
    """Return the first bytes of what is compressed; raises EOFError where those at hand do not suffice."""
    data = content.read(0, _BLOCK)
    if start.startswith(_GZIP):
        return _gunzipped(data)
    from glibc_guard.artifacts.tar_archive import decompressed  # noqa: PLC0415  # lazy, few members

    return decompressed(io.BytesIO(data), start).read(_TYPE.stop)


def _gunzipped(data: bytes) -> bytes:
    """Undo gzip by zlib, since GzipFile takes a second for a long name in a header, and any member may have one."""
    found, at, inflater = b"", 0, zlib.decompressobj(_WITH_GZIP)
    while len(found) < _TYPE.stop:
        piece = data[at : at + _GZIP_STEP]
        found += inflater.decompress(piece, _TYPE.stop - len(found))
        at += len(piece) - len(inflater.unused_data)
        if inflater.eof and at < len(data):
            inflater = zlib.decompressobj(_WITH_GZIP)
        elif at >= len(data):
            break
    if len(found) < _TYPE.stop and not inflater.eof:
        raise EOFError
    return found


def _begins_a_line(piece: bytes) -> bool:
    """Tell whether an archive does; a magic by itself is found in less time than a line that begins with it."""
    if any(magic in piece and b"\n" + magic in piece for magic in _ARCHIVES):
        return True
    return _BZIP2 in piece and any(line in piece for line in _BZIP2_LINES)


def _behind_script(content: Content, size: int) -> str | None:
    before = b""
    for offset in range(0, size, _BLOCK):
        piece = before + content.read(offset, _BLOCK)
        if _ELF in piece:
            return "a script with a program or library behind its text, which is not judged: unpack it"
        if _begins_a_line(piece):
            return "a script with an archive behind its text, which is not opened: unpack it, and check the folder"
        before = piece[-_LONGEST:]
    return None
