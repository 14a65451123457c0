"""Tars whose headers each reader understands in another way: none passes; those that honest tools write are read."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import subprocess
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from building import library
from glibc_guard.artifacts import ArtifactError, Limits
from glibc_guard.artifacts.archive import open_file
from glibc_guard.artifacts.member import MemoryFile
from measured import costs_less_than
from provisions import needed

OBJECT: Final = library("reallocarray(0, 1, 2)", glibc="2.29")
GNU, V7 = b"ustar  \0", bytes(8)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def header(
    name: bytes, size: int, kind: bytes = b"0", *, field: bytes = b"", link: bytes = b"", magic: bytes = b"ustar\x0000"
) -> bytes:
    """Return a header; ``field`` is what stands in place of the size."""
    raw = bytearray(512)
    raw[: len(name)] = name
    raw[100:148] = b"0000755\0" + b"0000000\0" * 2 + (field or b"%011o\0" % size) + b"%011o\0" % 1
    raw[148:156] = b" " * 8
    raw[156 : 157 + len(link)] = kind + link
    raw[257:265] = magic
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


def member(name: bytes, data: bytes, kind: bytes = b"0", **more: bytes) -> bytes:
    return header(name, len(data), kind, **more) + padded(data)


def record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 3
    digits = next(n for n in range(1, 9) if len(str(length + n)) == n)
    return b"%d %s=%s\n" % (length + digits, key, value)


def extended(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    return member(b"PaxHeader", b"".join(record(*one) for one in records), kind)


def mapped(listed: bytes, *, size: int) -> bytes:
    """Return the extended header of a sparse file (version 0.1) with the ``listed`` offsets and lengths."""
    count = b"%d" % ((listed.count(b",") + 1) // 2)
    return extended((b"GNU.sparse.size", b"%d" % size), (b"GNU.sparse.numblocks", count), (b"GNU.sparse.map", listed))


GOOD, END = member(b"pkg/good.txt", b"content"), bytes(1024)
# To one reader the content of the member before, to another the next member: an object that begins like a header.
HIDDEN: Final = member(b"pkg/evil.so", OBJECT)
LONG: Final = member(b"././@LongLink", b"pkg/evil.so\0", b"L", magic=GNU)
ATTACKS: Final[dict[str, tuple[bytes, str]]] = {
    **{
        f"the type {kind!r}": (GOOD + member(b"pkg/evil.so", OBJECT, kind), "a member of an unknown type")
        for kind in [bytes([code]) for code in b"89ABCEMNZabz\xff "]
    },
    "a volume label with content": (GOOD + member(b"pkg/evil.so", OBJECT, b"V"), "is not a file, and has content"),
    "a list of a folder with content": (GOOD + member(b"pkg/evil.so", OBJECT, b"D"), "is not a file, and has content"),
    **{
        f"content behind the type {kind!r}": (
            GOOD + header(b"pkg/x", len(HIDDEN), kind, link=b"pkg/good.txt") + HIDDEN,
            "is not a file, and has content",
        )
        for kind in (b"1", b"2", b"3", b"4", b"5", b"6")
    },
    "a folder by its name with content": (
        header(b"pkg/x/", len(HIDDEN), b"\0", magic=V7) + HIDDEN,
        "its name is that of a folder",
    ),
    "… and a long name": (LONG + header(b"pkg/x/", len(HIDDEN), b"\0", magic=GNU) + HIDDEN, "name is that of a folder"),
    "… and a path": (
        extended((b"path", b"pkg/evil.so")) + header(b"pkg/x/", len(HIDDEN), b"\0") + HIDDEN,
        "its name is that of a folder",
    ),
    "a file with the name of a folder": (member(b"pkg/x/", HIDDEN), "its name is that of a folder"),
    "… by its long name": (
        member(b"././@LongLink", b"pkg/x/\0", b"L", magic=GNU) + member(b"pkg/x", HIDDEN, magic=GNU),
        "its name is that of a folder",
    ),
    "… by its path": (extended((b"path", b"pkg/x/")) + member(b"pkg/x", HIDDEN), "its name is that of a folder"),
    "a hard link with a size by its extended header": (
        extended((b"size", b"%d" % len(HIDDEN))) + header(b"pkg/x", 0, b"1", link=b"pkg/good.txt") + HIDDEN,
        "is not a file, and has content",
    ),
    **{
        f"the size {field!r}": (
            header(b"pkg/x.dat", 0, field=field) + padded(HIDDEN),
            "a size that readers understand in different ways",
        )
        for field in (
            b"\0" + b"%010o\0" % len(HIDDEN),
            b"-0000000000\0",
            b"0_000000000\0",
            b"\t0000000000\0",
            b"+0".ljust(12, b"\0"),
        )
    },
    "a size of blanks": (header(b"pkg/x.dat", 0, field=b" " * 12) + HIDDEN, "a size that readers understand"),
    "an object in place of a header": (GOOD + header(b"\x7fELF\2\1\1", 0), "an object where a header must be"),
    **{
        f"the size {size!r} in an extended header": (
            extended((b"size", size)) + member(b"pkg/x.dat", HIDDEN),
            "is not a number",
        )
        for size in (b"0x0", b"1_0", b" 5", b"-0", b"+5", b"", "٣".encode())
    },
    "a record behind the end of an extended header": (
        header(b"PaxHeader", 13, b"x") + padded(record(b"uid", b"1234") + record(b"size", b"5")) + HIDDEN,
        "an extended header that readers understand in different ways",
    ),
    "an extended header that is cut": (
        member(b"PaxHeader", b"50 path=pkg/x\n", b"x") + member(b"pkg/y", OBJECT),
        "an extended header that readers",
    ),
    "two paths": (
        extended((b"path", b"pkg/a"), (b"path", b"pkg/b")) + member(b"pkg/y", OBJECT),
        "an extended header that readers",
    ),
    "a path with a NUL": (
        extended((b"path", b"pkg/x\0")) + member(b"pkg/y", OBJECT),
        "an extended header that readers",
    ),
    **{
        f"{key!r} for all members": (
            extended((key, b"5"), kind=b"g") + member(b"pkg/x.dat", HIDDEN),
            "an extended header of all members",
        )
        for key in (b"size", b"path", b"linkpath", b"GNU.sparse.size", b"GNU.sparse.realsize")
    },
    "a sparse folder": (
        mapped(b"0,5", size=5) + header(b"pkg/x/", 0, b"5") + HIDDEN,
        "is not a file, and has content",
    ),
    "a sparse file with its size in two places": (
        extended(
            (b"size", b"512"), (b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"9")
        )
        + member(b"pkg/x", b"0\n"),
        "an extended header that readers",
    ),
    "pieces of a sparse file out of order": (
        mapped(b"5,5,0,5", size=10) + member(b"pkg/x", b"0123456789"),
        "pieces of a sparse file",
    ),
    "pieces of a sparse file behind its end": (
        mapped(b"0,10", size=5) + member(b"pkg/x", b"0123456789"),
        "pieces of a sparse file",
    ),
}


def sparse(
    *fields: bytes, more: bytes = b"", size: bytes = b"%011o\0" % len(OBJECT), stored: int = len(OBJECT)
) -> bytes:
    """Return the headers of the old form of a sparse file: offsets and lengths, and further headers as they are."""
    raw = bytearray(header(b"pkg/m.so", stored, b"S", magic=GNU))
    for at, number in enumerate(fields):
        raw[386 + 12 * at : 398 + 12 * at] = number.ljust(12, b"\0")
    raw[482], raw[483:495] = bool(more), size
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw) + more


def version_1(lines: bytes) -> bytes:
    """Return a sparse file whose content begins with ``lines`` that tell where the rest belongs."""
    words = ((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"%d" % len(OBJECT)))
    return extended(*words) + member(b"pkg/m.so", padded(lines) + OBJECT)


WHOLE: Final = (b"00000000000", b"%011o" % len(OBJECT))
OF_SPARSE_FILES: Final[dict[str, tuple[bytes, str]]] = {
    **{
        f"{number!r} in an old sparse header": (
            sparse(number, WHOLE[1]) + padded(OBJECT),
            "a sparse file that readers understand in different ways",
        )
        for number in (b"-0", b"+0", b"0_0", b"0o0", b"\t0", b"\0" + b"0" * 10)
    },
    "pieces behind the end of an old sparse header": (
        sparse(b"", b"", *WHOLE) + padded(OBJECT),
        "a sparse file that readers",
    ),
    "a sparse header that goes on behind its end": (
        sparse(*WHOLE, more=bytes(512)) + padded(OBJECT),
        "a sparse file that readers",
    ),
    "letters in a further sparse header": (
        sparse(*WHOLE, *(b"%011o" % len(OBJECT), b"00000000000") * 3, more=b"x" * 24 + bytes(488)) + padded(OBJECT),
        "a sparse file that readers",
    ),
    "a further sparse header that is cut": (
        sparse(*WHOLE, *(b"%011o" % len(OBJECT), b"00000000000") * 3, more=bytes(504) + b"\1" + bytes(7)),
        "a sparse file that readers",
    ),
    "the size of a sparse file": (sparse(*WHOLE, size=b"0_1".ljust(12, b"\0")) + padded(OBJECT), "a sparse file that"),
    **{
        f"the lines {lines!r} before a sparse file": (version_1(lines), "a sparse file that readers understand")
        for lines in (b"1\n-0\n%d\n" % len(OBJECT), b"0_1\n0\n5\n", b"-1\n", b" 1\n0\n5\n", b"1" * 600, b"x")
    },
    **{
        f"{key!r}": (extended((key, b"0 1 2")) + HIDDEN, "a sparse file as only some readers know it")
        for key in (b"SCHILY.realsize", b"SUN.holesdata")
    },
}


FORMS: Final = ("old", "0.0", "0.1", "1.0")


def sparse_file(form: str, pieces: Sequence[tuple[int, int]], stored: bytes, size: int = len(OBJECT)) -> bytes:
    """Return a sparse file of ``size`` bytes as GNU tar writes it in this ``form``."""
    numbers = [b"%d" % number for piece in pieces for number in piece]
    count = b"%d" % len(pieces)
    if form == "old":
        fields = [b"%011o" % number for piece in pieces for number in piece]
        return sparse(*fields, size=b"%011o\0" % size, stored=len(stored)) + padded(stored)
    if form == "1.0":
        words = [(b"major", b"1"), (b"minor", b"0"), (b"realsize", b"%d" % size)]
        stored = padded(b"".join(b"%s\n" % number for number in (count, *numbers))) + stored
    else:
        words = [(b"size", b"%d" % size), (b"numblocks", count), (b"map", b",".join(numbers))]
        if form == "0.0":
            words[2:] = zip([b"offset", b"numbytes"] * len(pieces), numbers, strict=True)
    return extended(*((b"GNU.sparse." + key, value) for key, value in words)) + member(b"pkg/m.so", stored)


N: Final = len(OBJECT)
#: Of a sparse file of N bytes: pieces, what is stored, and the message.
PIECES: Final[dict[str, tuple[list[tuple[int, int]], bytes, str]]] = {
    "a piece of no bytes at the end, then all": ([(N, 0), (0, N)], OBJECT, "overlap, or lie behind its end"),
    "a piece of no bytes behind the end": ([(0, N), (5 * N, 0)], OBJECT, "overlap, or lie behind its end"),
    "a piece of no bytes before the last one's end": ([(0, N), (0, 0)], OBJECT, "overlap, or lie behind its end"),
    "members behind the pieces": ([(0, 512)], OBJECT[:512] + HIDDEN, "more or less than what is stored"),
    "content behind pieces of no bytes": ([(N, 0)], OBJECT, "more or less than what is stored"),
    "pieces of what is not stored": ([(0, N)], b"", "more or less than what is stored"),
    "pieces of more than is stored": ([(0, N)], OBJECT[:512], "more or less than what is stored"),
    "a piece that ends inside a block": ([(0, 511), (511, N - 511)], OBJECT, "ends inside a block"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", PIECES)
def test_pieces_that_readers_put_to_different_places_are_unreadable(form: str, shape: str) -> None:
    pieces, stored, message = PIECES[shape]
    assert message in str(outcome(sparse_file(form, pieces, stored) + END))


@pytest.mark.parametrize("form", FORMS)
def test_a_sparse_file_with_content_and_no_pieces_is_unreadable(form: str) -> None:
    assert isinstance(outcome(sparse_file(form, [], OBJECT) + END), str)


@pytest.mark.parametrize("form", FORMS)
def test_honest_pieces_are_read(form: str) -> None:
    end = 1024 + N
    for pieces, stored, content in (
        ([(0, N)], OBJECT, OBJECT),
        ([(0, N), (N, 0)], OBJECT, OBJECT),
        ([(0, 0), (0, N)], OBJECT, OBJECT),
        ([(0, 512), (512, N - 512)], OBJECT, OBJECT),
        ([(0, 512), (1024, N), (end, 0)], OBJECT[:512] + OBJECT, OBJECT[:512] + bytes(512) + OBJECT),
        ([(4096, 0)], b"", bytes(4096)),
    ):
        packed = sparse_file(form, pieces, stored, len(content)) + member(b"pkg/n.so", OBJECT) + END
        assert outcome(packed) == {"pkg/m.so": content, "pkg/n.so": OBJECT}, pieces


@pytest.mark.parametrize(
    "records",
    [
        "size=N",
        "realsize=10",
        "name=pkg/m.so",
        "major=1",
        "size=N numblocks=0",
        "map=",
        "size=N map=",
        "size=N map=0,N",
        "size=N numblocks=0 map=",
        "size=N numblocks=2 map=0,N",
        "size=N numblocks=01 map=0,N",
        "size=N realsize=N numblocks=1 map=0,N",
        "size=N numblocks=2 offset=0 offset=512 numbytes=512 numbytes=R",
        "offset=0 numbytes=N size=N numblocks=1",
        "size=N numblocks=2 offset=0 numbytes=N",
        "major=0 minor=0 size=N",
        "major=0 minor=1 size=N numblocks=1 map=0,N",
        "major=1 minor=1 realsize=N",
        "major=01 minor=00 realsize=N",
        "major=1 minor=00 realsize=N",
        "major=2 minor=0 realsize=N",
        "major=1 minor=0",
        "major=1 minor=0 realsize=N map=0,N",
    ],
)
def test_records_of_sparse_files_that_gnu_tar_does_not_write_are_unreadable(records: str) -> None:
    words = records.replace("N", str(N)).replace("R", str(N - 512)).split()
    pairs = [(f"GNU.sparse.{key}".encode(), value.encode()) for key, _, value in (one.partition("=") for one in words)]
    for content in (OBJECT, padded(b"1\n0\n%d\n" % N) + OBJECT):
        assert "a sparse file that readers" in str(outcome(extended(*pairs) + member(b"pkg/m.so", content) + END))


@pytest.mark.parametrize("form", FORMS)
def test_a_sparse_file_whose_size_another_extended_header_tells_is_unreadable(form: str) -> None:
    plain, size = sparse_file(form, [(0, N)], OBJECT), extended((b"size", b"%d" % N))
    words = mapped(b"0,%d" % N, size=N)
    own = plain.index(b"pkg/m.so")  # behind the extended header of its own
    for packed in (size + plain, words + plain, plain[:own] + size + plain[own:]):
        assert "told twice" in str(outcome(packed + END))


def test_an_old_list_of_pieces_costs_no_more_than_its_length() -> None:
    full = (b"00000000000\0" * 42) + b"\1" + bytes(7)
    packed = sparse(*[b"00000000000"] * 8, more=full * 20_000 + bytes(512), stored=0) + END
    with costs_less_than(seconds=10):
        assert outcome(packed, Limits(header_bytes=len(packed))) == {"pkg/m.so": bytes(len(OBJECT))}


def test_honest_old_sparse_headers_are_read() -> None:
    assert outcome(sparse(*WHOLE) + padded(OBJECT) + END) == {"pkg/m.so": OBJECT}
    last = (b"%011o" % len(OBJECT), b"00000000000")
    further = b"".join(number.ljust(12, b"\0") for number in last).ljust(512, b"\0")
    assert outcome(sparse(*WHOLE, *last * 3, more=further) + padded(OBJECT) + END) == {"pkg/m.so": OBJECT}
    assert outcome(version_1(b"1\n0\n%d\n" % len(OBJECT)) + END) == {"pkg/m.so": OBJECT}


def test_a_list_of_pieces_without_an_end_costs_no_more_than_its_length() -> None:
    with costs_less_than(seconds=4):
        for lines in (b"1" * 4_000_000, b"2000000\n" + b"0\n" * 1_990_000):
            assert isinstance(outcome(gzip.compress(version_1(lines) + END)), str)


def outcome(data: bytes, limits: Limits | None = None) -> dict[str, bytes] | str:
    """What every object holds; or why the archive, or a member, cannot be read."""
    found: dict[str, bytes] = {}
    try:
        for one in open_file("a.tar", MemoryFile(data), limits or Limits()).members():
            content = one.open()
            found[one.path] = content.read(0, one.size)
            content.verify()
    except ArtifactError as error:
        return str(error)
    return found


@pytest.mark.parametrize("attack", ATTACKS | OF_SPARSE_FILES)
def test_what_readers_understand_in_different_ways_is_unreadable(attack: str) -> None:
    data, message = (ATTACKS | OF_SPARSE_FILES)[attack]
    assert message in str(outcome(data + END))


def test_what_is_said_names_the_member() -> None:
    assert "pkg/evil.so" in str(outcome(GOOD + member(b"pkg/evil.so", OBJECT, b"Z") + END))


@pytest.mark.parametrize(
    "size", [b"%012o" % len(OBJECT), b"%11o " % len(OBJECT), b"\x80" + len(OBJECT).to_bytes(11, "big")]
)
def test_every_honest_way_to_write_a_size_is_read(size: bytes) -> None:
    assert outcome(header(b"pkg/m.so", 0, field=size) + padded(OBJECT) + END) == {"pkg/m.so": OBJECT}


def test_a_file_of_no_bytes_may_have_any_name() -> None:
    assert outcome(header(b"pkg/x/", 0, b"\0", magic=V7) + header(b"pkg/y/", 0) + HIDDEN + END) == {
        "pkg/y": b"",
        "pkg/evil.so": OBJECT,
    }


def test_what_an_extended_header_of_all_members_may_say() -> None:
    words = extended((b"comment", b"1" * 40), (b"mtime", b"-1.5"), kind=b"g")
    assert outcome(words + HIDDEN + END) == {"pkg/evil.so": OBJECT}


def test_an_extended_header_costs_no_more_than_its_length() -> None:
    digits = member(b"PaxHeader", b"1" * 1_000_000, b"x") + HIDDEN + END
    honest = extended((b"comment", b"1" * 1_000_000)) + HIDDEN + END
    with costs_less_than(5):
        assert "an extended header that readers" in str(outcome(gzip.compress(digits)))
        assert outcome(honest) == {"pkg/evil.so": OBJECT}


def xz(data: bytes, dictionary: int) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1024 * 1024}]
    packed = bytearray(lzma.compress(data, filters=filters))
    place = packed.index(b"\x21\x01", 12) + 2  # the block's header: the filter, one byte of properties, a checksum
    packed[place] = dictionary
    packed[20:24] = zlib.crc32(packed[12:20]).to_bytes(4, "little")
    return bytes(packed)


def test_a_dictionary_of_3_gib_is_refused_before_it_is_made() -> None:
    assert outcome(xz(HIDDEN + END, 28)) == {"pkg/evil.so": OBJECT}  # of 64 MiB, as xz -9 writes
    assert "Memory usage limit" in str(outcome(xz(HIDDEN + END, 39)))


def test_xz_in_several_streams_with_padding_is_read_to_its_end() -> None:
    parts = lzma.compress(HIDDEN) + bytes(8) + lzma.compress(member(b"pkg/n.so", OBJECT) + END) + bytes(4)
    assert outcome(parts) == {"pkg/evil.so": OBJECT, "pkg/n.so": OBJECT}
    assert isinstance(outcome(lzma.compress(HIDDEN + END) + b"more"), str)
    assert isinstance(outcome(lzma.compress(HIDDEN + END)[:-20]), str)


def an_honest_folder(folder: Path) -> Mapping[str, bytes]:
    """Write objects as tars have them: with a hard link, holes, a long name, one that is not ASCII."""
    hole = bytes(200_000)
    files = {
        "m.so": OBJECT,
        "holes.so": OBJECT + hole + b"end" + hole,
        f"{'d' * 90}/{'n' * 120}.so": OBJECT,
        "ö.so": OBJECT,
        "hole.so": hole,
        "many.so": (b"y".ljust(8192, b"\0") * 60) + b"end",  # more pieces than one header of the old form has room for
    }
    for name, data in files.items():
        path = folder / "pkg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    with (folder / "pkg/holes.so").open("r+b") as file:  # holes, where the file system can have them
        file.truncate(len(OBJECT))
        file.seek(len(OBJECT) + len(hole))
        file.write(b"end")
        file.truncate(len(files["holes.so"]))
    with (folder / "pkg/hole.so").open("wb") as file:
        file.truncate(len(hole))
    with (folder / "pkg/many.so").open("wb") as file:
        for at in range(60):
            file.seek(at * 8192)
            file.write(b"y")
        file.seek(60 * 8192)
        file.write(b"end")
    os.link(folder / "pkg/m.so", folder / "pkg/z.so")
    (folder / "pkg/l.so").symlink_to("m.so")
    (folder / "pkg" / ("l" * 110)).symlink_to("t" * 140)
    (folder / "pkg/empty").mkdir()
    os.mkfifo(folder / "pkg/pipe")
    return {f"pkg/{name}": data for name, data in files.items()}


def packed_by(tool: str, folder: Path, *options: str) -> bytes:
    program = needed(tool, f"apt-get install {'libarchive-tools' if tool == 'bsdtar' else tool}")
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run([program, "-cf", "-", *options, "pkg"], cwd=folder, env=env, check=True, capture_output=True)
    return done.stdout


SPARSE: Final = [("--sparse", f"--sparse-version={version}", "--format=posix") for version in ("0.0", "0.1", "1.0")]


@pytest.mark.parametrize(
    "options",
    [
        *[(f"--format={name}",) for name in ("gnu", "oldgnu", "posix")],
        *[("--sparse", f"--format={name}") for name in ("gnu", "oldgnu", "posix")],
        *SPARSE,
    ],
    ids=" ".join,
)
def test_what_gnu_tar_writes_is_read(tmp_path: Path, options: tuple[str, ...]) -> None:
    files = an_honest_folder(tmp_path)
    found = outcome(packed_by("tar", tmp_path, *options))
    assert isinstance(found, dict), found
    # Of two hard links the one that comes first is the file.
    first = "pkg/m.so" if "pkg/m.so" in found else "pkg/z.so"
    assert found == {**{name: data for name, data in files.items() if name != "pkg/m.so"}, first: OBJECT}


@pytest.mark.parametrize("kind", ["v7", "ustar"])
def test_what_gnu_tar_writes_of_old_formats_is_read(tmp_path: Path, kind: str) -> None:
    for name in ("pkg/sub/m.so", "pkg/n.so"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(OBJECT)
    os.link(tmp_path / "pkg/n.so", tmp_path / "pkg/z.so")
    found = outcome(packed_by("tar", tmp_path, f"--format={kind}", "--sort=name"))
    assert found == {"pkg/sub/m.so": OBJECT, "pkg/n.so": OBJECT}


def test_what_gnu_tar_writes_with_a_label_and_for_all_members_is_read(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/m.so").write_bytes(OBJECT)
    for options in (("--label=text",), ("--format=posix", "--pax-option=globexthdr.name=x,comment=text")):
        assert outcome(packed_by("tar", tmp_path, *options)) == {"pkg/m.so": OBJECT}


@pytest.mark.parametrize("kind", ["gnutar", "pax", "paxr"])
def test_what_bsdtar_writes_is_read(tmp_path: Path, kind: str) -> None:
    files = an_honest_folder(tmp_path)
    found = outcome(packed_by("bsdtar", tmp_path, f"--format={kind}"))
    assert isinstance(found, dict), found
    first = "pkg/m.so" if "pkg/m.so" in found else "pkg/z.so"
    assert found == {**{name: data for name, data in files.items() if name != "pkg/m.so"}, first: OBJECT}


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_python_writes_is_read(tmp_path: Path, kind: int) -> None:
    files = an_honest_folder(tmp_path)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=kind) as archive:
        archive.add(tmp_path / "pkg", "pkg")
    found = outcome(packed.getvalue())
    assert isinstance(found, dict), found
    first = "pkg/m.so" if "pkg/m.so" in found else "pkg/z.so"
    assert found == {**{name: data for name, data in files.items() if name != "pkg/m.so"}, first: OBJECT}


def test_what_dpkg_writes_is_read(tmp_path: Path) -> None:
    dpkg = needed("dpkg-deb", "apt-get install dpkg")
    an_honest_folder(tmp_path)
    (tmp_path / "pkg/DEBIAN").mkdir()
    fields = "Package: demo\nVersion: 1\nArchitecture: amd64\nMaintainer: a <a@example.org>\nDescription: text\n"
    (tmp_path / "pkg/DEBIAN/control").write_text(fields)
    for packing in ("gzip", "xz", "none"):
        command = [dpkg, "--root-owner-group", f"-Z{packing}", "-b", "pkg", f"{packing}.deb"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        data = (tmp_path / f"{packing}.deb").read_bytes()
        found = [one.path for one in open_file("a.deb", MemoryFile(data), Limits()).members()]
        assert {name for name in found if name.endswith(".so")} >= {"holes.so", "ö.so"}
