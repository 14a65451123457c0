"""What cargo says it built, between lines of others."""

from __future__ import annotations

import json
import os
import platform
from typing import TYPE_CHECKING

import pytest

import build_inputs
from run_build import cargo_artifacts, refuse_files_of_others
from step import StepError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    platform.machine() not in build_inputs.ARCHITECTURES, reason="GitHub has no runner of this architecture"
)


def inputs(workspace: Path) -> build_inputs.BuildInputs:
    (workspace / "crates" / "one").mkdir(parents=True)
    environment = {
        "INPUT_ARCHITECTURE": platform.machine(),
        "INPUT_KIND": "rust",
        "INPUT_IMAGE": "manylinux2014",
        "INPUT_ARTIFACT_NAME": "dist",
        "INPUT_WORKING_DIRECTORY": "crates/one",
        "GITHUB_WORKSPACE": str(workspace),
    }
    return build_inputs.read(environment)


def message(kind: str, *files: Path) -> bytes:
    names = [str(path) for path in files]
    told = {
        "reason": "compiler-artifact",
        "target": {"kind": [kind]},
        "filenames": names,
        "executable": names[0] if kind == "bin" and names else None,
    }
    return json.dumps(told).encode() + b"\n"


def touched(workspace: Path, *names: str) -> list[Path]:
    for name in names:
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).touch()
    return [workspace / name for name in names]


def test_programs_and_cdylibs_anywhere_in_the_workspace(tmp_path: Path) -> None:
    given = inputs(tmp_path)
    program, inner, library, archive = touched(
        tmp_path, "target/release/tool", "crates/one/target/tool", "target/release/libtool.so", "target/libtool.rlib"
    )
    said = (
        message("bin", program) + message("bin", inner) + message("cdylib", library, archive) + message("lib", archive)
    )
    assert cargo_artifacts(given, said + message("bin", program)) == [
        "../../target/release/tool",
        "target/tool",
        "../../target/release/libtool.so",
    ]


def test_a_program_with_a_dot_in_its_name(tmp_path: Path) -> None:
    """cargo names a program so with ``filename`` (-Z different-binary-name)."""
    given = inputs(tmp_path)
    (program,) = touched(tmp_path, "crates/one/target/tool-1.2")
    assert cargo_artifacts(given, message("bin", program)) == ["target/tool-1.2"]


def test_the_cdylib_of_a_dependency_is_no_result(tmp_path: Path) -> None:
    given = inputs(tmp_path)
    mine, old, new = touched(
        tmp_path, "target/release/libmine.so", "target/release/deps/liba.so", "target/release/build/b/1f/out/libb.so"
    )
    said = message("cdylib", mine) + message("cdylib", old) + message("cdylib", new)
    assert cargo_artifacts(given, said) == ["../../target/release/libmine.so"]


@pytest.mark.parametrize(
    "line",
    [
        b"hello from a macro",
        b"{",
        b"{}",
        b"[1]",
        b"\xff",
        b'{"reason": "compiler-artifact"}',
        b'{"reason": "compiler-artifact", "target": 1}',
        message("cdylib"),
        message("bin"),
    ],
)
def test_lines_that_are_not_cargos_are_passed_over(tmp_path: Path, line: bytes) -> None:
    given = inputs(tmp_path)
    (program,) = touched(tmp_path, "crates/one/tool")
    said = message("bin", program)
    assert cargo_artifacts(given, line + b"\n" + said + line) == ["tool"]


def test_what_was_built_outside_is_named(tmp_path: Path) -> None:
    given = inputs(tmp_path / "repository")
    (tmp_path / "tool").touch()
    for place in (tmp_path / "tool", tmp_path / "only-in-the-container"):
        with pytest.raises(StepError, match=f"cargo built {place}, which is outside of "):
            cargo_artifacts(given, message("bin", place))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a file of root beside those of another user")
def test_a_file_of_root_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.chown(path, 1001, 1001)
    refuse_files_of_others(tmp_path, 1001)
    (tmp_path / "out" / "link").symlink_to("mine")
    with pytest.raises(StepError, match="out/link belongs to root after the build"):
        refuse_files_of_others(tmp_path, 1001)
