"""Regenerates docs/images/matrix.svg, the picture in README: the sample as `glibc-guard demo --format svg` draws it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

PICTURE: Final = Path(__file__).parents[1] / "docs" / "images" / "matrix.svg"
DEMO: Final = [sys.executable, "-m", "glibc_guard", "demo", "--format", "svg"]


def drawn() -> bytes:
    """Return the picture; the demo fails, as it must."""
    return subprocess.run(DEMO, check=False, capture_output=True).stdout


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(drawn())
    print(f"written: {PICTURE.name}")
