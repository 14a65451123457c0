"""Globs for paths inside artifacts and for symbol names: ``*`` and ``?`` within a folder, ``**`` across folders."""

from __future__ import annotations

import functools
import re
from typing import Final

WILDCARDS: Final = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def glob_matches(pattern: str, text: str) -> bool:
    """Tell whether the whole of ``text`` matches ``pattern``."""
    return _compiled(pattern).fullmatch(text) is not None


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return re.compile("".join(WILDCARDS.get(part) or re.escape(part) for part in parts), re.DOTALL)
