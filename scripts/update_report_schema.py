"""Regenerates src/glibc_guard/data/report.schema.json from the dataclasses in model.py."""

from __future__ import annotations

import json
from pathlib import Path

from glibc_guard.report.json import schema

if __name__ == "__main__":
    path = Path(__file__).parents[1] / "src" / "glibc_guard" / "data" / "report.schema.json"
    path.write_text(json.dumps(schema(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"written: {path.name}")
