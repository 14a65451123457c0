"""Numbers with their units, as people read them."""

from __future__ import annotations


def size(number: int) -> str:
    """Return "512 bytes", "3.4 kB", "155.2 MB"; a kB is 1000 bytes, as package indexes count."""
    if abs(number) < 1000:
        return f"{number} {'byte' if abs(number) == 1 else 'bytes'}"
    value, unit = number / 1000, "kB"
    for larger in ("MB", "GB"):
        if abs(value) >= 999.95:
            value, unit = value / 1000, larger
    return f"{value:,.1f} {unit}"
