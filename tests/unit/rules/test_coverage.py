from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from building import compile_with_gcc, library, make_wheel
from glibc_guard.guard import check
from glibc_guard.model import ArtifactReport
from glibc_guard.settings import Ignore, Settings

OBJECT = library("malloc(1)", glibc="2.17")


def judged(path: Path, **settings: object) -> ArtifactReport:
    (report,) = check([str(path)], Settings(**settings)).artifacts  # type: ignore[arg-type]
    return report


def test_a_pure_wheel_passes_and_says_so(tmp_path: Path) -> None:
    report = judged(make_wheel(tmp_path, {"m.py": b""}, tag="py3-none-any"))
    assert (report.verdict, report.notes) == ("pass", ("pure Python: no native code for Linux in 4 files",))


@pytest.mark.parametrize("tag", ["cp312-cp312-macosx_11_0_arm64", "cp312-cp312-win_amd64"])
def test_wheels_for_other_systems_promise_nothing_here(tmp_path: Path, tag: str) -> None:
    report = judged(make_wheel(tmp_path, {"m.pyd": b"MZ"}, tag=tag))
    assert report.verdict == "pass"
    assert any("no Linux" in note for note in report.notes)


def test_a_source_distribution_passes_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "sample-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("sample-1.0/PKG-INFO"), io.BytesIO())
    report = judged(path)
    assert (report.verdict, report.kind) == ("pass", "sdist")
    assert "source distribution" in report.notes[-1]


def empty_folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def folder_of_object_files(tmp_path: Path) -> Path:
    folder = empty_folder(tmp_path)
    (folder / "a.o").write_bytes(compile_with_gcc("int x;", "-c"))
    return folder


def linux_wheel_without_objects(tmp_path: Path) -> Path:
    return make_wheel(tmp_path, {"m.py": b""})


@pytest.mark.parametrize("make", [empty_folder, folder_of_object_files, linux_wheel_without_objects])
def test_nothing_checked_is_not_a_pass(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    path = make(tmp_path)
    report = judged(path)
    assert report.verdict == "unreadable"
    assert [finding.rule for finding in report.findings] == ["nothing-to-check"]
    assert judged(path, allow_empty=True).verdict == "pass"


def test_what_cannot_be_read_is_unreadable_whatever_else_is_found(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m.so": OBJECT, "bad.so": OBJECT[:300] + b"\0"})
    report = judged(wheel)
    assert report.verdict == "unreadable"
    assert (report.coverage.elf, report.coverage.unread) == (1, 1)
    (finding,) = report.findings
    assert (finding.rule, finding.object) == ("unreadable", "bad.so")
    assert "truncated" in finding.message


def test_a_member_that_is_known_to_be_unreadable_can_be_ignored(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m.so": OBJECT, "tests/bad.so": OBJECT[:300]})
    report = judged(wheel, ignores=(Ignore("unreadable", "test data", object="tests/**"),))
    assert (report.verdict, len(report.ignored)) == ("pass", 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "named like a shared library, but it is none"),
        (b"", "named like a shared library, but it is none (empty)"),
        (OBJECT[:40], "truncated ELF header"),
    ],
)
def test_what_is_called_like_a_library_must_be_one(tmp_path: Path, data: bytes, message: str) -> None:
    wheel = make_wheel(tmp_path, {"m.so": OBJECT, "_core.cpython-312-x86_64-linux-gnu.so": data})
    (finding,) = judged(wheel).findings
    assert finding.rule == "unreadable"
    assert message in finding.message


@pytest.mark.parametrize(
    "data", [b"/* GNU ld script */ GROUP ( libc.so.6 )", b"\xcf\xfa\xed\xfe" + bytes(99), b"\0asm"]
)
def test_what_else_is_called_like_a_library(tmp_path: Path, data: bytes) -> None:
    folder = empty_folder(tmp_path)
    (folder / "libc.so").write_bytes(data)
    (folder / "m.so").write_bytes(OBJECT)
    assert judged(folder).verdict == "pass"


def test_a_text_called_like_a_library_is_data_where_nothing_native_is_promised(tmp_path: Path) -> None:
    files = {"tests/fake.so": b"just text", "tests/broken.whl": b"dummy"}
    assert judged(make_wheel(tmp_path, files, tag="py3-none-any")).verdict == "pass"
    assert judged(make_wheel(tmp_path, {"m.so": OBJECT, **files})).verdict == "unreadable"


def test_no_wildcard_sets_aside_what_could_not_be_read(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m.so": OBJECT, "bad.so": OBJECT[:300]})
    assert judged(wheel, ignores=(Ignore("*", "all"),)).verdict == "unreadable"


def test_an_architecture_that_is_not_known(tmp_path: Path) -> None:
    data = bytearray(OBJECT)
    data[18:20] = (8).to_bytes(2, "little")  # EM_MIPS
    path = tmp_path / "lib.so"
    path.write_bytes(data)
    report = judged(path)
    assert report.verdict == "unreadable"
    assert "EM_MIPS" in report.findings[0].message


def test_wheels_inside_another_artifact_keep_their_own_promise(tmp_path: Path) -> None:
    folder = empty_folder(tmp_path)
    make_wheel(folder, {"m.so": library("reallocarray(0, 1, 2)", glibc="2.29")}, tag="py3-none-manylinux_2_29_x86_64")
    make_wheel(folder, {"m.so": library("reallocarray(0, 1, 2)", glibc="2.29")}, tag="py3-none-manylinux_2_17_x86_64")
    outer, *reports = check([str(folder)], Settings()).artifacts
    assert (outer.path, outer.verdict) == (str(folder), "pass")
    assert outer.notes[-1] == "holds 2 wheels, judged separately by what each promises itself"
    assert {(Path(report.path).name, report.verdict) for report in reports} == {
        ("sample-1.0-py3-none-manylinux_2_29_x86_64.whl", "pass"),
        ("sample-1.0-py3-none-manylinux_2_17_x86_64.whl", "fail"),
    }
    assert all(len(report.sha256 or "") == 64 for report in reports)
