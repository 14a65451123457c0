"""The inputs of the build: which image they name, and which platform auditwheel is asked for."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import build_inputs
from step import StepError, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

MACHINE = platform.machine()

pytestmark = pytest.mark.skipif(
    MACHINE not in build_inputs.ARCHITECTURES, reason=f"GitHub has no runner of the architecture {MACHINE}"
)


def read(folder: Path, **inputs: str) -> build_inputs.BuildInputs:
    given: Mapping[str, str] = {
        "architecture": MACHINE,
        "kind": "command",
        "image": "manylinux2014",
        "build_command": "make",
        "artifacts": "build/x",
        "artifact_name": "dist",
        **inputs,
    }
    environment = {f"INPUT_{name.upper()}": value for name, value in given.items()}
    return build_inputs.read({**environment, "GITHUB_WORKSPACE": str(folder)})


@pytest.mark.parametrize("profile", ["manylinux2014", "manylinux_2_28", "manylinux_2_34", "musllinux_1_2"])
def test_a_profile_is_the_image_of_the_architecture_by_digest(tmp_path: Path, profile: str) -> None:
    assert read(tmp_path, image=profile).image.startswith(f"quay.io/pypa/{profile}_{MACHINE}@sha256:")


def test_any_other_image_is_taken_by_its_name(tmp_path: Path) -> None:
    assert read(tmp_path, image="ghcr.io/me/old_{arch}:1").image == f"ghcr.io/me/old_{MACHINE}:1"
    with pytest.raises(StepError, match="it may be manylinux2014, manylinux_2_28"):
        read(tmp_path, image="--privileged")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("", ""),
        ("manylinux2014", "manylinux_2_17_"),
        (f"manylinux_2_28_{MACHINE}", "manylinux_2_28_"),
        ("2.17", "manylinux_2_17_"),
        ("2.28\nmanylinux2014", "manylinux_2_17_"),
        ("2.29", "manylinux_2_28_"),  # auditwheel has no policy of that name
        ("manylinux_2_33", "manylinux_2_31_"),
        ("2.99", "manylinux_2_41_"),
        ("2.4", "manylinux_2_4_"),  # there is none: auditwheel says so
        ("musllinux_1_1 musllinux_1_9", "musllinux_1_1_"),
        ("manylinux_2_28, 2.5", "manylinux_2_5_"),
        ("musllinux_1_2", "musllinux_1_2_"),
        ("rhel8", ""),  # auditwheel knows no distributions: what the image stands for; the gate has the last word
        ("rhel8, 2.28", "manylinux_2_28_"),
    ],
)
def test_auditwheel_is_asked_for_the_oldest_target(tmp_path: Path, target: str, expected: str) -> None:
    family = expected.partition("_")[0]
    assert read(tmp_path, target=target).platforms == ({family: expected + MACHINE} if expected else {})


def test_the_image_decides_between_the_targets_of_two_families(tmp_path: Path) -> None:
    assert read(tmp_path, target="manylinux2014, musllinux_1_2, 2.28").platforms == {
        "manylinux": f"manylinux_2_17_{MACHINE}",
        "musllinux": f"musllinux_1_2_{MACHINE}",
    }


def test_the_short_form_of_a_python(tmp_path: Path) -> None:
    given = "cp39, cp313-cp313t cp314t\n pp311-pypy311_pp73 graalpy311-graalpy242_311_native"
    assert read(tmp_path, python=given).pythons == (
        "cp39-cp39",
        "cp313-cp313t",
        "cp314-cp314t",
        "pp311-pypy311_pp73",
        "graalpy311-graalpy242_311_native",
    )


def test_a_working_directory_stays_in_the_repository(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    for outside in ("..", "/", "link", "missing"):
        with pytest.raises(StepError, match="is no folder of the repository"):
            read(tmp_path, working_directory=outside)


def test_a_message_is_one_line_that_commands_nothing() -> None:
    assert plain("a\n::error::b\r##[set-env]c\x1b[31m") == "a ::error::b # #[set-env]c [31m"
