"""A folder into which wheels were unpacked: what it promises, and which package carries what."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from building import compile_with_zig, library, make_wheel
from glibc_guard.guard import check
from glibc_guard.model import ArtifactReport
from glibc_guard.settings import Settings

GOMP = "void GOMP_parallel(void) {} void omp_get_num_threads(void) {}"
KMP = f"{GOMP} void __kmpc_fork_call(void) {{}}"


def install(folder: Path, name: str, data: bytes, platforms: str, start: bytes = b"") -> Path:
    """Unpack a wheel with one module into ``folder/site-packages``."""
    files = {f"{name}/_core.so": data, f"{name}/__init__.py": start}
    site_packages = folder / "site-packages"
    with zipfile.ZipFile(make_wheel(folder, files, name=name, tag=f"cp312-cp312-{platforms}")) as archive:
        archive.extractall(site_packages)
    return site_packages


def judged(folder: Path, *targets: str) -> ArtifactReport:
    (report,) = check([str(folder)], Settings(targets=targets or ("auto",))).artifacts
    return report


def module(source: str = "int f(void) { return 1; }") -> bytes:
    return compile_with_zig(source, "-shared", "-fPIC")


def test_an_environment_promises_what_all_of_its_wheels_promise(tmp_path: Path) -> None:
    install(tmp_path, "old", module(), "manylinux_2_17_x86_64.manylinux2014_x86_64")
    install(tmp_path, "newest", library("pow(x, 2.5)", glibc="2.29"), "manylinux_2_31_x86_64")
    folder = install(tmp_path, "lenient", module(), "manylinux_2_27_x86_64.manylinux_2_34_x86_64")
    report = judged(folder)
    assert [(target.name, target.origin) for target in report.targets] == [
        ("manylinux_2_31_x86_64", "installed wheels")
    ]
    assert report.findings == ()
    assert report.notes == (
        "an environment of 3 installed wheels: all of them promise manylinux_2_31_x86_64, which newest asks for",
    )


def test_an_explicit_target_stands_alone(tmp_path: Path) -> None:
    folder = install(tmp_path, "newest", library("pow(x, 2.5)", glibc="2.29"), "manylinux_2_31_x86_64")
    report = judged(folder, "2.17")
    assert [target.name for target in report.targets] == ["2.17"]
    assert {finding.rule for finding in report.findings} == {"symbol-version-too-new"}
    assert {target.name for target in judged(folder, "auto", "2.17").targets} == {"2.17", "manylinux_2_31_x86_64"}


def test_a_module_newer_than_every_promise_is_found(tmp_path: Path) -> None:
    install(tmp_path, "honest", module(), "manylinux_2_28_x86_64")
    folder = install(tmp_path, "local", library("pow(x, 2.5)", glibc="2.29"), "linux_x86_64")
    report = judged(folder)
    assert [finding.version for finding in report.findings] == ["GLIBC_2.29"]
    assert "installed with native code, but without a promise in the tag: local" in report.notes


def test_without_any_promise_the_default_holds(tmp_path: Path) -> None:
    report = judged(install(tmp_path, "local", module(), "linux_x86_64"))
    assert [(target.name, target.origin) for target in report.targets] == [("manylinux_2_17_x86_64", "default")]


def test_a_tag_that_nobody_knows_is_not_a_pass(tmp_path: Path) -> None:
    report = judged(install(tmp_path, "odd", module(), "manylinux_2_4_x86_64"))
    assert report.verdict == "unreadable"
    assert "the tag of the installed odd cannot be judged" in report.findings[0].message


def test_the_record_tells_which_package_carries_what(tmp_path: Path) -> None:
    install(tmp_path, "one", module(GOMP), "manylinux_2_28_x86_64")
    folder = install(tmp_path, "other", module(KMP), "manylinux_2_28_x86_64")
    (finding,) = judged(folder).findings
    assert (finding.rule, finding.severity) == ("conflicting-openmp", "warning")  # in one package: an error
    (folder / "one/_more.so").write_bytes(module(KMP.replace("{}", "{ }")))
    record = folder / "one-1.0.dist-info/RECORD"
    record.write_text(f"{record.read_text()}one/_more.so,,\n")
    errors = [finding.message for finding in judged(folder).findings if finding.severity == "error"]
    assert any("one/_core.so" in message and "one/_more.so" in message for message in errors)


def test_what_a_start_loads_globally_is_known(tmp_path: Path) -> None:
    start = b"import ctypes\nctypes.CDLL(here + '/lib_core.so', ctypes.RTLD_GLOBAL)\n"
    folder = install(tmp_path, "one", module(GOMP), "manylinux_2_28_x86_64", start)
    (folder / "one/_core.so").rename(folder / "one/lib_core.so")
    record = folder / "one-1.0.dist-info/RECORD"
    record.write_text(record.read_text().replace("_core.so", "lib_core.so"))
    install(tmp_path, "other", module(GOMP), "manylinux_2_28_x86_64")
    (finding,) = judged(folder).findings
    assert "is loaded with RTLD_GLOBAL" in finding.message


def test_damaged_metadata_takes_nothing_from_what_is_judged(tmp_path: Path) -> None:
    folder = install(tmp_path, "one", library("pow(x, 2.5)", glibc="2.29"), "manylinux_2_31_x86_64")
    (folder / "one-1.0.dist-info/WHEEL").write_bytes(b"\xff\xfeTag: \nTag: a-b\n" + b"Tag: x-y-z\n" * 200)
    (folder / "one-1.0.dist-info/RECORD").write_bytes(b'"\x00,\n' * 3)
    (folder / "other.dist-info").mkdir()
    (folder / "third.dist-info").write_bytes(b"")
    report = judged(folder)
    assert [target.origin for target in report.targets] == ["default"]
    assert {finding.version for finding in report.findings} == {"GLIBC_2.29"}


def test_of_a_plain_folder_nothing_is_installed(tmp_path: Path) -> None:
    (tmp_path / "module.so").write_bytes(module())
    assert [target.origin for target in judged(tmp_path).targets] == ["default"]


def test_an_environment_has_one_c_library(tmp_path: Path) -> None:
    """A wheel that is tagged for both, as programs that are linked statically are, promises nothing for the other."""
    install(tmp_path, "tool", module(), "manylinux_2_12_x86_64.manylinux2010_x86_64.musllinux_1_1_x86_64")
    folder = tmp_path / "site-packages"
    assert [target.name for target in judged(folder).targets] == ["manylinux_2_12_x86_64"]
    install(tmp_path, "one", module(), "manylinux_2_28_x86_64")
    report = judged(folder)
    assert [target.name for target in report.targets] == ["manylinux_2_28_x86_64"]
    assert report.findings == ()


def test_an_environment_of_musl_promises_what_is_tagged_for_musl(tmp_path: Path) -> None:
    for_musl = compile_with_zig("int puts(const char *); void f(void) { puts(0); }", "-shared", "-fPIC", glibc=None)
    install(tmp_path, "tool", for_musl, "manylinux_2_17_x86_64.musllinux_1_1_x86_64")
    folder = tmp_path / "site-packages"
    assert [target.name for target in judged(folder).targets] == ["musllinux_1_1_x86_64"]
    install(tmp_path, "one", for_musl, "musllinux_1_2_x86_64")
    assert [target.name for target in judged(folder).targets] == ["musllinux_1_2_x86_64"]
    install(tmp_path, "other", library("pow(x, 2.5)", glibc="2.17"), "manylinux_2_28_x86_64")
    report = judged(folder)
    assert [target.name for target in report.targets] == ["manylinux_2_28_x86_64"]
    assert {finding.object for finding in report.findings if finding.severity == "error"} >= {"one/_core.so"}


def test_without_a_record_the_name_at_the_top_tells_what_a_wheel_holds(tmp_path: Path) -> None:
    folder = install(tmp_path, "new_est", library("pow(x, 2.5)", glibc="2.29"), "manylinux_2_31_x86_64")
    (folder / "new_est-1.0.dist-info/RECORD").unlink()
    (folder / "new_est-1.0.dist-info").rename(folder / "New.Est-1.0.dist-info")
    report = judged(folder)
    assert [target.name for target in report.targets] == ["manylinux_2_31_x86_64"]
    assert report.findings == ()


@pytest.mark.parametrize("lost", ["RECORD", "object"], ids=["without a RECORD", "with one"])
def test_what_holds_no_native_code_raises_no_promise(lost: str, tmp_path: Path) -> None:
    install(tmp_path, "old", library("pow(x, 2.5)", glibc="2.29"), "manylinux_2_28_x86_64")
    folder = install(tmp_path, "newest", module(), "manylinux_2_35_x86_64")
    (folder / "newest/_core.so").unlink()
    if lost == "RECORD":
        (folder / "newest-1.0.dist-info/RECORD").unlink()
    report = judged(folder)
    assert [target.name for target in report.targets] == ["manylinux_2_28_x86_64"]
    assert [finding.version for finding in report.findings] == ["GLIBC_2.29"]
    assert "no native code of theirs lies here, so that their tags promise nothing: newest" in report.notes


@pytest.mark.parametrize("without", ["RECORD", "WHEEL"])
def test_without_a_record_the_folder_at_the_top_tells_packages_apart(without: str, tmp_path: Path) -> None:
    install(tmp_path, "one", module(GOMP), "manylinux_2_28_x86_64")
    folder = install(tmp_path, "other", module(KMP), "manylinux_2_28_x86_64")
    for name in ("one", "other"):
        (folder / f"{name}-1.0.dist-info/RECORD").unlink()
        if without == "WHEEL":  # as Debian leaves it
            (folder / f"{name}-1.0.dist-info/WHEEL").unlink()
    (finding,) = judged(folder).findings
    assert (finding.rule, finding.severity) == ("conflicting-openmp", "warning")


def test_a_virtual_environment_is_judged_by_what_is_installed_in_it(tmp_path: Path) -> None:
    root = tmp_path / "venv/lib/python3.12"
    root.mkdir(parents=True)
    install(root, "one", module(GOMP), "manylinux_2_28_x86_64")
    install(root, "other", module(KMP), "manylinux_2_31_x86_64")
    for wheel in root.glob("*.whl"):
        wheel.unlink()
    (tmp_path / "venv/lib64").symlink_to("lib")
    report = judged(tmp_path / "venv")
    assert [target.origin for target in report.targets] == ["default"]
    assert report.notes[-1] == (
        "holds installed packages in lib/python3.12/site-packages: check such a folder by itself to hold it against "
        "what its wheels promise"
    )
    (tmp_path / "venv/pyvenv.cfg").write_text("home = /usr/bin\n")
    (tmp_path / "python").write_bytes(library("pow(x, 2.5)", glibc="2.34"))
    (tmp_path / "venv/bin").mkdir()
    (tmp_path / "venv/bin/python").symlink_to(tmp_path / "python")
    report = judged(tmp_path / "venv")
    assert [target.name for target in report.targets] == ["manylinux_2_31_x86_64"]
    (finding,) = report.findings
    assert (finding.rule, finding.severity) == ("conflicting-openmp", "warning")  # in one package: an error
