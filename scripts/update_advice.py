"""Regenerates src/glibc_guard/data/advice.json from scripts/advice.toml, since TOML takes ten times as long to read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from glibc_guard.explain.knowledge import Knowledge

SOURCE: Final = Path(__file__).parent / "advice.toml"
TABLE: Final = Path(__file__).parents[1] / "src" / "glibc_guard" / "data" / "advice.json"


def document() -> bytes:
    """Return the table as JSON; raises msgspec.DecodeError where a field is unknown, missing or of another type."""
    known = msgspec.toml.decode(SOURCE.read_bytes(), type=Knowledge)
    return msgspec.json.format(msgspec.json.encode(known), indent=1) + b"\n"


if __name__ == "__main__":
    TABLE.write_bytes(document())
    print(f"written: {TABLE.name}")
