"""Builds the wheel and the source distribution of this checkout into a folder: the same bytes each time.

usage: build_release.py FOLDER. Needs the packages of scripts/release/requirements.txt.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]


class BuildError(Exception):
    """What was built is not what a release holds."""


def build(folder: Path) -> list[Path]:
    """Return the wheel and the source distribution of this checkout, in ``folder``; raises BuildError."""
    if folder.is_dir() and any(folder.iterdir()):
        raise BuildError(f"{folder}: is not empty; what lies there would be released with the rest")
    epoch = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607
    # The time of the commit is that of all files, so that anybody can build the same bytes.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch.stdout.strip()}
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"the build failed:\n{done.stdout}{done.stderr}")
    built = sorted(folder.iterdir())
    endings = ["".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix for path in built]
    if endings != [".whl", ".tar.gz"]:
        raise BuildError(f"one wheel and one source distribution were to be built, not {[path.name for path in built]}")
    return built


def main(folder: Path) -> int:
    """Build into ``folder`` and return the exit status."""
    try:
        build(folder)
    except BuildError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
