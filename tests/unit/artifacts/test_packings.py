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
from glibc_guard.config import Settings
from glibc_guard.guard import check
from glibc_guard.model import Report

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


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"a manual page\n" * 100_000),
        gzip.compress(b""),
        gzip.compress(RELOCATABLE),  # as modules of the kernel are
        gzip.compress(NEWER)[:9],
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
    ids=range(13),
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
