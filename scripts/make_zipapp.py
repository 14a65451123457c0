"""Makes glibc-guard.pyz, one file that any CPython of this release runs on this kind of machine, by shiv.

What glibc-guard needs is in it, of the very files that the Action installs (their hashes are held). Some of that is
compiled, and a compiled module cannot be loaded out of an archive: the file unpacks itself once, into ~/.shiv or
$SHIV_ROOT, and it fits the release of CPython and the platform that it was made with, not others.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
LOCK: Final = ROOT / "scripts" / "action" / "requirements.txt"


def run(*command: str | Path) -> None:
    """Run a module of this Python in the project folder; raises CalledProcessError."""
    subprocess.run([sys.executable, "-m", *map(str, command)], check=True, cwd=ROOT)


def make(output: Path) -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, packages = Path(folder, "requirements.txt"), Path(folder, "packages")
        # What the Action needs beyond the command line, PyGithub above all, stays out.
        run(
            "uv", "pip", "compile", "--quiet", "--no-config", "--generate-hashes", "--no-header", "--no-annotate",
            "--constraints", LOCK, "--output-file", wanted, "pyproject.toml",
        )  # fmt: skip
        run(
            "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes",
            "--only-binary", ":all:", "--target", packages, "--requirement", wanted,
        )  # fmt: skip
        run("pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", packages, ROOT)
        run(
            "shiv", "--site-packages", packages, "--entry-point", "glibc_guard.cli:main", "--compressed",
            "--reproducible", "--python", "/usr/bin/env python3", "--output-file", output,
        )  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", nargs="?", type=Path, default=Path("glibc-guard.pyz"))
    options = parser.parse_args()
    make(options.output.absolute())
    print(f"written: {options.output} ({options.output.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
