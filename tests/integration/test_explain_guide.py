"""What docs/explain.md shows is what happens, and docs/symbols.md is what the knowledge table says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from integration.test_rule_pages import missing_part
from scripts.update_symbol_guide import PAGE, guide

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "explain.md").read_text(encoding="utf-8")
CONSOLE = re.findall(r"^```console\n\$ glibc-guard ([^\n]+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "glibc_guard", *arguments]
    return subprocess.run(command, env=environment, check=False, capture_output=True, encoding="utf-8")


@pytest.mark.parametrize(("command", "shown"), CONSOLE)
def test_what_the_guide_shows_is_what_happens(command: str, shown: str) -> None:
    done = run(*command.split())
    assert done.returncode == 0
    missing = missing_part(shown.splitlines(), done.stdout.splitlines())
    assert missing is None, "\n".join(["the guide shows:", *missing, "printed was:", done.stdout])


def test_the_guide_has_examples() -> None:
    assert len(CONSOLE) >= 3


@pytest.mark.parametrize(
    "asked", re.findall(r"`([^`]+)`", TEXT.partition("| asked for |")[2].partition("| option |")[0])
)
def test_what_the_guide_says_can_be_asked_can_be(asked: str) -> None:
    if asked not in {"nm", "@@"}:
        assert run("explain", asked, "--arch", "x86_64").returncode == 0


def test_options_are_those_of_the_command() -> None:
    options = set(re.findall(r"--[a-z-]+", run("explain", "--help").stdout)) - {"--help"}
    assert options == set(re.findall(r"^\| `(--[a-z-]+)", TEXT, re.MULTILINE))


def test_the_list_of_symbols_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == guide(), "run scripts/update_symbol_guide.py"
