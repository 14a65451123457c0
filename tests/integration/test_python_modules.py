"""Holds python-abi against real interpreters: what it refuses is not imported, what it lets pass is."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from building import make_wheel
from glibc_guard.rules.python_modules import endings
from glibc_guard.targets import cpython
from provisions import unavailable
from python_building import Interpreter, interpreters, native_module
from unit.rules.judging import judged, of_rule

#: One of each kind: gone, new, private again, data, debug, of Python 2, of PyPy, without a GIL, of nobody.
SYMBOLS = (
    "_PyGen_Send",
    "_Py_IsFinalizing",
    "PyFPE_jbuf",
    "_PyUnicode_Ready",
    "_PyGen_yf",
    "PyModule_AddType",
    "PyFrame_GetBack",
    "PyUnstable_Long_IsCompact",
    "PyMonitoring_EnterScope",
    "PyUnicodeUCS4_FromString",
    "PyString_FromString",
    "PyPyLong_FromLong",
    "_Py_NegativeRefcount",
    "_Py_MergeZeroLocalRefcount",
    "PyNobody_KnowsThis",
    "PyCFunction_New",
    "PyLong_FromLong",
    "PyExc_ValueError",
)
#: Newer ones wait until scripts/update_python_symbols.py has read them.
KNOWN = [one for one in interpreters() if one.name in cpython.table().interpreters]
#: Endings that no CPython looks for, or only one that nobody has here.
ODD = tuple(
    f".cpython-{middle}.so"
    for middle in (
        "312",
        f"312m-{platform.machine()}-linux-gnu",
        f"312t-{platform.machine()}-linux-gnu",
        f"312d-{platform.machine()}-linux-gnu",
        f"38m-{platform.machine()}-linux-gnu",
        f"312-{platform.machine()}-linux-gnux32",
        "312-i686-linux-gnu",
        "312-i386-linux-gnu",
        "310-i686-linux-gnu",
    )
)
if not KNOWN:
    unavailable("every CPython of this machine is newer than the table")


def tag_of(interpreter: Interpreter) -> str:
    python = f"cp{interpreter.version.replace('.', '')}"
    return f"{python}-{python}{interpreter.flags}-linux_{platform.machine()}"


def refused(folder: Path, interpreter: Interpreter, data: bytes, name: str = "_core.so") -> list[str | None]:
    wheel = make_wheel(folder, {f"m/{name}": data}, tag=tag_of(interpreter))
    return [one.symbol for one in of_rule(judged(wheel), "python-abi") if one.severity == "error"]


@pytest.mark.parametrize("interpreter", KNOWN, ids=lambda one: f"{one.release}{one.flags}")
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_module_is_imported_or_refused_as_foretold(symbol: str, interpreter: Interpreter, tmp_path: Path) -> None:
    (tmp_path / "_core.so").write_bytes(native_module(symbol))
    complaint = interpreter.imported(tmp_path)
    foretold = refused(tmp_path, interpreter, native_module(symbol))
    if foretold:
        assert foretold == [symbol]
        assert complaint is not None
        assert "ImportError" in complaint
        assert f"undefined symbol: {symbol}" in complaint
    else:
        assert "undefined symbol" not in (complaint or "")


@pytest.mark.parametrize("flags", [(), ("-Wl,-z,lazy",), ("-Wl,-z,now",)], ids=["as it is", "lazy", "now"])
def test_lazy_binding_does_not_help(flags: tuple[str, ...], tmp_path: Path) -> None:
    """The function that needs the symbol is never called, and the import fails all the same: RTLD_NOW."""
    (tmp_path / "_core.so").write_bytes(native_module("_PyGen_Send", flags=flags))
    assert "undefined symbol: _PyGen_Send" in (KNOWN[0].imported(tmp_path) or "")
    assert refused(tmp_path, KNOWN[0], native_module("_PyGen_Send", flags=flags)) == ["_PyGen_Send"]


@pytest.mark.parametrize("interpreter", KNOWN, ids=lambda one: f"{one.release}{one.flags}")
def test_file_names_that_are_looked_for(interpreter: Interpreter, tmp_path: Path) -> None:
    """Every ending of every interpreter: found or not, by the import and by the rule."""
    every = {ending for one in KNOWN for ending in one.endings} | {".abi3t.so"} | set(ODD)
    # Debian's own patch has names with abi3 and an architecture since 3.13, CPython since 3.15.
    for number, ending in enumerate(sorted(one for one in every if not one.startswith((".abi3-", ".abi3t-")))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / f"_core{ending}").write_bytes(native_module("_Py_NobodyHasThis"))
        found = "ModuleNotFoundError" not in (interpreter.imported(folder) or "")
        wheel = make_wheel(folder, {f"m/_core{ending}": native_module()}, tag=tag_of(interpreter))
        never = any("is never imported" in one.message for one in of_rule(judged(wheel), "python-abi"))
        assert never != found, ending


@pytest.mark.parametrize("interpreter", KNOWN, ids=lambda one: f"{one.release}{one.flags}")
def test_the_order_of_the_endings(interpreter: Interpreter) -> None:
    wanted = [one for one in interpreter.endings if not one.startswith((".abi3-", ".abi3t-"))]
    known = endings(interpreter.name, platform.machine(), ("manylinux_2_17_x86_64",))
    assert [one for one in known if not one.startswith((".abi3-", ".abi3t-"))] == wanted


@pytest.mark.parametrize("interpreter", KNOWN, ids=lambda one: f"{one.release}{one.flags}")
def test_a_module_of_another_name(interpreter: Interpreter, tmp_path: Path) -> None:
    (ending, *_) = interpreter.endings
    (tmp_path / f"_other{ending}").write_bytes(native_module())
    complaint = interpreter.imported(tmp_path, "_other") or ""
    assert "does not define module export function (PyInit__other)" in complaint
    wheel = make_wheel(tmp_path, {f"m/_other{ending}": native_module()}, tag=tag_of(interpreter))
    (finding,) = of_rule(judged(wheel), "python-abi")
    assert finding.severity == "error"


def test_what_another_module_exports_is_out_of_reach(tmp_path: Path) -> None:
    """An import opens a module with RTLD_LOCAL: the first one defines what the second one asks for, in vain."""
    (interpreter,) = [one for one in KNOWN if one.name == "3.12"] or KNOWN[:1]
    files = {
        "_shim.so": native_module(name="_shim", code="void PyNobody_KnowsThis(void) {}"),
        "_core.so": native_module("PyNobody_KnowsThis"),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    code = "import sys; sys.path.insert(0, sys.argv[1]); import _shim; import _core"
    assert "undefined symbol: PyNobody_KnowsThis" in interpreter.run(code, str(tmp_path)).stderr
    wheel = make_wheel(tmp_path, {f"m/{name}": data for name, data in files.items()}, tag=tag_of(interpreter))
    (finding,) = of_rule(judged(wheel), "python-abi")
    assert (finding.object, finding.severity) == ("m/_core.so", "warning")
    globally = f"import os; sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL); {code}"
    assert "undefined symbol" not in interpreter.run(f"import sys; {globally}", str(tmp_path)).stderr


@pytest.mark.parametrize("interpreter", KNOWN, ids=lambda one: f"{one.release}{one.flags}")
def test_an_abi3_module_that_is_none(interpreter: Interpreter, tmp_path: Path) -> None:
    """The fourth story: built once, and said to be good for all."""
    bad = native_module("PyFrame_GetBack", "PyModule_AddType")
    (tmp_path / "_core.abi3.so").write_bytes(bad)
    tag = f"cp38-abi3-linux_{platform.machine()}"
    findings = of_rule(judged(make_wheel(tmp_path, {"m/_core.abi3.so": bad}, tag=tag)), "python-abi")
    assert {one.symbol for one in findings} == {"PyFrame_GetBack", "PyModule_AddType"}
    assert {one.severity for one in findings} == {"error"}
    complaint = interpreter.imported(tmp_path) or ""
    version = cpython.version_of(interpreter.name)
    assert ("undefined symbol" in complaint) == (version < (3, 9))


def test_a_leaked_host_build(tmp_path: Path) -> None:
    """The first story: a module of the build machine's Python in a wheel for another one."""
    leaked = native_module("_PyGen_Send", name="_raylet")
    (tmp_path / "_raylet.so").write_bytes(leaked)
    refusing = [one for one in KNOWN if cpython.version_of(one.name) >= (3, 10)]
    assert refusing
    for interpreter in refusing:
        assert "undefined symbol: _PyGen_Send" in (interpreter.imported(tmp_path, "_raylet") or "")
        wheel = make_wheel(tmp_path, {"ray/_raylet.so": leaked}, tag=tag_of(interpreter), name="ray")
        (finding,) = of_rule(judged(wheel), "python-abi")
        assert finding.message == (
            "_PyGen_Send is exported by CPython 3.6 to 3.9 and gone in 3.10: this object was built for another Python"
        )
    for interpreter in KNOWN:
        if interpreter not in refusing:
            assert "undefined symbol" not in (interpreter.imported(tmp_path, "_raylet") or "")
