"""The report of ``fix`` for people: what was changed, what was not and why, what still fails."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from glibc_guard.model import Finding
from glibc_guard.repair import FixReport, Outcome, Refusal, Repair
from glibc_guard.report.grouping import Group, by_object, count, in_words
from glibc_guard.report.neutral import plain
from glibc_guard.report.printer import Printer, printer_for
from glibc_guard.report.spelling import first_findings, readable, spelled

OUTCOMES: Final[dict[Outcome, tuple[str, str]]] = {
    "fixed": ("FIXED", "bold green"),
    "partly fixed": ("PARTLY FIXED", "bold yellow"),
    "not fixed": ("NOT FIXED", "bold red"),
    "nothing to fix": ("NOTHING TO FIX", "bold green"),
}
BYTES_SHOWN: Final = 16  # of one change; the JSON report has all
SYMBOLS_SHOWN: Final = 20


def render(report: FixReport, *, color: bool, width: int | None) -> str:
    """Return the report; ``width`` in columns, None where lines must not be wrapped."""
    printer = printer_for(color=color, width=width)
    word, style = OUTCOMES[report.outcome]
    printer.line(word, style, f"  {plain(report.path)}{_whereto(report)}")
    objects = [*(one.object for one in report.repairs), *(one.object for one in report.refusals)]
    for path in dict.fromkeys(objects):
        printer.blank()
        printer.line(plain(path), "bold", indent=2)
        _repairs(printer, (one for one in report.repairs if one.object == path))
        _refusals(printer, (one for one in report.refusals if one.object == path))
    if report.remaining:
        _remaining(printer, report)
    for note in report.notes:
        printer.line("note: ", "cyan", plain(note), indent=2)
    printer.blank()
    groups = [group for found in by_object(report.remaining).values() for group in found]
    done, left = count(len(report.repairs), "repair"), in_words(groups, "finding") or "0 findings"
    fails = "fails" if left == "1 finding" else "fail"
    printer.line(f"{done}, {len(report.refusals)} refused; {left} left that {fails} the check", style)
    return printer.text()


def _whereto(report: FixReport) -> str:
    if report.output is not None:
        return f" → {plain(report.output)}"
    return "  (dry run: nothing is written)" if report.dry_run else "  (nothing is written)"


def _repairs(printer: Printer, repairs: Iterable[Repair]) -> None:
    for repair in repairs:
        _entry(printer, "repaired", "green", readable(repair.message), repair.rule)
        for change in repair.changes:
            replaced = f"{change.offset:#x}: {_hex(change.before)} → {_hex(change.after)}  "
            printer.block([(replaced, "default"), (plain(readable(change.what)), "dim")], 6)


def _refusals(printer: Printer, refusals: Iterable[Refusal]) -> None:
    for refusal in refusals:
        what = f"{refusal.version} of {refusal.library}: " if refusal.version else ""
        _entry(printer, "refused", "yellow", readable(f"{what}{refusal.reason}"), refusal.rule)


def _entry(printer: Printer, word: str, style: str, message: str, rule: str) -> None:
    printer.block([(f"{word} ", style), (plain(message), ""), (f"  [{rule}]", f"dim {style}")], 4)


def _remaining(printer: Printer, report: FixReport) -> None:
    printer.blank()
    printer.line("still fails", "bold", indent=2)
    for path, groups in by_object(report.remaining).items():
        where = f"{plain(path)}: " if path is not None else ""
        for group in groups:
            _entry(printer, group.severity, "red", f"{where}{_in_words(group)}", group.rule)


def _in_words(group: Group) -> str:
    if not group.is_about_symbols:
        more = f" (and {len(group.findings) - 1} more like this)" if len(group.findings) > 1 else ""
        return f"{readable(group.findings[0].message)}{more}"
    first = first_findings(group.findings, SYMBOLS_SHOWN)
    shown = ", ".join(map(_symbol, first))
    left = len(group.findings) - len(first)
    more = f" and {count(left, 'symbol')} more" if left > 0 else ""
    return f"{group.version} of {group.library}: {shown}{more}"


def _symbol(finding: Finding) -> str:
    return f"{spelled(finding.symbol or '')}{' (weak)' if finding.binding == 'weak' else ''}"


def _hex(text: str) -> str:
    shown = text[: 2 * BYTES_SHOWN]
    return f"{shown}… ({len(text) // 2} bytes)" if len(shown) < len(text) else shown
