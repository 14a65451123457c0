"""The inputs of the Action, as the step hands them over in its environment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from actions_toolkit import core
from msgspec import Struct
from msgspec.structs import replace

from glibc_guard import config
from glibc_guard.github.comment import WHEN
from glibc_guard.github.feedback import Wishes
from glibc_guard.settings import FAIL_ON

if TYPE_CHECKING:
    from pathlib import Path

    from glibc_guard.github.comment import When
    from glibc_guard.settings import Settings


class InputError(Exception):
    """An input of the Action is wrong; the message names it and says what it may be."""


class Inputs(Struct, frozen=True):
    """What ``action.yml`` declares; ``python`` is for the shell part alone."""

    artifacts: tuple[str, ...]
    targets: tuple[str, ...]  # empty: as configured
    config: Path | None
    fail_on: str  # empty: as configured
    baseline: str  # empty: as configured
    together: bool | None  # None: as configured
    debug_dirs: tuple[Path, ...]  # in addition to what is configured
    annotations: bool
    summary: bool
    report: Path | None
    sarif: Path | None
    html: Path | None
    wishes: Wishes
    working_folder: Path


def read(workspace: Path) -> Inputs:
    """Return the inputs of this step; its paths are absolute, save the globs.

    Raises:
        InputError: an input has a value that it must not have.
    """
    folder = workspace / core.get_input("working_directory")
    if not folder.is_dir():
        raise InputError(f"The input working-directory: {folder} is no folder")
    configuration, report, sarif, html = map(core.get_input, ("config", "report", "sarif", "html"))
    return Inputs(
        artifacts=lines("artifacts"),
        targets=tuple(target for line in lines("target") for target in re.split(r"\s*,\s*", line) if target),
        config=folder / configuration if configuration else None,
        fail_on=core.get_input("fail_on"),
        baseline=core.get_input("baseline"),
        together=_boolean("together") if core.get_input("together") else None,
        debug_dirs=tuple(_folder(folder / name, "debug-dir") for name in lines("debug_dir")),
        annotations=_boolean("annotations"),
        summary=_boolean("summary"),
        report=folder / report if report else None,
        sarif=folder / sarif if sarif else None,
        html=folder / html if html else None,
        wishes=wishes(),
        working_folder=folder,
    )


def settings(inputs: Inputs) -> Settings:
    """Return the configuration file's settings, overridden by ``inputs``.

    Raises:
        InputError: ``fail-on`` has a value that it must not have.
        ConfigError: the configuration file is wrong.
    """
    result = config.load(inputs.config, inputs.working_folder)
    if inputs.targets:
        result = replace(result, targets=inputs.targets)
    if inputs.baseline:
        result = replace(result, baseline=inputs.baseline)
    if inputs.fail_on:
        chosen = next((choice for choice in FAIL_ON if choice == inputs.fail_on), None)
        if chosen is None:
            raise InputError(f"The input fail-on is {inputs.fail_on!r}; it may be {', '.join(FAIL_ON)}")
        result = replace(result, fail_on=chosen)
    if inputs.together is not None:
        result = replace(result, together=inputs.together)
    if inputs.debug_dirs:
        result = replace(result, debug_dirs=(*result.debug_dirs, *inputs.debug_dirs))
    return result


def _folder(path: Path, name: str) -> Path:
    if not path.is_dir():
        raise InputError(f"The input {name}: {path} is no folder")
    return path


def lines(name: str) -> tuple[str, ...]:
    """Return the lines of the input ``name`` that hold anything."""
    return tuple(line for line in (line.strip() for line in core.get_multiline_input(name)) if line)


def wishes() -> Wishes:
    """Return what GitHub is to be told, and the key to it; raises InputError."""
    return Wishes(_one_line("check_run"), _when(), core.get_input("token"), core.get_input("variant"))


def _one_line(name: str) -> str:
    value: str = core.get_input(name)
    if not value.isprintable():
        raise InputError(f"The input {name.replace('_', '-')} is {value!r}; it may be one line of text")
    return value


def _when() -> When:
    value = core.get_input("comment") or "never"
    chosen = next((choice for choice in WHEN if choice == value), None)
    if chosen is None:
        raise InputError(f"The input comment is {value!r}; it may be {', '.join(WHEN)}")
    return chosen


def _boolean(name: str) -> bool:
    value: str = core.get_input(name).lower()
    if value not in {"true", "false"}:
        raise InputError(f"The input {name} is {value!r}; it may be true or false")
    return value == "true"
