"""The tag of the major version, moved in a real repository with a real remote."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest

SCRIPT: Final = Path(__file__).parents[3] / "scripts" / "release" / "move_major_tag.sh"
IDENTITY: Final = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--bare", "remote")
    git(tmp_path, "clone", "--quiet", "remote", "checkout")
    return tmp_path / "checkout"


def release(checkout: Path, tag: str, *options: str) -> str:
    """Make a commit with a tag, let the script see it, and return the commit."""
    git(checkout, "commit", "--quiet", "--allow-empty", "-m", tag)
    git(checkout, "tag", *options, tag)
    git(checkout, "push", "--quiet", "origin", tag)
    subprocess.run([SCRIPT, tag], cwd=checkout, check=True, capture_output=True)
    return git(checkout, "rev-parse", "HEAD")


def major(checkout: Path, name: str = "v1") -> str:
    return git(checkout, "ls-remote", "origin", f"refs/tags/{name}").partition("\t")[0]


def test_it_moves_to_each_newer_release(checkout: Path) -> None:
    assert release(checkout, "v1.0.0") == major(checkout)
    assert release(checkout, "v1.9.0", "--annotate", "--message", "x") == major(checkout)  # the commit, not the tag
    assert release(checkout, "v1.10.0") == major(checkout)


def test_it_does_not_move_back_nor_to_a_candidate(checkout: Path) -> None:
    newest = release(checkout, "v1.10.0")
    release(checkout, "v1.9.1")
    assert major(checkout) == newest
    release(checkout, "v1.11.0rc1")
    assert major(checkout) == newest


def test_each_major_version_has_its_own(checkout: Path) -> None:
    first = release(checkout, "v1.0.0")
    second = release(checkout, "v2.0.0")
    release(checkout, "v10.0.0")
    assert (major(checkout), major(checkout, "v2")) == (first, second)


def test_a_tag_that_the_remote_has_not_is_an_error(checkout: Path) -> None:
    git(checkout, "commit", "--quiet", "--allow-empty", "-m", "x")
    done = subprocess.run([SCRIPT, "v3.0.0"], cwd=checkout, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "the remote has no tag v3.0.0" in done.stderr
