"""A page as a real browser sees it: Debian's Chromium without a screen, by Playwright's core."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from e2e.conftest import tool
from node_tools import node_modules

DRIVER: Final = Path(__file__).with_name("browser.mjs")


@dataclass(frozen=True)
class Seen:
    """What the browser saw of one page."""

    requests: list[str]
    messages: list[str]
    dialogs: list[str]
    results: list[Any]


def look(page: Path | str, *steps: tuple[str, object], **how: object) -> Seen:
    """Open ``page``, a file or an address, and take ``steps`` (see browser.mjs)."""
    task = {"page": str(page), "steps": steps, **how}
    done = subprocess.run(
        [tool("node"), DRIVER, node_modules(), tool("chromium")],
        input=json.dumps([task]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (seen,) = json.loads(done.stdout)
    return Seen(seen["requests"], seen["messages"], seen["dialogs"], seen["results"])
