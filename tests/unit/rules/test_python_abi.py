from __future__ import annotations

from pathlib import Path

import pytest

from building import compile_with_gcc, compile_with_zig, library, make_wheel
from glibc_guard.guard import check
from glibc_guard.model import Finding
from glibc_guard.report import markdown, text
from glibc_guard.settings import Ignore, Settings
from python_building import module, native_module, source
from unit.rules.judging import judged, of_rule

GONE = "_PyGen_Send"  # CPython 3.6 to 3.9
TRIPLETS = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu", "s390x": "s390x-linux-gnu"}
NEVER = "is never imported:"
FLAGS = ("-shared", "-fPIC", "-Wl,-z,undefs")
ARCHITECTURES = sorted(TRIPLETS)


def found(folder: Path, files: dict[str, bytes], tag: str, arch: str = "x86_64") -> list[Finding]:
    wheel = make_wheel(folder, files, tag=f"{tag}-manylinux_2_17_{arch}")
    return of_rule(judged(wheel), "python-abi")


def severities(findings: list[Finding]) -> set[tuple[str | None, str]]:
    return {(finding.symbol, finding.severity) for finding in findings}


# --- symbols against the Python of the tag ----------------------------------------------------------------------------


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_symbol_that_is_gone(tmp_path: Path, arch: str) -> None:
    (finding,) = found(tmp_path, {"m/_core.so": module(GONE, arch=arch)}, "cp312-cp312", arch)
    assert (finding.severity, finding.symbol, finding.version, finding.library) == ("error", GONE, None, None)
    assert finding.message == (
        "_PyGen_Send is exported by CPython 3.6 to 3.9 and gone in 3.10: this object was built for another Python"
    )
    assert finding.hint == (
        "CPython 3.12 refuses the import (undefined symbol); the object fits CPython 3.6 to 3.9: "
        "package the one that was built for the promised Python"
    )
    assert found(tmp_path, {"m/_core.so": module(GONE, arch=arch)}, "cp39-cp39", arch) == []


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_symbol_that_is_newer(tmp_path: Path, arch: str) -> None:
    new = module("PyMonitoring_EnterScope", arch=arch)
    (finding,) = found(tmp_path, {"m/_core.so": new}, "cp312-cp312", arch)
    assert finding.message.startswith("PyMonitoring_EnterScope is new in CPython 3.13, and 3.12 is promised")
    assert found(tmp_path, {"m/_core.so": new}, "cp313-cp313", arch) == []


@pytest.mark.parametrize(
    ("symbol", "words"),
    [
        ("PyUnicodeUCS4_FromString", "is of Python 2 (built with UCS4) or 3.2"),
        ("PyUnicodeUCS2_FromString", "is of Python 2 (built with UCS2) or 3.2"),
        ("PyFPE_jbuf", "is exported by CPython 3.7 and 3.8 and gone in 3.9"),
        ("PyString_FromString", "is exported by CPython 2 and by no CPython 3"),
        ("Py_InitModule4_64", "is exported by CPython 2 and by no CPython 3"),
        ("PyPyLong_FromLong", "is exported by PyPy, not by CPython"),
        ("_Py_NegativeRefcount", "is exported by debug builds of CPython only"),
        ("_Py_MergeZeroLocalRefcount", "is exported by free-threaded builds of CPython only (3.13t, 3.14t and 3.15t)"),
        ("PyNobody_KnowsThis", "is exported by no CPython from 3.6 to 3.15"),
        ("_PyGen_yf", "is exported by CPython 3.6 to 3.8, 3.13 and 3.14, not by 3.12"),
    ],
)
def test_where_a_symbol_is_from(tmp_path: Path, symbol: str, words: str) -> None:
    (finding,) = found(tmp_path, {"m/_core.so": module(symbol)}, "cp312-cp312")
    assert finding.message.startswith(f"{symbol} {words}")
    assert finding.severity == "error"


def test_free_threaded_python(tmp_path: Path) -> None:
    free = {"m/_core.cpython-313t-x86_64-linux-gnu.so": module("_Py_MergeZeroLocalRefcount")}
    assert found(tmp_path, free, "cp313-cp313t") == []
    gone = {"m/_core.cpython-313t-x86_64-linux-gnu.so": module(GONE)}
    (finding,) = found(tmp_path, gone, "cp313-cp313t")
    assert "CPython 3.13t refuses the import" in (finding.hint or "")


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_what_the_artifact_brings_itself(tmp_path: Path, arch: str) -> None:
    flags = ("-shared", "-fPIC", "-Wl,-soname,libcompat.so")
    helper = compile_with_zig(f"void {GONE}(void) {{}}", *flags, arch=arch, name="libcompat.so")
    linked = compile_with_zig(
        source(GONE), *FLAGS, "-Wl,-rpath,$ORIGIN", "libcompat.so", arch=arch, beside={"libcompat.so": helper}
    )
    assert found(tmp_path, {"m/_core.so": linked, "m/libcompat.so": helper}, "cp312-cp312", arch) == []
    assert len(found(tmp_path, {"m/_core.so": linked}, "cp312-cp312", arch)) == 1


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_what_an_unrelated_object_defines(tmp_path: Path, arch: str) -> None:
    """Modules are opened with RTLD_LOCAL: what another one exports is out of reach, unless the package sees to it."""
    other = compile_with_zig(f"void {GONE}(void) {{}}", "-shared", "-fPIC", arch=arch)
    files = {"m/_core.so": module(GONE, arch=arch), "m/other.so": other}
    (finding,) = found(tmp_path, files, "cp312-cp312", arch)
    assert (finding.severity, finding.symbol) == ("warning", GONE)
    assert finding.message.endswith("; m/other.so defines it, but is not loaded for this object")
    assert "unless the package loads it with RTLD_GLOBAL before" in (finding.hint or "")


def test_what_the_package_loads_globally(tmp_path: Path) -> None:
    other = compile_with_zig(f"void {GONE}(void) {{}}", "-shared", "-fPIC")
    start = b"import ctypes, os\nctypes.CDLL(os.path.join(here, 'libother.so'), ctypes.RTLD_GLOBAL)\n"
    files = {"m/__init__.py": start, "m/_core.so": module(GONE), "m/libother.so": other}
    assert found(tmp_path, files, "cp312-cp312") == []


def test_what_the_users_of_a_library_bring(tmp_path: Path) -> None:
    """The symbols of a library are looked up in what the module needs that brings it."""
    flags = ("-shared", "-fPIC", "-Wl,-z,undefs")
    code = f"void {GONE}(void); void help(void) {{ {GONE}(); }}"
    helper = compile_with_zig(code, *flags, "-Wl,-soname,libhelper.so", name="libhelper.so")
    core = source("help") + f"void {GONE}(void) {{}}"
    user = compile_with_zig(core, *flags, "-Wl,-rpath,$ORIGIN", "libhelper.so", beside={"libhelper.so": helper})
    assert found(tmp_path, {"m/_core.so": user, "m/libhelper.so": helper}, "cp312-cp312") == []


def test_a_weak_reference_may_stay_undefined(tmp_path: Path) -> None:
    code = f"__attribute__((weak)) void {GONE}(void); void *at(void) {{ return (void *){GONE}; }} int PyInit__core;"
    weak = compile_with_zig(code, "-shared", "-fPIC", "-Wl,-z,undefs")
    assert found(tmp_path, {"m/_core.so": weak}, "cp312-cp312") == []


def test_libraries_beside_the_modules_are_judged_too(tmp_path: Path) -> None:
    code = f"void {GONE}(void); void call(void) {{ {GONE}(); }}"
    helper = compile_with_zig(code, "-shared", "-fPIC", "-Wl,-z,undefs")
    files = {"m/libhelper_python.so": helper, "m/_core.so": module()}
    (finding,) = found(tmp_path, files, "cp312-cp312")
    assert finding.object == "m/libhelper_python.so"


def test_a_name_that_another_library_may_define_is_a_warning(tmp_path: Path) -> None:
    other = compile_with_zig(
        "void PyOther_Call(void) {}", "-shared", "-fPIC", "-Wl,-soname,libother.so", name="libother.so"
    )
    code = "void PyOther_Call(void); void call(void) { PyOther_Call(); } int PyInit__core;"
    stub = {"libother.so": other}
    linked = compile_with_zig(code, "-shared", "-fPIC", "libother.so", beside=stub)
    (finding,) = found(tmp_path, {"m/_core.so": linked}, "cp312-cp312")
    assert (finding.severity, finding.symbol) == ("warning", "PyOther_Call")
    assert finding.message == "PyOther_Call is exported by no CPython from 3.6 to 3.15"
    assert finding.hint == ("unless libother.so defines it, CPython 3.12 refuses the import (undefined symbol)")
    (finding,) = found(tmp_path, {"m/_core.abi3.so": linked}, "cp39-abi3")
    assert (finding.severity, finding.hint) == (
        "warning",
        "unless libother.so defines it, the import fails there (undefined symbol)",
    )
    assert found(tmp_path, {"m/_core.so": linked, "m/libother.so": other}, "cp312-cp312") == []


def test_a_symbol_that_only_some_patch_releases_have(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, {"m/_core.so": module("_PyErr_SetLocaleString")}, "cp312-cp312")
    assert finding.severity == "note"
    assert finding.message == ("_PyErr_SetLocaleString is not in every CPython 3.12: 3.12.10 has it, 3.12.1 lacks it")


def test_a_module_for_a_python_that_nobody_knows_yet(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m/_core.so": module(GONE)}, tag="cp399-cp399-manylinux_2_17_x86_64")
    report = judged(wheel)
    assert of_rule(report, "python-abi") == []
    assert any("CPython 3.99, whose C-API is in no table here" in note for note in report.notes)


@pytest.mark.parametrize("tag", ["pp310-pypy310_pp73", "cp27-cp27mu", "py2-none", "graalpy311-graalpy242_311_native"])
def test_what_is_not_judged(tmp_path: Path, tag: str) -> None:
    assert found(tmp_path, {"m/_core.so": module(GONE, "PyPyLong_FromLong", "PyString_FromString")}, tag) == []


def test_pypy_is_said_not_to_be_judged(tmp_path: Path) -> None:
    files = {"m/_core.pypy310-pp73-x86_64-linux-gnu.so": module("PyPyLong_FromLong")}
    wheel = make_wheel(tmp_path, files, tag="pp310-pypy310_pp73-manylinux_2_17_x86_64")
    assert "made for pp310, whose C-API is in no table here: its Python symbols are not judged" in judged(wheel).notes


def test_python_2_is_said_not_to_be_judged(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m/_core.so": module("PyString_FromString")}, tag="cp27-cp27mu-manylinux1_x86_64")
    assert any(note.startswith("made for cp27, whose C-API") for note in judged(wheel).notes)


def test_a_wheel_without_anything_of_python(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m/libm.so": library("malloc(1)")}, tag="pp310-pypy310_pp73-manylinux_2_17_x86_64")
    assert judged(wheel).notes == ()


# --- several Pythons in one wheel -------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_wheel_for_any_python_takes_its_modules_itself(tmp_path: Path, arch: str) -> None:
    files = {
        f"m/_core.cpython-39-{TRIPLETS[arch]}.so": module(GONE, arch=arch),
        f"m/_core.cpython-313-{TRIPLETS[arch]}.so": module("PyMonitoring_EnterScope", arch=arch),
        "m/py38/_core.so": module("PyFPE_jbuf", arch=arch),
    }
    assert found(tmp_path, files, "py3-none", arch) == []
    wrong = {f"m/_core.cpython-311-{TRIPLETS[arch]}.so": module(GONE, arch=arch)}
    (finding,) = found(tmp_path, wrong, "py3-none", arch)
    assert finding.symbol == GONE


def test_symbols_that_no_python_has_together(tmp_path: Path) -> None:
    mixed = {"m/_core.so": module(GONE, "PyMonitoring_EnterScope")}
    findings = found(tmp_path, mixed, "py3-none")
    assert findings
    assert all("no CPython exports all" in (finding.hint or "") for finding in findings)


def test_two_pythons_by_tag(tmp_path: Path) -> None:
    files = {"m/py39/_core.so": module(GONE), "m/py310/_core.so": module("PyGC_Disable")}
    assert found(tmp_path, files, "cp39.cp310-none") == []
    (finding,) = found(tmp_path, {"m/_core.so": module(GONE)}, "cp311.cp312-none")
    assert finding.symbol == GONE


def test_each_python_of_the_tags_loads_a_plain_file(tmp_path: Path) -> None:
    tag = "cp39.cp312-cp39.cp312"
    (finding,) = found(tmp_path, {"m/_core.so": module(GONE)}, tag)
    assert (finding.severity, finding.symbol) == ("error", GONE)
    assert "CPython 3.12 refuses the import" in (finding.hint or "")
    beside = {"m/_core.so": module(GONE), "m/_core.cpython-312-x86_64-linux-gnu.so": module()}
    assert found(tmp_path, beside, tag) == []
    both = {"m/_core.so": module(GONE, "PyMonitoring_EnterScope")}
    assert {finding.symbol for finding in found(tmp_path, both, tag)} == {GONE, "PyMonitoring_EnterScope"}


def test_a_library_answers_for_the_modules_that_need_it(tmp_path: Path) -> None:
    code = f"void {GONE}(void); void help(void) {{ {GONE}(); }}"
    helper = compile_with_zig(code, *FLAGS, "-Wl,-soname,libhelper.so", name="libhelper.so")
    user = compile_with_zig(
        source("help"), *FLAGS, "-Wl,-rpath,$ORIGIN", "libhelper.so", beside={"libhelper.so": helper}
    )
    tag = "cp39.cp312-cp39.cp312"
    old = {"m/_core.cpython-39-x86_64-linux-gnu.so": user, "m/_core.cpython-312-x86_64-linux-gnu.so": module()}
    assert found(tmp_path, {**old, "m/libhelper.so": helper}, tag) == []
    (finding,) = found(tmp_path, {"m/_core.so": user, "m/libhelper.so": helper}, tag)
    assert (finding.object, finding.severity) == ("m/libhelper.so", "error")


@pytest.mark.parametrize(
    "tag",
    ["cp312.pp310-cp312.pypy310_pp73", "cp312.cp316-cp312.cp316", "cp27.cp312-cp27mu.cp312", "cp312.py2-cp312.none"],
)
def test_a_foreign_tag_does_not_switch_the_others_off(tmp_path: Path, tag: str) -> None:
    wheel = make_wheel(tmp_path, {"m/_core.so": module(GONE)}, tag=f"{tag}-manylinux_2_17_x86_64")
    report = judged(wheel)
    (finding,) = of_rule(report, "python-abi")
    assert "CPython 3.12 refuses the import" in (finding.hint or "")
    assert any("whose C-API is in no table here" in note for note in report.notes)


def test_a_wheel_for_python_2_and_3_may_hold_a_module_for_python_2(tmp_path: Path) -> None:
    code = "void PyString_FromString(void); void initcore(void) { PyString_FromString(); }"
    files = {"m/core_py27.so": compile_with_zig(code, *FLAGS), "m/core_py39.so": module(GONE)}
    assert found(tmp_path, files, "py2.py3-none") == []
    (finding,) = found(tmp_path, files, "py3-none")
    assert finding.object == "m/core_py27.so"


@pytest.mark.parametrize("tag", ["py3-none", "py38-none", "py310.py311-none"])
def test_none_of_any_python_3_loads_it(tmp_path: Path, tag: str) -> None:
    symbols = [finding.symbol for finding in found(tmp_path, {"m/_core.so": module("PyString_FromString")}, tag)]
    assert symbols == ["PyString_FromString"]
    of_nobody = found(tmp_path, {"m/_core.so": module("PyNobody_KnowsThis")}, f"py2.{tag}")
    assert [finding.symbol for finding in of_nobody] == ["PyNobody_KnowsThis"]


@pytest.mark.parametrize(
    ("tag", "void"),
    [
        ("cp312-cp311", "cp312-cp311"),
        ("cp312-cp312t", "cp312-cp312t"),
        ("cp312-cp312m", "cp312-cp312m"),
        ("cp37-cp37", "cp37-cp37"),
        ("cp3-none", "cp3-none"),
        ("cp3-abi3", "cp3-abi3"),
        ("py3-abi3", "py3-abi3"),
        ("py312-cp312", "py312-cp312"),
        ("cp27-abi3", "cp27-abi3"),
    ],
)
def test_a_tag_that_no_installer_takes(tmp_path: Path, tag: str, void: str) -> None:
    wheel = make_wheel(tmp_path, {"m/_core.so": module()}, tag=f"{tag}-manylinux_2_17_x86_64")
    assert f"tagged {void}, which no installer takes: what that promises is not judged" in judged(wheel).notes


def test_a_void_tag_does_not_switch_the_others_off(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m/_core.abi3.so": module(GONE)}, tag="cp310.py2-abi3-manylinux_2_17_x86_64")
    report = judged(wheel)
    assert [finding.symbol for finding in of_rule(report, "python-abi")] == [GONE]
    assert "tagged py2-abi3, which no installer takes: what that promises is not judged" in report.notes


@pytest.mark.parametrize(
    ("tag", "python"),
    [
        ("cp313-cp313d", "CPython 3.13d"),
        ("cp35-cp35m", "CPython 3.5"),
        ("cp35-none", "CPython 3.5"),
        ("cp316-cp316", "CPython 3.16"),
        ("cp37-cp37dm", "CPython 3.7d"),
    ],
)
def test_a_python_of_no_table(tmp_path: Path, tag: str, python: str) -> None:
    wheel = make_wheel(tmp_path, {"m/_core.so": module(GONE)}, tag=f"{tag}-manylinux_2_17_x86_64")
    assert (
        f"made for {python}, whose C-API is in no table here: its Python symbols are not judged" in judged(wheel).notes
    )


@pytest.mark.parametrize(
    ("ending", "python"),
    [
        ("cpython-316-", "CPython 3.16"),
        ("cpython-35m-", "CPython 3.5"),
        ("pypy310-pp73-", "PyPy"),
        ("cpython-312d-", "CPython 3.12d"),
    ],
)
def test_a_file_for_a_python_of_no_table(tmp_path: Path, ending: str, python: str) -> None:
    path = tmp_path / f"_core.{ending}x86_64-linux-gnu.so"
    path.write_bytes(module(GONE))
    report = judged(path, "2.17")
    assert report.findings == ()
    assert f"made for {python}, whose C-API is in no table here: its Python symbols are not judged" in report.notes


# --- the stable ABI ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_abi3_that_is_none(tmp_path: Path, arch: str) -> None:
    bad = module("PyFrame_GetBack", "PyModule_AddType", "PyUnicode_AsUTF8AndSize", "PyCode_NewEmpty", arch=arch)
    findings = {finding.symbol: finding for finding in found(tmp_path, {"m/_core.abi3.so": bad}, "cp38-abi3", arch)}
    assert {symbol: finding.severity for symbol, finding in findings.items()} == {
        "PyFrame_GetBack": "error",
        "PyModule_AddType": "error",
        "PyCode_NewEmpty": "warning",
        "PyUnicode_AsUTF8AndSize": "note",
    }
    assert findings["PyFrame_GetBack"].message == (
        "PyFrame_GetBack is not part of the stable ABI; CPython 3.8 does not export it"
    )
    assert findings["PyModule_AddType"].message == (
        "PyModule_AddType is in the stable ABI only since 3.10, and CPython 3.8 is promised; "
        "CPython 3.8 does not export it"
    )
    assert "every CPython from 3.8 to 3.15 exports it so far" in findings["PyCode_NewEmpty"].message
    assert findings["PyUnicode_AsUTF8AndSize"].message.endswith("3.8 is promised, which exports it all the same")


def test_abi3_that_is_true(tmp_path: Path) -> None:
    files = {"m/_core.abi3.so": module("PyModule_AddType", "PyLong_FromLong")}
    assert found(tmp_path, files, "cp310-abi3") == []


def test_of_several_oldest_pythons_the_oldest_counts(tmp_path: Path) -> None:
    files = {"m/_core.abi3.so": module("PyModule_AddType")}
    (finding,) = found(tmp_path, files, "cp38.cp39.cp310-abi3")
    assert "CPython 3.8 is promised" in finding.message


def test_abi3_from_a_python_on_that_nobody_knows_yet(tmp_path: Path) -> None:
    bad = module(GONE, "PyCode_NewEmpty", "PyLong_FromLong", "PyNobody_KnowsThis")
    wheel = make_wheel(tmp_path, {"m/_core.abi3.so": bad}, tag="cp316-abi3-manylinux_2_17_x86_64")
    report = judged(wheel)
    findings = of_rule(report, "python-abi")
    assert severities(findings) == {(GONE, "error"), ("PyCode_NewEmpty", "warning"), ("PyNobody_KnowsThis", "warning")}
    assert all("is not part of the stable ABI" in finding.message for finding in findings)
    assert "made for CPython 3.16, which is in no table here: held against the stable ABI alone" in report.notes
    named = {"m/_core.cpython-39-x86_64-linux-gnu.so": module()}
    (finding,) = found(tmp_path, named, "cp316-abi3")
    assert finding.message.startswith("is never imported: the wheel is for every CPython from 3.16 on, which does not")


def test_of_one_python_and_the_stable_abi_nothing_is_said_twice(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, {"m/_core.so": module(GONE)}, "cp310.cp312-abi3.cp312")
    assert "is not part of the stable ABI" in finding.message
    stable, exact = found(tmp_path, {"m/_core.so": module(GONE, "PyGC_Disable")}, "cp38.cp313-cp38.abi3")
    assert {stable.symbol, exact.symbol} == {GONE, "PyGC_Disable"}


def test_an_abi3_module_that_only_one_python_must_load(tmp_path: Path) -> None:
    files = {"m/_core.abi3.so": module("PyFrame_GetBack")}
    assert found(tmp_path, files, "cp312-cp312") == []


def test_abi3_without_a_promise(tmp_path: Path) -> None:
    path = tmp_path / "_core.abi3.so"
    path.write_bytes(module("PyFrame_GetBack", "_PyGen_Send"))
    findings = of_rule(judged(path, "2.17"), "python-abi")
    assert severities(findings) == {("PyFrame_GetBack", "error"), ("_PyGen_Send", "error")}


def test_abi3_modules_and_python_without_a_gil(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, {"m/_core.abi3.so": module()}, "cp313-cp313t")
    assert "the stable ABI of the builds with a GIL" in finding.message
    (finding,) = found(tmp_path, {"m/_core.abi3.so": module()}, "cp315-cp315t")
    assert "is never imported" in finding.message
    assert found(tmp_path, {"m/_core.abi3t.so": module()}, "cp315-abi3.abi3t") == []
    assert found(tmp_path, {"m/_core.abi3t.so": module()}, "cp315-abi3t") == []
    (finding,) = found(tmp_path, {"m/_core.abi3t.so": module()}, "cp313-abi3t")
    assert "CPython 3.13t and 3.14t find no module _core in it" in finding.message


# --- file names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_module_for_another_python_is_never_imported(tmp_path: Path, arch: str) -> None:
    ending = f".cpython-311-{TRIPLETS[arch]}.so"
    (finding,) = found(tmp_path, {f"m/_core{ending}": module(arch=arch)}, "cp312-cp312", arch)
    assert (finding.severity, finding.symbol) == ("error", None)
    assert finding.message == (
        f"is never imported: the wheel is for CPython 3.12, which does not look for files that end in {ending}"
    )
    right = {f"m/_core.cpython-312-{TRIPLETS[arch]}.so": module(arch=arch)}
    assert found(tmp_path, right, "cp312-cp312", arch) == []
    (finding,) = found(tmp_path, {**right, f"m/_core{ending}": module(arch=arch)}, "cp312-cp312", arch)
    assert (finding.severity, finding.object) == ("warning", f"m/_core{ending}")


def test_a_module_with_and_without_a_gil(tmp_path: Path) -> None:
    files = {"m/_core.cpython-313-x86_64-linux-gnu.so": module()}
    assert found(tmp_path, files, "cp313-cp313") == []
    (finding,) = found(tmp_path, files, "cp313-cp313t")
    assert "for CPython 3.13t, which does not look for" in finding.message


def test_an_abi3_wheel_with_a_module_for_one_python(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, {"m/_core.cpython-39-x86_64-linux-gnu.so": module()}, "cp39-abi3")
    assert finding.message == (
        "the wheel is for every CPython from 3.9 on, but CPython 3.10 to 3.15 find no module _core in it"
    )


@pytest.mark.parametrize(
    ("arch", "tag", "ending", "wanted"),
    [
        ("x86_64", "cp312-cp312-musllinux_1_2_x86_64", "312-x86_64-linux-gnu", "312-x86_64-linux-musl"),
        ("x86_64", "cp310-cp310-musllinux_1_1_x86_64", "310-x86_64-linux-gnu", None),
        ("x86_64", "cp310-cp310-musllinux_1_1_x86_64", "310-x86_64-linux-musl", None),
        ("x86_64", "cp312-cp312-musllinux_1_2_x86_64", "312-x86_64-linux-musl", None),
        ("x86_64", "cp312-cp312-manylinux_2_17_x86_64", "312-x86_64-linux-musl", "312-x86_64-linux-gnu"),
        ("aarch64", "cp312-cp312-manylinux_2_17_aarch64", "312-x86_64-linux-gnu", "312-aarch64-linux-gnu"),
        ("armv7l", "cp312-cp312-manylinux_2_17_armv7l", "312-x86_64-linux-gnu", "312-arm-linux-gnueabihf"),
        ("armv7l", "cp312-cp312-manylinux_2_17_armv7l", "312-arm-linux-gnueabi", "312-arm-linux-gnueabihf"),
        ("armv7l", "cp312-cp312-musllinux_1_2_armv7l", "312-arm-linux-musleabihf", None),
        ("armv7l", "cp312-cp312-musllinux_1_2_armv7l", "312-arm-linux-gnueabihf", "312-arm-linux-musleabihf"),
        ("x86_64", "cp312-cp312-linux_x86_64", "312-arm-linux-gnueabihf", "312-x86_64-linux-gnu"),
        ("i686", "cp312-cp312-manylinux_2_17_i686", "312-i386-linux-gnu", None),
        ("i686", "cp312-cp312-manylinux_2_17_i686", "312-i686-linux-gnu", "312-i386-linux-gnu"),
        ("x86_64", "cp312-cp312-manylinux_2_17_x86_64", "312-i686-linux-gnu", "312-x86_64-linux-gnu"),
        ("x86_64", "cp312-cp312-manylinux_2_17_x86_64", "312-x86_64-linux-gnux32", "312-x86_64-linux-gnu"),
        ("s390x", "cp312-cp312-manylinux_2_17_s390x", "312-s390x-linux-gnu", None),
        ("ppc64le", "cp312-cp312-manylinux_2_17_ppc64le", "312-powerpc64le-linux-gnu", None),
        ("ppc64le", "cp312-cp312-manylinux_2_17_ppc64le", "312-ppc64le-linux-gnu", "312-powerpc64le-linux-gnu"),
        ("x86_64", "cp312-cp312-manylinux_2_17_x86_64", "312", "312-x86_64-linux-gnu"),
        ("x86_64", "cp37-cp37m-manylinux_2_17_x86_64", "37m-x86_64-linux-gnu", None),
    ],
)
def test_the_triplet_of_a_file_name(tmp_path: Path, arch: str, tag: str, ending: str, wanted: str | None) -> None:
    file = f"m/_core.cpython-{ending}.so"
    findings = of_rule(judged(make_wheel(tmp_path, {file: module(arch=arch)}, tag=tag)), "python-abi")
    if wanted is None:
        assert findings == []
    else:
        assert [(finding.severity, finding.message) for finding in findings] == [
            (
                "error",
                f"{NEVER} a Python that could load it looks for .cpython-{wanted}.so, not for .cpython-{ending}.so",
            )
        ]


@pytest.mark.parametrize(
    ("tag", "ending"),
    [
        ("cp312-cp312", "cpython-312m-x86_64-linux-gnu"),
        ("cp38-cp38", "cpython-38m-x86_64-linux-gnu"),
        ("cp37-cp37m", "cpython-37-x86_64-linux-gnu"),
        ("cp312-cp312", "cpython-312t-x86_64-linux-gnu"),
        ("py3-none", "cpython-312m-x86_64-linux-gnu"),
    ],
)
def test_flags_that_no_cpython_has(tmp_path: Path, tag: str, ending: str) -> None:
    (finding,) = found(tmp_path, {f"m/_core.{ending}.so": module(GONE)}, tag)
    assert finding.severity == "error"
    assert finding.message == f"is never imported: no CPython looks for files that end in .{ending}.so"


@pytest.mark.parametrize(
    "ending", ["cpython-312d-x86_64-linux-gnu", "pypy310-pp73-x86_64-linux-gnu", "cpython-316-x86_64-linux-gnu"]
)
def test_a_file_for_a_python_that_is_not_judged_in_a_wheel_for_one_that_is(tmp_path: Path, ending: str) -> None:
    (finding,) = found(tmp_path, {f"m/_core.{ending}.so": module(GONE)}, "cp312-cp312")
    assert finding.severity == "error"
    assert "is for CPython 3.12, which does not look for files that end in ." in finding.message


def test_a_wheel_without_an_abi_for_one_python(tmp_path: Path) -> None:
    """Nothing is to be chosen among: 3.12 alone installs it."""
    files = {"m/_core.cpython-39-x86_64-linux-gnu.so": module()}
    (finding,) = found(tmp_path, files, "cp312-none")
    assert "is never imported: the wheel is for CPython 3.12" in finding.message
    files["m/_core.cpython-312-x86_64-linux-gnu.so"] = module()
    (finding,) = found(tmp_path, files, "cp312-none")
    assert (finding.severity, finding.object) == ("warning", "m/_core.cpython-39-x86_64-linux-gnu.so")
    assert found(tmp_path, files, "cp39.cp312-none") == []
    assert found(tmp_path, files, "py3-none") == []


def test_without_an_abi_the_builds_without_a_gil_install_it_too(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, {"m/_core.abi3.so": module()}, "cp313-none")
    assert (finding.severity, "the wheel is for CPython 3.13t" in finding.message) == ("error", True)
    free = {"m/_core.abi3.so": module(), "m/_core.cpython-313t-x86_64-linux-gnu.so": module()}
    assert found(tmp_path, free, "cp313-none") == []
    assert found(tmp_path, {"m/_core.abi3.so": module()}, "cp312-none") == []


def test_a_misnamed_file_beside_a_plain_one(tmp_path: Path) -> None:
    files = {"m/_core.so": module(), "m/_core.cpython-312m-x86_64-linux-gnu.so": module()}
    for tag in ("py3-none", "cp312-cp312"):
        (finding,) = found(tmp_path, files, tag)
        assert finding.severity == "warning"


def test_the_folders_of_a_wheel_are_spread(tmp_path: Path) -> None:
    """What lies in NAME.data/platlib comes to the same place as what lies beside it."""
    files = {
        "m/_core.cpython-312-x86_64-linux-gnu.so": module(),
        "example-1.0.data/platlib/m/_core.cpython-39-x86_64-linux-gnu.so": module(),
    }
    (finding,) = found(tmp_path, files, "cp312-cp312")
    assert finding.severity == "warning"
    script = {"example-1.0.data/scripts/_core.cpython-39-x86_64-linux-gnu.so": module()}
    assert found(tmp_path, script, "cp312-cp312") == []


def test_a_plain_module_that_needs_nothing_of_python_hides_others(tmp_path: Path) -> None:
    plain = compile_with_zig("void *PyInit__core(void) { return 0; }", "-shared", "-fPIC")
    files = {"m/_core.so": plain, "m/_core.cpython-39-x86_64-linux-gnu.so": module()}
    (finding,) = found(tmp_path, files, "cp312-cp312")
    assert (finding.severity, finding.object) == ("warning", "m/_core.cpython-39-x86_64-linux-gnu.so")


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_module_of_another_name(tmp_path: Path, arch: str) -> None:
    ending = f".cpython-312-{TRIPLETS[arch]}.so"
    (finding,) = found(tmp_path, {f"m/_other{ending}": module(arch=arch)}, "cp312-cp312", arch)
    assert (finding.severity, finding.message) == (
        "error",
        "exports PyInit__core and no PyInit__other, which an import of a file of that name calls",
    )
    assert found(tmp_path, {f"_core/__init__{ending}": module(arch=arch)}, "cp312-cp312", arch) == []
    assert found(tmp_path, {"m/_other.so": module(arch=arch)}, "cp312-cp312", arch) == []  # loaded by hand, maybe


def test_a_module_with_a_name_beyond_ascii(tmp_path: Path) -> None:
    code = "void *PyInitU__7cax(void) { return 0; } void *PyInit_other(void) { return 0; }"
    name = "_é"
    data = compile_with_zig(code.replace("__7cax", f"_{name.encode('punycode').decode().replace('-', '_')}"), *FLAGS)
    assert found(tmp_path, {f"m/{name}.cpython-312-x86_64-linux-gnu.so": data}, "cp312-cp312") == []
    (finding,) = found(tmp_path, {"m/_ü.cpython-312-x86_64-linux-gnu.so": data}, "cp312-cp312")
    assert "and no PyInitU_" in finding.message


@pytest.mark.parametrize("flags", [(), ("-Wl,-e,start",)])
def test_a_module_that_can_be_run_as_well(tmp_path: Path, flags: tuple[str, ...]) -> None:
    interpreter = 'const char interp[] __attribute__((section(".interp"))) = "/lib64/ld-linux-x86-64.so.2";'
    runnable = native_module(GONE, code=interpreter + "void start(void) {}", flags=flags)
    for name in ("_core.cpython-312-x86_64-linux-gnu.so", "_core.so"):
        wheel = make_wheel(tmp_path, {f"m/{name}": runnable}, tag="cp312-cp312-linux_x86_64")
        (finding,) = of_rule(judged(wheel), "python-abi")
        assert finding.symbol == GONE


# --- without a wheel --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_file_name_is_a_promise_as_well(tmp_path: Path, arch: str) -> None:
    path = tmp_path / f"_core.cpython-312-{TRIPLETS[arch]}.so"
    path.write_bytes(module(GONE, arch=arch))
    (finding,) = of_rule(judged(path), "python-abi")
    assert finding.symbol == GONE
    plain = tmp_path / "_core.so"
    plain.write_bytes(module(GONE, arch=arch))
    assert of_rule(judged(plain), "python-abi") == []


def test_a_program_that_embeds_python_is_no_module(tmp_path: Path) -> None:
    code = f"void {GONE}(void); int main(void) {{ {GONE}(); return 0; }}"
    program = compile_with_gcc(code, "-Wl,--unresolved-symbols=ignore-all")
    rules = {finding.rule for finding in judged(_written(tmp_path, program)).findings}
    assert "python-abi" not in rules


def _written(folder: Path, data: bytes) -> Path:
    path = folder / "program"
    path.write_bytes(data)
    return path


# --- libpython --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_module_linked_with_libpython(tmp_path: Path, arch: str) -> None:
    files = {f"m/_core.cpython-312-{TRIPLETS[arch]}.so": linked_with_libpython(arch)}
    wheel = make_wheel(tmp_path, files, tag=f"cp312-cp312-manylinux_2_17_{arch}")
    (finding,) = judged(wheel).findings
    assert (finding.rule, finding.library) == ("python-abi", "libpython3.12.so.1.0")
    assert finding.severity == "error"
    assert "do not link a module with libpython" in (finding.hint or "")


def test_a_plugin_that_embeds_python_is_judged_as_any_library(tmp_path: Path) -> None:
    (tmp_path / "plugin.so").write_bytes(linked_with_libpython("x86_64", exported="plugin"))
    rules = {finding.rule for finding in judged(tmp_path / "plugin.so").findings}
    assert rules == {"library-not-allowed"}


@pytest.mark.parametrize("target", ["auto", "2.17", "debian12"])
def test_libpython_whatever_the_target(tmp_path: Path, target: str) -> None:
    files = {"m/_core.so": linked_with_libpython("x86_64")}
    wheel = make_wheel(tmp_path, files, tag="cp312-cp312-linux_x86_64")
    (finding,) = of_rule(judged(wheel, target), "python-abi")
    assert (finding.severity, finding.library) == ("error", "libpython3.12.so.1.0")


@pytest.mark.parametrize(
    ("tag", "wanted"), [("cp39-cp39", "CPython 3.9"), ("cp39-abi3", "every CPython from 3.9 on"), ("py3-none", None)]
)
def test_libpython_of_another_python(tmp_path: Path, tag: str, wanted: str | None) -> None:
    wheel = make_wheel(tmp_path, {"m/_core.so": linked_with_libpython("x86_64")}, tag=f"{tag}-linux_x86_64")
    (finding,) = (one for one in of_rule(judged(wheel), "python-abi") if one.library)
    assert ("the library of another Python" in finding.message) == (wanted is not None)
    assert finding.message.endswith(wanted or "comes without it")


def test_outside_of_a_wheel_another_one_may_bring_libpython(tmp_path: Path) -> None:
    right, wrong = (
        tmp_path / "_core.cpython-312-x86_64-linux-gnu.so",
        tmp_path / "_core.cpython-311-x86_64-linux-gnu.so",
    )
    for path in (right, wrong):
        path.write_bytes(linked_with_libpython("x86_64"))
    assert of_rule(judged(right, "2.17"), "python-abi") == []
    (finding,) = of_rule(judged(wrong, "2.17"), "python-abi")
    assert finding.message.endswith("the library of another Python: it is for CPython 3.11")


def test_a_carried_libpython(tmp_path: Path) -> None:
    soname = "libpython3.12.so.1.0"
    carried = compile_with_zig("void PyLong_FromLong(void) {}", "-shared", "-fPIC", f"-Wl,-soname,{soname}")
    user = linked_with_libpython("x86_64", flags=("-Wl,-rpath,$ORIGIN",))
    files = {"m/_core.so": user, f"m/{soname}": carried}
    (finding,) = found(tmp_path, files, "cp312-cp312")
    assert (finding.severity, finding.message) == (
        "warning",
        f"needs {soname}, which it gets from m/{soname}: a second interpreter's library in the process",
    )
    (finding,) = found(tmp_path, files, "cp311-cp311")
    assert finding.message.endswith(", and of another Python than CPython 3.11")


def linked_with_libpython(arch: str, exported: str = "PyInit__core", flags: tuple[str, ...] = ()) -> bytes:
    soname = "libpython3.12.so.1.0"
    stub = compile_with_zig(
        "void PyLong_FromLong(void) {}", "-shared", "-fPIC", f"-Wl,-soname,{soname}", arch=arch, name=soname
    )
    code = f"void PyLong_FromLong(void); void {exported}(void) {{ PyLong_FromLong(); }}"
    return compile_with_zig(code, "-shared", "-fPIC", *flags, soname, arch=arch, beside={soname: stub})


# --- how it reads -----------------------------------------------------------------------------------------------------

MANY = tuple(f"PyString_Number{number}" for number in range(50))


def test_fifty_symbols_are_one_story(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m/_core.so": native_module(*MANY)}, tag="cp312-cp312-linux_x86_64")
    report = check([str(wheel)], Settings())
    lines = [line for line in text.render(report, color=False, width=None).splitlines() if "[python-abi]" in line]
    assert len(lines) == 4
    assert lines[-1].startswith("    error 47 more like these: PyString_Number")
    shown = [line for line in markdown.render(report).splitlines() if "`python-abi`" in line]
    assert len(shown) == 4
    assert "and 27 symbols more" in shown[-1]
    assert markdown.render(report).count("refuses the import") == 1


def test_a_symbol_can_be_set_aside(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m/_core.so": module(GONE)})
    ignore = Ignore("python-abi", "looked up in a try", symbol="_PyGen_*")
    (report,) = check([str(wheel)], Settings(ignores=(ignore,))).artifacts
    assert report.verdict == "pass"
    assert [entry.finding.symbol for entry in report.ignored] == [GONE]


def test_nothing_is_said_twice(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m/_core.so": module(GONE)})
    assert [finding.rule for finding in judged(wheel).findings] == ["python-abi"]


def test_a_python_mismatch_and_a_glibc_mismatch_are_told_apart(tmp_path: Path) -> None:
    """A module of a build machine: with another Python, and with too new a glibc."""
    code = (
        "#define _GNU_SOURCE\n#include <stdlib.h>\n"
        f"void {GONE}(void); void *PyInit__core(void) {{ {GONE}(); return reallocarray(0, 1, 2); }}"
    )
    built = compile_with_zig(code, "-shared", "-fPIC", "-Wl,-z,undefs", glibc="2.29")
    findings = judged(make_wheel(tmp_path, {"ray/_raylet.so": built})).findings
    assert {(finding.rule, finding.symbol) for finding in findings} == {
        ("symbol-version-too-new", "reallocarray"),
        ("python-abi", GONE),
        ("wheel-tag-dishonest", None),
    }


# --- programs that are called like modules ----------------------------------------------------------------------------


PROGRAM = "int main(void) { return 0; }"
PYTHON_PROGRAM = "void *PyLong_FromLong(long); int main(void) { return PyLong_FromLong(1) != 0; }"


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_program_that_is_called_like_a_module(tmp_path: Path, arch: str) -> None:
    """Glibc 2.30 and later: cannot dynamically load position-independent executable."""
    program = compile_with_zig(PROGRAM, "-pie", "-fPIE", arch=arch)
    stub = compile_with_zig(
        "void *PyLong_FromLong(long n) { return 0; }", "-shared", "-fPIC", "-Wl,-soname,libstub.so", arch=arch
    )
    asks = compile_with_zig(PYTHON_PROGRAM, "-pie", "-fPIE", "./libstub.so", arch=arch, beside={"libstub.so": stub})
    for name, data in (
        (f"m/_core.cpython-312-{TRIPLETS[arch]}.so", program),
        ("m/_core.abi3.so", program),
        ("m/_core.so", asks),
    ):
        (finding,) = found(tmp_path, {name: data}, "cp312-cp312", arch)
        assert finding.severity == "error"
        assert finding.message.startswith("is never imported: it was linked as a program (-pie)")
    for name in ("m/bin/tool", "m/tool.so", "sample-1.0.data/scripts/tool"):
        assert found(tmp_path, {name: program}, "cp312-cp312", arch) == []
    assert found(tmp_path, {"m/_core.abi3.so": module(arch=arch)}, "cp312-abi3", arch) == []


def test_a_program_for_musl_that_is_called_like_a_module(tmp_path: Path) -> None:
    """The loader of musl takes it."""
    program = compile_with_zig(PROGRAM, "-pie", "-fPIE", "-dynamic", glibc=None)
    wheel = make_wheel(tmp_path, {"m/_core.abi3.so": program}, tag="cp312-abi3-musllinux_1_2_x86_64")
    assert of_rule(judged(wheel), "python-abi") == []
