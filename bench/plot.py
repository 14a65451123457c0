"""Draws points and a line from the origin through the last of them: what grows linearly lies on the line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH, HEIGHT, MARGIN = 320, 200, 48  # pixels: of the area of a panel, and around it
FONT: Final = 'font-family="sans-serif" font-size="11" fill="#57606a"'


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram: amounts to the right, seconds upward."""

    title: str
    unit: str
    points: Sequence[tuple[float, float]]


def drawn(*panels: Panel) -> str:
    """Return an SVG of ``panels`` side by side."""
    width, height = len(panels) * (WIDTH + 2 * MARGIN), HEIGHT + 2 * MARGIN
    body = "\n".join(line for number, panel in enumerate(panels) for line in _panel(panel, number))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return f'{head}\n<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'


def _panel(panel: Panel, number: int) -> Iterator[str]:
    left, bottom = MARGIN + number * (WIDTH + 2 * MARGIN), MARGIN + HEIGHT
    last, slowest = panel.points[-1][0], max(seconds for _, seconds in panel.points)
    places = [(left + WIDTH * x / last, bottom - HEIGHT * y / slowest) for x, y in panel.points]
    yield f'<text x="{left}" y="{MARGIN - 16}" {FONT} font-weight="bold">{escape(panel.title)}: seconds</text>'
    yield f'<path d="M{left} {MARGIN}V{bottom}H{left + WIDTH}" fill="none" stroke="#8c959f"/>'
    yield f'<path d="M{left} {bottom}L{places[-1][0]:.1f} {places[-1][1]:.1f}" stroke="#8c959f" stroke-dasharray="4"/>'
    for (amount, seconds), (x, y) in zip(panel.points, places, strict=True):
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#0969da"/>'
        yield f'<text x="{x:.1f}" y="{y - 8:.1f}" {FONT} text-anchor="end">{seconds:.2f}</text>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" {FONT} text-anchor="middle">{amount:,.0f}</text>'
    yield f'<text x="{left + WIDTH}" y="{bottom + 34}" {FONT} text-anchor="end">{escape(panel.unit)}</text>'
