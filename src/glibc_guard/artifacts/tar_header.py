"""Headers of a tar, read only where every reader understands the same: tarfile guesses, other tools guess otherwise."""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from glibc_guard.artifacts.member import printable
from glibc_guard.artifacts.tar_sparse import (
    NUMBER,
    PREFIX,
    is_number,
    old_pieces,
    pieces_of_records,
    unlike,
)

if TYPE_CHECKING:
    from typing_extensions import Self

SIZE, TYPE = slice(124, 136), slice(156, 157)
#: POSIX, of GNU tar long names, sparse files, volume labels and lists of folders, the extended header of Solaris.
#: Any other is a file to tar, dpkg and Python's extractall().
TYPES: Final = frozenset(b"\x0001234567SLKxgXVD")
#: What an extended header may not say of all members: readers differ in whether they heed it.
OF_ONE_MEMBER: Final = ("size", "path", "linkpath", PREFIX)
NUMBERS: Final = frozenset(
    {"size", "GNU.sparse.size", "GNU.sparse.realsize", "GNU.sparse.offset", "GNU.sparse.numbytes"}
)
REPEATED: Final = frozenset({"GNU.sparse.offset", "GNU.sparse.numbytes"})
#: Sparse files of star and of Solaris, which bsdtar unpacks as such and other tools do not.
OF_OTHERS: Final = frozenset({"SCHILY.realsize", "SUN.holesdata"})
LENGTH_DIGITS: Final = 10
#: A block as GNU tar, bsdtar and Python write it, with every number in octal digits as far as they fit.
USUAL: Final = re.compile(
    rb"(?P<name>.{100})(?:[0-7]{7}[\0 ]){3}(?P<size>[0-7]{11})[\0 ][0-7]{11}[\0 ](?P<sum>[0-7]{6})\0 (?P<type>[0125])"
    rb"(?P<target>.{100}).{72}(?:[0-7]{7}[\0 ]|\0{8}){2}(?P<folder>.{155}).{12}",
    re.DOTALL,
)
NUL: Final = b"\0"


class Header(tarfile.TarInfo):
    """A header of a member; what tarfile would guess at or pass over is an error here."""

    sparse_header = b""  # of the old form of GNU tar
    stored = 0  # bytes of a sparse file that are in the archive, without the list of its pieces

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """Return the next header; to tarfile a damaged one behind the first is the end of the archive."""
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":
                raise
            raise tarfile.ReadError(f"{error}: no header where one must be") from error

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Return the header in the block ``buf``; raises tarfile.ReadError where readers differ on it."""
        header = cls._usual(bytes(buf), encoding, errors) or super().frombuf(buf, encoding, errors)
        if buf.startswith(b"\x7fELF"):
            raise tarfile.ReadError("an object where a header must be: to other readers it is the member before")
        if buf[TYPE][0] not in TYPES:
            raise header.refused("a member of an unknown type, which other readers unpack as a file")
        unlabelled = buf[TYPE] != b"V" or any(buf[SIZE])  # GNU tar leaves all of a label empty but its name
        if unlabelled and not NUMBER.fullmatch(buf[SIZE]):
            raise header.refused("a size that readers understand in different ways")
        if header.size and header.type != buf[TYPE]:  # tarfile takes an old file with "/" behind its name for a folder
            raise header.refused("a file with content, and its name is that of a folder")
        if buf[TYPE] == b"S":
            header.sparse_header = bytes(buf)
        return header

    @classmethod
    def _usual(cls, buf: bytes, encoding: str, errors: str) -> Self | None:
        """Return the header in a block as nearly all are written, of a file, link or folder; None for another.

        It is read as tarfile does, but for what nothing here asks for, which takes tarfile most of its time: modes,
        owners and times.
        """
        found = USUAL.fullmatch(buf)
        if found is None or int(found["sum"], 8) != _checksum(buf):
            return None
        kind, target, folder = found["type"], found["target"], found["folder"]
        name = found["name"].partition(NUL)[0].decode(encoding, errors)
        if kind == tarfile.DIRTYPE:
            name = name.rstrip("/")
        if folder[0]:
            name = f"{folder.partition(NUL)[0].decode(encoding, errors)}/{name}"
        header = cls(name)
        header.size, header.type = int(found["size"], 8), kind
        header.linkname = target.partition(NUL)[0].decode(encoding, errors) if target[0] else ""
        return header

    def check(self) -> None:
        """Raise tarfile.ReadError where readers differ on what follows this header."""
        if self.size < 0:  # tarfile takes it for an empty file, and goes back
            raise tarfile.ReadError("a member of less than no bytes")
        if not self.isreg() and (self.size or self.sparse is not None):
            raise self.refused("it is not a file, and has content, which other readers take for members")
        names = (self.name, self.pax_headers.get("path", ""), self.pax_headers.get("GNU.sparse.name", ""))
        if self.size and any(one.endswith("/") for one in names):
            raise self.refused("a file with content, and its name is that of a folder")
        self._check_pieces()

    def refused(self, reason: str) -> tarfile.ReadError:
        """Return the error that names this member and the ``reason``."""
        return tarfile.ReadError(f"{printable(self.name)}: {reason}")

    def _check_pieces(self) -> None:
        if self.sparse is None:
            return
        pieces = cast("Sequence[tuple[int, int]]", self.sparse)
        end = 0
        for offset, length in pieces:  # of no bytes too: readers differ on where what follows belongs
            if not end <= offset <= offset + length <= self.size:
                raise self.refused("the pieces of a sparse file overlap, or lie behind its end")
            end = offset + length
        lengths = [length for _, length in pieces if length]
        if sum(lengths) != self.stored:
            raise self.refused("the pieces of a sparse file are more or less than what is stored of it")
        if any(length % tarfile.BLOCKSIZE for length in lengths[:-1]):  # GNU tar goes on with the next block
            raise self.refused("a piece of a sparse file ends inside a block, and is not the last one")

    def _proc_sparse(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        """Return this sparse file, in place of what tarfile does, which stops without a word at what is no number."""
        self.stored = self.size
        pieces, self.size = old_pieces(archive, self.sparse_header)
        self.sparse = pieces  # type: ignore[assignment]  # typeshed says bytes
        self.offset_data = archive.fileobj.tell()
        archive.offset = self.offset_data + -(-self.stored // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        return self

    def _proc_pax(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        """Return the member that this extended header is of.

        In place of what tarfile does, which searches by patterns whose time grows with the square of the length, and
        stops without a word at what is no record.
        """
        raw = archive.fileobj.read(-(-self.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)
        records = pax_records(raw, self.size)
        try:
            member = self.fromtarfile(archive)
        except tarfile.HeaderError as error:
            raise tarfile.ReadError("an extended header without a member") from error
        if self.type == tarfile.XGLTYPE:
            if any(key.startswith(OF_ONE_MEMBER) for key, _ in records):
                raise tarfile.ReadError("an extended header of all members with the name or size of one")
            return member
        self._apply(member, records, archive)
        return member

    def _apply(self, member: Self, records: Sequence[tuple[str, str]], archive: tarfile.TarFile) -> None:
        fields = dict(records)
        sparse = pieces_of_records(records, archive)
        told_before = member.sparse is not None or "size" in member.pax_headers
        if told_before and (sparse is not None or "size" in fields):
            raise member.refused("its size, or what is a hole in it, is told twice")
        if sparse is not None:
            begin, member.offset_data = member.offset_data, archive.fileobj.tell()
            member.stored = member.size - (member.offset_data - begin)
            member.sparse = sparse  # type: ignore[assignment]  # typeshed says bytes
        member._apply_pax_info(fields, archive.encoding, archive.errors)  # type: ignore[attr-defined]
        if "size" in fields:
            blocks = -(-member.size // tarfile.BLOCKSIZE) if member.isreg() else 0
            archive.offset = member.offset_data + blocks * tarfile.BLOCKSIZE


def pax_records(raw: bytes, size: int) -> list[tuple[str, str]]:
    """Return keys and values of an extended header of ``size`` bytes, in order; behind those there is padding.

    Raises:
        tarfile.ReadError: it is not what POSIX says, so that readers differ on it.
    """
    records = []
    at = 0
    while at < size:
        blank = raw.find(b" ", at, at + LENGTH_DIGITS)
        digits = raw[at : max(blank, at)]
        end = at + int(digits) if digits.isdigit() else at
        key, equals, value = raw[blank + 1 : end - 1].partition(b"=")
        if not (blank < end <= size and raw[end - 1 : end] == b"\n" and key and equals):
            raise unlike("an extended header")
        records.append((key.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")))
        at = end
    _check_records(records)
    if raw[size:].strip(b"\0"):
        raise unlike("an extended header")
    return records


def _check_records(records: Sequence[tuple[str, str]]) -> None:
    once = [key for key, _ in records if key not in REPEATED]
    if len(set(once)) < len(once) or ("size" in once and any(key.startswith(PREFIX) for key, _ in records)):
        raise unlike("an extended header")
    for key, value in records:
        if key in OF_OTHERS:
            raise tarfile.ReadError(f"a sparse file as only some readers know it ({key})")
        if key.startswith(OF_ONE_MEMBER) and "\0" in value:
            raise unlike("an extended header")
        if key in NUMBERS and not is_number(value):
            raise tarfile.ReadError(f"{key} of an extended header is not a number")


def _checksum(block: bytes) -> int:
    """Return the sum of the bytes of a header, its own field taken for blanks.

    Adler-32 begins with a sum, and what it adds up in C here cannot reach its modulus, 65521.
    """
    some = zlib.adler32(block[:148]) & 0xFFFF
    more = zlib.adler32(block[156:334]) & 0xFFFF
    rest = zlib.adler32(block[334:]) & 0xFFFF
    return some + more + rest - 3 + 8 * ord(" ")
