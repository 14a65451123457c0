from __future__ import annotations

import json
from pathlib import Path

import pytest

from glibc_guard.targets import cpython
from glibc_guard.targets.glibc_symbols import SymbolTableError, pack, unpack
from provisions import unavailable
from python_building import Interpreter, interpreters, running

TABLE = cpython.table()
CPYTHONS = [f"3.{minor}" for minor in range(6, 16)]


def test_every_version_is_there() -> None:
    assert set(TABLE.interpreters) >= {*CPYTHONS, "3.13t", "3.14t", "3.15t"}
    assert list(TABLE.interpreters) == sorted(TABLE.interpreters, key=cpython.order)


def test_the_page_names_every_interpreter() -> None:
    page = (Path(__file__).parents[3] / "docs" / "python-symbols.md").read_text(encoding="utf-8")
    assert {
        build for build in TABLE.builds if f"| {build.interpreter} | {build.release} | {build.source} |" not in page
    } == set()


@pytest.mark.parametrize(
    ("symbol", "first", "last"),
    [
        ("_PyGen_Send", "3.6", "3.9"),
        ("PyFPE_jbuf", "3.7", "3.8"),
        ("_Py_IsFinalizing", "3.7", "3.12"),
        ("PyModule_AddType", "3.9", "3.15"),
        ("PyUnstable_Long_IsCompact", "3.12", "3.15"),
        ("PyMonitoring_EnterScope", "3.13", "3.15"),
        ("PyLong_FromLong", "3.6", "3.15"),
        ("PyExc_ValueError", "3.6", "3.15"),  # data
        ("_Py_NoneStruct", "3.6", "3.15"),
        ("PyLong_Type", "3.6", "3.15"),
    ],
)
def test_symbols_come_and_go(symbol: str, first: str, last: str) -> None:
    usual = [name for name in TABLE.exporters(symbol) if name in CPYTHONS]
    assert usual == CPYTHONS[CPYTHONS.index(first) : CPYTHONS.index(last) + 1]


def test_the_free_threaded_builds_have_all_of_the_usual_ones_and_a_few_of_their_own() -> None:
    for version in ("3.13", "3.14", "3.15"):
        free = f"{version}t"
        assert TABLE.exports(free, "_Py_MergeZeroLocalRefcount")
        assert not TABLE.exports(version, "_Py_MergeZeroLocalRefcount")
        assert TABLE.exports(free, "PyLong_FromLong")


def test_debug_builds_are_kept_apart() -> None:
    assert TABLE.exporters("_Py_NegativeRefcount")
    assert all(name.endswith("d") for name in TABLE.exporters("_Py_NegativeRefcount"))


def test_what_a_patch_release_brought() -> None:
    having, lacking = TABLE.split("3.12", "_PyErr_SetLocaleString", "x86_64")
    assert (having, lacking) == (("3.12.10",), ("3.12.1",))
    assert TABLE.exports("3.12", "_PyErr_SetLocaleString")
    assert TABLE.split("3.12", "PyLong_FromLong", "x86_64")[1] == ()


def test_what_depends_on_the_processor() -> None:
    assert TABLE.split("3.13", "_Py_trampoline_func_start", "s390x")[0] == ()
    assert TABLE.split("3.13", "_Py_trampoline_func_start", "aarch64")[1] == ()
    assert TABLE.split("3.8", "PyLong_FromLong", "riscv64") == (("3.8.18",), ())  # no build of its own: by x86_64


@pytest.mark.parametrize("name", ["PyLong_FromLong", "_Py_NoneStruct", "__PyCodeExtraState_Get", "PyPyLong_FromLong"])
def test_names_of_the_api(name: str) -> None:
    assert cpython.NAME.match(name)


@pytest.mark.parametrize("name", ["PyInit__core", "PyInitU_tda", "python_main", "_ZN6PySideE", "xPyLong", "Py"])
def test_other_names(name: str) -> None:
    assert not cpython.NAME.match(name)


def test_the_stable_abi() -> None:
    members = cpython.stable_abi()
    assert members["PyLong_FromLong"] == (3, 2)
    assert members["PyModule_AddType"] == (3, 10)
    assert "PyFrame_GetBack" not in members


#: ``Misc/stable_abi.toml`` has them under a condition: Windows, debug builds, checks of the stack, native thread ids.
CONDITIONAL = {"PyOS_CheckStack", "PyThread_get_thread_native_id", "_Py_NegativeRefcount", "_Py_RefTotal"}


def test_what_the_stable_abi_promises_is_exported() -> None:
    """Two sources that know nothing of each other agree; 3.9 did lose a function that it had promised."""
    lacking: dict[str, list[str]] = {}
    for name, since in cpython.stable_abi().items():
        promised = (one for one in CPYTHONS if cpython.version_of(one) >= since)
        absent = [one for one in promised if not TABLE.exports(one, name)]
        if absent and not ("Windows" in name or "MBCS" in name or "CodePage" in name or name in CONDITIONAL):
            lacking[name] = absent
    assert lacking == {"PyCFunction_New": ["3.9"]}


# --- damage -----------------------------------------------------------------------------------------------------------


def test_damage_is_noticed() -> None:
    content = cpython.TABLE.read_bytes()
    with pytest.raises(SymbolTableError, match="damaged"):
        unpack(content[:-1], "python.symbols")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "build 3.13\n\nPyLong_Type 1",
        "build three 3.13.0 x86_64 somewhere\n\nPyLong_Type 1",
        "build 3.13 3.13.0 x86_64 somewhere\n\nPyLong_Type 2",
        "build 3.13 3.13.0 x86_64 somewhere\n\nPyLong_Type",
        "build 3.13 3.13.0 x86_64 somewhere\n\nPyLong_Type z",
    ],
)
def test_a_table_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(SymbolTableError):
        cpython.parse(unpack(pack(text), "python.symbols"))


# --- the interpreters of this machine ---------------------------------------------------------------------------------

SYMBOLS_OF = """
import ctypes, json, sys
print(json.dumps([name for name in json.load(sys.stdin) if hasattr(ctypes.pythonapi, name)]))
"""


@pytest.mark.parametrize("interpreter", interpreters(), ids=lambda one: f"{one.release}{one.flags}")
def test_the_table_says_what_an_interpreter_has(interpreter: Interpreter) -> None:
    """Ask the real one for every symbol of the table, both ways."""
    if interpreter.name not in TABLE.interpreters:
        reason = f"CPython {interpreter.name} is newer than the table, or built for debugging"
        if interpreter == running():
            unavailable(reason)
        pytest.skip(reason)  # what else lies about is no fault of CI
    names = sorted({name for build in TABLE.builds for name in TABLE.exported_by(build)})
    has = set(json.loads(interpreter.run(SYMBOLS_OF, given=json.dumps(names)).stdout))
    table = {name for name in names if TABLE.exports(interpreter.name, name)}
    newest = max(build.patch for build in TABLE.builds if build.interpreter == interpreter.name)
    private = {name for name in has - table if name.startswith("_")}
    assert has - table - private == set()
    assert not private or interpreter.patch > newest
    everywhere = {name for name in table if not TABLE.split(interpreter.name, name, "x86_64")[1]}
    assert {name for name in everywhere - has if not name.startswith("_")} == set()
    built_alike = any(build.release == interpreter.release for build in TABLE.builds)
    assert not built_alike or everywhere <= has


def test_the_interpreter_that_runs_the_tests_was_asked() -> None:
    assert running() in interpreters()
