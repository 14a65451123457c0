"""Files that may hold programs or libraries in a packing which is not opened: nothing of them was judged."""

from __future__ import annotations

import io
import re
from typing import Final

from glibc_guard.artifacts.member import Content

START_BYTES: Final = 8  # what `packed` has to know of a file at least
_NOT_OPENED: Final = {
    b"hsqs": "a squashfs image",
    b"\xed\xab\xee\xdb": "an RPM package",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
}
_COMPRESSED: Final = (b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")
_BLOCK: Final = 1 << 20  # bytes: more than a whole block of bzip2, which is the largest
_ELF: Final = b"\x7fELF"
#: e_type of what no loader maps, in both byte orders: modules of the kernel (ET_REL) are compressed as a rule.
_NOT_LOADED: Final = frozenset({b"\1\0", b"\0\1", b"\4\0", b"\0\4"})
_TYPE: Final = slice(16, 18)
#: Behind the text of a self-extracting script, at the beginning of a line: makeself and its like.
_ARCHIVE: Final = re.compile(rb"\n(?:PK\x03\x04|\x1f\x8b\x08|BZh[1-9]1AY&SY|\xfd7zXZ\0|\x28\xb5\x2f\xfd|hsqs)")
_LONGEST: Final = 12  # bytes of what is looked for in a script


def packed(start: bytes, content: Content, size: int) -> str | None:
    """Return what keeps a file of ``size`` bytes from being judged; None where it is mere data.

    ``start`` is the beginning of ``content``. Raises ArtifactError where that is damaged.
    """
    if start.startswith(b"#!"):
        return _behind_script(content, size)
    if start.startswith(_COMPRESSED):
        found = _inflated(start, content)
        if found.startswith(_ELF) and found[_TYPE] not in _NOT_LOADED:
            return "a compressed program or library, which is not judged: unpack it"
        return None
    for magic, name in _NOT_OPENED.items():
        if start.startswith(magic):
            return f"{name}, which is not opened: unpack it, and check the folder"
    return None


def _inflated(start: bytes, content: Content) -> bytes:
    from glibc_guard.artifacts.tar_archive import STREAM_ERRORS, decompressed  # noqa: PLC0415  # lazy, few members

    try:
        return decompressed(io.BytesIO(content.read(0, _BLOCK)), start).read(_TYPE.stop)
    except STREAM_ERRORS:  # data that only begin so
        return b""


def _behind_script(content: Content, size: int) -> str | None:
    before = b""
    for offset in range(0, size, _BLOCK):
        piece = before + content.read(offset, _BLOCK)
        if _ELF in piece:
            return "a script with a program or library behind its text, which is not judged: unpack it"
        if _ARCHIVE.search(piece):
            return "a script with an archive behind its text, which is not opened: unpack it, and check the folder"
        before = piece[-_LONGEST:]
    return None
