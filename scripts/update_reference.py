"""Regenerates docs/reference: the command line as click knows it, inputs and outputs as action.yml says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
import yaml

from glibc_guard.cli import cli

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = ROOT / "docs" / "reference"
PLAIN: Final = r"\\\1"  # what click says is no Markdown
WORKFLOW_PREFIX: Final = "org/glibc-guard/"


def command_line() -> str:
    """Return the page of the command line."""
    lines = ["# The command line", "", "Written by `scripts/update_reference.py` from the program itself.", ""]
    context = click.Context(cli, info_name="glibc-guard")
    lines += [_paragraphs(cli.help), ""]
    for name, command in sorted(cli.commands.items()):
        lines += _command(name, command, click.Context(command, info_name=name, parent=context))
    return "\n".join(lines)


def _command(name: str, command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {name}\n"
    yield f"```text\n{context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    yield f"{_paragraphs(command.help)}\n"
    records = [
        record
        for parameter in command.get_params(context)
        if (record := parameter.get_help_record(context)) is not None
    ]
    yield "| option | meaning |\n|---|---|"
    for option, meaning in records:
        if meaning:
            yield f"| `{_cell(option)}` | {_cell(re.sub(r'([*_<>])', PLAIN, meaning))} |"
    yield ""


def _paragraphs(text: str | None) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in (text or "").split("\n\n"))


def action() -> str:
    """Return the page of the Action, the reusable workflows and the action that publishes."""
    lines = ["# The Action and the workflows", ""]
    lines += ["Written by `scripts/update_reference.py` from `action.yml` and the workflows.", ""]
    lines += _declared(ROOT / "action.yml", "org/glibc-guard@v1")
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        if "inputs" in (_triggers(_read(path)).get("workflow_call") or {}):  # else it is for this repository alone
            lines += _declared(path, f"{WORKFLOW_PREFIX}{path.relative_to(ROOT)}@v1")
    publish = ROOT / ".github" / "actions" / "publish" / "action.yml"
    lines += _declared(publish, f"{WORKFLOW_PREFIX}{publish.parent.relative_to(ROOT)}@v1")
    return "\n".join(lines)


def _declared(path: Path, use: str) -> Iterator[str]:
    document = _read(path)
    given = _triggers(document)["workflow_call"] if path.parent.name == "workflows" else document
    yield f"## {document['name']}\n\n`uses: {use}`\n"
    if "description" in document:
        yield f"{_paragraphs(document['description'])}\n"
    yield "| input | default | meaning |\n|---|---|---|"
    for name, item in given["inputs"].items():
        yield f"| `{name}` | {_default(item)} | {_cell(item['description'])} |"
    yield "\n| output | meaning |\n|---|---|"
    for name, item in given["outputs"].items():
        yield f"| `{name}` | {_cell(item['description'])} |"
    yield ""


def _read(path: Path) -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def _triggers(document: Mapping[Any, Any]) -> dict[str, Any]:
    triggers = document.get(True)  # YAML 1.1 takes `on` for a boolean
    return triggers if isinstance(triggers, dict) else {}


def _default(item: Mapping[str, Any]) -> str:
    if item.get("required"):
        return "required"
    default = item.get("default", "")
    return f"`{str(default).lower() if isinstance(default, bool) else default}`" if default != "" else "-"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def pages() -> dict[Path, str]:
    """Return what each page has to hold."""
    return {PAGES / "command-line.md": command_line(), PAGES / "action.md": action()}


if __name__ == "__main__":
    for page, text in pages().items():
        page.parent.mkdir(exist_ok=True)
        page.write_text(text, encoding="utf-8")
        print(f"written: {page.name}")
