"""Installs the locked dependencies, once a job, and runs the gate with them and this checkout as its only path."""

from __future__ import annotations

import hashlib
import importlib
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTION: Final = Path(__file__).resolve().parents[2]
LOCK: Final = ACTION / "scripts" / "action" / "requirements.txt"

#: pip settings that say where packages come from and how to get there. What is installed is fixed by the hashes.
PIP_SOURCES: Final = frozenset(
    {
        "PIP_CACHE_DIR",
        "PIP_CERT",
        "PIP_CLIENT_CERT",
        "PIP_CONFIG_FILE",
        "PIP_DEFAULT_TIMEOUT",
        "PIP_EXTRA_INDEX_URL",
        "PIP_FIND_LINKS",
        "PIP_INDEX_URL",
        "PIP_KEYRING_PROVIDER",
        "PIP_NO_CACHE_DIR",
        "PIP_NO_INDEX",
        "PIP_PROXY",
        "PIP_RETRIES",
        "PIP_TIMEOUT",
        "PIP_TRUSTED_HOST",
    }
)

#: Settings of a pip configuration file that would change where packages go.
PIP_FIXED: Final = {"PIP_DRY_RUN": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_USER": "0"}


#: GLIBC_GUARD_STEP, which an action sets, and the module of its step.
STEPS: Final = {
    "": "action",
    "publish": "publish",
    "list-many": "many",
    "check-shard": "many",
    "merge-shards": "many",
}


class SetupError(Exception):
    """The dependencies could not be installed; the message says what to look at."""


def dependencies_folder(lock: Path, temporary: Path) -> Path:
    """Return the folder for what ``lock`` names, for this Python on this platform."""
    key = hashlib.sha256(lock.read_bytes())
    key.update(f"{sys.version} {sysconfig.get_platform()} {sysconfig.get_config_var('EXT_SUFFIX')}".encode())
    return temporary / "glibc-guard" / key.hexdigest()[:16]


def pip_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return ``environment`` without the pip settings that would change what is installed or where."""
    kept = {name: value for name, value in environment.items() if not name.startswith("PIP_") or name in PIP_SOURCES}
    kept.pop("INPUT_TOKEN", None)  # pip needs no key to GitHub
    return kept | PIP_FIXED


def install(lock: Path, folder: Path) -> None:
    """Install what ``lock`` names into ``folder``: aside and renamed, so that half an installation is never found.

    Raises:
        SetupError: pip failed, or the folder cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    except OSError as problem:
        raise SetupError(f"The folder for the dependencies cannot be made: {problem}") from problem
    command = [sys.executable, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--no-compile", "--require-hashes", "--only-binary", ":all:"]
    command += ["--target", str(aside), "-r", str(lock)]
    pip = subprocess.run(
        command,
        check=False,
        env=pip_environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if pip.returncode != 0:
        for line in pip.stdout.splitlines():
            print("pip:", line.replace("##[", "# #["))
        python = f"Python {sys.version_info[0]}.{sys.version_info[1]} on {sysconfig.get_platform()}"
        raise SetupError(
            f"pip could not install the dependencies of glibc-guard for {python}; its messages are in the log. The "
            "lock file holds for CPython 3.10 and newer on Linux, macOS and Windows (x64, arm64), with PyPI in reach "
            "or a mirror that pip is configured for."
        )
    try:
        aside.rename(folder)
    except OSError as problem:
        if not folder.is_dir():  # else another process was first
            raise SetupError(f"The dependencies cannot be put in place: {problem}") from problem


def fail(message: str) -> int:
    """Write the outputs and the annotation of a run that could not start, and return its exit status."""
    output = os.environ.get("GITHUB_OUTPUT")
    if output:
        with Path(output).open("a", encoding="utf-8", newline="\n") as file:
            file.write("verdict=error\nfindings=\nfloor=\nreport=\n")
    data = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    print(f"::error title=glibc-guard::{data}")
    return 2


def main() -> int:
    """Run the gate and return the exit status of the step."""
    temporary = Path(os.environ.get("RUNNER_TEMP") or tempfile.mkdtemp(prefix="glibc-guard."))
    folder = dependencies_folder(LOCK, temporary)
    if not folder.is_dir():
        try:
            install(LOCK, folder)
        except SetupError as problem:
            return fail(str(problem))
    sys.pycache_prefix = str(folder.parent / "pycache")  # nothing is written into the folder of the action
    sys.path[:0] = [str(ACTION / "src"), str(folder)]
    try:
        step = importlib.import_module(f"glibc_guard.github.{STEPS[os.environ.get('GLIBC_GUARD_STEP', '')]}")
    except ImportError as problem:
        return fail(f"The dependencies of glibc-guard in {folder} are damaged, delete that folder: {problem}")
    status: int = step.main()
    return status


if __name__ == "__main__":
    sys.exit(main())
