"""The example ``fork-pull-requests``: its two workflow files, run by act one after the other."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import ROOT, tool
from github_api.runs import REPOSITORY, add_pull
from github_api.server import TOKEN, GitHubApi, serving

pytestmark = pytest.mark.e2e

EXAMPLE = ROOT / "examples" / "fork-pull-requests"
STAND_INS = Path(__file__).parent / "stand_ins"
PUBLISH = ".github/actions/publish"
RUN = 7001


@dataclass(frozen=True)
class Repository:
    """The example as a repository of its own, and where act puts things."""

    folder: Path
    published: Path  # this project as it is published
    home: Path
    environment: dict[str, str]
    api: GitHubApi

    def run(self, event: str, workflow: str, payload: dict[str, Any]) -> tuple[int, str]:
        (self.home / "event.json").write_text(json.dumps(payload), encoding="utf-8")
        command = [tool("act"), event, "--platform", "ubuntu-24.04=-self-hosted", "--secret", f"GITHUB_TOKEN={TOKEN}"]
        command += ["--workflows", f".github/workflows/{workflow}", "--eventpath", self.home / "event.json"]
        command += ["--env", f"STAND_IN_UPLOADS={self.home / 'uploads'}", "--env", f"STAND_IN_RUN={RUN}"]
        for name, folder in self._stood_in(workflow):
            command += ["--local-repository", f"{name}={folder}"]
        variables = {"XDG_CACHE_HOME": str(self.home / "cache"), "XDG_CONFIG_HOME": str(self.home / "config")}
        done = subprocess.run(
            [*map(str, command)],
            cwd=self.folder,
            check=False,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        return done.returncode, done.stdout

    def _stood_in(self, workflow: str) -> Iterator[tuple[str, Path]]:
        """What cannot be fetched, and what takes its place."""
        yield "org/glibc-guard@v1", self.published
        text = (self.folder / ".github" / "workflows" / workflow).read_text(encoding="utf-8")
        for name, reference in re.findall(r"uses: actions/((?:up|down)load-artifact)@(\w+)", text):
            yield f"actions/{name}@{reference}", STAND_INS / name


@pytest.fixture
def repository(tmp_path: Path, action: Path, used_before: dict[str, str]) -> Iterator[Repository]:
    folder, published = tmp_path / "project", tmp_path / "published"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("build"))
    shutil.copytree(action, published)
    shutil.copytree(ROOT / PUBLISH, published / PUBLISH, dirs_exist_ok=True)
    with serving(GitHubApi()) as listener:
        manifest = published / PUBLISH / "action.yml"
        # act knows no other address than that of GitHub.
        local = f"GITHUB_API_URL: {listener.api.url}\n        GITHUB_REPOSITORY: {REPOSITORY}\n        INPUT_REPORT:"
        manifest.write_text(manifest.read_text("utf-8").replace("INPUT_REPORT:", local), encoding="utf-8")
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
        commands = (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-q", "-m", "x"])
        for command in commands:
            subprocess.run([tool("git"), *command], cwd=folder, check=True)
        yield Repository(folder, published, tmp_path, used_before, listener.api)
        assert not listener.api.problems


def test_a_stranger_is_told(repository: Repository) -> None:
    head = "a" * 40
    request = {"number": 12, "head": {"ref": "fix", "sha": head}, "base": {"ref": "main"}}
    text = (repository.folder / ".github/workflows/check.yml").read_text(encoding="utf-8")
    assert "target: ubuntu22.04" in text
    (repository.folder / ".github/workflows/check.yml").write_text(text.replace("ubuntu22.04", "'2.5'"), "utf-8")
    status, log = repository.run("pull_request", "check.yml", {"pull_request": request})
    assert status != 0, log
    (uploaded,) = (repository.home / "uploads" / "glibc-guard-report").iterdir()
    assert json.loads(uploaded.read_text(encoding="utf-8"))["verdict"] == "fail"

    add_pull(repository.api, 12, head=head)
    repository.api.files[head] = ["Makefile", ".github/workflows/check.yml"]
    run = {
        "id": RUN,
        "run_attempt": 1,
        "event": "pull_request",
        "conclusion": "failure",
        "head_branch": "fix",
        "head_sha": head,
        "path": ".github/workflows/check.yml",
        "head_repository": {"full_name": "stranger/sample", "owner": {"login": "stranger"}},
    }
    status, log = repository.run("workflow_run", "publish.yml", {"action": "completed", "workflow_run": run})
    assert status == 0, log
    (check,) = repository.api.check_runs.values()
    assert (check["head_sha"], check["conclusion"]) == (head, "failure")
    assert {one["path"] for found in repository.api.annotations.values() for one in found} == {"Makefile"}
    (comment,) = repository.api.comments.values()
    assert (comment["pull"], "libscale.so" in comment["body"]) == (12, True)


def test_the_second_workflow_runs_nothing_of_the_first() -> None:
    text = (EXAMPLE / ".github" / "workflows" / "publish.yml").read_text(encoding="utf-8")
    assert "checkout" not in text.replace("checks nothing out", "")
    assert "run:" not in re.sub(r"workflow_run:|run-id:|check-run:", "", text)
    check = (EXAMPLE / ".github" / "workflows" / "check.yml").read_text(encoding="utf-8")
    assert re.findall(r"^ *(\w[\w-]*): (?:read|write)", check, re.MULTILINE) == ["contents"]
