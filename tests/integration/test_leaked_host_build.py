"""A whole story: a C++ module built twice, for two glibcs and two Pythons, and the wrong one of both is packaged.

The release job built ``_raylet.so`` in a container and unpacked it one folder too deep; the packaging step then took
the build of another machine that lay in the checkout. The wheel imports where it was built, and nowhere else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from building import compile_with_gxx, compile_with_zig, make_wheel

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64", reason="builds for this machine, and the wheel is x86_64"
)

ROOT = Path(__file__).parents[2]
TAG = "cp312-cp312-manylinux2014_x86_64"
MODULE = """
extern "C" { void *PyModule_Create2(void *, int); void _PyGen_Send(); void *PyInit__raylet(); }
namespace ray { struct Worker { virtual ~Worker() {} virtual void *Grow(void *table); }; }
static void *definition[16];
"""
GOOD = f"""{MODULE}
extern "C" {{ void *realloc(void *, unsigned long); int clock_gettime(int, void *); }}
void *ray::Worker::Grow(void *table) {{ clock_gettime(0, definition); return realloc(table, 256); }}
void *PyInit__raylet() {{ return PyModule_Create2(definition, 1013); }}
"""
LEAKED = f"""
#include <cmath>
#include <cstdlib>
#include <string>
{MODULE}
extern const char debris[3000000] = {{1}};
double score(double x) {{ return std::pow(x, 2.5) + std::stod(std::string("1.5")); }}
void *ray::Worker::Grow(void *table) {{ return reallocarray(table, 16, 16); }}
void *PyInit__raylet() {{ if (definition[15]) _PyGen_Send(); return PyModule_Create2(definition, 1013); }}
"""
CONFIGURATION = """
[tool.glibc-guard]
require = ["ray/_raylet.so"]
forbid = ["ray/ray"]
expect-toolchain = ["Red Hat *"]
"""


def built_in_the_image() -> bytes:
    ident = '__asm__(".ident \\"GCC: (GNU) 10.2.1 20210130 (Red Hat 10.2.1-11)\\"");\n'
    return compile_with_zig(ident + GOOD, "-shared", "-fPIC", "-s", "-nostdlib++", "-Wl,-z,undefs", language="c++")


def built_on_the_host() -> bytes:
    return compile_with_gxx(LEAKED, "-shared", "-fPIC", "-g")


def wheel(folder: Path, version: str, files: dict[str, bytes]) -> str:
    path = make_wheel(folder, {"ray/__init__.py": b"", **files}, tag=TAG, name="ray", version=version)
    return path.name


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "glibc_guard", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUTF8": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False)


def findings(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    (artifact,) = json.loads(run(folder, "check", "--format", "json", *arguments).stdout)["artifacts"]
    return list(artifact["findings"])


@pytest.fixture
def former(tmp_path: Path) -> str:
    return wheel(tmp_path, "2.9.0", {"ray/_raylet.so": built_in_the_image()})


def test_the_former_release_is_clean(tmp_path: Path, former: str) -> None:
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION)
    done = run(tmp_path, "check", former)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, f"PASS  {former}")
    assert findings(tmp_path, former) == []


def test_the_copy_that_missed_is_told_by_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION)
    missed = wheel(tmp_path, "2.10.0", {"ray/ray/_raylet.so": built_in_the_image()})
    shown = run(tmp_path, "check", missed).stdout
    assert "error ray/_raylet.so is missing; found ray/ray/_raylet.so: copied one folder too deep?" in shown


def test_the_host_build_in_its_place_is_told_by_what_it_asks_for(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION)
    leaked = wheel(
        tmp_path, "2.10.0", {"ray/_raylet.so": built_on_the_host(), "ray/ray/_raylet.so": built_in_the_image()}
    )
    found = findings(tmp_path, leaked)
    errors = {one["rule"] for one in found if one["object"] == "ray/_raylet.so" and one["severity"] == "error"}
    assert errors == {"python-abi", "symbol-version-too-new", "foreign-toolchain"}
    messages = [one["message"] for one in found]
    assert "reallocarray@GLIBC_2.26 (libc.so.6) is newer than glibc 2.17" in messages
    (python,) = [one for one in found if one["rule"] == "python-abi"]
    assert python["symbol"] == "_PyGen_Send"
    assert python["message"] == (
        "_PyGen_Send is exported by CPython 3.6 to 3.9 and gone in 3.10: this object was built for another Python"
    )
    assert "the object fits CPython 3.6 to 3.9" in python["hint"]
    assert "matches ray/ray, which is forbidden" in messages


def test_the_host_build_is_told_by_the_former_release_alone(tmp_path: Path, former: str) -> None:
    leaked = wheel(tmp_path, "2.10.0", {"ray/_raylet.so": built_on_the_host()})
    told = findings(tmp_path, "--baseline", former, leaked)
    found = {one["rule"]: one for one in told}
    (floor,) = [one["message"] for one in told if one["rule"] == "floor-raised" and one["version"].startswith("GLIBC_")]
    assert "and 2.17 was enough in 2.9.0: ray/_raylet.so (" in floor
    assert "reallocarray@GLIBC_2.26" in floor
    assert "size-jump" in found
    assert found["library-added"]["library"] in {"libstdc++.so.6", "libm.so.6"}
    shown = run(tmp_path, "diff", former, leaked)
    assert shown.returncode == 0
    assert "    + GLIBC_2.26      reallocarray\n" in shown.stdout


def test_nothing_is_left_to_say_once_the_copy_step_is_right(tmp_path: Path, former: str) -> None:
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION)
    mended = wheel(tmp_path, "2.10.0", {"ray/_raylet.so": built_in_the_image()})
    done = run(tmp_path, "check", "--baseline", former, mended)
    assert done.returncode == 0
    assert findings(tmp_path, "--baseline", former, mended) == []
