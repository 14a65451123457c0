"""scripts/make_zipapp.py: the file that it makes, run by a Python that has nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from building import make_wheel
from e2e.conftest import ROOT
from glibc_guard import __version__
from provisions import needed_module

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="session")
def zipapp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needed_module("shiv")
    path = tmp_path_factory.mktemp("zipapp") / "glibc-guard.pyz"
    subprocess.run([sys.executable, ROOT / "scripts" / "make_zipapp.py", path], check=True, cwd=path.parent)
    return path


def run(zipapp: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the file by this Python without its packages; what it unpacks goes into ``folder``."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "SHIV_ROOT": str(folder / "shiv")}
    command = [sys.executable, "-I", "-S", str(zipapp), *arguments]
    return subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)


def test_it_judges(zipapp: Path, tmp_path: Path, too_new: bytes, old_enough: bytes) -> None:
    wheel = make_wheel(tmp_path, {"m.so": too_new})
    done = run(zipapp, tmp_path, "check", "--format", "json", wheel.name)
    assert (done.returncode, done.stderr) == (1, "")
    (artifact,) = json.loads(done.stdout)["artifacts"]
    assert artifact["floor"] == {"GLIBC": "2.26"}
    (tmp_path / "m.so").write_bytes(old_enough)
    for form in ("text", "html", "badge", "sarif"):  # with what each brings: rich, jinja2, tables in files
        done = run(zipapp, tmp_path, "check", "--target", "2.17", "--format", form, "m.so")
        assert (done.returncode, done.stderr) == (0, ""), form
        assert done.stdout


def test_it_says_its_version_and_has_no_client_of_github(zipapp: Path, tmp_path: Path) -> None:
    assert run(zipapp, tmp_path, "--version").stdout == f"glibc-guard {__version__}\n"
    (unpacked,) = (path for path in (tmp_path / "shiv").iterdir() if path.is_dir())
    names = {path.name for path in (unpacked / "site-packages").iterdir()}
    assert {"glibc_guard", "msgspec", "elftools"} <= names
    assert not {"github", "actions_toolkit", "requests"} & names


def test_it_is_one_small_file_that_can_be_executed(zipapp: Path) -> None:
    assert zipapp.stat().st_size < 10_000_000
    assert os.access(zipapp, os.X_OK)
    assert zipapp.read_bytes().startswith(b"#!/usr/bin/env python3\n")
