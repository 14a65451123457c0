from __future__ import annotations

import struct
from pathlib import Path

import pytest

from building import compile_with_gcc, library, make_wheel
from glibc_guard.guard import check
from glibc_guard.model import ArtifactReport
from glibc_guard.rules.wheel_tag import PAGE_OF_REFUSAL
from glibc_guard.settings import Settings

NEW = library("reallocarray(0, 1, 2)", "pow(x, 2.5)", glibc="2.29")
OLD = library("malloc(1)", glibc="2.17")


def judged(path: Path, **settings: object) -> ArtifactReport:
    (report,) = check([str(path)], Settings(**settings)).artifacts  # type: ignore[arg-type]
    return report


def rules(report: ArtifactReport) -> set[tuple[str, str]]:
    return {(finding.rule, finding.severity) for finding in report.findings}


@pytest.mark.parametrize("arch", ["x86_64", "i686", "aarch64", "s390x"])
def test_a_tag_that_is_not_kept_is_named_with_the_honest_one(tmp_path: Path, arch: str) -> None:
    new = library("reallocarray(0, 1, 2)", "pow(x, 2.5)", arch=arch, glibc="2.29")
    report = judged(make_wheel(tmp_path, {"m.so": new}, tag=f"cp312-cp312-manylinux2014_{arch}"))
    (finding,) = [finding for finding in report.findings if finding.rule == "wheel-tag-dishonest"]
    assert finding.message == f"the tag manylinux_2_17_{arch} is not kept: 2 needs beyond it"
    assert finding.hint is not None
    assert f"the contents keep manylinux_2_29_{arch}" in finding.hint
    honest = make_wheel(tmp_path, {"m.so": new}, tag=f"cp312-cp312-manylinux_2_29_{arch}")
    assert judged(honest).findings == ()


def test_needs_are_counted_and_not_symbols(tmp_path: Path) -> None:
    report = judged(make_wheel(tmp_path, {"m.so": library("pow(x, 2.5)", "exp(x)", "log(x)", glibc="2.29")}))
    (finding,) = [finding for finding in report.findings if finding.rule == "wheel-tag-dishonest"]
    assert finding.message == "the tag manylinux_2_17_x86_64 is not kept: 1 need beyond it"


@pytest.mark.parametrize(("arch", "refused"), [("x86_64", True), ("aarch64", True), ("armv7l", False)])
def test_a_tag_that_pypi_refuses_is_told(tmp_path: Path, arch: str, *, refused: bool) -> None:
    module = library("malloc(1)", arch=arch)
    report = judged(make_wheel(tmp_path, {"m.so": module}, tag=f"cp312-cp312-linux_{arch}"))
    told = [note for note in report.notes if note.startswith(f"PyPI refuses a wheel with the tag linux_{arch}")]
    assert bool(told) == refused
    assert report.verdict == "pass"


def test_a_tag_that_pypi_takes_is_not_told_of(tmp_path: Path) -> None:
    for tag in ("cp312-cp312-manylinux_2_29_x86_64", "py3-none-any"):
        assert not any("PyPI" in note for note in judged(make_wheel(tmp_path, {"m.so": NEW}, tag=tag)).notes)


def test_the_section_that_is_named_exists() -> None:
    name, _, section = PAGE_OF_REFUSAL.partition("#")
    text = (Path(__file__).parents[3] / "docs" / name).read_text(encoding="utf-8")
    assert f'<a id="{section}"></a>\n\n## `Binary wheel' in text


def test_an_honest_tag(tmp_path: Path) -> None:
    assert judged(make_wheel(tmp_path, {"m.so": NEW}, tag="cp312-cp312-manylinux_2_29_x86_64")).findings == ()


def test_the_oldest_of_a_compressed_tag_set_binds(tmp_path: Path) -> None:
    tag = "cp312-cp312-manylinux_2_17_x86_64.manylinux_2_29_x86_64"
    report = judged(make_wheel(tmp_path, {"m.so": NEW}, tag=tag))
    assert {finding.target for finding in report.findings} == {"manylinux_2_17_x86_64"}


@pytest.mark.parametrize("arch", ["aarch64", "i686", "s390x"])
def test_objects_of_another_architecture(tmp_path: Path, arch: str) -> None:
    wheel = make_wheel(tmp_path, {"m.so": OLD, "other.so": library("malloc(1)", arch=arch)})
    (finding,) = judged(wheel).findings
    assert (finding.rule, finding.object) == ("wrong-architecture", "other.so")
    assert finding.message == f"is built for {arch}, but the wheel is tagged x86_64"
    right = make_wheel(tmp_path, {"m.so": library("malloc(1)", arch=arch)}, tag=f"py3-none-manylinux_2_17_{arch}")
    assert judged(right).findings == ()


def test_device_code_and_relocatable_objects_have_no_architecture_to_match(tmp_path: Path) -> None:
    device = bytearray(OLD)
    struct.pack_into("<H", device, 18, 190)  # EM_CUDA
    wheel = make_wheel(tmp_path, {"m.so": OLD, "k.cubin": bytes(device), "a.o": compile_with_gcc("int x;", "-c")})
    assert judged(wheel).findings == ()


def test_an_explicit_architecture(tmp_path: Path) -> None:
    path = tmp_path / "lib.so"
    path.write_bytes(library("malloc(1)", arch="aarch64"))
    assert rules(judged(path, targets=("manylinux2014_x86_64",))) == {("wrong-architecture", "error")}
    assert rules(judged(path, targets=("manylinux2014_aarch64",))) == set()


def test_an_explicit_architecture_binds_a_wheel_for_any_platform(tmp_path: Path) -> None:
    module = library("reallocarray(0, 1, 2)", arch="aarch64", glibc="2.29")
    wheel = make_wheel(tmp_path, {"helper.so": module}, tag="py3-none-any")
    assert ("wrong-architecture", "error") in rules(judged(wheel, targets=("manylinux2014_x86_64",)))


def test_native_code_in_a_wheel_for_any_platform(tmp_path: Path) -> None:
    module = make_wheel(tmp_path, {"m.cpython-312-x86_64-linux-gnu.so": OLD}, tag="py3-none-any")
    assert rules(judged(module)) == {("wheel-tag-dishonest", "error")}
    helper = make_wheel(tmp_path, {"helper.so": OLD}, tag="py3-none-any", name="b")
    assert rules(judged(helper)) == {("wheel-tag-dishonest", "warning")}
    assert judged(helper).verdict == "pass"
    assert judged(helper, fail_on="warning").verdict == "fail"


def test_a_wheel_that_was_renamed(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m.so": OLD}, metadata_tags=["cp312-cp312-linux_x86_64"])
    (finding,) = judged(wheel).findings
    assert (finding.rule, finding.severity) == ("wheel-tag-dishonest", "warning")
    assert "cp312-cp312-linux_x86_64" in finding.message


def test_an_ignored_need_does_not_break_the_tag(tmp_path: Path) -> None:
    from glibc_guard.settings import Ignore  # noqa: PLC0415  # only here

    wheel = make_wheel(tmp_path, {"m.so": NEW})
    report = judged(wheel, ignores=(Ignore("symbol-version-too-new", "looked up at run time"),))
    assert report.verdict == "pass"
    assert len(report.ignored) == 2
