"""Sizes as people write them: "60 MB" (10^6 bytes each), "60 MiB" (2^20 bytes each), or a number of bytes."""

from __future__ import annotations

import re
from typing import Final

SIZE: Final = re.compile(r"(?P<number>\d{1,18}(?:\.\d{1,9})?)\s*(?P<unit>(?:[kmgt]i?)?b)?", re.IGNORECASE | re.ASCII)
UNITS: Final = ("", "k", "M", "G", "T")


def size_in_bytes(text: str) -> int:
    """Return how many bytes ``text`` stands for; raises ValueError where it is no size, or none at all."""
    match = SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text}" is no size: write "60 MB", "60 MiB" or a number of bytes')
    unit = (match["unit"] or "").lower().removesuffix("b")
    power = [*map(str.lower, UNITS)].index(unit.removesuffix("i"))
    base: int = 1024 if unit.endswith("i") else 1000
    size = round(float(match["number"]) * float(base**power))
    if size <= 0:
        raise ValueError(f'"{text}" is no limit that a file could keep: write "60 MB", "60 MiB" or a number of bytes')
    return size


def size_in_words(size: int, *, binary: bool = False) -> str:
    """Return ``size``, in bytes, as "155.0 MB", or with ``binary`` as "147.8 MiB"."""
    base = 1024 if binary else 1000
    if size < base:
        return f"{size} byte{'' if size == 1 else 's'}"
    power = next((power for power in (1, 2, 3) if round(size / base**power, 1) < base), 4)
    unit = f"{UNITS[power].upper()}i" if binary else UNITS[power]
    return f"{size / base**power:,.1f} {unit}B"


def is_binary(size: int) -> bool:
    """Tell whether ``size`` was likely meant in KiB or MiB: it is a multiple of those, and not of 1000."""
    return size % 1024 == 0 and size % 1000 != 0
