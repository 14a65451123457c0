"""What a run imports: starting is most of the time that a small check takes."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from building import library, make_wheel

LISTING = """
import sys
from glibc_guard.cli import main
try:
    main(sys.argv[2:])
except SystemExit as end:
    status = end.code
with open(sys.argv[1], "w") as file:
    file.write("\\n".join([str(status), *sorted(sys.modules)]))
"""
#: Packages beside the standard library, and modules of it that cost some milliseconds each.
COSTLY = {
    "abi3info", "backports", "demangle", "elftools", "isal", "msgspec", "packaging", "rich", "actions_toolkit",
    "github", "bz2", "concurrent.futures", "dataclasses", "difflib", "hashlib", "lzma", "subprocess", "tarfile",
    "tempfile", "zipfile", "ssl", "asyncio", "email", "http", "tomllib",
}  # fmt: skip
ROOMS = {
    "glibc_guard.rules", "glibc_guard.targets.resolution", "glibc_guard.baseline", "glibc_guard.report.text",
    "glibc_guard.github",
}  # fmt: skip
JUDGING = {"msgspec", "concurrent.futures", "glibc_guard.rules", "glibc_guard.targets.resolution"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder without a configuration file."""
    return tmp_path


def imported(folder: Path, *arguments: str | Path, status: int = 0, output: int = subprocess.DEVNULL) -> set[str]:
    """Run the command line, and return what of COSTLY and ROOMS it imported."""
    listing = folder / "modules"
    command = [sys.executable, "-c", LISTING, listing, *arguments]
    subprocess.run(command, check=True, cwd=folder, stdout=output)
    ended, *modules = listing.read_text().splitlines()
    assert ended == str(status)
    assert "glibc_guard.cli" in modules
    if sys.version_info < (3, 11):  # uuid imports subprocess there, and tomllib has another name
        modules = ["tomllib" if name == "tomli" else name for name in modules if name != "subprocess"]
    return (COSTLY | ROOMS).intersection(modules)


def test_version(folder: Path) -> None:
    assert imported(folder, "--version") == {"msgspec"}


def test_object_that_passes(folder: Path) -> None:
    (folder / "libgood.so").write_bytes(library("pow(x, x)"))
    assert imported(folder, "check", "--quiet", "libgood.so") == JUDGING


def test_object_that_fails(folder: Path) -> None:
    (folder / "libbad.so").write_bytes(library("pow(x, x)", glibc="2.34"))
    assert imported(folder, "check", "libbad.so", status=1) == JUDGING | {"glibc_guard.report.text"}


@pytest.mark.parametrize("option", ["--no-color", "--quiet"])
def test_object_that_fails_on_a_terminal(folder: Path, option: str) -> None:
    (folder / "libbad.so").write_bytes(library("pow(x, x)", glibc="2.34"))
    reader, terminal = pty.openpty()
    try:
        shown = imported(folder, "check", option, "libbad.so", status=1, output=terminal)
    finally:
        os.close(terminal)
        os.close(reader)
    assert "rich" in shown


def test_json_report(folder: Path) -> None:
    (folder / "libbad.so").write_bytes(library("pow(x, x)", glibc="2.34"))
    asked = ("check", "--format", "json", "libbad.so")
    assert imported(folder, *asked, status=1) == JUDGING | {"hashlib"}


def test_wheel(folder: Path) -> None:
    wheel = make_wheel(folder, {"sample/libgood.so": library("pow(x, x)")}, tag="py3-none-manylinux_2_17_x86_64")
    needed = JUDGING | {"packaging", "subprocess", "zipfile", "bz2", "hashlib", "lzma"}
    ignored = {"isal"} | ({"subprocess"} if sys.version_info < (3, 11) else set())
    assert imported(folder, "check", "--quiet", wheel) - ignored == needed - ignored
