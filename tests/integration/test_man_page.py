"""The manual page is that of the command line, and groff has nothing to say of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import click

from glibc_guard.cli import cli
from provisions import needed
from scripts.update_man_page import PAGE, roff

ROOT: Final = Path(__file__).parents[2]


def test_the_page_is_that_of_the_command_line() -> None:
    # In a process of its own: click keeps the help option of a command as it was at first use, and another test may
    # have used one without its group.
    code = "from scripts.update_man_page import man_page; print(man_page(), end='')"
    written = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT).stdout
    assert PAGE.read_bytes() == written, "run make data"


def test_groff_shows_all_of_it_without_a_warning() -> None:
    command = [needed("groff", "apt-get install groff-base"), "-man", "-k", "-Tascii", "-ww", "-P-cbou", str(PAGE)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    shown = re.sub(r"\s+", " ", done.stdout)
    for name, command_ in cli.commands.items():
        assert f"glibc-guard {name}" in shown
        for parameter in command_.params:
            if isinstance(parameter, click.Option):
                assert all(option in shown for option in parameter.opts)


def test_a_name_of_roff_is_text() -> None:
    assert roff("\\fBx-y `z' ") == "\\efBx\\-y \\(gaz\\(aq "


def test_the_page_ships_with_the_package() -> None:
    assert '"docs/man/glibc-guard.1" = "share/man/man1/glibc-guard.1"' in (ROOT / "pyproject.toml").read_text("utf-8")
