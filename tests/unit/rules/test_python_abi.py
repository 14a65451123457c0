from __future__ import annotations

from pathlib import Path

import pytest

from building import compile_with_gcc, compile_with_zig, library, make_wheel
from glibc_guard.config import Ignore, Settings
from glibc_guard.guard import check
from glibc_guard.model import Finding
from glibc_guard.report import markdown, text
from python_building import module, native_module
from unit.rules.judging import judged, of_rule

GONE = "_PyGen_Send"  # CPython 3.6 to 3.9
TRIPLETS = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu", "s390x": "s390x-linux-gnu"}
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
    helper = compile_with_zig(f"void {GONE}(void) {{}}", "-shared", "-fPIC", arch=arch)
    files = {"m/_core.so": module(GONE, arch=arch), "m/libcompat.so": helper}
    assert found(tmp_path, files, "cp312-cp312", arch) == []


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
    assert found(tmp_path, {"m/_core.so": linked}, "cp312-cp312") == []  # libother.so is not here, and may bring it


def test_a_symbol_that_only_some_patch_releases_have(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, {"m/_core.so": module("_PyErr_SetLocaleString")}, "cp312-cp312")
    assert finding.severity == "note"
    assert finding.message == ("_PyErr_SetLocaleString is not in every CPython 3.12: 3.12.10 has it, 3.12.1 lacks it")


def test_a_module_for_a_python_that_nobody_knows_yet(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m/_core.so": module(GONE)}, tag="cp399-cp399-manylinux_2_17_x86_64")
    report = judged(wheel)
    assert of_rule(report, "python-abi") == []
    assert any("CPython 3.99, whose C-API is in no table here" in note for note in report.notes)


@pytest.mark.parametrize(
    "tag", ["pp310-pypy310_pp73", "cp27-cp27mu", "py2.py3-none", "graalpy311-graalpy242_311_native"]
)
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
    assert "CPython 3.13t and 3.14t finds no module _core in it" in finding.message


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
        "the wheel is for every CPython from 3.9 on, but CPython 3.10 to 3.15 finds no module _core in it"
    )


@pytest.mark.parametrize(
    ("arch", "tag", "ending", "wanted"),
    [
        ("x86_64", "cp312-cp312-musllinux_1_2_x86_64", ".cpython-312-x86_64-linux-gnu.so", "x86_64-linux-musl"),
        ("x86_64", "cp310-cp310-musllinux_1_1_x86_64", ".cpython-310-x86_64-linux-gnu.so", None),
        ("x86_64", "cp310-cp310-musllinux_1_1_x86_64", ".cpython-310-x86_64-linux-musl.so", None),
        ("x86_64", "cp312-cp312-musllinux_1_2_x86_64", ".cpython-312-x86_64-linux-musl.so", None),
        ("x86_64", "cp312-cp312-manylinux_2_17_x86_64", ".cpython-312-x86_64-linux-musl.so", "x86_64-linux-gnu"),
        ("aarch64", "cp312-cp312-manylinux_2_17_aarch64", ".cpython-312-x86_64-linux-gnu.so", "aarch64-linux-gnu"),
        ("armv7l", "cp312-cp312-manylinux_2_17_armv7l", ".cpython-312-x86_64-linux-gnu.so", "arm-linux-gnueabihf"),
        ("armv7l", "cp312-cp312-musllinux_1_2_armv7l", ".cpython-312-arm-linux-musleabihf.so", None),
        ("armv7l", "cp312-cp312-musllinux_1_2_armv7l", ".cpython-312-arm-linux-gnueabihf.so", "arm-linux-musleabihf"),
        ("x86_64", "cp312-cp312-linux_x86_64", ".cpython-312-arm-linux-gnueabihf.so", "x86_64-linux-gnu"),
        ("i686", "cp312-cp312-manylinux_2_17_i686", ".cpython-312-i386-linux-gnu.so", None),
        ("s390x", "cp312-cp312-manylinux_2_17_s390x", ".cpython-312-s390x-linux-gnu.so", None),
        ("ppc64le", "cp312-cp312-manylinux_2_17_ppc64le", ".cpython-312-powerpc64le-linux-gnu.so", None),
        ("x86_64", "cp312-cp312-manylinux_2_17_x86_64", ".cpython-312.so", None),
    ],
)
def test_the_triplet_of_a_file_name(tmp_path: Path, arch: str, tag: str, ending: str, wanted: str | None) -> None:
    wheel = make_wheel(tmp_path, {f"m/_core{ending}": module(arch=arch)}, tag=tag)
    messages = [finding.message for finding in of_rule(judged(wheel), "python-abi")]
    if wanted is None:
        assert messages == []
    else:
        assert len(messages) == 1
        assert messages[0].startswith(
            f"is never imported: a Python that could load it looks for -{wanted}.so, not for -"
        )


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


def linked_with_libpython(arch: str, exported: str = "PyInit__core") -> bytes:
    soname = "libpython3.12.so.1.0"
    stub = compile_with_zig(
        "void PyLong_FromLong(void) {}", "-shared", "-fPIC", f"-Wl,-soname,{soname}", arch=arch, name=soname
    )
    code = f"void PyLong_FromLong(void); void {exported}(void) {{ PyLong_FromLong(); }}"
    return compile_with_zig(code, "-shared", "-fPIC", soname, arch=arch, beside={soname: stub})


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
