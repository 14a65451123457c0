"""docs/library.md: its example is run, and its table has the names of the package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import glibc_guard
from building import library, make_wheel

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")


def test_the_example_prints_what_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    module = library("reallocarray(0, 1, 2)", glibc="2.26")
    tag = "cp312-cp312-manylinux2014_x86_64"
    make_wheel(tmp_path / "dist", {"fastscore/_core.so": module}, tag=tag, name="fastscore")
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (printed,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", example]
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (printed, "")


def test_the_names_are_those_of_the_page() -> None:
    told = {name for cell in re.findall(r"^\| (`.*?`) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)", cell)}
    assert told == set(glibc_guard.__all__) - {"__version__"}
    for name in glibc_guard.__all__:
        assert getattr(glibc_guard, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        glibc_guard.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_what_is_raised_is_what_the_page_names(tmp_path: Path) -> None:
    with pytest.raises(glibc_guard.UsageError, match="no such file or folder"):
        glibc_guard.check([str(tmp_path / "none")], glibc_guard.Settings())
    with pytest.raises(glibc_guard.TargetError):
        glibc_guard.check([str(tmp_path)], glibc_guard.Settings(targets=("manylinux9999",)))
    (tmp_path / "glibc-guard.toml").write_text("targt = 1", encoding="utf-8")
    with pytest.raises(glibc_guard.ConfigError, match="targt"):
        glibc_guard.load(None, tmp_path)


def test_importing_the_package_imports_nothing_of_it() -> None:
    code = "import sys, glibc_guard; print([name for name in sys.modules if name.startswith('glibc_guard.')])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_paths_may_be_path_objects_and_one_text_is_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path, {"m.so": library("reallocarray(0, 1, 2)", glibc="2.26")})
    settings = glibc_guard.Settings(targets=("manylinux2014",))
    for paths in ([wheel], (wheel,), [str(wheel)], iter([wheel])):
        report = glibc_guard.check(paths, settings)  # type: ignore[arg-type]  # an iterator is taken, and not promised
        assert (report.verdict, report.artifacts[0].path) == ("fail", str(wheel))
    assert glibc_guard.diff(wheel, wheel).verdict == "pass"
    for text in (str(wheel), wheel):
        with pytest.raises(glibc_guard.UsageError, match=r"paths is .*\.whl'?\)?: write a list, \[…\]"):
            glibc_guard.check(text, settings)  # type: ignore[arg-type]
    with pytest.raises(glibc_guard.UsageError, match="None is no path"):
        glibc_guard.check([None], settings)  # type: ignore[list-item]
    with pytest.raises(glibc_guard.UsageError, match="no Settings"):
        glibc_guard.check([wheel], {"targets": ["2.17"]})  # type: ignore[arg-type]
    (tmp_path / "glibc-guard.toml").write_text('target = "rhel8"', encoding="utf-8")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    for folder in (".", tmp_path / "sub", Path()):
        assert glibc_guard.load(None, folder).targets == ("rhel8",)
    assert glibc_guard.load("../glibc-guard.toml", ".").targets == ("rhel8",)


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(glibc_guard.ConfigError, match="fail_on is 'warnings'"):
        glibc_guard.Settings(fail_on="warnings")  # type: ignore[arg-type]
