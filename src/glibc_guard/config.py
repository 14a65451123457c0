"""Finds the configuration file and gives its ``Settings``, to which flags and Action inputs are then added."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from glibc_guard.settings import ConfigError, Settings

FILE_NAMES: Final = ("glibc-guard.toml", "pyproject.toml")  # in one folder the first wins


def load(explicit: str | os.PathLike[str] | None, working_folder: str | os.PathLike[str]) -> Settings:
    """Read ``explicit``, or else the nearest configuration file upward from ``working_folder``, or else the defaults.

    Raises:
        ConfigError: the file cannot be read, or says something that is not understood.
    """
    if explicit is not None:
        settings = _read(Path(explicit))
        if settings is None:
            raise ConfigError(f"{explicit}: has no [tool.glibc-guard] table")
        return settings
    start = Path(working_folder).absolute()
    for folder in (start, *start.parents):
        for name in FILE_NAMES:
            if (folder / name).is_file() and (settings := _read(folder / name)) is not None:
                return settings
    return Settings()


def repository_root(folder: Path, settings: Settings, workspace: str | None) -> Path:
    """Return the folder that source files are shown relative to.

    That is ``GITHUB_WORKSPACE`` (``workspace``), else the nearest folder upward from ``folder`` that has a ``.git``,
    else that of the configuration file, else ``folder`` itself.
    """
    if workspace:
        return Path(workspace)
    for parent in (folder, *folder.parents):
        if (parent / ".git").exists():
            return parent
    return folder if settings.source is None else settings.source.absolute().parent


def _read(path: Path) -> Settings | None:
    from glibc_guard.config_file import read_settings  # noqa: PLC0415  # lazy, validation costs 30 ms to import

    return read_settings(path)
