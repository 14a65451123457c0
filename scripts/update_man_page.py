"""Regenerates docs/man/glibc-guard.1 from the command line itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from glibc_guard import __version__
from glibc_guard.cli import cli

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "man" / "glibc-guard.1"
STATUS: Final = (
    ("0", "clean"),
    ("1", "findings at or above --fail-on"),
    ("2", "wrong usage or configuration"),
    ("3", "something could not be read or understood; nothing unread is ever a pass"),
)
VARIABLES: Final = (
    ("NO_COLOR", "Plain text, as with --no-color."),
    ("GLIBC_GUARD_DEBUG", "A traceback where glibc-guard itself fails."),
    ("GITHUB_TOKEN, GITHUB_API_URL", "For releases that list asks GitHub for; the token goes nowhere else."),
    ("HTTPS_PROXY, NO_PROXY", "How URLs are reached."),
    ("XDG_CACHE_HOME", "Where wheels that a baseline was fetched from an index for are kept, in glibc-guard/baseline."),
)


def man_page() -> str:
    """Return the page in the man macros of groff and mandoc (man(7))."""
    lines = [
        f'.TH GLIBC\\-GUARD 1 "" "glibc\\-guard {__version__}"',
        ".nh",  # no hyphen that is in no name
        ".ad l",
        ".SH NAME",
        f"glibc\\-guard \\- {roff(click.Context(cli).command.get_short_help_str(200)).rstrip('.').lower()}",
        ".SH SYNOPSIS",
        ".B glibc\\-guard",
        ".I COMMAND",
        "[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]",
        ".SH COMMANDS",
    ]
    top = click.Context(cli, info_name="glibc-guard")
    for name in cli.list_commands(top):
        command = cli.get_command(top, name)
        if command is not None:
            lines += _command(command, click.Context(command, info_name=name, parent=top))
    lines += [".SH EXIT STATUS", *_tagged(STATUS), ".SH ENVIRONMENT", *_tagged(VARIABLES)]
    lines += [
        ".SH FILES",
        ".TP",
        ".I glibc\\-guard.toml, pyproject.toml",
        "The configuration: the nearest one upward from the working folder.",
    ]
    return "\n".join(lines) + "\n"


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    arguments = " ".join(roff(piece) for piece in command.collect_usage_pieces(context))
    yield f".SS glibc\\-guard {roff(context.info_name or '')} {arguments}"
    for paragraph in (command.help or "").split("\n\n"):
        yield ".PP"
        yield _line(paragraph)
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and isinstance(parameter, click.Option):
            yield ".TP"
            yield f".B {roff(record[0])}"
            yield _line(record[1])


def _tagged(entries: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for tag, text in entries:
        yield ".TP"
        yield f".B {roff(tag)}"
        yield _line(text)


def _line(text: str) -> str:
    """Return ``text`` as one line that is no request."""
    shown = roff(re.sub(r"\s+", " ", text).strip())
    return f"\\&{shown}" if shown.startswith((".", "'")) else shown


def roff(text: str) -> str:
    """Return ``text`` so that roff shows it as it is; hyphens as the ASCII character that a shell takes."""
    text = text.replace("…", "...")
    return text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("'", "\\(aq")


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(man_page(), encoding="utf-8")
    print(f"written: {PAGE.name}")
