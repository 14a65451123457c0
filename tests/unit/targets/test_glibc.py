"""Releases of glibc: which can be a target, and where they exist."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from glibc_guard.targets import glibc
from glibc_guard.targets.errors import TargetError
from provisions import needed_module


@pytest.mark.parametrize(
    "text", ["2.17", "glibc2.17", "glibc_2_17", "GLIBC_2.17", "glibc-2.17", "glibc 2.17", "2_17", "2.17.0"]
)
def test_spellings_of_a_release(text: str) -> None:
    assert glibc.find(text) == "2.17"


@pytest.mark.parametrize(
    "text", ["", "2", "glibc", "v2.17", "2.17-rc1", "rhel8", "2..17", "\u0662.\u0661\u0667", "musl1.2", "2.17\n"]
)
def test_other_names_are_no_releases(text: str) -> None:
    assert glibc.find(text) is None


def test_releases_run_without_a_gap() -> None:
    releases = glibc.releases()
    assert releases[0] == "2.5"
    assert releases[-1] == "2.44"
    assert len(releases) == 40
    assert [glibc.find(release) for release in releases] == list(releases)


@pytest.mark.parametrize("text", ["2.45", "2.50", "3.0", "2.170"])
def test_a_newer_release_is_not_a_pass(text: str) -> None:
    with pytest.raises(TargetError, match=rf"glibc {text} is newer than 2\.44"):
        glibc.find(text)


@pytest.mark.parametrize("text", ["2.4", "2.2.5", "1.9"])
def test_an_older_release_is_refused(text: str) -> None:
    with pytest.raises(TargetError, match=rf"glibc {text} is older than 2\.5"):
        glibc.find(text)


@pytest.mark.parametrize(("text", "near"), [("2.17.1", "2.17"), ("2.44.1", "2.44")])
def test_a_release_that_never_was(text: str, near: str) -> None:
    with pytest.raises(TargetError, match=rf"no glibc release {text}; name one such as {near}$"):
        glibc.find(text)


@pytest.mark.parametrize(
    ("architecture", "first", "before"),
    [
        ("aarch64", "2.17", "2.16"),
        ("ppc64le", "2.17", "2.12"),
        ("riscv64", "2.27", "2.17"),
        ("loongarch64", "2.36", "2.35"),
    ],
)
def test_architectures_that_came_later(architecture: str, first: str, before: str) -> None:
    glibc.check_exists(first, architecture)
    with pytest.raises(TargetError, match=rf"does not exist for {architecture}: the first release there is {first}"):
        glibc.check_exists(before, architecture)


@pytest.mark.parametrize("architecture", ["x86_64", "i686", "armv7l", "s390x"])
def test_architectures_that_are_older_than_any_target(architecture: str) -> None:
    glibc.check_exists("2.5", architecture)


def test_the_newest_release_is_that_of_the_symbol_lists() -> None:
    needed_module("ziglang")
    spec = find_spec("ziglang")
    assert spec is not None
    assert spec.origin is not None
    lists = (Path(spec.origin).parent / "lib" / "libc" / "glibc" / "abilists").read_bytes()
    # The layout, as ziglang/glibc-abi-tool documents it: a count and that many names of libraries, each closed by a
    # zero; a count and that many releases of three bytes.
    position = 1
    for _ in range(lists[0]):
        position = lists.index(b"\0", position) + 1
    last = position + 1 + 3 * (lists[position] - 1)
    assert tuple(lists[last : last + 3]) == (*glibc.NEWEST, 0)
