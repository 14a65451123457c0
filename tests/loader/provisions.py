"""How the loader tests keep what they build or download, and what happens when that cannot be had."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest


def kept(folder: Path, fill: Callable[[Path], None]) -> Path:
    """``folder``, filled by ``fill`` if it is not there yet.

    It appears whole or not at all: it is filled beside its place and renamed. Of two processes that fill it at once,
    the second one throws its own work away.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        fill(work)
        try:
            work.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def unavailable(reason: str) -> NoReturn:
    """Fail where everything must be there (``CI`` is set), else skip, and say why."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def tool(name: str, package: str) -> str:
    """The path of a program; `unavailable` if it is not installed."""
    return shutil.which(name) or unavailable(f"{name} is not installed: apt-get install {package}")
