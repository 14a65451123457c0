"""The example ``after-any-build``, and the job of CI on the own sample, run by act without a container."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from e2e.conftest import ROOT, tool

pytestmark = pytest.mark.e2e

EXAMPLE = ROOT / "examples" / "after-any-build"
WORKFLOW = Path(".github") / "workflows" / "build.yml"


@pytest.fixture
def project(tmp_path: Path, action: Path) -> Path:
    """The example as a repository of its own, with the action in it: act cannot fetch one that is not published."""
    folder = tmp_path / "project"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("build"))
    shutil.copytree(action, folder / "glibc-guard")
    text = (folder / WORKFLOW).read_text(encoding="utf-8")
    assert "uses: org/glibc-guard@v1" in text
    (folder / WORKFLOW).write_text(text.replace("uses: org/glibc-guard@v1", "uses: ./glibc-guard"), encoding="utf-8")
    committed(folder)
    return folder


def committed(folder: Path) -> None:
    """Makes ``folder`` a repository of one commit."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        [*identity, "commit", "--quiet", "-m", "x"],
    ):
        subprocess.run([tool("git"), *command], cwd=folder, check=True)


def act(
    project: Path, home: Path, environment: dict[str, str], workflow: Path = WORKFLOW, *options: str
) -> subprocess.CompletedProcess[str]:
    """Runs the workflow on this machine; its cache and its working folders stay in ``home``."""
    command = [str(tool("act")), "push", "--platform", "ubuntu-24.04=-self-hosted", "--workflows", str(workflow)]
    command += options
    variables = {**environment, "XDG_CACHE_HOME": str(home / "cache"), "XDG_CONFIG_HOME": str(home / "config")}
    return subprocess.run(
        command,
        cwd=project,
        check=False,
        env=variables,
        capture_output=True,
        text=True,
        timeout=600,
        stdin=subprocess.DEVNULL,
    )


def test_the_example_passes(project: Path, tmp_path: Path, environment: dict[str, str], host_target: str) -> None:
    set_target(project, host_target)
    done = act(project, tmp_path, environment)
    log = done.stdout + done.stderr
    assert done.returncode == 0, log
    assert "pass, needs glibc 2." in log


def test_the_gate_fails_where_an_older_system_was_promised(
    project: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    set_target(project, "2.5")
    done = act(project, tmp_path, environment)
    log = done.stdout + done.stderr
    assert done.returncode != 0, log
    assert "fail, needs glibc 2." in log
    assert "symbol-version-too-new" in log


def set_target(project: Path, target: str) -> None:
    text = (project / WORKFLOW).read_text(encoding="utf-8")
    assert "target: ubuntu22.04" in text
    (project / WORKFLOW).write_text(text.replace("target: ubuntu22.04", f"target: '{target}'"), encoding="utf-8")


@pytest.fixture
def host_target() -> str:
    """The glibc of this machine: what is built here runs here."""
    version = os.confstr("CS_GNU_LIBC_VERSION")
    assert version is not None
    return version.split()[1]


def test_the_repository_uses_its_own_action_on_its_own_sample(
    tmp_path: Path, action: Path, environment: dict[str, str]
) -> None:
    """The job of ci.yml as it stands there; act has the checkout already."""
    folder = tmp_path / "repository"
    shutil.copytree(action, folder)
    shutil.copytree(ROOT / ".github", folder / ".github", dirs_exist_ok=True)  # build.yml's actions may be there
    committed(folder)
    done = act(folder, tmp_path, environment, Path(".github") / "workflows" / "ci.yml", "--job", "own")
    log = done.stdout + done.stderr
    assert done.returncode == 0, log
    assert "Success - Main Hold the outputs against that" in log
    assert "Failure - Main Expect it to fail where manylinux2014 is" in log
