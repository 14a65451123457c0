"""Of the crates that an earlier build left, only those that Cargo.lock has the checksum of are used."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from crates import keep_what_is_locked

if TYPE_CHECKING:
    from pathlib import Path

GOOD = b"the content of a crate"
REGISTRY = 'source = "registry+https://github.com/rust-lang/crates.io-index"\n'
REST = 'dependencies = [\n "libc",\n]\n'


def lock(name: str = "itoa", version: str = "1.0.11", content: bytes = GOOD, *, source: str = REGISTRY) -> str:
    checksum = hashlib.sha256(content).hexdigest()
    return f'[[package]]\nname = "{name}"\nversion = "{version}"\n{source}checksum = "{checksum}"\n{REST}'


def crate(folder: Path, name: str, content: bytes = GOOD) -> Path:
    path = folder / "crates" / "index.crates.io-1949cf8c6b5b557f" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def kept(folder: Path, *locks: str) -> int:
    (folder / "crates").mkdir(exist_ok=True)
    paths = [folder / f"Cargo.lock.{number}" for number in range(len(locks))]
    for path, text in zip(paths, locks, strict=True):
        path.write_bytes(text.encode())
    return keep_what_is_locked(folder / "crates", paths)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_the_lock_file_has_is_kept(tmp_path: Path, end: str) -> None:
    path, other = crate(tmp_path, "itoa-1.0.11.crate"), crate(tmp_path, "cfg-if-1.0.0.crate", b"another")
    package = '[[package]]\nname = "tool"\nversion = "0.1.0"\ndependencies = [\n "itoa",\n]\n'
    text = f"version = 4\n\n{package}\n{lock()}\n{lock('cfg-if', '1.0.0', b'another', source='')}"
    assert kept(tmp_path, text.replace("\n", end)) == 2
    assert path.exists()
    assert other.exists()


def test_any_of_several_lock_files_may_have_it(tmp_path: Path) -> None:
    path = crate(tmp_path, "itoa-1.0.11.crate")
    assert kept(tmp_path, lock(content=b"of another registry"), lock()) == 1
    assert path.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("itoa-1.0.11.crate", GOOD + b" and a build.rs"),
        ("itoa-1.0.11.crate", b""),
        ("itoa-1.0.12.crate", GOOD),
        ("itoa.crate", GOOD),
        ("build.rs", GOOD),
    ],
)
def test_anything_else_is_removed(tmp_path: Path, name: str, content: bytes) -> None:
    path = crate(tmp_path, name, content)
    assert kept(tmp_path, lock()) == 0
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "no lock file at all", lock().replace("checksum", "# checksum"), "\xff\0"])
def test_without_a_checksum_nothing_is_kept(tmp_path: Path, text: str) -> None:
    path = crate(tmp_path, "itoa-1.0.11.crate")
    assert kept(tmp_path, text) == kept(tmp_path) == 0
    assert not path.exists()


def test_what_is_no_file_is_removed_and_nothing_behind_a_link(tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "itoa-1.0.11.crate").write_bytes(GOOD)
    folder = crate(tmp_path, "itoa-1.0.11.crate").parent
    (folder / "itoa-1.0.11.crate").unlink()
    (folder / "itoa-1.0.11.crate").symlink_to(beside / "itoa-1.0.11.crate")
    (folder / "folder").symlink_to(beside)
    os.mkfifo(folder / "pipe")
    assert kept(tmp_path, lock()) == 0
    assert not list(folder.iterdir())
    assert (beside / "itoa-1.0.11.crate").exists()
