"""The compatibility matrix as a picture (SVG), for a README or a page: nothing in it comes from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from glibc_guard.model import Report
from glibc_guard.report.grouping import percent, summary_line
from glibc_guard.report.matrix import Cell, Matrix, Row, of_report
from glibc_guard.report.neutral import plain

CELL: Final = 18  # pixels, as all lengths here
LABEL_CHARACTERS: Final = 44
CHARACTER: Final = 7.1  # the width of most characters at the size of the text
HEADER: Final = 142  # for the names of the distributions, which stand upright
TOP: Final = 30
REACH: Final = 76
CLASSES: Final[dict[Cell, str]] = {
    "loads": "yes",
    "refused": "no",
    "not promised": "beyond",
    "no such architecture": "none",
}
STYLE: Final = """
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 13px }
.quiet { fill: #59636e } .bad { fill: #cf222e }
.yes { fill: #1a7f37 } .no { fill: #cf222e } .beyond { fill: #d1d9e0 } .none { fill: none; stroke: #d1d9e0 }
.mark { stroke: #fff; fill: none; stroke-width: 1.8; stroke-linecap: round }
.mark.beyond { stroke: #59636e; fill: none }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .quiet { fill: #9198a1 } .bad { fill: #ff7b72 }
  .yes { fill: #2ea043 } .no { fill: #da3633 } .beyond { fill: #3d444d } .none { stroke: #3d444d }
  .mark.beyond { stroke: #9198a1 }
}
"""


def render(report: Report) -> str:
    """Return the picture of ``report``; without any native code it is the one line that says so."""
    matrix = of_report(report)
    label = min(LABEL_CHARACTERS, max((len(_label(row)) for row in matrix.rows), default=0)) * CHARACTER + 16
    width = max(label + len(matrix.columns) * CELL + REACH, 360)
    height = TOP + (HEADER + len(matrix.rows) * CELL + 12 if matrix.rows else 8)
    title = f"glibc-guard: {summary_line(report.artifacts)}"
    drawn = "\n".join(_drawn(matrix, label)) if matrix.rows else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        f'viewBox="0 0 {width:.0f} {height}" role="img" aria-label={quoteattr(plain(_in_words(report, matrix)))}>\n'
        f"<title>{escape(plain(title))}</title>\n<style>{STYLE}</style>\n"
        f'<text class="title" x="8" y="20">{escape(plain(title))}</text>\n{drawn}\n</svg>\n'
    )


def _in_words(report: Report, matrix: Matrix) -> str:
    """Return what the picture shows, for those who do not see it."""
    refused = {
        matrix.columns[place].name for row in matrix.rows for place, cell in enumerate(row.cells) if cell == "refused"
    }
    names = [column.name for column in matrix.columns if column.name in refused]
    where = f"does not load on {', '.join(names)}" if names else "loads on every distribution that is promised"
    return f"{summary_line(report.artifacts)}: {where}" if matrix.rows else summary_line(report.artifacts)


def _drawn(matrix: Matrix, label: float) -> Iterator[str]:
    bottom = TOP + HEADER
    for place, column in enumerate(matrix.columns):
        x = label + place * CELL + CELL / 2 + 4
        yield (
            f'<text transform="translate({x:.1f} {bottom - 8}) rotate(-60)">{escape(plain(column.short_name))} '
            f'<tspan class="quiet">{escape(column.glibc)}</tspan></text>'
        )
    for number, row in enumerate(matrix.rows):
        yield from _row(row, label, bottom + number * CELL)


def _row(row: Row, label: float, y: float) -> Iterator[str]:
    kind = ' class="bad"' if row.errors else ""
    yield f'<text{kind} x="8" y="{y + 13}"><title>{escape(plain(row.name))}</title>{escape(_label(row))}</text>'
    for place, cell in enumerate(row.cells):
        yield _cell(cell, label + place * CELL, y)
    if row.reach is not None:
        x = label + len(row.cells) * CELL + 6
        yield f'<text class="quiet" x="{x:.1f}" y="{y + 13}">{percent(row.reach)}</text>'


def _cell(cell: Cell, x: float, y: float) -> str:
    kind = CLASSES[cell]
    box = f'<rect class="{kind}" x="{x + 1:.1f}" y="{y + 1}" width="{CELL - 2}" height="{CELL - 2}" rx="3"/>'
    marks = {
        "yes": f"M{x + 5:.1f} {y + 9.5}l2.6 3l5-6.5",
        "no": f"M{x + 6:.1f} {y + 6}l6 6m0-6l-6 6",
        "beyond": f"M{x + 6:.1f} {y + 9}h6",
    }
    return f'{box}<path class="mark {kind}" d="{marks[kind]}"/>' if kind in marks else box


def _label(row: Row) -> str:
    """Return the name, of a long one its ends: the project is at the one, the platform or the file at the other."""
    text = plain(row.name) if row.stands_for == 1 else f"{row.name} ({row.stands_for:,})"
    half = LABEL_CHARACTERS // 2
    return text if len(text) <= LABEL_CHARACTERS else f"{text[: half - 1]}…{text[-half:]}"
