"""What a sparse file of a tar holds, in the four forms that GNU tar has written it: read as it reads them itself.

tarfile takes what Python's int() takes for a number, and passes over what it does not.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Sequence
from typing import Final, TypeAlias

#: Octal digits (POSIX), or base 256 (GNU, star), which the first bit tells; not what Python's int() takes beside.
NUMBER: Final = re.compile(rb" *[0-7]+[ \0]*|[\x80\xff][\x00-\xff]{11}")
PREFIX: Final = "GNU.sparse."  # of what extended headers tell of sparse files
#: Where an old header has its pieces, what tells of more, and the size of the file with its holes.
PIECES, MORE, REAL_SIZE = slice(386, 482), 482, slice(483, 495)
FURTHER_PIECES, STILL_MORE = slice(0, 504), 504
FIELD: Final = 12  # bytes of a number
LONGEST_NUMBER: Final = 20  # digits, of 64 bits

Pieces: TypeAlias = list[tuple[int, int]]  # offset and length, in bytes


def old_pieces(archive: tarfile.TarFile, header: bytes) -> tuple[Pieces, int]:
    """Return the pieces that an old ``header`` of GNU tar lists, and the size; reads the headers that go on with it.

    Raises:
        tarfile.ReadError: a number is none to all readers, or a list goes on behind its end.
    """
    if not NUMBER.fullmatch(header[REAL_SIZE]):
        raise unlike("a sparse file")
    pieces, full = _listed(header[PIECES])
    more = header[MORE]
    while more:
        block = _block(archive)
        further, still_full = _listed(block[FURTHER_PIECES])
        if not full:  # to GNU tar the list has ended, and this is content
            raise unlike("a sparse file")
        pieces.extend(further)
        full, more = still_full, block[STILL_MORE]
    return pieces, tarfile.nti(header[REAL_SIZE])  # type: ignore[attr-defined]


def _listed(raw: bytes) -> tuple[Pieces, bool]:
    """Return the pieces that the fields ``raw`` list, and whether there is room for no more."""
    used = raw.rstrip(b"\0")
    entries = -(-len(used) // (2 * FIELD))
    fields = [raw[at : at + FIELD] for at in range(0, entries * 2 * FIELD, FIELD)]
    if not all(NUMBER.fullmatch(field) for field in fields):
        raise unlike("a sparse file")
    numbers = [tarfile.nti(field) for field in fields]  # type: ignore[attr-defined]
    return list(zip(numbers[::2], numbers[1::2], strict=True)), entries * 2 * FIELD == len(raw)


def pieces_of_records(records: Sequence[tuple[str, str]], archive: tarfile.TarFile) -> Pieces | None:
    """Return the pieces of a sparse file that an extended header tells of, if it does (versions 0.0, 0.1 and 1.0).

    Of version 1.0 the list is read, which the content of the member begins with.

    Raises:
        tarfile.ReadError: the records are not those that GNU tar writes: what is passed over by one reader, another
            one heeds.
    """
    told = [(key.removeprefix(PREFIX), value) for key, value in records if key.startswith(PREFIX)]
    if not told:
        return None
    fields = dict(told)
    keys = [key for key, _ in told if key != "name"]
    if sorted(keys) == ["major", "minor", "realsize"] and (fields["major"], fields["minor"]) == ("1", "0"):
        return _pieces_before_content(archive)
    if sorted(keys) == ["map", "numblocks", "size"]:
        words = fields["map"].split(",")
    elif keys == ["size", "numblocks", *["offset", "numbytes"] * (len(keys) // 2 - 1)]:
        words = [value for key, value in told if key in {"offset", "numbytes"}]
    else:
        raise unlike("a sparse file")
    counted = words and len(words) % 2 == 0 and fields["numblocks"] == str(len(words) // 2)
    if not (counted and all(map(is_number, words))):
        raise unlike("a sparse file")
    numbers = [int(word) for word in words]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _pieces_before_content(archive: tarfile.TarFile) -> Pieces:
    """Return the pieces that lines before the content list (version 1.0), and read those."""
    numbers: list[int] = []
    rest = b""
    while not numbers or len(numbers) < 1 + 2 * numbers[0]:
        *lines, rest = (rest + _block(archive)).split(b"\n")
        if len(rest) > tarfile.BLOCKSIZE // 2 and not lines:
            raise unlike("a sparse file")
        for line in lines:
            if not (line.isdigit() and len(line) <= LONGEST_NUMBER):
                raise unlike("a sparse file")
            numbers.append(int(line))
            if len(numbers) == 1 + 2 * numbers[0]:  # what follows in the block is padding
                break
    return list(zip(numbers[1::2], numbers[2::2], strict=True))


def is_number(text: str) -> bool:
    """Tell whether all readers take ``text`` for the same number."""
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER


def unlike(what: str) -> tarfile.ReadError:
    """Return the error for ``what`` tools take in different ways."""
    return tarfile.ReadError(f"{what} that readers understand in different ways")


def _block(archive: tarfile.TarFile) -> bytes:
    block = archive.fileobj.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("the list of pieces of a sparse file is cut")
    return block
