"""What the steps share: how they take inputs, set outputs and fail."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class StepError(Exception):
    """The step cannot go on; the message says why and what to do, in one line."""


def text(environment: Mapping[str, str], name: str) -> str:
    """Return the input ``name`` (``working-directory``) as ``env:`` handed it over, without white space around it."""
    return environment.get(f"INPUT_{name.upper().replace('-', '_')}", "").strip()


def lines(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the lines of the input ``name`` that hold anything."""
    return tuple(line for line in (line.strip() for line in text(environment, name).splitlines()) if line)


def words(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the parts of the input ``name``, which white space or commas separate."""
    return tuple(word for word in re.split(r"[\s,]+", text(environment, name)) if word)


def workspace(environment: Mapping[str, str]) -> Path:
    """Return the folder of the checkout."""
    return Path(environment["GITHUB_WORKSPACE"]).resolve()


def working_folder(environment: Mapping[str, str]) -> Path:
    """Return the input ``working-directory`` as a folder of the workspace.

    Raises:
        StepError: it is none.
    """
    root, name = workspace(environment), text(environment, "working-directory")
    folder = (root / name).resolve()
    if not folder.is_dir() or not folder.is_relative_to(root):
        raise StepError(f"The input working-directory: {name} is no folder of the repository")
    return folder


def set_outputs(environment: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    """Set outputs of the step; a delimiter that nobody can guess keeps each value one value."""
    delimiter = f"end-{secrets.token_hex(16)}"
    with Path(environment["GITHUB_OUTPUT"]).open("a", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{name}<<{delimiter}\n{value}\n{delimiter}\n" for name, value in outputs.items())


def plain(value: str) -> str:
    """Return ``value`` as one line that the runner obeys in nothing: no control character, no ``##[``."""
    printable = "".join(character if character.isprintable() else " " for character in value)
    return printable.replace("##[", "# #[")


def report_failure(message: str) -> int:
    """Print ``message`` as the error of the step, the last line of its log, and return the exit status."""
    data = plain(message).replace("%", "%25")
    print(f"::error title=glibc-guard build::{data}")
    return 1
