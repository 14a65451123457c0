"""The verdicts of the rules against those of the real ``ld.so``, on the objects of this machine."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Final

import pytest

from glibc_guard.elf import ElfError
from glibc_guard.model import ElfObject
from loader.agreement import Agreement, compare, read
from loader.debian_glibc import SUITES, debian_glibc
from loader.judge import Glibc, ask_loader
from loader.machine_objects import is_dynamic_x86_64, machine_objects
from loader.stub_glibc import RELEASES, stub_glibc

pytestmark = pytest.mark.loader

ALL: Final = bool(os.environ.get("GLIBC_GUARD_ALL_OBJECTS"))
FEW_OBJECTS, SOME_OBJECTS, MANY_OBJECTS = 150, 400, 3000
AT_LEAST: Final = 1500  # objects, where all are asked for
STUBS: Final = RELEASES if ALL else ("2.17", "2.31")
DEBIANS: Final = SUITES if ALL else ("bookworm",)


@lru_cache(maxsize=1)
def objects(limit: int) -> list[tuple[Path, ElfObject]]:
    found = []
    for path in machine_objects(limit):
        try:
            found.append((path, read(path)))
        except ElfError as error:
            pytest.fail(f"{path}: {error}")
    return found


def agreement_with(glibc: Glibc, limit: int, *, stubs: bool) -> Agreement:
    agreement = Agreement()
    for path, item in objects(limit):
        if item.kind not in {"static", "debug"}:
            compare(item, glibc, ask_loader(path, glibc), agreement, stubs=stubs)
    return agreement


@pytest.mark.parametrize("release", STUBS)
def test_objects_of_this_machine_against_the_symbol_set_of_a_release(
    release: str, capsys: pytest.CaptureFixture[str]
) -> None:
    agreement = agreement_with(stub_glibc(release), MANY_OBJECTS if ALL else FEW_OBJECTS, stubs=True)
    with capsys.disabled():
        print(f"\n  glibc {release} (symbol set): {agreement}")  # noqa: T201  # the record that this test exists for
    assert agreement.unexplained == []
    assert agreement.refused > 0
    if ALL and os.environ.get("CI"):
        assert agreement.objects >= AT_LEAST


@pytest.mark.parametrize("suite", DEBIANS)
def test_objects_of_this_machine_against_a_real_glibc(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    glibc = debian_glibc(suite)
    agreement = agreement_with(glibc, SOME_OBJECTS if ALL else FEW_OBJECTS, stubs=False)
    with capsys.disabled():
        print(f"\n  glibc {glibc.release} ({glibc.name}): {agreement}")  # noqa: T201
    assert agreement.unexplained == []


@pytest.mark.parametrize("suite", ["bullseye", "bookworm", "trixie"])
def test_objects_of_a_newer_system_against_a_real_glibc(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What Debian's newest suite built is refused by the older ones, which no object of this machine may be."""
    newest = debian_glibc("sid").library_path
    paths = sorted({path.resolve() for folder in newest for path in folder.glob("*.so*") if is_dynamic_x86_64(path)})
    glibc = debian_glibc(suite)
    agreement = Agreement()
    for path in paths:
        if not path.name.startswith(("ld-linux", "libc.so")):
            compare(read(path), glibc, ask_loader(path, glibc), agreement, stubs=False)
    with capsys.disabled():
        print(f"\n  objects of Debian sid on glibc {glibc.release} ({glibc.name}): {agreement}")  # noqa: T201
    assert agreement.unexplained == []
    assert agreement.refused > 0
