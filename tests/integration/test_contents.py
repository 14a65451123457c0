"""The leaked host build: an old and a new build of one module, a copy step that misses, and what the check says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from building import compile_with_gcc, compile_with_zig, make_wheel

ROOT = Path(__file__).parents[2]
NAME = "ray-1.0-cp312-cp312-manylinux2014_x86_64.whl"
CONFIGURATION = """
[tool.glibc-guard]
require = ["ray/_raylet.so", "ray/core/raylet"]
forbid = ["ray/ray"]
expect-toolchain = ["Red Hat 10.*"]

[tool.glibc-guard.max-size]
"ray/_raylet.so" = "300 kB"
"*.whl" = "1 MB"
"""
MODULE = """
#define _GNU_SOURCE
#include <stdlib.h>
extern void *PyModule_Create2(void *definition, int version);
static void *definition[16];
void *grow(void *table) { return reallocarray(table, 16, 16); }
void *PyInit__raylet(void) { return PyModule_Create2(definition, 1013); }
"""
OLDER = MODULE.replace("reallocarray(table, 16, 16)", "realloc(table, 16 * 16)")
IMAGE = '__asm__(".ident \\"GCC: (GNU) 10.2.1 20210130 (Red Hat 10.2.1-11)\\"");\n'


def container_build() -> bytes:
    """What the job builds in a manylinux image."""
    return compile_with_zig(IMAGE + OLDER, "-shared", "-fPIC", "-s")


def host_build() -> bytes:
    """What lay in the checkout: built on this machine, with debug information and a table that nobody stripped."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        pytest.skip("the wheel is for x86_64")
    return compile_with_gcc(MODULE + "const char table[400000] = {1};\n", "-shared", "-fPIC", "-g")


def raylet() -> bytes:
    return compile_with_zig(f"{IMAGE}int main(void) {{ return 0; }}", "-s")


def packed(project: Path) -> Path:
    """Pack the folder ``python`` as it lies there, as a packaging step does."""
    tree = project / "python"
    files = {path.relative_to(tree).as_posix(): path.read_bytes() for path in sorted(tree.rglob("*")) if path.is_file()}
    (project / "dist").mkdir(exist_ok=True)
    return make_wheel(project / "dist", files, tag="cp312-cp312-manylinux2014_x86_64", name="ray")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION)
    for path, data in {"ray/__init__.py": b"", "ray/core/raylet": raylet()}.items():
        (tmp_path / "python" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "python" / path).write_bytes(data)
    return tmp_path


def put(project: Path, path: str, data: bytes) -> None:
    (project / "python" / path).parent.mkdir(parents=True, exist_ok=True)
    (project / "python" / path).write_bytes(data)


def check(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    packed(project)
    command = [sys.executable, "-m", "glibc_guard", "check", f"dist/{NAME}", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUTF8": "1"}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert "Traceback" not in done.stderr
    return done


def findings(project: Path) -> list[dict[str, Any]]:
    (artifact,) = json.loads(check(project, "--format", "json").stdout)["artifacts"]
    return list(artifact["findings"])


def test_the_good_build_in_the_right_place_passes(project: Path) -> None:
    put(project, "ray/_raylet.so", container_build())
    done = check(project)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"PASS  dist/{NAME}\n")
    assert findings(project) == []


def test_the_wrong_copy_path_alone(project: Path) -> None:
    put(project, "ray/ray/_raylet.so", container_build())
    done = check(project)
    assert done.returncode == 1
    assert (
        "  the artifact as a whole\n"
        "    error ray/_raylet.so is missing; found ray/ray/_raylet.so: copied one folder too deep?  [missing-member]\n"
    ) in done.stdout
    assert "  ray/ray/_raylet.so\n    error matches ray/ray, which is forbidden  [forbidden-member]\n" in done.stdout


def test_a_host_build_lies_where_the_copy_step_missed(project: Path) -> None:
    """Nothing is missing now: the wheel builds, installs and imports on the machine that built it."""
    put(project, "ray/ray/_raylet.so", container_build())
    put(project, "ray/_raylet.so", host_build())
    found = {(one["rule"], one["severity"], one["object"]): one["message"] for one in findings(project)}
    assert ("missing-member", "error", None) not in found
    assert found["forbidden-member", "error", "ray/ray/_raylet.so"] == "matches ray/ray, which is forbidden"
    size = found["member-too-large", "error", "ray/_raylet.so"]
    assert size.startswith("has 41")
    assert size.endswith("more than the 300.0 kB that max-size allows for ray/_raylet.so, 1.4 times as much")
    toolchain = found["foreign-toolchain", "error", "ray/_raylet.so"]
    assert toolchain.startswith("was built by “GCC: (")
    assert toolchain.endswith(", and expected is “Red Hat 10.*”")
    assert "reallocarray@GLIBC_2.26 (libc.so.6) is newer than glibc 2.17" in found.values()


def test_without_configuration_the_host_build_is_noted(project: Path) -> None:
    (project / "pyproject.toml").unlink()
    put(project, "ray/_raylet.so", host_build())
    for name in ("a", "b"):
        put(project, f"ray/{name}.so", container_build())
    notes = [one for one in findings(project) if one["rule"] == "foreign-toolchain"]
    assert [(one["severity"], one["object"]) for one in notes] == [("note", "ray/_raylet.so")]
    assert "but ray/a.so and " in notes[0]["message"]


def test_options_add_to_the_configuration(project: Path) -> None:
    put(project, "ray/_raylet.so", container_build())
    added = [
        "--require",
        "ray/py.typed",
        "--forbid",
        "**/__init__.py",
        "--max-size",
        "ray/_raylet.so=1kB",
        "--max-size",
        "*.whl=10B",
    ]
    shown = check(project, *added).stdout
    assert "ray/py.typed is missing; nothing of a similar name among 6 files" in shown
    assert "  ray/__init__.py\n    error matches **/__init__.py, which is forbidden" in shown
    assert "more than the 1.0 kB that max-size allows for ray/_raylet.so" in shown
    assert "more than the 10 bytes that max-size allows for *.whl" in shown
    put(project, "ray/ray/x", b"")
    assert "matches ray/ray, which is forbidden" in check(project, *added).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--require", "/ray/x"), '--require: "/ray/x" matches no member: write it relative to the artifact'),
        (("--require", ""), "--require is empty: is a variable not set?"),
        (("--forbid", "ray/"), '--forbid: "ray/" matches no member: for all that is in the folder write "ray/**"'),
        (("--max-size", "60MB"), '--max-size 60MB: write GLOB=SIZE, like "**/*.so=60MB"'),
        (("--max-size", "*.so=large"), '--max-size: "large" is no size: write "60 MB", "60 MiB" or a number of bytes'),
        (("--max-size", "/x=1MB"), '--max-size: "/x" matches no member'),
        (("--expect-toolchain", " "), "--expect-toolchain is empty: is a variable not set?"),
    ],
)
def test_wrong_options(project: Path, arguments: tuple[str, ...], message: str) -> None:
    put(project, "ray/_raylet.so", container_build())
    done = check(project, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"glibc-guard: {message}")
    assert done.stderr.count("\n") == 1


def test_reports_in_markdown(project: Path) -> None:
    put(project, "ray/ray/_raylet.so", container_build())
    shown = check(project, "--format", "markdown").stdout
    told = r"ray/\_raylet\.so is missing; found ray/ray/\_raylet\.so\: copied one folder too deep?"
    assert f"- error: {told} (`missing-member`)" in shown


def test_hostile_names_do_no_harm(project: Path) -> None:
    put(project, "ray/_raylet.so", container_build())
    put(project, "ray/ray/::error::x\x1b[31m\u202e", b"x")
    shown = check(project).stdout
    assert "matches ray/ray, which is forbidden" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert not any(line.lstrip().startswith("::") for line in shown.splitlines())


def test_the_repair(project: Path) -> None:
    put(project, "ray/ray/_raylet.so", container_build())
    put(project, "ray/_raylet.so", host_build())
    assert check(project).returncode == 1
    (project / "python/ray/ray/_raylet.so").replace(project / "python/ray/_raylet.so")
    shutil.rmtree(project / "python/ray/ray")
    assert check(project).returncode == 0
