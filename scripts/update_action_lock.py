"""Regenerates scripts/action/requirements.txt, what the Action installs, and proves it for every runner.

``--check`` proves the file as it is. Either way the package index is asked, nothing is installed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
LOCK: Final = Path("scripts/action/requirements.txt")
CONSTRAINTS: Final = Path("scripts/action/constraints.txt")

#: In the words of ``uv --python-platform``: the hosted runners, arm64 ones included, manylinux2014 images and Alpine.
PLATFORMS: Final = (
    "x86_64-manylinux2014",
    "aarch64-manylinux2014",
    "x86_64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
    "aarch64-pc-windows-msvc",
)
#: CPython for Windows on arm64 begins with 3.11.
NOT_RELEASED: Final = frozenset({("aarch64-pc-windows-msvc", "3.10")})
PYTHONS: Final = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")


def uv(*arguments: str) -> None:
    """Run uv in the project folder, without configuration files; raise CalledProcessError."""
    subprocess.run([sys.executable, "-m", "uv", "pip", *arguments, "--no-config", "--quiet"], check=True, cwd=ROOT)


def compile_lock() -> None:
    """Write the lock file."""
    uv(
        "compile", "pyproject.toml", "--extra", "github", "--universal", "--python-version", PYTHONS[0],
        "--generate-hashes", "--only-binary", ":all:", "--upgrade", "--constraints", str(CONSTRAINTS),
        "--custom-compile-command", "python scripts/update_action_lock.py", "--output-file", str(LOCK),
    )  # fmt: skip


def prove(platform: str, python: str) -> None:
    """Resolve the lock file to wheels as the Action does, for ``python`` on ``platform``."""
    with tempfile.TemporaryDirectory() as target:
        uv(
            "install", "--dry-run", "--target", target, "--no-deps", "--require-hashes", "--only-binary", ":all:",
            "--python-platform", platform, "--python-version", python, "--requirements", str(LOCK),
        )  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="prove the file as it is")
    if not parser.parse_args().check:
        compile_lock()
    for platform in PLATFORMS:
        for python in PYTHONS:
            if (platform, python) not in NOT_RELEASED:
                prove(platform, python)
                print(f"{platform} {python}: every package has a wheel")


if __name__ == "__main__":
    main()
