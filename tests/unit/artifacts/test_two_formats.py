"""Files that are one format to one tool and another one to the next: none passes as what only one of them sees."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Final

import pytest

from building import library, make_wheel, zipped
from glibc_guard.artifacts import ArtifactError, Limits
from glibc_guard.artifacts.archive import open_file
from glibc_guard.artifacts.member import MemoryFile
from unit.artifacts.test_archives import OBJECT, ar_bytes, contents
from unit.artifacts.test_hostile_tars import END, header, member

OTHER: Final = library("malloc(1)")
EVIL: Final = member(b"pkg/evil.so", OBJECT)
BOTH: Final = "it begins as a tar does, and as a file of another format"


def named(name: bytes, behind: bytes) -> bytes:
    """Return a tar whose first member, of no bytes, is called ``name``, NULs and all."""
    raw = bytearray(header(b"", 0))
    raw[: len(name)] = name
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw) + behind + END


def tar_in_gzip() -> bytes:
    """Return a tar that lies in the extra field of a gzip header, whose own content is another tar."""
    hidden = EVIL + header(b"README", 0)
    start = b"\x1f\x8b\x08\x04\0\0\0\0\0\3" + struct.pack("<H", 512 + len(hidden) - 12)
    return named(start, hidden + gzip.compress(member(b"pkg/fine.so", OTHER) + END)[10:])


def tar_in_elf() -> bytes:
    """Return a tar in a segment of an object that uses nothing of it."""
    raw = bytearray(OTHER[:64])
    raw[32:40] = (512).to_bytes(8, "little")  # e_phoff
    return named(bytes(raw), EVIL)


@pytest.mark.parametrize(
    "start",
    [
        b"PK\x03\x04",
        b"BZh91AY&SY",
        b"\xfd7zXZ\0\0",
        b"\x28\xb5\x2f\xfd",
        b"!<arch>\ndebian-binary",
        b"#!/usr/bin/python\nPK\x03\x04",
        b"P*M\x18\xf8\x03",
        b"\x04\x22\x4d\x18d",
        b"LZIP\1\x0c",
        b"\x5d\0\0\x80\0\xff",
        b"begin 644 x\n#86)C\n",
        b"\xed\xab\xee\xdb\3",
    ],
)
def test_a_tar_whose_first_name_is_another_magic_is_refused(start: bytes) -> None:
    with pytest.raises(ArtifactError, match=BOTH):
        open_file("a.tar", MemoryFile(named(start, EVIL)), Limits())


@pytest.mark.parametrize("data", [tar_in_gzip(), tar_in_elf()], ids=["gzip", "ELF"])
def test_a_tar_inside_of_what_another_tool_sees_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(ArtifactError, match=BOTH):
        contents(tmp_path / "a.tar")
    (tmp_path / "a.zip").write_bytes(zipped({"a.tar": data}))
    assert BOTH in str(contents(tmp_path / "a.zip")["a.tar"])


@pytest.mark.parametrize("name", [b"LZIP", b"]", b"LRZI", b"GRZipII", b"begin", b"PKG/x", b"BZ", b"P*M"])
def test_a_tar_with_a_strange_name_is_read(name: bytes) -> None:
    opened = open_file("a.tar", MemoryFile(header(name, 0) + EVIL + END), Limits())
    assert [one.path for one in opened.members()] == [name.decode(), "pkg/evil.so"]


@pytest.mark.parametrize("suffix", [".whl", ".zip", ".egg", ".conda", ".pyz"])
@pytest.mark.parametrize("before", [b"some words\n" * 60, member(b"x.so", OTHER) + END, OTHER])
def test_a_zip_behind_something_else_is_not_passed_over(tmp_path: Path, before: bytes, suffix: str) -> None:
    """Installers look for the directory from the end: pip takes such a wheel."""
    archive = make_wheel(tmp_path, {"pkg/evil.so": OBJECT}).read_bytes()
    folder = tmp_path / "dist"
    folder.mkdir()
    path = folder / f"sample-1.0-py3-none-any{suffix}"
    path.write_bytes(before + archive)
    assert "it is none that can be opened" in str(contents(folder)[path.name])
    with pytest.raises(ArtifactError, match=r"named like a (wheel|zip archive), but it does not begin as a zip"):
        contents(path)
    packed = tmp_path / "all.tar"
    packed.write_bytes(member(b"dist/x" + suffix.encode(), before + archive) + END)
    assert "it is none that can be opened" in str(contents(packed)[f"dist/x{suffix}"])


def test_texts_that_are_called_like_archives_are_read_in_any_place(tmp_path: Path) -> None:
    packed = tmp_path / "a.tar"
    packed.write_bytes(member(b"x.zip", b"notes on PK\n" * 10_000) + END)
    assert contents(packed) == {"x.zip": b"notes on PK\n" * 10_000}


CONTROL: Final = {"debian-binary": b"2.0\n", "control.tar.gz": gzip.compress(END)}
FINE: Final = gzip.compress(member(b"usr/lib/fine.so", OTHER) + END)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"data.tar.gz": FINE, "data.tar": EVIL + END}, "several data.tar"),
        ({"data.tar": tar_in_gzip()}, "data.tar is not compressed as its name says"),
        ({"data.tar": FINE}, "data.tar is not compressed as its name says"),
        ({"data.tar.xz": FINE}, "data.tar.xz is not compressed as its name says"),
        ({"data.tar.gz": EVIL + END}, "data.tar.gz is not compressed as its name says"),
        ({"data.tarball": FINE}, "data.tarball is compressed in a way"),
        ({"data.tar.lzma": b"\x5d\0\0\x80\0" + bytes(600)}, "data.tar.lzma is compressed in a way"),
    ],
)
def test_debian_packages_whose_members_are_not_what_they_are_called(
    tmp_path: Path, entries: dict[str, bytes], message: str
) -> None:
    path = tmp_path / "a.deb"
    path.write_bytes(ar_bytes({**CONTROL, **entries}))
    with pytest.raises(ArtifactError, match=message):
        contents(path)


def test_honest_debian_packages_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.deb"
    path.write_bytes(ar_bytes({**CONTROL, "_extra": b"x", "data.tar.gz": FINE}))
    assert contents(path) == {"usr/lib/fine.so": OTHER}
