"""What `diff` prints for people: the artifact as a whole, then its objects; + is new, - is gone."""

from __future__ import annotations

from glibc_guard.model import ArtifactReport, Changes, Finding, Report
from glibc_guard.report import changes as arranged
from glibc_guard.report.changes import Alike
from glibc_guard.report.grouping import count
from glibc_guard.report.neutral import plain
from glibc_guard.report.printer import Line, Printer, printer_for
from glibc_guard.report.spelling import readable
from glibc_guard.sizes import size_in_words

OBJECTS_SHOWN = 5  # of those that changed alike, or in size alone
LONGEST = 100_000  # characters of a list of symbols: here all of them are shown
MARKS = {"+": "green", "-": "red"}


def render(report: Report, *, color: bool, width: int | None) -> str:
    """Return what changed; ``width`` in columns, None where lines must not be wrapped."""
    printer = printer_for(color=color, width=width)
    for number, artifact in enumerate(report.artifacts):
        if number:
            printer.blank()
        _artifact(printer, artifact)
    for note in report.notes:
        printer.line("note: ", "cyan", plain(note))
    return printer.text()


def _artifact(printer: Printer, artifact: ArtifactReport) -> None:
    printer.line(plain(artifact.path), "bold")
    changes = artifact.changes
    if changes is not None:
        printer.block([("since ", "dim"), (plain(changes.baseline), "dim")], 0)
        if arranged.is_empty(changes):
            printer.line("nothing changed", indent=2)
        else:
            _whole(printer, changes)
            _objects(printer, changes)
    for note in artifact.notes:
        printer.line("note: ", "cyan", plain(note), indent=2)
    for finding in artifact.findings:
        if finding.rule in arranged.NOT_COMPARED:
            _unread(printer, finding)


def _whole(printer: Printer, changes: Changes) -> None:
    found = [(row.label, f"{row.before} → {row.after}") for row in arranged.rows(changes)]
    found += arranged.distributions(changes)
    lines: list[tuple[Line, Line]] = [
        ([(plain(label), "dim")], [(plain(value, LONGEST), "")]) for label, value in found
    ]
    for mark, libraries in (("+", changes.libraries_added), ("-", changes.libraries_gone)):
        if libraries:
            names = plain(", ".join(libraries), LONGEST)
            lines.append(([("libraries", "dim")], [(f"{mark} ", MARKS[mark]), (names, "")]))
    if lines:
        printer.blank()
        printer.columns(lines, 2)


def _objects(printer: Printer, changes: Changes) -> None:
    same = arranged.of_another_size(changes)
    if changes.objects_added or changes.objects_gone:
        printer.blank()
    for mark, entries in (("+", changes.objects_added), ("-", changes.objects_gone)):
        for entry in entries:
            size = (f"  {size_in_words(entry.size)}", "")
            printer.block([(f"{mark} ", MARKS[mark]), (plain(entry.path), "bold"), size], 2)
    for group in arranged.alike(changes):
        printer.blank()
        _group(printer, group)
    if same:
        printer.blank()
        head = f"{count(len(same), 'object')} of another size alone, {arranged.growth(same)} together"
        printer.line("", "", head, indent=2)
        shown = [([(plain(item.path), "")], [(arranged.size_change(item), "dim")]) for item in same[:OBJECTS_SHOWN]]
        more = len(same) - OBJECTS_SHOWN
        printer.columns([*shown, *([([(f"and {more:,} more", "dim")], [("", "")])] if more > 0 else [])], 4)


def _group(printer: Printer, group: Alike) -> None:
    for item in group.objects[:OBJECTS_SHOWN]:
        printer.line(plain(item.path), "bold", f"  {arranged.size_change(item)}", indent=2)
        if item.moved:
            printer.line("moved, was ", "yellow", plain(item.path_before), indent=4)
    more = len(group.objects) - OBJECTS_SHOWN
    if more > 0:
        printer.line(f"and {more:,} more with the same changes", "dim", indent=2)
    if group.floor:
        floor = plain(arranged.floor_in_words(group.floor))
        printer.block([("needs ", "dim"), (floor, "dim")], 4)
    lines = [
        ([(f"{mark} {plain(what)}", MARKS[mark])], [(plain(names, LONGEST), "")])
        for mark, entries in (("+", group.added), ("-", group.gone))
        for what, names in entries
    ]
    if lines:
        printer.columns(lines, 4)


def _unread(printer: Printer, finding: Finding) -> None:
    head = "" if finding.rule == "baseline-missing" else "unreadable: "
    place = "" if finding.object is None else f"{plain(finding.object)}: "
    printer.line(head, "magenta", f"{place}{plain(readable(finding.message))}", indent=2)
