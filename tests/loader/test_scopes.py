"""What the real loader does with two copies of a runtime in one interpreter: the facts that conflicting-* rests on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from building import compile_with_gcc, compile_with_gxx, make_wheel
from glibc_guard.guard import check
from glibc_guard.model import Finding
from glibc_guard.settings import Settings

pytestmark = pytest.mark.loader

#: Writes the number 31 to a stream; what comes out is told as its length, 2 where the stream still works.
MODULE: Final = r"""
#include <sstream>
#include <locale>
extern "C" int answer(void) { std::ostringstream s; s << 31; return (int)s.str().size(); }
"""
STATIC: Final = ("-shared", "-fPIC", "-static-libstdc++", "-static-libgcc")
HIDDEN: Final = (*STATIC, "-Wl,--exclude-libs,ALL")
WORKS: Final = 2

#: A library with a variable, and a module that asks it: 1 where the module has a copy to itself.
COUNTER: Final = 'static int count; __attribute__((visibility("default"))) int runtime_count(void) { return ++count; }'
ASKING: Final = "int runtime_count(void); int answer(void) { return runtime_count(); }"


def answers(folder: Path, *modules: str, mode: str = "RTLD_LOCAL") -> list[int]:
    """Load modules into one interpreter, one after the other as ``import`` does, and return what each answers.

    The first is loaded with ``mode``.
    """
    lines = ["import ctypes, os", f"modes = [ctypes.{mode}] + {len(modules) - 1} * [ctypes.RTLD_LOCAL]"]
    lines += [f"loaded = [ctypes.CDLL(name, mode) for name, mode in zip({list(modules)!r}, modes)]"]
    lines += ["print(*[module.answer() for module in loaded])"]
    found = [str(folder / module) for module in modules]
    code = "\n".join(lines).replace(repr(list(modules)), repr(found))
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True)
    return [int(word) for word in done.stdout.split()]


def conflicts(folder: Path, **modules: bytes) -> list[Finding]:
    """Pack each module into a wheel of its own, and return what is said of them together."""
    wheels = [
        make_wheel(folder, {f"{name}/_core.so": data}, name=name, tag="cp312-cp312-manylinux_2_36_x86_64")
        for name, data in modules.items()
    ]
    report = check([str(wheel) for wheel in wheels], Settings(together=True))
    found = [finding for artifact in report.artifacts for finding in artifact.findings]
    return [finding for finding in found if finding.rule.startswith("conflicting-")]


def write(folder: Path, **files: bytes) -> None:
    for name, data in files.items():
        (folder / f"{name}.so").write_bytes(data)


# --- libstdc++ --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("second", ["exported", "shared"])
def test_an_exported_libstdcxx_breaks_the_streams_of_the_next_module(second: str, tmp_path: Path) -> None:
    flags = STATIC if second == "exported" else ("-shared", "-fPIC")
    one, other = compile_with_gxx(MODULE, *STATIC, "-s"), compile_with_gxx(MODULE, *flags, "-s", "-Wl,--build-id=none")
    write(tmp_path, one=one, other=other)
    assert answers(tmp_path, "one.so") == answers(tmp_path, "other.so") == [WORKS]
    assert answers(tmp_path, "one.so", "other.so") == [WORKS, 0]  # the number is not written any more
    (finding,) = conflicts(tmp_path, one=one, other=other)
    assert (finding.rule, finding.severity) == ("conflicting-libstdcxx", "error")
    assert "one-1.0: one/_core.so" in finding.message
    assert "other-1.0: other/_core.so" in finding.message or "the system's libstdc++.so.6" in finding.message
    assert "STB_GNU_UNIQUE" in finding.message
    assert "_ZNSt" in finding.message


@pytest.mark.parametrize("second", ["hidden", "exported", "shared"])
def test_a_hidden_libstdcxx_leaves_the_others_alone(second: str, tmp_path: Path) -> None:
    flags = {"hidden": HIDDEN, "exported": STATIC, "shared": ("-shared", "-fPIC")}[second]
    one, other = compile_with_gxx(MODULE, *HIDDEN, "-s"), compile_with_gxx(MODULE, *flags, "-s", "-Wl,--build-id=none")
    write(tmp_path, one=one, other=other)
    assert answers(tmp_path, "one.so", "other.so") == [WORKS, WORKS]
    assert answers(tmp_path, "other.so", "one.so") == [WORKS, WORKS]
    (finding,) = conflicts(tmp_path, one=one, other=other)
    assert (finding.rule, finding.severity) == ("conflicting-libstdcxx", "note")
    assert "hidden in one-1.0: one/_core.so" in finding.message


@pytest.mark.parametrize(
    "source",
    [
        '#include <vector>\nextern "C" int answer(long n) { std::vector<int> v(n); return (int)v.size(); }',
        '#include <stdexcept>\nextern "C" int answer(int n) { if (n) throw std::runtime_error("n"); return n; }',
    ],
    ids=["memory", "exceptions"],
)
def test_a_hidden_libstdcxx_is_told_however_little_of_it_is_used(source: str, tmp_path: Path) -> None:
    one, other = compile_with_gxx(source, *HIDDEN, "-s"), compile_with_gxx(MODULE, "-shared", "-fPIC", "-s")
    (finding,) = conflicts(tmp_path, one=one, other=other)
    assert (finding.rule, finding.severity) == ("conflicting-libstdcxx", "note")


def test_a_renamed_libstdcxx_breaks_the_streams_too(tmp_path: Path) -> None:
    """Two shared copies, each in a scope of its own: their unique names meet all the same."""
    original = compile_with_gxx(MODULE, "-shared", "-fPIC", "-s")
    path = subprocess.run(["gcc", "-print-file-name=libstdc++.so.6"], check=True, capture_output=True, text=True)
    library = Path(path.stdout.strip()).read_bytes()
    renamed = [data.replace(b"libstdc++.so.6\0", b"libstdc++.so.7\0") for data in (original, library)]
    (tmp_path / "one.so").write_bytes(original)
    (tmp_path / "other.so").write_bytes(renamed[0])
    (tmp_path / "libstdc++.so.7").write_bytes(renamed[1])
    code = (
        "import ctypes; ctypes.CDLL('./libstdc++.so.7'); "
        "print(*[ctypes.CDLL(f'./{name}.so').answer() for name in ('one', 'other')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    first, second = map(int, done.stdout.split())
    assert 0 in {first, second}  # whichever was loaded second


# --- scopes -----------------------------------------------------------------------------------------------------------


def counters(folder: Path, *sonames: str) -> None:
    """Write a library under each of ``sonames``, and beside it ``module0.so``, ``module1.so``, … that ask it."""
    for number, soname in enumerate(sonames):
        place = folder / f"package{number}"
        place.mkdir()
        library = compile_with_gcc(COUNTER, "-shared", "-fPIC", f"-Wl,-soname,{soname}")
        (place / soname).write_bytes(library)
        module = compile_with_gcc(
            ASKING, "-shared", "-fPIC", f"./{soname}", "-Wl,-rpath,$ORIGIN", beside={soname: library}
        )
        (place / "module.so").write_bytes(module)


MODULES: Final = ("package0/module.so", "package1/module.so")


def test_plain_names_stay_in_the_scope_of_their_module(tmp_path: Path) -> None:
    counters(tmp_path, "libruntime-aaaaaaaa.so.1", "libruntime-bbbbbbbb.so.1")
    assert answers(tmp_path, *MODULES) == [1, 1]


def test_a_library_is_not_loaded_again_where_one_of_its_soname_is(tmp_path: Path) -> None:
    counters(tmp_path, "libruntime-aaaaaaaa.so.1", "libruntime-aaaaaaaa.so.1")
    assert answers(tmp_path, *MODULES) == [1, 2]


def test_a_library_that_is_loaded_by_its_path_is_loaded_again(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        source = COUNTER.replace("runtime_count", "answer")
        (tmp_path / name / "libruntime.so").write_bytes(
            compile_with_gcc(source, "-shared", "-fPIC", "-Wl,-soname,libruntime.so.1")
        )
    assert answers(tmp_path, "one/libruntime.so", "other/libruntime.so") == [1, 1]


def test_a_copy_of_a_loaded_soname_is_loaded_again_by_its_path(tmp_path: Path) -> None:
    counters(tmp_path, "libruntime-aaaaaaaa.so.1", "libruntime-aaaaaaaa.so.1")
    libraries = [str(tmp_path / f"package{number}/libruntime-aaaaaaaa.so.1") for number in range(2)]
    code = (
        f"import ctypes; module = ctypes.CDLL({str(tmp_path / MODULES[0])!r}); "
        f"print(module.answer(), *[ctypes.CDLL(name).runtime_count() for name in {libraries!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "2", "1"]  # the file that is loaded already, and one of its own


@pytest.mark.parametrize(("plain", "answered"), [(False, [1, 2]), (True, [1, 1])], ids=["versioned", "plain"])
def test_in_one_scope_versions_keep_names_apart_that_have_one(
    plain: bool,  # noqa: FBT001
    answered: list[int],
    tmp_path: Path,
) -> None:
    """Two libraries with versions of their own, of which the name in question has one or has none."""
    libraries: dict[str, bytes] = {}
    users: dict[str, bytes] = {}
    for number in (1, 2):
        name = f"libruntime{number}.so"
        named = "other" if plain else "runtime_id; other"
        source = f"int other(void) {{ return 0; }} int runtime_id(void) {{ return {number}; }}"
        script = f"V{number} {{ {named}; }};".encode()
        flags = ("-shared", "-fPIC", f"-Wl,-soname,{name}", "-Wl,--version-script=map")
        libraries[name] = compile_with_gcc(source, *flags, beside={"map": script})
        asking = f"int runtime_id(void); int ask{number}(void) {{ return runtime_id(); }}"
        users[f"libuser{number}.so"] = compile_with_gcc(
            asking, "-shared", "-fPIC", f"-Wl,-soname,libuser{number}.so", f"./{name}", beside={name: libraries[name]}
        )
    source = "int ask1(void), ask2(void); int answer(void) { return ask1() * 10 + ask2(); }"
    linked = (f"./{name}" for name in users)
    module = compile_with_gcc(source, "-shared", "-fPIC", *linked, "-Wl,-rpath-link,.", beside={**users, **libraries})
    for name, data in {**users, **libraries, "module.so": module}.items():
        (tmp_path / name).write_bytes(data)
    code = "import ctypes; print(ctypes.CDLL('./module.so').answer())"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert [int(digit) for digit in done.stdout.strip()] == answered


def test_what_is_loaded_globally_answers_for_what_comes_later(tmp_path: Path) -> None:
    counters(tmp_path, "libruntime-aaaaaaaa.so.1", "libruntime-bbbbbbbb.so.1")
    assert answers(tmp_path, *MODULES, mode="RTLD_GLOBAL") == [1, 2]


def test_in_one_scope_the_first_copy_answers_for_both(tmp_path: Path) -> None:
    counters(tmp_path, "libruntime-aaaaaaaa.so.1", "libruntime-bbbbbbbb.so.1")
    libraries = {
        soname: (tmp_path / f"package{number}" / soname).read_bytes()
        for number, soname in enumerate(("libruntime-aaaaaaaa.so.1", "libruntime-bbbbbbbb.so.1"))
    }
    second = (tmp_path / "package1/module.so").read_bytes()
    source = "int runtime_count(void); int answer(void); int both(void) { return runtime_count() * 10 + answer(); }"
    module = compile_with_gcc(
        source,
        *("-shared", "-fPIC", "-Wl,--no-as-needed", "./libruntime-aaaaaaaa.so.1", "./second.so"),
        *("-Wl,-rpath,$ORIGIN:$ORIGIN/package0:$ORIGIN/package1", "-Wl,--allow-shlib-undefined"),
        beside={**libraries, "second.so": second},
    )
    (tmp_path / "second.so").write_bytes(second)
    (tmp_path / "libruntime-bbbbbbbb.so.1").write_bytes(libraries["libruntime-bbbbbbbb.so.1"])
    (tmp_path / "module.so").write_bytes(module)
    code = "import ctypes; print(ctypes.CDLL('./module.so').both())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["12"]  # 1 and then 2, of the same copy
