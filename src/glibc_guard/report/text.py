"""The report for people, on a terminal or in a job's log: verdict first, then what is wrong, object by object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from glibc_guard.model import NOT_LOADED, ArtifactReport, Finding, Report, Severity, Verdict
from glibc_guard.report.changes import baseline_name, headline
from glibc_guard.report.grouping import (
    Group,
    by_object,
    count,
    floor_in_words,
    lost,
    percent,
    promise_in_words,
    summary_line,
)
from glibc_guard.report.neutral import plain
from glibc_guard.report.printer import Line, Printer, printer_for
from glibc_guard.report.remedies import Remedies
from glibc_guard.report.sites import SHOWN, in_words, named, places_in_all, uses_of
from glibc_guard.report.spelling import first_findings, readable, spelled

VERDICTS: Final[dict[Verdict, tuple[str, str]]] = {
    "pass": ("PASS", "bold green"),
    "fail": ("FAIL", "bold red"),
    "unreadable": ("UNREADABLE", "bold magenta"),
}
SYMBOLS_SHOWN: Final = 200
LONGEST_SITE: Final = 240  # characters
SEVERITY_STYLES: Final[dict[Severity, str]] = {"error": "red", "warning": "yellow", "note": "cyan"}


def render(report: Report, *, color: bool, width: int | None, failing_only: bool = False) -> str:
    """Return the report of ``check``, what passes first: the end is what a terminal shows.

    Args:
        report: What was found.
        color: Whether to mark words for a terminal.
        width: In columns; None where lines must not be wrapped.
        failing_only: Leave out what passes, except from the sentence over all.
    """
    printer = printer_for(color=color, width=width)
    for artifact in sorted(report.artifacts, key=lambda one: one.verdict != "pass"):
        if artifact.verdict != "pass" or not failing_only:
            _artifact(printer, artifact)
    for note in report.notes:
        printer.line("note: ", "cyan", plain(note))
    printer.line(summary_line(report.artifacts), VERDICTS[report.verdict][1])
    return printer.text()


def render_needs(report: Report, *, color: bool, width: int | None) -> str:
    """Return what ``show`` prints: what each artifact needs and where it runs, without a judgement."""
    printer = printer_for(color=color, width=width)
    for artifact in report.artifacts:
        printer.line(plain(artifact.path), "bold")
        _facts(printer, artifact)
        for item in artifact.objects:
            kind = f"{item.arch} {item.kind}"
            printer.line(plain(item.path), "bold", f"  {kind}", indent=2)
            if item.kind not in NOT_LOADED:
                _wrapped(printer, "needs", floor_in_words(item.floor) or "nothing of the system", indent=4)
                _wrapped(printer, "from", ", ".join(map(plain, item.needed)) or "no library", indent=4)
        _distributions(printer, artifact)
        for finding in artifact.findings:
            if finding.rule in {"unreadable", "nothing-to-check"}:
                _single(printer, finding)
        printer.blank()
    return printer.text()


def _artifact(printer: Printer, artifact: ArtifactReport) -> None:
    word, style = VERDICTS[artifact.verdict]
    printer.line(word, style, f"  {plain(artifact.path)}")
    _facts(printer, artifact)
    found = by_object(artifact.findings)
    remedies = Remedies([group for groups in found.values() for group in groups])
    for path, groups in found.items():
        printer.blank()
        printer.line(plain(path) if path is not None else "the artifact as a whole", "bold", indent=2)
        for group in groups:
            _group(printer, group, remedies)
    if remedies.shared:
        printer.blank()
    for shared in remedies.shared:
        _wrapped(printer, plain(shared.head), plain(shared.text), indent=2)
    if artifact.verdict != "pass" and lost(artifact.runs_on):
        _distributions(printer, artifact)
    for entry in artifact.ignored:
        until = f" until {entry.until}" if entry.until else ""
        said = f"{_said(entry.finding)} ({plain(entry.reason)})"
        printer.block([(f"ignored{until}: ", "dim"), (said, "dim")], 2)
    printer.blank()


def _facts(printer: Printer, artifact: ArtifactReport) -> None:
    for target in artifact.targets:
        _wrapped(printer, "promised", f"{target.name} ({target.origin}): {promise_in_words(target)}", indent=2)
    if artifact.floor:
        _wrapped(printer, "needs", floor_in_words(artifact.floor), indent=2)
    covered = artifact.coverage
    looked_at = f"{count(covered.elf, 'ELF object')} in {count(covered.members, 'file')}"
    _wrapped(printer, "looked at", looked_at + (f", {covered.unread} unread" if covered.unread else ""), indent=2)
    if artifact.changes is not None:
        former = plain(baseline_name(artifact.changes))
        _wrapped(printer, f"since {former}", plain(headline(artifact.changes)), indent=2)
    for note in artifact.notes:
        _wrapped(printer, "note", plain(note), indent=2)


def _group(printer: Printer, group: Group, remedies: Remedies) -> None:
    if group.is_about_symbols:
        _head(printer, group)
    else:
        for finding in group.in_full:
            _message(printer, finding)
        if group.in_brief:
            text = f"{len(group.in_brief)} more like these: {_symbols(group.in_brief)}"
            _about(printer, group.severity, [(text, "")], group.rule)
    _sites(printer, group.findings)
    for label, line in remedies.own(group):
        _wrapped(printer, label, plain(line), indent=6)


def _head(printer: Printer, group: Group) -> None:
    library = f" of {plain(group.library)}" if group.library else ""
    version = (f"{plain(group.version or '')}{library}  ", "bold")
    _about(printer, group.severity, [version, (_symbols(group.findings), "")], group.rule)


def _sites(printer: Printer, findings: Sequence[Finding]) -> None:
    uses = uses_of(findings)
    for use in uses[:SHOWN]:
        symbols = ", ".join(map(plain, named(use)))
        what = f" ({symbols})" if symbols else ""
        _wrapped(printer, "used by", f"{plain(in_words(use.site), LONGEST_SITE)}{what}", indent=6)
    if len(uses) > SHOWN:
        _wrapped(printer, "used at", count(places_in_all(findings), "place"), indent=6)


def _about(printer: Printer, severity: Severity, line: Line, rule: str) -> None:
    style = SEVERITY_STYLES[severity]
    printer.block([(f"{severity} ", style), *line, (f"  [{rule}]", f"dim {style}")], 4)


def _message(printer: Printer, finding: Finding) -> None:
    _about(printer, finding.severity, [(_said(finding), "")], finding.rule)


def _said(finding: Finding) -> str:
    return plain(readable(finding.message))


def _single(printer: Printer, finding: Finding) -> None:
    _message(printer, finding)
    if finding.hint:
        _wrapped(printer, "fix", plain(finding.hint), indent=6)


def _symbols(findings: Sequence[Finding]) -> str:
    first = first_findings(findings, SYMBOLS_SHOWN)
    names = [*map(_symbol, first)]
    shown = ("; " if any(", " in name for name in names) else ", ").join(names)
    more = len(findings) - len(first)
    return shown + (f" and {count(more, 'symbol')} more (the JSON report has all)" if more > 0 else "")


def _symbol(finding: Finding) -> str:
    return f"{plain(spelled(finding.symbol or ''))}{' (weak)' if finding.binding == 'weak' else ''}"


def _distributions(printer: Printer, artifact: ArtifactReport) -> None:
    names = lost(artifact.runs_on)
    if names:
        printer.blank()
        _wrapped(printer, "does not load on", ", ".join(names), indent=2)
        if artifact.downloads_lost:
            share = f"{percent(artifact.downloads_lost)} of x86_64 package downloads come from older systems"
            _wrapped(printer, "reach lost", share, indent=2)
    elif artifact.runs_on:
        _wrapped(printer, "version needs met by", "every distribution in the table", indent=2)


def _wrapped(printer: Printer, label: str, value: str, *, indent: int) -> None:
    printer.block([(f"{label}: ", "dim"), (value, "")], indent)
