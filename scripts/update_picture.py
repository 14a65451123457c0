"""Regenerates docs/images/matrix.svg, the picture in README: the sample as `glibc-guard demo --format svg` draws it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

PICTURE: Final = Path(__file__).parents[1] / "docs" / "images" / "matrix.svg"
DEMO: Final = [sys.executable, "-m", "glibc_guard", "demo", "--format", "svg"]
FINDINGS: Final = 1  # the exit status: the sample fails, as it must


def drawn() -> bytes:
    """Return the picture; ends where the demo does not judge its sample, with what it says."""
    demo = subprocess.run(DEMO, check=False, stdout=subprocess.PIPE)
    if demo.returncode != FINDINGS:
        sys.exit(f"{' '.join(DEMO)}: status {demo.returncode}, and not {FINDINGS}")
    return demo.stdout


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(drawn())
    print(f"written: {PICTURE.name}")
