"""What npm installs for the tests: the packages of tests/node/package-lock.json, by hash."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from provisions import tools, unavailable

LOCK: Final = Path(__file__).resolve().parent / "node" / "package-lock.json"


def node_modules() -> Path:
    """Where scripts/install_tools.sh puts what package-lock.json names; without it the test fails in CI."""
    key = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    folder = tools() / f"node-{key}" / "node_modules"
    if not folder.is_dir():
        unavailable(f"the packages of npm are not installed: there is no {folder}; run scripts/install_tools.sh")
    return folder
