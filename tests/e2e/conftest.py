"""What the end-to-end tests share: a copy of the action, one installation of its dependencies, built artifacts."""

from __future__ import annotations

import fcntl
import os
import runpy
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from building import CACHE, library
from e2e.runner import Job
from github_api.server import GitHubApi, serving
from node_tools import node_modules
from provisions import needed

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PYTHON = """\
#!/bin/sh
if [ -d "${{RUNNER_TEMP:-}}" ] && mkdir -p "$RUNNER_TEMP/glibc-guard"; then
    ln -s -n "{dependencies}" "$RUNNER_TEMP/glibc-guard" 2>/dev/null # where it is not there already
fi
exec "{python}" "$@"
"""


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
def used_before(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a job of act inherits where the dependencies are in its RUNNER_TEMP as an earlier use leaves them.

    act makes that folder itself, under a name by chance; so the ``python3`` that is first on PATH puts them there,
    and is the Python of the tests. Those that try the installation take `environment`.
    """
    bootstrap = runpy.run_path(str(ROOT / "scripts" / "action" / "bootstrap.py"))
    dependencies: Path = bootstrap["dependencies_folder"](bootstrap["LOCK"], CACHE / "action")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "action.lock").open("w") as lock:  # another process of the tests waits, and has them then
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not dependencies.is_dir():
            bootstrap["install"](bootstrap["LOCK"], dependencies)
    python = tmp_path_factory.mktemp("programs") / "python3"
    python.write_text(PYTHON.format(dependencies=dependencies, python=sys.executable), encoding="utf-8")
    python.chmod(0o755)
    return {**environment, "PATH": f"{python.parent}{os.pathsep}{environment['PATH']}"}


@pytest.fixture
def api() -> Iterator[GitHubApi]:
    """The stand-in for GitHub's API, with an open pull request."""
    node_modules()
    with serving(GitHubApi(pulls={2})) as listener:
        yield listener.api
        assert not listener.api.problems


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
