from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from building import library, make_wheel
from glibc_guard.guard import check
from glibc_guard.report import badge
from glibc_guard.settings import Settings

OLD = library("malloc(1)", glibc="2.17")
NEW = library("pow(x, 2.5)", glibc="2.29")


def made(*paths: Path, **settings: Any) -> dict[str, Any]:  # noqa: ANN401
    found: dict[str, Any] = json.loads(badge.render(check(list(map(str, paths)), Settings(**settings))))
    assert found.pop("schemaVersion") == 1
    assert found.pop("label") == "glibc"
    assert set(found) == {"message", "color", "isError"}
    return found


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "s390x"])
def test_the_floor_is_that_of_all(tmp_path: Path, arch: str) -> None:
    one = make_wheel(
        tmp_path, {"m.so": library("secure_getenv(0)", arch=arch)}, tag=f"cp312-cp312-manylinux_2_17_{arch}"
    )
    new = library("reallocarray(0, 1, 2)", arch=arch, glibc="2.26")
    two = make_wheel(tmp_path, {"n.so": new}, tag=f"cp312-cp312-manylinux_2_28_{arch}", name="two")
    assert made(one, two) == {"message": "2.26 or newer", "color": "brightgreen", "isError": False}


def test_what_fails_is_red(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m.so": NEW})
    assert made(wheel) == {"message": "2.29 or newer", "color": "red", "isError": True}


def test_what_cannot_be_read_claims_nothing(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m.so": OLD, "n.so": NEW[:300]})
    assert made(wheel) == {"message": "not readable", "color": "lightgrey", "isError": True}


def test_what_needs_no_glibc(tmp_path: Path) -> None:
    pure = make_wheel(tmp_path, {"m.py": b""}, tag="py3-none-any")
    assert made(pure)["message"] == "not needed"
    wheel = make_wheel(tmp_path, {"m.py": b""}, tag="cp312-cp312-musllinux_1_2_x86_64", name="musl")
    assert made(wheel, allow_empty=True)["message"] == "not needed (musl)"
