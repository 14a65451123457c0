"""Regenerates src/glibc_guard/data/advice.json from scripts/advice.toml, since TOML takes far longer to read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from glibc_guard.explain.knowledge import Knowledge

SOURCE: Final = Path(__file__).parent / "advice.toml"
TABLE: Final = Path(__file__).parents[1] / "src" / "glibc_guard" / "data" / "advice.json"


def document() -> bytes:
    """Return the table as JSON; raises msgspec.ValidationError where a field is unknown, missing or of another type."""
    written = msgspec.toml.decode(SOURCE.read_bytes())
    msgspec.convert(written, Knowledge)
    return msgspec.json.format(msgspec.json.encode(written), indent=1) + b"\n"


if __name__ == "__main__":
    TABLE.write_bytes(document())
    print(f"written: {TABLE.name}")
