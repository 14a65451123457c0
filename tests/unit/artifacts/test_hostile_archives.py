"""Archives that show each reader another content: none passes as read, however they are put together."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building import library, make_wheel
from glibc_guard.artifacts import ArtifactError, Limits
from glibc_guard.artifacts.archive import open_file
from glibc_guard.artifacts.inflating import INFLATE_ERRORS, inflated
from glibc_guard.artifacts.member import MemoryFile
from glibc_guard.artifacts.wheel import Record
from glibc_guard.artifacts.zip_archive import zip_members

OBJECT: Final = library("reallocarray(0, 1, 2)", glibc="2.29")
HAS_DESCRIPTOR: Final = 8
LOCAL, CENTRAL, END = struct.Struct("<4s5HIIIHH"), struct.Struct("<4s6HIIIHHHHHII"), struct.Struct("<4s4H2LH")


@dataclass(frozen=True)
class Entry:
    """A member, and what its two headers say of it in place of the truth."""

    name: bytes = b"pkg/m.so"
    data: bytes = b"content"
    deflated: bool = True
    local: Mapping[str, int | bytes] = field(default_factory=dict)
    central: Mapping[str, int | bytes] = field(default_factory=dict)
    descriptor: bytes = b""  # behind the data
    behind: bytes = b""  # … and that

    def truth(self, stored: bytes, offset: int) -> dict[str, int | bytes]:
        sizes = {"crc": zlib.crc32(self.data), "compressed": len(stored), "size": len(self.data)}
        method = 8 if self.deflated else 0
        return {
            "name": self.name,
            "flags": 0,
            "method": method,
            "extra": b"",
            "offset": offset,
            "mode": 0,
            "system": 3,
            **sizes,
        }

    def stored(self) -> bytes:
        if not self.deflated:
            return self.data
        packer = zlib.compressobj(wbits=-15)
        return packer.compress(self.data) + packer.flush()


def in_both(told: Mapping[str, int | bytes]) -> list[int | bytes]:
    """The numbers that stand alike in the local header of a member and in the central one."""
    return [
        *(told["flags"], told["method"]),
        *(0, 0x21),  # the time and the date
        *(told["crc"], told["compressed"], told["size"]),
        *(len(bytes(told["name"])), len(bytes(told["extra"]))),
    ]


def names(told: Mapping[str, int | bytes]) -> bytes:
    """What stands behind either header."""
    return bytes(told["name"]) + bytes(told["extra"])


def archive(
    *entries: Entry,
    before: bytes = b"",
    count: int | None = None,
    comment: bytes = b"",
    after: bytes = b"",
    listed: int | None = None,
    between: bytes = b"",
) -> bytes:
    """Write a zip archive; ``listed`` is how many of the entries its directory names."""
    body, directory = before, b""
    for number, entry in enumerate(entries):
        stored = entry.stored()
        fields = entry.truth(stored, len(body))
        told = {**fields, **entry.local}
        body += LOCAL.pack(b"PK\3\4", 20, *in_both(told)) + names(told)
        body += stored + entry.descriptor + entry.behind
        if listed is None or number < listed:
            told = {**fields, **entry.central}
            made_by, mode = int(told["system"]) << 8 | 20, int(told["mode"]) << 16
            directory += CENTRAL.pack(b"PK\1\2", made_by, 20, *in_both(told), 0, 0, 0, mode, told["offset"]) + names(
                told
            )
    number = len(entries) if listed is None else listed
    counted = number if count is None else count
    body += between
    end = END.pack(b"PK\5\6", 0, 0, counted, counted, len(directory), len(body), len(comment))
    return body + directory + end + comment + after


def outcome(data: bytes, name: str = "a.zip") -> dict[str, bytes] | str:
    """What every member holds; or why the archive, or one of them, cannot be read."""
    found: dict[str, bytes] = {}
    try:
        for member in open_file(name, MemoryFile(data), Limits()).members():
            assert member.path not in found
            content = member.open()
            found[member.path] = content.read(0, member.size)
            content.verify()
            assert len(found[member.path]) == member.size
    except ArtifactError as error:
        return str(error)
    return found


def with_zip64(
    data: bytes,
    *,
    length: int = 44,
    extra: bytes = b"",
    between: bytes = b"",
    counts: tuple[int, int] = (1, 1),
    disks: int = 1,
) -> bytes:
    """Put the records of zip64 before the end of an archive without a comment, and let that refer to them."""
    directory, end = data[:-22], END.unpack(data[-22:])
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", length, 45, 45, 0, 0, *counts, end[5], end[6]) + extra
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(directory), disks)
    return directory + record + between + locator + END.pack(b"PK\5\6", 0, 0, *[0xFFFF] * 2, *[0xFFFFFFFF] * 2, 0)


OTHER: Final = Entry(b"pkg/n.so", OBJECT)
INNER: Final = archive(OTHER)
HIDDEN: Final = INNER[: INNER.index(b"PK\1\2")]  # a member that no directory lists
SIZES_LATER: Final = {"flags": HAS_DESCRIPTOR, "crc": 0, "compressed": 0, "size": 0}


def described(stored: bytes, content: bytes, *, form: str = "<4sLLL") -> bytes:
    """What stands behind the data of a streamed member."""
    return struct.pack(form, b"PK\7\x08", zlib.crc32(content), len(stored), len(content))


def ending_early(*, form: str = "<4sLLL", method: int = 8) -> bytes:
    """An archive with a member that ends for readers of streams before its directory says so, and another behind."""
    content = b"readme\n" * 10
    stored = Entry(data=content, deflated=method != 0).stored()
    data = stored + described(stored, content, form=form) + HIDDEN
    shown = data if method == 0 else content
    sizes = {"flags": 8, "method": method, "crc": zlib.crc32(shown), "size": len(shown)}
    return archive(
        Entry(
            data=data,
            deflated=False,
            local={**SIZES_LATER, "method": method},
            central=sizes,
            descriptor=described(data, shown),
        ),
    )


def streaming(content: bytes, *, deflated: bool = True, form: str = "<4sLLL") -> bytes:
    """An archive as tools write it that cannot seek."""
    entry = Entry(data=content, deflated=deflated)
    descriptor = described(entry.stored(), content, form=form)
    return archive(
        Entry(data=content, deflated=deflated, local=SIZES_LATER, central={"flags": 8}, descriptor=descriptor), OTHER
    )


NO_SIZE: Final = {"method": 8, "size": 0, "crc": 0}


def stored_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(level=0, wbits=-15)
    return packer.compress(content) + packer.flush()


OTHER_END: Final = with_zip64(archive(Entry()))[-98:-42]  # a record of zip64 that names what the first one does not
ZIP64: Final = struct.pack("<HHQQ", 1, 16, 8, 9)
ATTACKS: Final[dict[str, tuple[bytes, str]]] = {
    "another name": (archive(Entry(local={"name": b"pkg/x.so"})), "disagree"),
    "a longer name": (archive(Entry(local={"name": b"pkg/m.so.1"})), "disagree"),
    "another method": (archive(Entry(b"m", local={"method": 0})), "disagree"),
    "another checksum": (archive(Entry(local={"crc": 5})), "disagree on size or checksum"),
    "another size": (archive(Entry(local={"size": 3})), "disagree on size or checksum"),
    "another compressed size": (archive(Entry(local={"compressed": 3})), "disagree on size or checksum"),
    "another size by zip64": (
        archive(Entry(local={"size": 0xFFFFFFFF, "compressed": 0xFFFFFFFF, "extra": ZIP64})),
        "disagree on size or checksum",
    ),
    "encrypted in one header": (archive(Entry(local={"flags": 1})), "disagree"),
    "a descriptor in one header": (archive(Entry(local={"flags": HAS_DESCRIPTOR})), "disagree"),
    "another descriptor": (
        archive(
            Entry(local={"flags": 8}, central={"flags": 8}, descriptor=struct.pack("<4sLLL", b"PK\7\x08", 1, 2, 3))
        ),
        "data descriptor disagree",
    ),
    "a checksum that is wrong in both": (
        archive(Entry(local={"crc": 5}, central={"crc": 5})),
        "bad checksum",
    ),
    "a size that is too small in both": (archive(Entry(local={"size": 3}, central={"size": 3})), "inflates to more"),
    "a size that is too large in both": (archive(Entry(local={"size": 30}, central={"size": 30})), "truncated"),
    "two entries for one place": (archive(Entry(), Entry(b"pkg/x.so", central={"offset": 0})), "share one place"),
    "overlapping members": (
        archive(
            Entry(
                b"a",
                bytes(50),
                deflated=False,
                local={"compressed": 60, "size": 60, "crc": zlib.crc32(bytes(60))},
                central={"compressed": 60, "size": 60, "crc": zlib.crc32(bytes(60))},
            ),
            OTHER,
        ),
        "overlaps the next member",
    ),
    "a member inside another": (
        archive(
            Entry(b"outer.bin", archive(OTHER), deflated=False),
            Entry(b"pkg/n.so", OBJECT, central={"offset": 30 + len(b"outer.bin")}),
        ),
        "does not list",
    ),
    "a hidden member at the end": (archive(Entry(), OTHER, listed=1), "does not list"),
    "a hidden member between": (archive(Entry(behind=INNER[: INNER.index(b"PK\1\2")]), OTHER), "does not list"),
    "a hidden member at the start": (archive(Entry(), before=INNER[: INNER.index(b"PK\1\2")]), "does not list"),
    "a hidden member in padding": (
        archive(Entry(behind=b"J" + HIDDEN), OTHER),
        "at byte 48 that its directory does not",
    ),
    "a hidden member far behind padding": (
        archive(Entry(behind=bytes((1 << 20) - 2) + HIDDEN), OTHER),
        "does not list",
    ),
    "a hidden member in a streamed one": (ending_early(), "end earlier for tools"),
    "a hidden member in a large streamed one": (ending_early(form="<4sLQQ"), "end earlier for tools"),
    "a hidden member in a streamed and stored one": (ending_early(method=0), "end earlier for tools"),
    "a hidden member in a large stored one": (ending_early(form="<4sLQQ", method=0), "end earlier for tools"),
    "a hidden member in one packed by bzip2": (ending_early(method=12), "end earlier for tools"),
    "a count that hides": (archive(Entry(), OTHER, count=1), "and its end counts 1"),
    "a count of more": (archive(Entry(), count=2), "and its end counts 2"),
    "data behind the end": (archive(Entry(), after=b"x"), "data behind its end"),
    "another archive behind the end": (archive(Entry()) + archive(OTHER), "its directory is not where its end says"),
    "an end in the comment": (archive(Entry(), comment=archive(OTHER)[-22:]), "two ends"),
    "an archive in the comment": (archive(Entry(), comment=archive(OTHER)), "two ends"),
    "another zip64 end in the first one": (
        with_zip64(archive(Entry()), length=100, extra=OTHER_END),
        "zip64 end of its directory is not where it must be",
    ),
    "another zip64 end behind the first one": (
        with_zip64(archive(Entry()), between=OTHER_END),
        "zip64 end of its directory is not where it must be",
    ),
    "a zip64 end that claims more": (with_zip64(archive(Entry()), length=45), "more than its fields"),
    "a zip64 end with two counts": (with_zip64(archive(Entry()), counts=(2, 1)), "two records at its end disagree"),
    "several volumes": (with_zip64(archive(Entry()), disks=2), "several volumes"),
    "an end in the padding of another one": (
        archive(Entry(), comment=archive(OTHER)[-22:] + bytes(9)),
        "two ends",
    ),
    "more than padding behind the end": (archive(Entry(), after=bytes(9) + b"x"), "data behind its end"),
    "something before the directory's place": (
        archive(Entry(), between=b"")[:-6] + struct.pack("<LH", 3, 0),
        "its end says",
    ),
    "one name twice": (archive(Entry(), Entry()), "two members have this name"),
    "one name twice, by dots": (archive(Entry(), Entry(b"pkg/./x/../m.so")), "two members have this name"),
    "a name that leads out": (archive(Entry(b"../m.so")), "leads out of the folder"),
    "a name that leads out behind a folder": (archive(Entry(b"pkg/../../m.so")), "leads out of the folder"),
    "two names by NUL": (archive(Entry(b"m.so\0.txt")), "it has two names"),
    "two names by Unicode path": (
        archive(
            Entry(
                central={
                    "extra": struct.pack("<HHBL", 0x7075, 9, 1, zlib.crc32(b"pkg/m.so")) + b"x.so",
                }
            )
        ),
        "it has two names",
    ),
    "no name": (archive(Entry(b"")), "no name"),
    "a folder with content": (archive(Entry(b"pkg/", OBJECT)), "a folder with content"),
    "a folder with data of no size": (
        archive(Entry(b"pkg/", Entry(data=OBJECT).stored(), deflated=False, local=NO_SIZE, central=NO_SIZE)),
        "a folder with content",
    ),
    "a folder with a checksum": (
        archive(Entry(b"pkg/", b"", local={"crc": 5}, central={"crc": 5})),
        "a folder with content",
    ),
    "a folder with another name": (
        archive(
            Entry(
                b"pkg/m.so/",
                b"",
                central={"extra": struct.pack("<HHBL", 0x7075, 13, 1, zlib.crc32(b"pkg/m.so/")) + b"pkg/m.so"},
            )
        ),
        "two names",
    ),
    "an object in a link": (
        archive(Entry(b"l.so", OBJECT[:4000], central={"mode": 0o120777})),
        "a link to what is no path",
    ),
    "data in a link": (archive(Entry(b"l.so", b"lib\0.so", central={"mode": 0o120777})), "a link to what is no path"),
    "encrypted": (archive(Entry(local={"flags": 1}, central={"flags": 1})), "encrypted"),
    "an unknown method": (archive(Entry(local={"method": 97}, central={"method": 97})), "damaged zip member"),
    "data behind the deflated stream": (
        archive(
            Entry(
                deflated=False,
                data=Entry().stored() + b"more",
                local={"method": 8, "size": 7, "crc": 0},
                central={"method": 8, "size": 7, "crc": zlib.crc32(b"content")},
            )
        ),
        "disagree",
    ),
    "a link longer than any path": (
        archive(Entry(b"l.so", b"x" * 5000, central={"mode": 0o120777})),
        "a link to a path longer",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_zip_that_is_not_one_thing_to_all(attack: str) -> None:
    data, message = ATTACKS[attack]
    found = outcome(data)
    assert message in str(found), found


@pytest.mark.parametrize(
    "data",
    [
        archive(Entry(), OTHER),
        archive(Entry(deflated=False), comment=b"a comment"),
        archive(Entry(b"empty", b""), Entry(b"pkg/", b"", deflated=False), OTHER),
        archive(
            Entry(
                local={"flags": 8, "crc": 0, "compressed": 0, "size": 0},
                central={"flags": 8},
                descriptor=struct.pack("<4sLLL", b"PK\7\x08", zlib.crc32(b"content"), len(Entry().stored()), 7),
            ),
            OTHER,
        ),
        archive(Entry(behind=bytes(100)), OTHER),  # zipalign pads
        archive(Entry(), OTHER, after=bytes(10_000)),  # bsdtar fills the last block of a pipe
        with_zip64(archive(Entry())),
        streaming(INNER),
        streaming(INNER, form="<4sLQQ"),
        streaming(INNER, deflated=False),
        streaming(streaming(INNER, deflated=False), deflated=False, form="<4sLQQ"),
        archive(
            Entry(
                data=stored_deflate(INNER),
                deflated=False,
                local={**SIZES_LATER, "method": 8},
                central={"flags": 8, "method": 8, "crc": zlib.crc32(INNER), "size": len(INNER)},
                descriptor=described(stored_deflate(INNER), INNER),
            )
        ),
    ],
    ids=[
        "plain",
        "stored",
        "folders",
        "descriptor",
        "padded",
        "filled",
        "zip64",
        "streamed",
        "streamed, large",
        "streamed, stored",
        "streamed in streamed",
        "streamed, an archive without compression",
    ],
)
def test_an_honest_zip_is_read(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as read:
        assert outcome(data) == {name: read.read(name) for name in read.namelist() if not name.endswith("/")}


def links(data: bytes) -> list[tuple[str, str]]:
    opened = open_file("a.zip", MemoryFile(data), Limits())
    list(opened.members())
    return opened.links


@pytest.mark.parametrize("maker", [0, 3, 10, 19])
def test_a_link_is_one_only_where_unix_made_it(maker: int) -> None:
    """Of the attributes of FAT, NTFS and macOS most tools take no link: they write a file."""
    data = archive(Entry(b"pkg/l.so", b"m.so", central={"mode": 0o120777, "system": maker}))
    assert links(data) == ([("pkg/l.so", "pkg/m.so")] if maker == 3 else [])
    object_ = archive(Entry(b"pkg/l.so", OBJECT[:4000], central={"mode": 0o120777, "system": maker}))
    found = outcome(object_)
    assert "a link to what is no path" in found if maker == 3 else found == {"pkg/l.so": OBJECT[:4000]}


@pytest.mark.parametrize("name", [b"/pkg/m.so", b"//pkg/m.so"])
def test_an_absolute_name(name: bytes) -> None:
    """Tools that unpack archives take the root away; installers of wheels refuse the wheel."""
    assert outcome(archive(Entry(name))) == {"pkg/m.so": b"content"}
    with pytest.raises(ArtifactError, match="leads out of the folder"):
        next(zip_members(MemoryFile(archive(Entry(name))), Limits(), Record().read_whole)).open()


def streamed(data: bytes) -> dict[str, bytes]:
    """What a reader sees that goes from one local header to the next, and stops where there is none."""
    found, offset = {}, 0
    while data[offset : offset + 4] == b"PK\3\4":
        _, _, flags, method, _, _, _, compressed, _, name_length, extra = LOCAL.unpack_from(data, offset)
        name = data[offset + LOCAL.size :][:name_length]
        start = offset + LOCAL.size + name_length + extra
        inflater = zlib.decompressobj(-15)
        if method == 8:
            told_empty = not compressed and not flags & HAS_DESCRIPTOR
            content = b"" if told_empty else inflater.decompress(data[start:])
            offset = len(data) - len(inflater.unused_data) if flags & HAS_DESCRIPTOR else start + compressed
        else:
            content, offset = data[start : start + compressed], start + compressed
        if flags & HAS_DESCRIPTOR:
            offset += 16
        found[name.decode("cp437")] = content
    return found


@pytest.mark.parametrize("count", [None, 3])
def test_too_many_members_are_refused_before_any_is_looked_at(
    count: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = archive(*(Entry(b"%d" % number, b"") for number in range(30)), count=count)
    if count is None:
        assert len(list(zip_members(MemoryFile(data), Limits(members=30)))) == 30
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(ArtifactError, match="the limit members is 29"):
        list(zip_members(MemoryFile(data), Limits(members=29)))


words = st.sampled_from([b"pkg/m.so", b"pkg/n.so", b"n", b"pkg/./n.so"])
numbers = st.one_of(st.integers(0, 80), st.sampled_from([0xFFFFFFFF, 1 << 31]))
lies = st.dictionaries(st.sampled_from(["crc", "compressed", "size"]), numbers, max_size=2)
headers = st.builds(
    lambda numbers, name, flags, method: {**numbers, **name, **flags, **method},
    lies,
    st.one_of(st.just({}), st.builds(lambda word: {"name": word}, words)),
    st.sampled_from([{}, {}, {"flags": 8}, {"flags": 1}]),
    st.sampled_from([{}, {}, {"method": 0}, {"method": 8}]),
)
entries = st.builds(
    Entry,
    name=words,
    data=st.one_of(st.sampled_from([b"", b"content", OBJECT[:200]]), st.just(INNER)),
    deflated=st.booleans(),
    local=st.one_of(st.just({}), headers),
    central=st.one_of(st.just({}), headers, st.builds(lambda number: {"offset": number}, st.integers(0, 150))),
    descriptor=st.one_of(st.just(b""), st.just(struct.pack("<4sLLL", b"PK\7\x08", zlib.crc32(b"content"), 9, 7))),
    behind=st.sampled_from([b"", b"", b"padding", INNER[: INNER.index(b"PK\1\2")]]),
)


@settings(max_examples=1500, deadline=None)
@given(
    data=st.builds(
        lambda items, count, listed, before, comment, after: archive(
            *items, count=count, listed=listed, before=before, comment=comment, after=after
        ),
        st.lists(entries, min_size=1, max_size=3),
        st.one_of(st.none(), st.none(), st.integers(0, 4)),
        st.one_of(st.none(), st.none(), st.integers(0, 3)),
        st.sampled_from([b"", b"", b"x", INNER]),
        st.sampled_from([b"", b"", INNER[-22:]]),
        st.sampled_from([b"", b"", b"x"]),
    )
)
def test_what_is_read_every_reader_reads(data: bytes) -> None:
    """Whatever is accepted is the same to Python's zipfile, and to a reader that knows no directory."""
    found = outcome(data)
    if isinstance(found, str):
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive_:
        assert {info.filename: archive_.read(info) for info in archive_.infolist()} == {
            info.filename: found[info.filename.replace("/./", "/")] for info in archive_.infolist()
        }
    seen = streamed(data)
    assert all(found[name.replace("/./", "/")] == content for name, content in seen.items() if not name.endswith("/"))


WHEEL_OBJECT: Final = OBJECT + bytes(range(256)) * 20


@settings(max_examples=1500, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(1, 255)), min_size=1, max_size=3))
def test_a_changed_deflate_stream_is_never_other_content(changes: list[tuple[int, int]]) -> None:
    """ISA-L goes on where zlib stops, on some damage: the checksum tells in any case."""
    stored = bytearray(Entry(data=WHEEL_OBJECT).stored())
    for place, difference in changes:
        stored[place % len(stored)] ^= difference
    entry = Entry(data=bytes(stored), deflated=False)
    told = {"method": 8, "crc": zlib.crc32(WHEEL_OBJECT), "size": len(WHEEL_OBJECT)}
    found = outcome(archive(Entry(entry.name, entry.data, deflated=False, local=told, central=told)))
    assert isinstance(found, str) or found == {"pkg/m.so": WHEEL_OBJECT}


@settings(max_examples=500, deadline=None)
@given(data=st.binary(max_size=60))
def test_any_deflate_stream_gives_what_zlib_gives(data: bytes) -> None:
    decompressor = zlib.decompressobj(-15)
    try:
        expected = decompressor.decompress(data)
    except zlib.error:
        return
    if decompressor.unused_data or not decompressor.eof:  # refused: tools differ in what comes next
        return
    try:
        assert b"".join(inflated(iter([data]))) == expected
    except INFLATE_ERRORS:
        pytest.fail("refused, and zlib reads it")


def test_a_record_with_a_wrong_checksum(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"pkg/m.so": OBJECT}, compression=zipfile.ZIP_STORED)
    data = wheel.read_bytes()
    assert data.count(b"RECORD,,") == 1
    wheel.write_bytes(data.replace(b"RECORD,,", b"RECORD,;"))
    assert "bad checksum" in str(outcome(wheel.read_bytes(), wheel.name))


def tarred(*infos: tuple[str, bytes, bytes, str]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive_:
        for name, kind, data, target in infos:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(data), target
            archive_.addfile(info, io.BytesIO(data))
    return file.getvalue()


REGULAR: Final = ("pkg/m.so", tarfile.REGTYPE, OBJECT, "")
TARS: Final[dict[str, tuple[tuple[tuple[str, bytes, bytes, str], ...], str]]] = {
    "a name that leads out": ((("../m.so", tarfile.REGTYPE, OBJECT, ""),), "leads out of the folder"),
    "a name that leads out behind a folder": ((("a/../../m.so", tarfile.REGTYPE, OBJECT, ""),), "leads out"),
    "a file behind a link": (
        (("pkg", tarfile.SYMTYPE, b"", "/usr/lib"), REGULAR),
        "it lies behind a link of the same archive",
    ),
    "a hard link that leads out": ((("../l.so", tarfile.LNKTYPE, b"", "m.so"), REGULAR), "leads out of the folder"),
}


@pytest.mark.parametrize("attack", TARS)
def test_a_tar_that_unpacks_elsewhere(attack: str) -> None:
    infos, message = TARS[attack]
    assert message in str(outcome(tarred(*infos), "a.tar"))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_devices_and_pipes_are_passed_over(kind: bytes) -> None:
    assert outcome(tarred(("dev/sda", kind, b"", ""), REGULAR), "a.tar") == {"pkg/m.so": OBJECT}


def test_links_are_told_and_not_followed() -> None:
    links = [("pkg/l.so", tarfile.SYMTYPE, b"", "/etc/passwd"), ("pkg/h.so", tarfile.LNKTYPE, b"", "pkg/m.so")]
    opened = open_file("a.tar", MemoryFile(tarred(REGULAR, *links)), Limits())
    assert [member.path for member in opened.members()] == ["pkg/m.so"]
    assert opened.links == [("pkg/l.so", "etc/passwd"), ("pkg/h.so", "pkg/m.so")]


def headers_of(data: bytes, change: Callable[[bytearray], None]) -> bytes:
    copy = bytearray(data)
    change(copy)
    copy[148:156] = b" " * 8
    copy[148:156] = b"%06o\0 " % sum(copy[:512])
    return bytes(copy)


@pytest.mark.parametrize(
    "size", [b"77777777777\0", b"\x80" + bytes(3) + b"\x7f" + bytes(7), b"\xff" * 12, b"-0000000001\0"]
)
def test_a_tar_whose_size_lies(size: bytes) -> None:
    def change(header: bytearray) -> None:
        header[124:136] = size

    assert isinstance(outcome(headers_of(tarred(REGULAR), change), "a.tar"), str)


@settings(max_examples=600, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 1535), st.integers(0, 255)), min_size=1, max_size=4),
    right_sum=st.booleans(),
)
def test_a_tar_with_any_header_is_read_or_unreadable(changes: list[tuple[int, int]], right_sum: bool) -> None:  # noqa: FBT001
    data = tarred(("n" * 150, tarfile.REGTYPE, b"x", ""), REGULAR)  # the first has an extended header
    for place, value in changes:
        data = data[:place] + bytes([value]) + data[place + 1 :]
    found = outcome(headers_of(data, lambda _: None) if right_sum else data, "a.tar")
    assert isinstance(found, (str, dict))
