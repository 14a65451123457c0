"""A copy differs from its artifact in the objects that were repaired, and in RECORD; in nothing else."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
import zipfile
from pathlib import Path

import pytest

from building import make_wheel
from glibc_guard.repair import RepairError
from glibc_guard.repair.copies import NewContent, Surroundings, write_copy
from glibc_guard.repair.wheel_record import rewritten

OLD, NEW = b"\x7fELF old " * 100, b"\x7fELF new " * 100
CHANGED = {"pkg/m.so": NewContent(OLD, NEW)}


def wheel(folder: Path, **more: bytes) -> Path:
    files = {"pkg/__init__.py": b"import m\n" * 50, "pkg/m.so": OLD, 'pkg/z, "quoted".txt': b"z" * 1000}
    return make_wheel(folder, {**files, **{name.replace("__", "/"): data for name, data in more.items()}})


def entries(path: Path) -> dict[str, tuple[object, ...]]:
    """Return all that the directory says of each member, but its offset."""
    with zipfile.ZipFile(path) as archive:
        return {
            info.filename: (
                info.date_time, info.compress_type, info.external_attr, info.internal_attr, info.create_system,
                info.create_version, info.extract_version, info.flag_bits, info.extra, info.comment, info.CRC,
                info.file_size, info.compress_size,
            )
            for info in archive.infolist()
        }  # fmt: skip


def raw_members(path: Path) -> dict[str, bytes]:
    """Return each member as it lies in the file, local header and all."""
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        ordered = sorted(archive.infolist(), key=lambda info: info.header_offset)
        ends = [*(info.header_offset for info in ordered[1:]), archive.start_dir]
    return {info.filename: data[info.header_offset : end] for info, end in zip(ordered, ends, strict=True)}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_wheel(compression: int, tmp_path: Path) -> None:
    files = {"pkg/a.py": b"a" * 999, "pkg/m.so": OLD, 'pkg/b, "c".txt': b"b" * 999}
    source = make_wheel(tmp_path, files, compression=compression)
    target = tmp_path / "out.whl"
    write_copy("wheel", source, target, CHANGED)
    changed = {"pkg/m.so", "sample-1.0.dist-info/RECORD"}
    before, after = raw_members(source), raw_members(target)
    assert list(after) == list(before)
    assert {name for name in before if before[name] != after[name]} == changed
    assert {name: entry for name, entry in entries(source).items() if name not in changed} == {
        name: entry for name, entry in entries(target).items() if name not in changed
    }
    for name in changed:
        assert entries(source)[name][:10] == entries(target)[name][:10]
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert archive.read("pkg/m.so") == NEW
        record = archive.read("sample-1.0.dist-info/RECORD").decode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(NEW).digest()).rstrip(b"=").decode()
    assert f"pkg/m.so,sha256={digest},{len(NEW)}\n" in record
    with zipfile.ZipFile(source) as archive:
        old = archive.read("sample-1.0.dist-info/RECORD").decode()
    assert [line for line in record.splitlines() if "m.so" not in line] == [
        line for line in old.splitlines() if "m.so" not in line
    ]


def test_what_zip_tools_leave_in_an_archive(tmp_path: Path) -> None:
    """Streamed members with their sizes behind them, zip64 fields, modes, times, folders, comments."""
    source, target = tmp_path / "a.zip", tmp_path / "b.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = b"made by hand"
        archive.writestr(zipfile.ZipInfo("pkg/"), b"")
        for name, content in (("pkg/first.txt", b"first" * 99), ("pkg/m.so", OLD), ("pkg/last", b"last" * 99)):
            info = zipfile.ZipInfo(name, (1999, 12, 31, 23, 59, 58))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o100755 << 16
            info.comment = b"of " + name.encode()
            info.extra = struct.pack("<HHI", 0xCAFE, 4, 7)
            with archive.open(info, "w", force_zip64=True) as member:
                member.write(content)
    streamed = tmp_path / "streamed.zip"
    with streamed.open("wb") as file, zipfile.ZipFile(Unseekable(file), "w") as archive:  # type: ignore[call-overload]
        for name, content in (("pkg/first.txt", b"first"), ("pkg/m.so", OLD), ("pkg/last", b"last")):
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
    for one in (source, streamed):
        target.unlink(missing_ok=True)
        write_copy("zip", one, target, CHANGED)
        before, after = raw_members(one), raw_members(target)
        assert {name for name in before if before[name] != after[name]} == {"pkg/m.so"}
        with zipfile.ZipFile(target) as archive, zipfile.ZipFile(one) as original:
            assert archive.testzip() is None
            assert archive.read("pkg/m.so") == NEW
            assert archive.comment == original.comment
            info, old = archive.getinfo("pkg/m.so"), original.getinfo("pkg/m.so")
            assert (info.date_time, info.external_attr, info.comment) == (old.date_time, old.external_attr, old.comment)


class Unseekable:
    """A file that cannot be gone back in, as a pipe."""

    def __init__(self, file: object) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return int(self._file.write(data))  # type: ignore[attr-defined]

    def flush(self) -> None:
        self._file.flush()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "message"),
    [("sample-1.0.dist-info__RECORD.jws", "it is signed"), ("sample-1.0.dist-info__RECORD.p7s", "it is signed")],
)
def test_a_signed_wheel(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RepairError, match=message):
        write_copy("wheel", wheel(tmp_path, **{name: b"{}"}), tmp_path / "out.whl", CHANGED)


def damaged(path: Path, how: str) -> Path:
    data = path.read_bytes()
    end = data.rindex(b"PK\x05\x06")
    start = struct.unpack_from("<I", data, end + 16)[0]
    if how == "prefix":
        data = b"#!/bin/sh\n" + data
    elif how == "appended":
        data += b"more"
    elif how == "gap":
        data = data[:end] + b"gap" + data[end:]
    elif how == "lying over":
        second = data.index(b"PK\x01\x02", start + 4)
        data = data[: second + 42] + struct.pack("<I", 0) + data[second + 46 :]
    elif how == "zip64":
        data = data[: end + 10] + b"\xff\xff" + data[end + 12 :]
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("how", ["prefix", "appended", "gap", "lying over", "zip64"])
def test_an_archive_that_is_not_plain_is_refused(how: str, tmp_path: Path) -> None:
    with pytest.raises(RepairError):
        write_copy("zip", damaged(wheel(tmp_path), how), tmp_path / "out.zip", CHANGED)


def row(path: str, data: bytes) -> str:
    return f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"


def test_a_wheel_with_a_damaged_member_that_no_check_reads(tmp_path: Path) -> None:
    source = wheel(tmp_path)
    with zipfile.ZipFile(source) as archive:
        place = archive.getinfo("pkg/__init__.py").header_offset
    data = bytearray(source.read_bytes())
    directory = data.rindex(b"PK\x01\x02", 0, data.rindex(b"pkg/__init__.py"))
    for offset in (place + 14, directory + 16):  # the CRC, in both places
        data[offset] ^= 1
    source.write_bytes(data)
    with pytest.raises(RepairError, match=r"pkg/__init__\.py does not fit its checksum"):
        write_copy("wheel", source, tmp_path / "out.whl", CHANGED)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_record_keeps_its_form(ending: str) -> None:
    lines = ['"a, b.so",,', row('"pkg/x,y.so"', OLD), row("./pkg/m.so", OLD), "\udcff,sha256=abc,1", "s/RECORD,,"]
    record = ending.join(lines).encode("utf-8", "surrogateescape")
    after = rewritten(record, {"pkg/m.so": (OLD, NEW), "pkg/x,y.so": (OLD, NEW)})
    lines[1:3] = [row('"pkg/x,y.so"', NEW), row("./pkg/m.so", NEW)]
    assert after == ending.join(lines).encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("", "is not listed"),
        (row("pkg/m.so", NEW), "another hash"),
        ("pkg/m.so,sha512=abc,9", "another hash"),
        (f"{row('pkg/m.so', OLD)}\n{row('pkg/m.so', OLD)}", "two rows"),
        ("pkg/m.so", "none"),
        ('"pkg/m.so', "does not end where its line does"),
    ],
)
def test_a_record_that_does_not_fit_is_not_made_to_fit(record: str, message: str) -> None:
    with pytest.raises(RepairError, match=message):
        rewritten(record.encode(), {"pkg/m.so": (OLD, NEW)})


def test_a_folder(tmp_path: Path) -> None:
    source, target = tmp_path / "tree", tmp_path / "copy"
    (source / "pkg").mkdir(parents=True)
    (source / "pkg/m.so").write_bytes(OLD)
    (source / "pkg/m.so").chmod(0o555)
    (source / "pkg/other").write_bytes(b"other")
    (source / "link.so").symlink_to("pkg/m.so")
    os.utime(source / "pkg/other", (1, 1))
    write_copy("folder", source, target, CHANGED)
    assert (target / "pkg/m.so").read_bytes() == NEW
    assert (source / "pkg/m.so").read_bytes() == OLD
    assert (target / "pkg/m.so").stat().st_mode & 0o777 == 0o555
    assert (target / "pkg/other").stat().st_mtime == 1
    assert (target / "link.so").readlink() == Path("pkg/m.so")


def test_a_folder_with_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    os.mkfifo(tmp_path / "tree/pipe")
    with pytest.raises(RepairError, match="is a pipe"):
        write_copy("folder", tmp_path / "tree", tmp_path / "copy", {})


def test_what_a_folder_does_not_hold_itself(tmp_path: Path) -> None:
    outside, tree = tmp_path / "outside", tmp_path / "tree"
    outside.mkdir()
    (outside / "m.so").write_bytes(OLD)
    (tree / "p-1.dist-info").mkdir(parents=True)
    (tree / "linked").symlink_to(outside)
    (tree / "own.so").write_bytes(OLD)
    (tree / "p.so").write_bytes(OLD)
    (tree / "p-1.dist-info/RECORD").write_text("p.so,sha256=abc,1\n")
    surroundings = Surroundings.of("folder", tree)
    assert surroundings.why_not("own.so", ()) is None
    assert "by a link that leads out" in (surroundings.why_not("linked/m.so", ()) or "")
    assert "p-1.dist-info/RECORD" in (surroundings.why_not("p.so", ()) or "")
    assert "an archive inside" in (surroundings.why_not("a.zip/m.so", ("a.zip",)) or "")


def test_what_has_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "m.so").write_bytes(NEW)
    with pytest.raises(RepairError, match="has changed since it was read"):
        write_copy("elf", tmp_path / "m.so", tmp_path / "copy.so", {"m.so": NewContent(OLD, NEW)})
