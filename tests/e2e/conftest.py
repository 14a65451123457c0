"""What the end-to-end tests share: a copy of the action, one installation of its dependencies, built artifacts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from building import library
from e2e.runner import Job
from provisions import needed

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]


def tool(name: str) -> Path:
    """The path of a program that pip does not install; without it the test fails in CI and is skipped elsewhere."""
    return Path(needed(name, "run scripts/install_tools.sh"))


@pytest.fixture(scope="session")
def action(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The action as the runner unpacks it, in a folder with a space."""
    folder = tmp_path_factory.mktemp("actions") / "glibc guard"
    for name in ("action.yml", "scripts/action", "src"):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    return folder


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """What a job inherits: no setting of Python, and of pip only the way to the index."""
    kept = ("PATH", "HOME", "LANG", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
    pip = ("PIP_CERT", "PIP_CONFIG_FILE", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT")
    return {name: os.environ[name] for name in (*kept, *pip) if name in os.environ}


@pytest.fixture(scope="session")
def container_engine() -> Iterator[dict[str, str]]:
    """An engine with the image to build in; the variables by which ``docker`` reaches it."""
    from e2e import containers  # noqa: PLC0415 - it asks this file for its tools

    with containers.engine() as variables:
        containers.import_image(variables)
        yield variables


@pytest.fixture(scope="session")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One RUNNER_TEMP for all jobs, so that the dependencies are installed once a session."""
    return tmp_path_factory.mktemp("runner temp")


@pytest.fixture(scope="session")
def too_new() -> bytes:
    """A library that asks for glibc 2.26."""
    return library("reallocarray(0, 1, 2)", glibc="2.26")


@pytest.fixture(scope="session")
def old_enough() -> bytes:
    """A library that asks for glibc 2.17, for ``secure_getenv``."""
    return library('secure_getenv("HOME")', glibc="2.17")


@pytest.fixture
def job(tmp_path: Path, temporary: Path, environment: dict[str, str]) -> Job:
    """A job in a workspace of its own, with a build manifest."""
    workspace = tmp_path / "work space"
    workspace.mkdir()
    (workspace / "pyproject.toml").touch()
    return Job(workspace, temporary, environment)
