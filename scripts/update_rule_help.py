"""Regenerates src/glibc_guard/data/rule_help.json, what a reader is told of each rule, from the pages in docs/rules."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = ROOT / "docs" / "rules"
SECTIONS: Final = ("What it means", "Why", "How to fix")
PROJECT: Final = "https://github.com/org/glibc-guard/blob/main/docs"


def rule_help(page: str) -> str:
    """Return the sections of ``page`` that say what a finding means and what to do, with links that work anywhere."""
    parts = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    text = "\n\n".join(f"## {name}\n\n{_shown(parts[name])}" for name in SECTIONS)
    text = re.sub(r"\]\(\.\./(?!\.)([^)\s]+)\)", rf"]({PROJECT}/\1)", text)
    text = re.sub(r"\]\(\.\./\.\./([^)\s]+)\)", rf"]({PROJECT.removesuffix('docs')}\1)", text)
    return re.sub(r"\]\(([\w-]+\.md(?:#[\w-]+)?)\)", rf"]({PROJECT}/rules/\1)", text)


def _shown(section: str) -> str:
    """Leave out the comments that are for the tests."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"<!--.*?-->", "", section, flags=re.DOTALL)).strip()


def document() -> dict[str, str]:
    """Return rule → help, for every page."""
    pages = sorted(path for path in PAGES.glob("*.md") if path.name != "README.md")
    return {path.stem: rule_help(path.read_text(encoding="utf-8")) for path in pages}


if __name__ == "__main__":
    target = ROOT / "src" / "glibc_guard" / "data" / "rule_help.json"
    target.write_text(json.dumps(document(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written: {target.name}")
