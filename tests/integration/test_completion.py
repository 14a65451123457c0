"""Completion in shells: what docs/completion tells to source, and what it offers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def complete(mode: str, words: str = "", position: int = 0) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "_GLIBC_GUARD_COMPLETE": mode}
    environment |= {"COMP_WORDS": words, "COMP_CWORD": str(position)}
    command = [sys.executable, "-m", "glibc_guard"]
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(shell: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"_GLIBC_GUARD_COMPLETE={shell}_source glibc-guard" in readme
    assert f"_GLIBC_GUARD_COMPLETE={shell}_complete" in complete(f"{shell}_source")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("glibc-guard m", ["plain,merge"]),
        ("glibc-guard check --target manylinux20", ["plain,manylinux2010", "plain,manylinux2014"]),
        ("glibc-guard check --target rhel", ["plain,rhel7", "plain,rhel8", "plain,rhel9", "plain,rhel10"]),
        ("glibc-guard check --format b", ["plain,badge"]),
        ("glibc-guard check --fail-on n", ["plain,never"]),
        ("glibc-guard check di", ["file,di"]),  # the shell completes the path
        ("glibc-guard merge di", ["file,di"]),
    ],
)
def test_what_is_offered(words: str, offered: list[str]) -> None:
    assert sorted(complete("bash_complete", words, words.count(" ")).split()) == sorted(offered)
