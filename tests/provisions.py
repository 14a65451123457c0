"""What tests need of the machine and how they keep what they make; what is missing fails where ``CI`` is set."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from bench.fetch_wheels import FetchError, Wheel, fetch

#: Of the Pythons that CI runs the oldest alone has no demangler; names are shown there as the linker knows them.
needs_demangler = pytest.mark.skipif(sys.version_info < (3, 11), reason="the demangler has no wheel for Python 3.10")


def unavailable(reason: str) -> NoReturn:
    """Fail where everything must be there (``CI`` is set), else skip, and say why."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)


def needed(tool: str, how: str) -> str:
    """The path of a program; `unavailable` if it is not installed, and ``how`` says by what it is."""
    places = [os.environ.get("PATH", ""), str(tools() / "bin"), str(Path.home() / ".cargo" / "bin")]
    found = shutil.which(tool, path=os.pathsep.join(places))
    return found or unavailable(f"{tool} is not installed: {how}")


def needed_module(name: str) -> None:
    """See that there is the module that a package of the group ``dev`` brings; else `unavailable`."""
    if importlib.util.find_spec(name) is None:
        unavailable(f"{name} is not installed: pip install -e '.[dev]'")


def fetched(wheel: Wheel) -> Path:
    """The path of a real wheel; `unavailable` if it is neither kept nor to be had from the index."""
    try:
        return fetch(wheel)
    except FetchError as error:
        unavailable(f"{wheel.file} is not in the cache and cannot be fetched: {error}")


def tools() -> Path:
    """The folder that scripts/install_tools.sh puts into what no package manager of the machine has."""
    return Path(os.environ.get("GLIBC_GUARD_TOOLS") or Path.home() / ".cache" / "glibc-guard")


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
