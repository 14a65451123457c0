"""Regenerates docs/symbols.md from the knowledge table and the symbol tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from glibc_guard.explain.knowledge import Family, filled, knowledge, numbers
from glibc_guard.report.neutral import markdown_code
from glibc_guard.targets.glibc import ARCHITECTURES

PAGE: Final = Path(__file__).parents[1] / "docs" / "symbols.md"
#: What the texts leave open, as a reader of a page has to fill it in.
WORDS: Final = {
    "symbol": "NAME",
    "plain": "PLAIN-NAME",
    "former": "FORMER-NAME",
    "formerly": "FORMER-NAME@ITS-VERSION",
    "older": "NAME@OLDER",
    "release": "RELEASE",
    "arch": "ARCHITECTURE",
    "image": "a manylinux image",
    "zig": "x86_64-linux-gnu.RELEASE",
    "rust": "x86_64-unknown-linux-gnu.RELEASE",
}
KINDS: Final = {
    "new": "New with",
    "changed": "A new version of older symbols:",
    "moved": "Moved to another library, under",
    "runtime": "Of the compiler's libraries, or libmvec:",
    "mark": "A version that no symbol carries:",
}
HEAD: Final = """# Symbols that come up

What `glibc-guard explain` knows beyond the symbol tables, which tell since when and on which architectures:
`glibc-guard explain NAME` puts both together, and fills in what is in capitals here. See [explain](explain.md).

This page is made by `scripts/update_symbol_guide.py` from `scripts/advice.toml`.

"""


def guide() -> str:
    """Return the page."""
    families = sorted(knowledge().families, key=_rank)
    return HEAD + _remedies() + "\n".join(_family(family) for family in families)


def _rank(family: Family) -> tuple[bool, tuple[int, ...], str]:
    """The newest of glibc first, then those of any version, then the compiler's libraries."""
    version = (family.version or "").removeprefix("GLIBC_")
    return family.kind in {"runtime", "mark"}, tuple(-number for number in numbers(version)) or (0,), family.name


def _remedies() -> str:
    named = "".join(f"| {name} | {_text(text)} |\n" for name, text in knowledge().remedies.items())
    return f"## Remedies that have a name\n\n| name | remedy |\n|---|---|\n{named}\n"


def _family(family: Family) -> str:
    return "\n".join((*_lines(family), ""))


def _lines(family: Family) -> Iterator[str]:
    yield f"## {_escaped(family.title)}"
    yield ""
    since = f"{KINDS[family.kind]} {markdown_code(family.version)}" if family.version else "Of several versions"
    yield f"{since}{', on ' + ', '.join(_architectures(family)) if family.except_ else ''}."
    if family.symbols:
        yield from ("", f"Symbols: {', '.join(map(markdown_code, family.symbols))}")
    yield from ("", _text(family.what) + (f" The older version {_text(family.differs)}." if family.differs else ""))
    yield ""
    named = knowledge().remedies
    yield from (f"1. {f'*{text}*' if text in named else _text(text)}" for text in family.remedies)
    for one in family.bound:
        where = ", ".join([*map(_escaped, one.on)])
        which = f" for {', '.join(map(markdown_code, one.symbols))}" if one.symbols else ""
        yield f"1. On {where}{which}: {_text(one.remedy)}"
    yield from ("", f"Sources: {'; '.join(map(_escaped, family.sources))}.")


def _architectures(family: Family) -> list[str]:
    return [_escaped(arch) for arch in ARCHITECTURES if arch not in family.except_]


def _text(text: str) -> str:
    return _escaped(filled(text, WORDS))


def _escaped(text: str) -> str:
    """Only what means something in Markdown: the texts are our own, and are read as a file too."""
    return re.sub(r"([\\`*_<\[|])", r"\\\1", text)


if __name__ == "__main__":
    PAGE.write_text(guide(), encoding="utf-8")
    print(f"written: {PAGE.name}")
