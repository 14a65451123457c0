"""What holds programs in a packing that is not opened is unreadable wherever it lies, alone or in a folder."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import tarfile
import zipapp
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from building import compile_with_zig, library, make_wheel
from glibc_guard.artifacts.member import MemoryFile, PlainContent
from glibc_guard.artifacts.packings import packed
from glibc_guard.guard import check
from glibc_guard.model import Report
from glibc_guard.settings import Settings
from measured import costs_less_than

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

OBJECT = library("pow(x, 2.5)", glibc="2.17")
NEWER = library("pow(x, 2.5)", glibc="2.29")
RELOCATABLE = compile_with_zig("int f(void) { return 1; }", "-c", name="object.o")
Pack = Callable[[Path, Mapping[str, bytes]], Path]


def folder(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (path / "out" / name).write_bytes(content)
    return path / "out"


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path / "all.zip"


def tarred(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path / "all.tar.gz", "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path / "all.tar.gz"


def nested(path: Path, files: Mapping[str, bytes]) -> Path:
    return folder(path, {"all.zip": zipped(path, files).read_bytes()})


@pytest.fixture(params=[folder, zipped, tarred, nested, make_wheel], ids=lambda pack: pack.__name__)
def pack(request: pytest.FixtureRequest) -> Pack:
    chosen: Pack = request.param
    return chosen


def judged(path: Path) -> Report:
    return check([str(path)], Settings(targets=("2.17",)))


def unread(report: Report) -> list[tuple[str | None, str]]:
    findings = report.artifacts[0].findings
    return [(finding.object, finding.message) for finding in findings if finding.rule == "unreadable"]


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstd.compress])
@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "s390x"])
def test_a_compressed_object(tmp_path: Path, pack: Pack, arch: str, compress: Callable[[bytes], bytes]) -> None:
    content = compress(library("abs(1)", arch=arch) + bytes(3 << 20))
    report = judged(pack(tmp_path, {"m.so": OBJECT, "bin/table.z": content}))
    assert report.verdict == "unreadable"
    ((path, message),) = unread(report)
    assert str(path).endswith("bin/table.z")
    assert message == "a compressed program or library, which is not judged: unpack it"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"#!/bin/sh\ntail -n +3 $0 >x; exec ./x\n" + NEWER, "a script with a program"),
        (b"#!/bin/sh\n" + b"# more\n" * 200_000 + NEWER, "a script with a program"),
        (b"#!/bin/sh\nunpack\nexit 0\n" + gzip.compress(NEWER), "a script with an archive"),
        (b"#!/bin/sh\nunpack\nexit 0\n" + lzma.compress(NEWER), "a script with an archive"),
        (b"#!/bin/sh\nunpack\nexit 0\n" + bz2.compress(NEWER, 3), "a script with an archive"),
        (b"hsqs" + bytes(92), "a squashfs image"),
        (b"\xed\xab\xee\xdb" + bytes(92), "an RPM package"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(92), "a 7z archive"),
    ],
)
def test_other_packings(tmp_path: Path, pack: Pack, content: bytes, named: str) -> None:
    report = judged(pack(tmp_path, {"m.so": OBJECT, "bin/tool": content}))
    assert report.verdict == "unreadable"
    ((_, message),) = unread(report)
    assert message.startswith(named)


def gzip_with(name: bytes, content: bytes) -> bytes:
    packed = gzip.compress(content)
    return packed[:3] + b"\x08" + packed[4:10] + name + b"\0" + packed[10:]


@pytest.mark.parametrize(
    "content",
    [
        gzip_with(b"n" * (1 << 20), NEWER),
        gzip.compress(b"") + gzip_with(b"n" * (1 << 20), NEWER),
        gzip.compress(b"\x7fELF") + gzip_with(b"n" * (1 << 20), NEWER[4:]),
        gzip.compress(b"")[:10] + b"\0\0\0\xff\xff" * (1 << 18) + gzip.compress(NEWER)[10:],  # blocks of nothing
    ],
    ids=range(4),
)
def test_what_begins_behind_the_first_block(tmp_path: Path, content: bytes) -> None:
    report = judged(folder(tmp_path, {"m.so": OBJECT, "bin/tool.gz": content}))
    assert [message for _, message in unread(report)] == [
        "compressed, and its first 1048576 bytes do not tell what it holds: unpack it"
    ]


@pytest.mark.parametrize(
    "content",
    [
        gzip_with(b"tool", NEWER),
        gzip.compress(b"") * 50_000 + gzip.compress(NEWER),
        gzip.compress(NEWER[:9]) + gzip.compress(NEWER[9:]),
    ],
    ids=range(3),
)
def test_gzip_of_any_make(tmp_path: Path, content: bytes) -> None:
    report = judged(folder(tmp_path, {"m.so": OBJECT, "bin/tool.gz": content}))
    assert [message[:20] for _, message in unread(report)] == ["a compressed program"]


@pytest.mark.parametrize("fill", [b"\n", b"\nBZh11AY&S", b"BZh9", b"hsq", b"PK\x03\x04"])
def test_a_long_script_takes_no_long_time(fill: bytes) -> None:
    data = b"#!/bin/sh\n".ljust(8, b"#") + fill * ((64 << 20) // len(fill))
    with costs_less_than(5):
        found = packed(data[:8], PlainContent(MemoryFile(data)), len(data))
        assert (found is None) == (fill != b"PK\x03\x04")


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"a manual page\n" * 100_000),
        gzip.compress(b""),
        gzip.compress(RELOCATABLE),  # as modules of the kernel are
        gzip.compress(NEWER)[:9],
        gzip_with(b"manual.txt", b"a manual page\n") * 3,
        gzip.compress(b"short") + bytes(2 << 20),  # padded
        gzip.compress(b"short") + b"garbage" * (1 << 18),
        b"\x1f\x8b\x08 no gzip",
        b"BZh no bzip2",
        b"\x28\xb5\x2f\xfd no zstd",
        b"#!/bin/sh\necho hello\n",
        b"#!/usr/bin/env python3\nMAGIC = b'\\x7fELF'\nZIP = b'PK\\x03\\x04'\n",
        b"#!",
        b"!<arch>\n" + b"x.o/            0           0     0     644     4         `\nabcd",  # for the linker
        RELOCATABLE,
        b"PK\x03\x04 under another name",
    ],
    ids=range(16),
)
def test_what_is_data(tmp_path: Path, pack: Pack, content: bytes) -> None:
    report = judged(pack(tmp_path, {"m.so": OBJECT, "share/thing": content}))
    assert (report.verdict, unread(report)) == ("pass", [])


def test_where_nothing_native_is_promised_it_is_data(tmp_path: Path) -> None:
    files = {"tests/tool.gz": gzip.compress(NEWER)}
    assert judged(make_wheel(tmp_path, files, tag="py3-none-any")).verdict == "pass"


def test_a_zip_application_is_opened(tmp_path: Path, pack: Pack) -> None:
    for name, content in {"__main__.py": b"import m\n", "m.so": NEWER}.items():
        (tmp_path / "app").mkdir(exist_ok=True)
        (tmp_path / "app" / name).write_bytes(content)
    zipapp.create_archive(tmp_path / "app", tmp_path / "tool.pyz", "/usr/bin/env python3", compressed=True)
    content = (tmp_path / "tool.pyz").read_bytes()
    assert judged(tmp_path / "tool.pyz").verdict == "fail"
    if pack is not nested:
        report = judged(pack(tmp_path, {"m.so": OBJECT, "bin/tool.pyz": content}))
        assert report.verdict == "fail"
        assert {finding.object for finding in report.artifacts[0].findings} >= {"bin/tool.pyz/m.so"}
        report = judged(pack(tmp_path, {"m.so": OBJECT, "bin/tool": content}))
        assert [message[:24] for _, message in unread(report)] == ["a script with an archive"]
