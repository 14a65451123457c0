"""A workflow with a check run and a comment, run by act for each event, against the stand-in for GitHub's API."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import tool
from github_api.description import recorded, workflow_run
from github_api.server import TOKEN, GitHubApi

pytestmark = pytest.mark.e2e

WORKFLOW = """\
name: Build
on: [pull_request, push, merge_group, workflow_dispatch, workflow_run, schedule]
jobs:
  wheels:
    runs-on: ubuntu-24.04
    {strategy}
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
      - uses: ./glibc-guard
        with:
          artifacts: '*.so'
          target: '2.17'
          check-run: glibc-guard
          comment: always
"""
MATRIX = "strategy: {matrix: {arch: [x86_64, aarch64]}}"


@pytest.fixture
def project(tmp_path: Path, action: Path, old_enough: bytes) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(action, folder / "glibc-guard")
    (folder / "_core.so").write_bytes(old_enough)
    git = [str(tool("git")), "-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["remote", "add", "origin", "https://github.com/Codertocat/Hello-World"],
        ["add", "."],
        ["commit", "--quiet", "-m", "x"],
    ):
        subprocess.run([*git, *command], cwd=folder, check=True)
    return folder


@dataclass(frozen=True)
class Platform:
    """act on this machine, with the stand-in for the API."""

    project: Path
    api: GitHubApi
    environment: Mapping[str, str]

    def run(self, event: str, payload: Mapping[str, Any], *, strategy: str = "") -> subprocess.CompletedProcess[str]:
        """Runs the workflow upon ``event``."""
        home = self.project.parent
        workflow = self.project / ".github" / "workflows" / "build.yml"
        workflow.parent.mkdir(parents=True, exist_ok=True)
        workflow.write_text(WORKFLOW.format(strategy=strategy), encoding="utf-8")
        (home / "event.json").write_text(json.dumps(payload), encoding="utf-8")
        command = [tool("act"), event, "--platform", "ubuntu-24.04=-self-hosted", "--workflows", workflow]
        command += [
            "--eventpath",
            home / "event.json",
            "--env",
            f"GITHUB_API_URL={self.api.url}",
            "--secret",
            "GITHUB_TOKEN",
        ]
        home_folders = {"XDG_CACHE_HOME": str(home / "cache"), "XDG_CONFIG_HOME": str(home / "config")}
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.project,
            check=False,
            env={**self.environment, **home_folders, "GITHUB_TOKEN": TOKEN},
            capture_output=True,
            text=True,
            timeout=600,
            stdin=subprocess.DEVNULL,
        )
        assert TOKEN not in done.stdout + done.stderr
        return done


@pytest.fixture
def platform(project: Path, api: GitHubApi, used_before: dict[str, str]) -> Platform:
    return Platform(project, api, used_before)


def commit(project: Path) -> str:
    command = [str(tool("git")), "rev-parse", "HEAD"]
    return subprocess.check_output(command, cwd=project, text=True).strip()


@pytest.mark.parametrize(
    ("event", "payload", "head", "comments"),
    [
        ("pull_request", recorded("pull_request", "synchronize")[0], "ec26c3e57ca3a959ca5aad62de7213c562f8c821", 1),
        ("push", recorded("push")[4], "6113728f27ae82c7b1a177c8d03f9e96e0adf246", 0),
        ("merge_group", recorded("merge_group")[0], "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d", 0),
        ("workflow_run", workflow_run(), "3484a3fb816e0859fd6e1cea078d76385ff50625", 1),
        ("workflow_dispatch", recorded("workflow_dispatch")[0], None, 0),
        ("schedule", {}, None, 0),
    ],
    ids=["pull_request", "push", "merge_group", "workflow_run", "workflow_dispatch", "schedule"],
)
def test_each_event(
    platform: Platform, event: str, payload: Mapping[str, Any], head: str | None, comments: int
) -> None:
    done = platform.run(event, payload)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = platform.api.check_runs.values()
    assert (run["name"], run["conclusion"]) == ("glibc-guard", "success"), done.stdout
    assert run["head_sha"] == (head or commit(platform.project))
    assert len(platform.api.comments) == comments


def test_two_jobs_of_a_matrix_at_once(platform: Platform) -> None:
    payload = recorded("pull_request", "synchronize")[0]
    done = platform.run("pull_request", payload, strategy=MATRIX)
    assert done.returncode == 0, done.stdout + done.stderr
    names = {run["name"] for run in platform.api.check_runs.values()}
    assert names == {"glibc-guard (x86_64)", "glibc-guard (aarch64)"}, done.stdout
    assert len(platform.api.comments) == 2


def test_a_fork_and_a_token_that_can_only_read(platform: Platform) -> None:
    platform.api.permissions.clear()
    payload = copy.deepcopy(recorded("pull_request", "opened")[0])
    payload["pull_request"]["head"]["repo"]["full_name"] = "mallory/Hello-World"
    done = platform.run("pull_request", payload)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The token of a run for a fork can only read." in done.stdout
