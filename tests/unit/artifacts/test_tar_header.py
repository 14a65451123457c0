"""The quick way through a usual header tells what tarfile tells of it, and what is unusual is left to tarfile."""

from __future__ import annotations

import tarfile
from typing import Any, Final, Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from glibc_guard.artifacts.tar_header import Header

ENCODING: Final = ("utf-8", "surrogateescape")
NAMES: Final = some.text(some.sampled_from("ab/é\udcff. "), min_size=1, max_size=120)
TYPES: Final = [tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, b"7", b"S", b"L"]


def block(name: str, kind: bytes, size: int, linkname: str, form: Literal[0, 1]) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname, info.mtime = kind, size, linkname, 1_700_000_000
    return info.tobuf(form, *ENCODING)[-512:]


def told(reader: type[tarfile.TarInfo], raw: bytes) -> tuple[Any, ...]:
    try:
        found = reader.frombuf(raw, *ENCODING)
    except tarfile.HeaderError as error:
        return (type(error), str(error))
    return found.name, found.type, found.size, found.linkname


@given(
    NAMES, some.sampled_from(TYPES), some.sampled_from([0, 1, 511, 8**11 - 1]), NAMES,
    some.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT]),
)  # fmt: skip
def test_headers_as_they_are_written(name: str, kind: bytes, size: int, linkname: str, form: Literal[0, 1]) -> None:
    try:
        raw = block(name, kind, 0 if kind == b"S" else size, linkname, form)
    except ValueError:
        assume(False)  # noqa: FBT003  # a name too long for that form
    try:
        assert told(Header, raw) == told(tarfile.TarInfo, raw)
    except tarfile.ReadError as error:
        assert "name is that of a folder" in str(error)  # noqa: PT017  # refused whichever way it was read


@given(some.data())
def test_headers_with_another_byte(data: some.DataObject) -> None:
    raw = bytearray(block("folder/file", data.draw(some.sampled_from(TYPES[:5])), 0, "other", tarfile.USTAR_FORMAT))
    place = data.draw(some.integers(0, 511))
    raw[place] = data.draw(some.integers(0, 255))
    if data.draw(some.booleans()):  # with the sum mended
        raw[148:156] = b" " * 8
        raw[148:156] = b"%06o\0 " % sum(raw)
    try:
        found = told(Header, bytes(raw))
    except tarfile.ReadError:
        return  # stricter than tarfile, on purpose
    assert found == told(tarfile.TarInfo, bytes(raw))


@pytest.mark.parametrize("size", [0, 300, 511])
def test_cut_headers(size: int) -> None:
    raw = block("folder/file", tarfile.REGTYPE, 3, "", tarfile.USTAR_FORMAT)[:size]
    assert told(Header, raw) == told(tarfile.TarInfo, raw)


def test_the_usual_header_goes_the_quick_way() -> None:
    forms: tuple[Literal[0, 1], ...] = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT)
    for form in forms:
        for kind in (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE):
            raw = block("f" * 80 + "/" + "e" * 19, kind, 0, "other", form)
            assert Header._usual(raw, *ENCODING) is not None  # noqa: SLF001  # what it is for
            assert Header._usual(raw[:-1] + b"x", *ENCODING) is None  # noqa: SLF001  # its sum is wrong
