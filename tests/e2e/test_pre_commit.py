"""The hooks of .pre-commit-hooks.yaml, run by pre-commit itself in a repository that uses them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from building import make_wheel
from e2e.conftest import ROOT, tool
from provisions import needed_module

pytestmark = pytest.mark.e2e

IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]


@pytest.fixture(scope="session")
def published_hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project as a repository: pre-commit clones one, and installs what it says."""
    folder = tmp_path_factory.mktemp("hooks")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("src", "docs/man"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, folder)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, *IDENTITY, "commit", "-q", "-m", "x")
    return folder


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pre-commit")


@dataclass
class User:
    folder: Path
    environment: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        git(self.folder, "add", "-A", "--force")
        command = [sys.executable, "-m", "pre_commit", "run", "--color", "never", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, check=False, capture_output=True, text=True, timeout=600
        )


@pytest.fixture
def user(tmp_path: Path, published_hooks: Path, home: Path, environment: dict[str, str]) -> User:
    needed_module("pre_commit")
    revision = git(published_hooks, "rev-parse", "HEAD")
    hooks = "  hooks:\n  - id: glibc-guard\n  - id: glibc-guard-dist\n"
    configuration = f"repos:\n- repo: {published_hooks}\n  rev: {revision}\n{hooks}"
    (tmp_path / ".pre-commit-config.yaml").write_text(configuration, encoding="utf-8")
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "vendored").mkdir()
    return User(tmp_path, {**environment, "PRE_COMMIT_HOME": str(home)})


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        [tool("git"), *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_what_is_committed_is_judged(user: User, old_enough: bytes, too_new: bytes) -> None:
    (user.folder / "readme.txt").write_text("x", encoding="utf-8")
    done = user.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no files to check" in done.stdout
    assert "on dist/" not in done.stdout  # nothing is built yet
    (user.folder / "vendored" / "libx.so.1").write_bytes(old_enough)
    done = user.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "glibc-guard..." in done.stdout
    assert "Passed" in done.stdout
    make_wheel(user.folder / "vendored", {"m.so": too_new})
    done = user.run()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "reallocarray" in done.stdout


def test_what_was_built_is_judged_by_hand(user: User, old_enough: bytes, too_new: bytes) -> None:
    by_hand = ("--hook-stage", "manual", "glibc-guard-dist")
    (user.folder / "dist").mkdir()
    make_wheel(user.folder / "dist", {"m.so": old_enough})
    done = user.run(*by_hand)
    assert done.returncode == 0, done.stdout + done.stderr
    make_wheel(user.folder / "dist", {"m.so": too_new}, name="other")
    done = user.run(*by_hand)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "reallocarray" in done.stdout


def test_the_readme_names_the_hooks() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    for name in ("glibc-guard", "glibc-guard-dist"):
        assert f"- id: {name}\n" in hooks
        assert f"- id: {name} " in readme
