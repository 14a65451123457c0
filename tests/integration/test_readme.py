"""What README.md shows is what happens: the output of a real failure, and the tables."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from building import compile_with_zig, make_wheel
from glibc_guard.rules.catalogue import CATALOGUE
from glibc_guard.targets.resolution import resolve

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SOURCE = """
#define _GNU_SOURCE
#include <stdlib.h>
#include <math.h>
extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *) __attribute__((weak));
void *grow(void *table, double x) { return reallocarray(table, 16, (size_t)pow(x, 2.5)); }
int at_exit(void (*f)(void *)) { return __cxa_thread_atexit_impl ? __cxa_thread_atexit_impl(f, 0, 0) : -1; }
"""


def rows(header: str) -> dict[str, list[str]]:
    """Return the rows of the table that starts with ``header``, by their first cell without backquotes."""
    _, _, rest = README.partition(header + "\n")
    assert rest, f"README.md has no table {header}"
    found = {}
    for line in rest.splitlines()[1:]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        found[cells[0].strip("`")] = cells[1:]
    return found


def test_the_output_is_real(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    module = compile_with_zig(SOURCE, "-shared", "-fPIC", "-s", "-lm", glibc="2.29")
    files = {"fastscore/_core.cpython-312-x86_64-linux-gnu.so": module, "fastscore/__init__.py": b""}
    wheel = make_wheel(tmp_path / "dist", files, tag="cp312-cp312-manylinux2014_x86_64", name="fastscore")
    command = [sys.executable, "-m", "glibc_guard", "check", f"dist/{wheel.name}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    shown = f"$ glibc-guard check dist/{wheel.name}\n{done.stdout}"
    assert f"```console\n{shown}```" in README


def test_inputs_and_outputs_are_those_of_the_action() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    inputs = rows("| input | default | meaning |")
    assert list(inputs) == list(action["inputs"])
    for name, (default, meaning) in inputs.items():
        declared = action["inputs"][name]
        expected = "required" if declared["required"] else f"`{declared['default']}`" if declared["default"] else "-"
        assert (default, meaning) == (expected, " ".join(declared["description"].split()))
    outputs = rows("| output | meaning |")
    assert outputs == {name: [" ".join(one["description"].split())] for name, one in action["outputs"].items()}


def test_the_rules_are_those_of_the_code() -> None:
    assert rows("| rule | severity | fires when |") == {name: list(entry) for name, entry in CATALOGUE.items()}
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/glibc_guard/rules").glob("*.py"))
    catalogue = (ROOT / "src/glibc_guard/rules/catalogue.py").read_text(encoding="utf-8")
    used = set(re.findall(r'(?:rule=|Finding\(\s*|_finding\(subject, )"([a-z-]+)"', sources))
    assert used <= set(CATALOGUE)
    sources += (ROOT / "src/glibc_guard/data/runtimes.json").read_text(encoding="utf-8")
    for name in CATALOGUE:
        assert f'"{name}"' in sources.replace(catalogue, ""), f"no rule gives {name}"


@pytest.mark.parametrize(
    "name", re.findall(r"`([^`]+)`", " ".join(cells[0] for cells in rows("| `--target` | examples |").values()))
)
def test_the_targets_that_are_named_exist(name: str) -> None:
    assert resolve([name], None, ["x86_64"]).targets


def test_the_example_of_a_baseline_is_real(tmp_path: Path) -> None:
    """The module of the second release was built elsewhere, not stripped to size, and copied one folder too deep."""
    tag = "cp312-cp312-manylinux2014_x86_64"
    source = """
    #define _GNU_SOURCE
    #include <stdlib.h>
    #include <math.h>
    char tables[TABLES] = {1};
    void *grow(void *table, double x) { return GROW; }
    char *home(void) { return secure_getenv("HOME"); }
    """
    shared = ("-shared", "-fPIC", "-s", "-lm", "-w")
    name = "_core.cpython-312-x86_64-linux-gnu.so"
    for version, folder, release, size, grow in (
        ("1.0", "fastscore", "2.17", 1_200_000, "realloc(table, 16 * pow(x, 2.5))"),
        ("1.1", "fastscore/fastscore", "2.34", 5_400_000, "reallocarray(table, 16, pow(x, 2.5))"),
    ):
        module = compile_with_zig(source, *shared, f"-DTABLES={size}", f"-DGROW={grow}", glibc=release)
        files = {f"{folder}/{name}": module}
        make_wheel(tmp_path, files, tag=tag, name="fastscore", version=version, compression=0)
    command = ["diff", f"fastscore-1.0-{tag}.whl", f"fastscore-1.1-{tag}.whl"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    full = [sys.executable, "-m", "glibc_guard", *command]
    done = subprocess.run(full, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert f"```console\n$ glibc-guard {' '.join(command)}\n{done.stdout}```" in README, done.stdout
