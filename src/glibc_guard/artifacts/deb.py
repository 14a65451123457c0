"""Debian packages: an ar archive that holds a ``data.tar`` (deb(5))."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

from glibc_guard.artifacts.member import ArtifactError, AsStream, Member, RandomAccess, printable
from glibc_guard.limits import Limits

AR_MAGIC: Final = b"!<arch>\n"
#: What dpkg-deb undoes by the name of the member, and not by what that begins with (lib/dpkg/compress.c).
COMPRESSIONS: Final = {
    "data.tar": b"",
    "data.tar.gz": b"\x1f\x8b",
    "data.tar.bz2": b"BZh",
    "data.tar.xz": b"\xfd7zXZ\x00",
    "data.tar.zst": b"\x28\xb5\x2f\xfd",
}
AR_HEADER_SIZE: Final = 60  # name[16] date[12] uid[6] gid[6] mode[8] size[10] magic[2], all ASCII (ar(5))


def is_deb(start: bytes) -> bool:
    """Whether a file that begins with ``start`` is a package and not a static library, which is an ar archive too."""
    return start.startswith(AR_MAGIC + b"debian-binary")


def deb_members(file: RandomAccess, limits: Limits) -> Iterator[Member]:
    """Yield the regular files that the package installs.

    Raises:
        ArtifactError: there is no ``data.tar``, or more than one, or it is damaged.
    """
    from glibc_guard.artifacts.tar_archive import decompressed, tar_members  # noqa: PLC0415  # lazy, as in archive.py

    found = [entry for entry in _ar_entries(file) if entry[0].startswith("data.tar")]
    if not found:
        raise ArtifactError("damaged Debian package: it holds no data.tar")
    if len(found) > 1:
        raise ArtifactError(
            "damaged Debian package: it holds several data.tar: tools differ in the one that they unpack"
        )
    name, offset, size = found[0]
    start = file.read_at(offset, 8)
    if name not in COMPRESSIONS:
        raise ArtifactError(
            f"{printable(name)} is compressed in a way that is not opened: unpack it, and check the folder"
        )
    found_magic = next((magic for magic in COMPRESSIONS.values() if magic and start.startswith(magic)), b"")
    if found_magic != COMPRESSIONS[name]:
        raise ArtifactError(f"damaged Debian package: {printable(name)} is not compressed as its name says")
    stream = io.BufferedReader(AsStream(file, offset, size))
    yield from tar_members(decompressed(stream, start), limits, size)


def _ar_entries(file: RandomAccess) -> Iterator[tuple[str, int, int]]:
    offset = len(AR_MAGIC)
    while header := file.read_at(offset, AR_HEADER_SIZE):
        digits = header[48:58].strip()
        if len(header) < AR_HEADER_SIZE or header[58:] != b"`\n" or not digits.isdigit():
            raise ArtifactError("damaged Debian package: no ar header where one must be")
        size = int(digits)
        offset += AR_HEADER_SIZE
        if offset + size > file.size:
            raise ArtifactError("truncated Debian package")
        yield header[:16].decode("ascii", "replace").strip().rstrip("/"), offset, size
        offset += size + size % 2  # entries begin at even offsets
