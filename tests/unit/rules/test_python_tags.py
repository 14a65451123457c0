"""Each tag against what installers take: ``packaging.tags``."""

from __future__ import annotations

import pytest
from packaging.tags import compatible_tags, cpython_tags

from glibc_guard.model import WheelFacts
from glibc_guard.rules.python_modules import interpreter_of
from glibc_guard.rules.python_tags import promise_of
from glibc_guard.targets import cpython


def promised(*tags: str) -> tuple[str, ...]:
    return promise_of(WheelFacts("m", "1", tuple(f"{tag}-linux_x86_64" for tag in tags), ())).judged


def taken_by(interpreter: str) -> set[str]:
    version, flag = cpython.version_of(interpreter), interpreter.lstrip("0123456789.")
    python = f"cp{version[0]}{version[1]}"
    abi = f"{python}{flag}{'m' if version < (3, 8) else ''}"
    tags = [*cpython_tags(version, [abi], ["any"]), *compatible_tags(version, python, ["any"])]
    return {f"{tag.interpreter}-{tag.abi}" for tag in tags}


PYTHONS = [f"{kind}3{minor}" for kind in ("cp", "py") for minor in ("", 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)]
ABIS = ["none", "abi3", "cp37m", "cp37", "cp38", "cp38m", "cp312", "cp312t", "cp313", "cp313t", "cp315t"]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("abi", ABIS)
def test_who_installs_a_wheel(python: str, abi: str) -> None:
    wanted = [name for name in cpython.judged() if f"{python}-{abi}" in taken_by(name)]
    assert sorted(promised(f"{python}-{abi}")) == sorted(wanted)


def test_compressed_tags_bring_combinations_that_nobody_meant() -> None:
    facts = WheelFacts("m", "1", tuple(f"{a}-{b}-any" for a in ("cp39", "cp312") for b in ("cp39", "cp312")), ())
    assert promise_of(facts).void == ()
    assert promise_of(facts).exact == ("3.9", "3.12")


@pytest.mark.parametrize(
    ("digits", "flags", "name"),
    [
        ("312", "", "3.12"),
        ("312", "d", "3.12d"),
        ("312", "m", None),
        ("312", "t", None),
        ("313", "t", "3.13t"),
        ("37", "m", "3.7"),
        ("37", "", None),
        ("37", "dm", "3.7d"),
        ("27", "mu", "2.7"),
        ("32", "mu", "3.2"),
    ],
)
def test_what_an_interpreter_is_called(digits: str, flags: str, name: str | None) -> None:
    assert interpreter_of(digits, flags) == name
