from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from building import library, make_wheel, zipped
from glibc_guard.artifacts import ELF_MAGIC, ArtifactError, Limits, open_artifact
from measured import costs_less_than

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

OBJECT = library("reallocarray(0, 1, 2)", glibc="2.29")
FILES = {"pkg/module.so": OBJECT, "pkg/bin/tool": OBJECT, "pkg/libfoo.so.1.2": OBJECT, "pkg/data.txt": b"text" * 1000}


def contents(path: Path, limits: Limits | None = None) -> dict[str, bytes | str]:
    """Read every member; what cannot be read is given by its reason."""
    found: dict[str, bytes | str] = {}
    with open_artifact(str(path), limits or Limits()) as opened:
        for member in opened.members():
            assert member.link is None
            name = f"{member.wheel.path}/{member.path}" if member.wheel else member.path
            try:
                content = member.open()
                found[name] = content.read(0, member.size)
                content.verify()
            except ArtifactError as error:
                found[name] = str(error)
            if member.pieces is not None:
                assert in_pieces(member.pieces) == found[name]
        opened.wheel()
    return found


def in_pieces(pieces: Callable[[], Iterator[bytes]]) -> bytes | str:
    """Read what is read once and held nowhere, which is to be proved no less."""
    try:
        return b"".join(pieces())
    except ArtifactError as error:
        return str(error)


def kind(path: Path) -> str:
    with open_artifact(str(path), Limits()) as opened:
        for _ in opened.members():
            pass
        return opened.kind


def tar_bytes(files: dict[str, bytes], prefix: str = "./") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        folder = tarfile.TarInfo("./pkg")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in files.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("./pkg/libfoo.so")
        link.type, link.linkname = tarfile.SYMTYPE, "libfoo.so.1.2"
        archive.addfile(link)
    return stream.getvalue()


def ar_bytes(entries: dict[str, bytes]) -> bytes:
    data = b"!<arch>\n"
    for name, content in entries.items():
        data += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content
        data += b"\n" * (len(content) % 2)
    return data


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [
        (".tar", bytes),
        (".tar.gz", gzip.compress),
        (".tar.bz2", bz2.compress),
        (".tar.xz", lzma.compress),
        (".tar.zst", zstd.compress),
    ],
)
def test_tars(tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"release{suffix}"
    path.write_bytes(compress(tar_bytes(FILES)))
    assert contents(path) == FILES
    assert kind(path) == "tar"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zips(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "release.zip"
    path.write_bytes(zipped(FILES, compression))
    assert contents(path) == FILES
    assert kind(path) == "zip"


def test_wheels(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, FILES, tag="py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64")
    assert contents(path).items() >= FILES.items()
    with open_artifact(str(path), Limits()) as opened:
        assert opened.kind == "wheel"
        wheel, _ = opened.wheel() or pytest.fail("no wheel")
    assert (wheel.name, wheel.version) == ("sample", "1.0")
    assert wheel.platforms == ("manylinux2014_x86_64", "manylinux_2_17_x86_64")
    assert wheel.metadata_tags == wheel.tags


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress, zstd.compress])
def test_debian_packages(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    suffix = {gzip.compress: ".gz", lzma.compress: ".xz", zstd.compress: ".zst"}.get(compress, "")
    entries = {"debian-binary": b"2.0\n", "control.tar": b"odd", f"data.tar{suffix}/": compress(tar_bytes(FILES))}
    path = tmp_path / "tool_1.0_amd64.deb"
    path.write_bytes(ar_bytes(entries))
    assert contents(path) == FILES
    assert kind(path) == "deb"


def test_conda_packages(tmp_path: Path) -> None:
    new = tmp_path / "tool-1.0-0.conda"
    payload = zstd.compress(tar_bytes(FILES))
    new.write_bytes(zipped({"metadata.json": b"{}", "pkg-tool-1.0-0.tar.zst": payload}, zipfile.ZIP_STORED))
    assert contents(new)["pkg-tool-1.0-0.tar.zst/pkg/module.so"] == OBJECT
    assert kind(new) == "conda"
    old = tmp_path / "tool-1.0-0.tar.bz2"
    old.write_bytes(bz2.compress(tar_bytes({"info/index.json": b"{}", **FILES}, prefix="")))
    assert contents(old)["pkg/bin/tool"] == OBJECT
    assert kind(old) == "conda"


def test_source_distributions(tmp_path: Path) -> None:
    path = tmp_path / "sample-1.0.tar.gz"
    path.write_bytes(gzip.compress(tar_bytes({"sample-1.0/PKG-INFO": b"", "sample-1.0/setup.py": b""}, prefix="")))
    assert kind(path) == "sdist"


def test_folders(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "pkg/libfoo.so").symlink_to("libfoo.so.1.2")
    (folder / "pkg/loop").symlink_to(".")
    os.mkfifo(folder / "pkg/pipe")
    assert contents(folder) == FILES
    assert kind(folder) == "folder"


def test_single_files(tmp_path: Path) -> None:
    path = tmp_path / "no-suffix"
    path.write_bytes(OBJECT)
    assert contents(path) == {str(path): OBJECT}
    assert kind(path) == "elf"


def test_archives_inside_archives(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, FILES)
    deb = ar_bytes({"debian-binary": b"2.0\n", "data.tar.gz": gzip.compress(tar_bytes(FILES))})
    inner = {
        f"dist/{wheel.name}": wheel.read_bytes(),
        "dist/b.tar.gz": gzip.compress(tar_bytes(FILES)),
        "dist/c.deb": deb,
    }
    for path, data in ((tmp_path / "a.zip", zipped(inner)), (tmp_path / "a.tar", tar_bytes(inner))):
        path.write_bytes(data)
        found = contents(path)
        for name in inner:
            assert found[f"{name}/pkg/module.so"] == OBJECT
            assert found[f"{name}/pkg/bin/tool"] == OBJECT


def test_archives_two_levels_deep_are_unread(tmp_path: Path) -> None:
    path = tmp_path / "deep.zip"
    path.write_bytes(zipped({"a.zip": zipped({"b.zip": zipped(FILES)})}))
    assert "the limit nesting is 1" in str(contents(path)["a.zip/b.zip"])


def test_a_name_like_an_archive_is_not_enough(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"notes.zip": b"these are notes", "empty.tar.gz": b""}))
    assert contents(path) == {"notes.zip": b"these are notes", "empty.tar.gz": b""}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty file"),
        (b"#!/bin/sh\necho hello\n", "a text file"),
        (b"\x00\x01\x02\x03" * 200, "unknown format"),
        (b"MZ" + bytes(200), "Windows"),
        (b"\xcf\xfa\xed\xfe" + bytes(200), "macOS"),
        (b"!<arch>\nlib.o/          0           0     0     644     4         `\nabcd", "static library"),
        (b"PK\x03\x04" + bytes(200), "damaged or truncated zip"),
    ],
)
def test_what_is_no_artifact_says_what_it_is(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "thing"
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match=message):
        contents(path)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress, zstd.compress])
def test_truncated_tars(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    whole = compress(tar_bytes({"pkg/module.so": OBJECT + os.urandom(200_000)}))
    path = tmp_path / "release.tar"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match="damaged or truncated"):
        assert "damaged" in str(contents(path)["pkg/module.so"])


def test_a_bad_checksum_of_a_compressed_tar(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(tar_bytes(FILES)))
    data[-6] ^= 1  # CRC-32 of the gzip trailer
    path = tmp_path / "release.tar.gz"
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match="damaged or truncated"):
        contents(path)


def test_a_truncated_wheel(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, FILES)
    wheel.write_bytes(wheel.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match="damaged or truncated zip"):
        contents(wheel)


def test_a_bad_checksum_in_a_wheel(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, FILES, compression=zipfile.ZIP_STORED)
    data = bytearray(wheel.read_bytes())
    data[data.index(OBJECT) + len(OBJECT) - 1] ^= 1
    wheel.write_bytes(data)
    found = contents(wheel)
    assert found["pkg/module.so"] == "bad checksum (CRC-32): the zip member is damaged"
    assert found["pkg/bin/tool"] == OBJECT


def test_damaged_deflate(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"pkg/module.so": OBJECT + os.urandom(5000)})
    data = bytearray(wheel.read_bytes())
    for offset in range(600, 700):
        data[offset] ^= 0xFF
    wheel.write_bytes(data)
    assert any(isinstance(value, str) for value in contents(wheel).values())


def test_encrypted_members(tmp_path: Path) -> None:
    data = bytearray(zipped({"secret.so": OBJECT}))
    central = data.index(b"PK\x01\x02")
    struct.pack_into("<H", data, central + 8, 1)
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    assert "encrypted" in str(contents(path)["secret.so"])


def test_headers_that_disagree(tmp_path: Path) -> None:
    data = zipped({"module.so": OBJECT, "other.txt": b"x"})
    path = tmp_path / "a.zip"
    path.write_bytes(data.replace(b"module.so", b"hidden.so", 1))  # the local header alone
    assert "disagree" in str(contents(path)["module.so"])
    assert contents(path)["other.txt"] == b"x"


def test_doubled_names(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("module.so", OBJECT)
        archive.writestr("module.so", b"harmless")
    assert "two members have this name" in str(contents(path)["module.so"])


def test_a_member_that_inflates_to_more_than_it_says(tmp_path: Path) -> None:
    data = bytearray(zipped({"bomb.so": OBJECT + bytes(10_000_000)}))
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, 1000)
    struct.pack_into("<I", data, 22, 1000)
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with open_artifact(str(path), Limits()) as opened:
        (member,) = opened.members()
        with pytest.raises(ArtifactError, match="inflates to more than the 1000 bytes"):
            member.open().verify()


@pytest.mark.parametrize(
    ("limits", "name"),
    [(Limits(members=2), "members"), (Limits(inflated_bytes=1000), "inflated-bytes")],
)
def test_bounds_are_named(tmp_path: Path, limits: Limits, name: str) -> None:
    for path, data in ((tmp_path / "a.zip", zipped(FILES)), (tmp_path / "a.tar", tar_bytes(FILES))):
        path.write_bytes(data)
        with pytest.raises(ArtifactError, match=f"the limit {name} is .*--limit {name}=NUMBER"):
            contents(path, limits)


def test_bounds_on_what_is_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes({"a.so": OBJECT, "b.zip": zipped({"c.so": OBJECT})}))
    assert "sequential-object-bytes" in str(contents(path, Limits(sequential_object_bytes=100))["a.so"])
    assert "nested-archive-bytes" in str(contents(path, Limits(nested_archive_bytes=100))["b.zip"])


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes({"b\udcff.so": OBJECT}))
    (name,) = contents(path)
    assert name.encode("utf-8").decode() == "b\\xff.so"
    folder = tmp_path / "folder"
    folder.mkdir()
    Path(os.fsdecode(bytes(folder) + b"/b\xff.so")).write_bytes(OBJECT)
    (name,) = contents(folder)
    assert name == "b\\xff.so"


def test_objects_are_found_by_their_magic_alone(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"sample-1.0.data/scripts/tool": OBJECT, "pkg/text.so": b"not an object"})
    objects = [path for path, data in contents(wheel).items() if isinstance(data, bytes) and data.startswith(ELF_MAGIC)]
    assert objects == ["sample-1.0.data/scripts/tool"]


@pytest.mark.parametrize("name", ["sample.whl", "sample-1.0.whl", "sample-1.0-x-y.whl", "a-b-c-d-e-f-g.whl"])
def test_a_wheel_that_pip_would_refuse(tmp_path: Path, name: str) -> None:
    path = make_wheel(tmp_path, FILES).rename(tmp_path / name)
    with pytest.raises(ArtifactError, match="not a valid wheel file name"):
        contents(path)


def test_a_wheel_without_its_metadata(tmp_path: Path) -> None:
    path = tmp_path / "sample-1.0-py3-none-any.whl"
    path.write_bytes(zipped(FILES))
    with pytest.raises(ArtifactError, match=r"no \.dist-info/WHEEL"):
        contents(path)


def test_tags_behind_an_empty_line_count(tmp_path: Path) -> None:
    wheel = "Wheel-Version: 1.0\r\nRoot-Is-Purelib: false\r\n\r\nTag: py3-none-manylinux1_x86_64\r\n"
    path = tmp_path / "sample-1.0-py3-none-manylinux1_x86_64.whl"
    path.write_bytes(zipped({"sample-1.0.dist-info/WHEEL": wheel.encode(), "sample-1.0.dist-info/RECORD": b""}))
    with open_artifact(str(path), Limits()) as opened:
        facts, _ = opened.wheel() or pytest.fail("no wheel")
    assert facts.metadata_tags == ("py3-none-manylinux1_x86_64",)


def test_a_damaged_record(tmp_path: Path) -> None:
    path = tmp_path / "sample-1.0-py3-none-any.whl"
    record = b"x" * 200_000 + b",sha256=x,1\n"
    path.write_bytes(
        zipped({"sample-1.0.dist-info/WHEEL": b"Tag: py3-none-any", "sample-1.0.dist-info/RECORD": record})
    )
    with pytest.raises(ArtifactError, match="RECORD is no table"):
        contents(path)


def one(name: str, data: bytes) -> bytes:
    """A tar member alone, without the blocks that end an archive."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512)


END = bytes(1024)


@pytest.mark.parametrize(
    "data",
    [
        one("ok.so", OBJECT),
        one("ok.so", OBJECT) + one("bad.so", OBJECT)[:300],
        one("ok.so", OBJECT) + b"\xff" * 512 + one("bad.so", OBJECT) + END,
        one("ok.so", OBJECT) + END + one("bad.so", OBJECT) + END,
    ],
    ids=["no end", "cut in a header", "damaged header", "two archives"],
)
def test_tars_that_end_before_their_end(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match="damaged or truncated archive"):
        contents(path)


def test_tars_of_unix_v7(tmp_path: Path) -> None:
    header = bytearray(one("ok.so", OBJECT)[:512])
    header[257:265] = bytes(8)
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    path = tmp_path / "a.tar"
    path.write_bytes(bytes(header) + one("ok.so", OBJECT)[512:] + END)
    assert contents(path) == {"ok.so": OBJECT}


def test_links_between_members_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes(FILES))
    folder = tmp_path / "folder"
    (folder / "pkg").mkdir(parents=True)
    (folder / "pkg/libfoo.so.1.2").write_bytes(OBJECT)
    (folder / "pkg/libfoo.so").symlink_to("libfoo.so.1.2")
    for artifact in (path, folder):
        with open_artifact(str(artifact), Limits()) as opened:
            assert "pkg/libfoo.so" not in {member.path for member in opened.members()}
            assert opened.links == [("pkg/libfoo.so", "pkg/libfoo.so.1.2")]


def test_a_link_that_leads_out_of_the_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "outside.so").write_bytes(OBJECT)
    (folder / "m.so").symlink_to(tmp_path / "outside.so")
    (folder / "broken.so").symlink_to("nowhere")
    (folder / "circle.so").symlink_to("circle.so")
    assert contents(folder) == {"m.so": OBJECT}


def test_a_nested_archive_that_cannot_be_opened_is_unread(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, FILES)
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({wheel.name: b"#!/bin/sh\n" + wheel.read_bytes(), "b.tar": bytes(range(256)) * 8}))
    assert all("it is none that can be opened" in str(value) for value in contents(path).values())


@pytest.mark.parametrize("before", [b"\x7fELF", b"#!/bin/sh\n"])
def test_a_wheel_that_does_not_begin_as_a_zip(tmp_path: Path, before: bytes) -> None:
    """An installer would find the directory at the end and unpack it."""
    wheel = make_wheel(tmp_path, FILES)
    wheel.write_bytes(before + wheel.read_bytes())
    with pytest.raises(ArtifactError, match="does not begin as a zip archive"):
        contents(wheel)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="a pipe, a socket or a device"):
        contents(tmp_path / "pipe")


def test_a_stored_member_that_claims_more_than_there_is(tmp_path: Path) -> None:
    data = bytearray(zipped({"m.so": OBJECT}, zipfile.ZIP_STORED))
    for place in (18, data.index(b"PK\x01\x02") + 20):
        struct.pack_into("<II", data, place, 5_000_000, 5_000_000)
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    assert "overlaps the next member" in str(contents(path)["m.so"])


def test_a_directory_that_points_before_the_file(tmp_path: Path) -> None:
    data = bytearray(zipped({"m.so": OBJECT, "n.so": OBJECT}))
    struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 42, 0xFFFFFFF0)
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    assert "no local header where the directory says" in str(contents(path)["n.so"])
    assert "its directory does not list" in str(contents(path)["m.so"])


def test_a_zip_that_asks_for_a_later_version(tmp_path: Path) -> None:
    data = bytearray(zipped({"m.so": OBJECT}))
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + 6, 200)
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match="damaged or truncated zip"):
        contents(path)


def test_a_nested_wheel_whose_name_stands_for_millions_of_tags(tmp_path: Path) -> None:
    """Inside an archive a name may be longer than any file system allows."""
    parts = (".".join(f"{letter}{number}" for number in range(250)) for letter in "abc")
    wheel = make_wheel(tmp_path, {"m.so": b""})
    with zipfile.ZipFile(tmp_path / "dist.zip", "w") as archive:
        archive.write(wheel, f"x-1.0-{'-'.join(parts)}.whl")
    with costs_less_than(5):
        (reason,) = contents(tmp_path / "dist.zip").values()
        assert reason == "not a wheel that pip would install: its name stands for more than 400 tags"


def test_a_wheel_with_too_many_tags(tmp_path: Path) -> None:
    many = ".".join(f"p{number}" for number in range(150))
    path = tmp_path / "sample-1.0-py3-none-any.whl"
    path.write_bytes(zipped({"sample-1.0.dist-info/WHEEL": f"Tag: {many}-{many}-{many}".encode()}))
    with pytest.raises(ArtifactError, match="more than 400 tags"):
        contents(path)


def test_links_in_zips_are_links_except_in_wheels(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("./pkg/libfoo.so.1")
    link.external_attr = 0o120777 << 16
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("./pkg/libfoo.so.1.2", OBJECT)
        archive.writestr(link, "libfoo.so.1.2")
    with open_artifact(str(path), Limits()) as opened:
        assert {member.path for member in opened.members()} == {"pkg/libfoo.so.1.2"}
        assert opened.links == [("pkg/libfoo.so.1", "pkg/libfoo.so.1.2")]
    wheel = make_wheel(tmp_path, FILES)
    with zipfile.ZipFile(wheel, "a") as archive:
        link.filename = "pkg/libfoo.so.1"
        archive.writestr(link, "libfoo.so.1.2")
    assert contents(wheel)["pkg/libfoo.so.1"] == b"libfoo.so.1.2"


def test_links_in_a_nested_archive_stay_inside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"b.tar": tar_bytes(FILES)}))
    with open_artifact(str(path), Limits()) as opened:
        for _ in opened.members():
            pass
        assert opened.links == [("b.tar/pkg/libfoo.so", "b.tar/pkg/libfoo.so.1.2")]


def test_a_linked_folder_outside_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/m.so").write_bytes(OBJECT)
    (tmp_path / "out/back").symlink_to(tmp_path / "in")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/native").symlink_to("../out")
    (tmp_path / "in/system").symlink_to("/usr/bin")
    assert contents(tmp_path / "in") == {"native/m.so": OBJECT}


def test_a_zip_member_without_a_name(tmp_path: Path) -> None:
    data = zipped({"a": OBJECT})
    path = tmp_path / "a.zip"
    central = data.index(b"PK\x01\x02")
    path.write_bytes(data[: central + 28] + b"\0\0" + data[central + 30 : central + 46] + data[central + 47 :])
    with pytest.raises(ArtifactError, match=r"damaged|truncated"):
        contents(path)
