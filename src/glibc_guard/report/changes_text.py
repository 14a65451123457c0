"""What `diff` prints for people: the artifact as a whole, then its objects; + is new, - is gone."""

from __future__ import annotations

from rich.text import Text

from glibc_guard.model import ArtifactReport, Changes, Finding, Report
from glibc_guard.report import changes as arranged
from glibc_guard.report.changes import Alike
from glibc_guard.report.grouping import count
from glibc_guard.report.neutral import plain
from glibc_guard.report.printer import Printer
from glibc_guard.report.spelling import readable
from glibc_guard.sizes import size_in_words

OBJECTS_SHOWN = 5  # of those that changed alike, or in size alone
LONGEST = 100_000  # characters of a list of symbols: here all of them are shown
MARKS = {"+": "green", "-": "red"}


def render(report: Report, *, color: bool, width: int | None) -> str:
    """Return what changed; ``width`` in columns, None where lines must not be wrapped."""
    printer = Printer(color=color, width=width)
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
        printer.line("since ", "dim", plain(changes.baseline))
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
    lines = [(Text(plain(label), "dim"), Text(plain(value, LONGEST))) for label, value in found]
    for mark, libraries in (("+", changes.libraries_added), ("-", changes.libraries_gone)):
        if libraries:
            value = Text(f"{mark} ", MARKS[mark]).append(plain(", ".join(libraries), LONGEST), "default")
            lines.append((Text("libraries", "dim"), value))
    if lines:
        printer.blank()
        printer.columns(lines, 2)


def _objects(printer: Printer, changes: Changes) -> None:
    same = arranged.of_another_size(changes)
    if changes.objects_added or changes.objects_gone:
        printer.blank()
    for mark, entries in (("+", changes.objects_added), ("-", changes.objects_gone)):
        for entry in entries:
            line = Text(f"{mark} ", MARKS[mark]).append(plain(entry.path), "bold default")
            printer.block(line.append(f"  {size_in_words(entry.size)}", "not bold default"), 2)
    for group in arranged.alike(changes):
        printer.blank()
        _group(printer, group)
    if same:
        printer.blank()
        head = f"{count(len(same), 'object')} of another size alone, {arranged.growth(same)} together"
        printer.line("", "", head, indent=2)
        shown = [(Text(plain(item.path)), Text(arranged.size_change(item), "dim")) for item in same[:OBJECTS_SHOWN]]
        more = len(same) - OBJECTS_SHOWN
        printer.columns([*shown, *([(Text(f"and {more:,} more", "dim"), Text(""))] if more > 0 else [])], 4)


def _group(printer: Printer, group: Alike) -> None:
    for item in group.objects[:OBJECTS_SHOWN]:
        line = Text(plain(item.path), "bold")
        line.append(f"  {arranged.size_change(item)}", "not bold default")
        printer.block(line, 2)
        if item.moved:
            printer.line("moved, was ", "yellow", plain(item.path_before), indent=4)
    more = len(group.objects) - OBJECTS_SHOWN
    if more > 0:
        printer.line(f"and {more:,} more with the same changes", "dim", indent=2)
    if group.floor:
        printer.line("needs ", "dim", plain(arranged.floor_in_words(group.floor)), indent=4)
    lines = [
        (Text(f"{mark} {plain(what)}", MARKS[mark]), Text(plain(names, LONGEST)))
        for mark, entries in (("+", group.added), ("-", group.gone))
        for what, names in entries
    ]
    if lines:
        printer.columns(lines, 4)


def _unread(printer: Printer, finding: Finding) -> None:
    head = "" if finding.rule == "baseline-missing" else "unreadable: "
    place = "" if finding.object is None else f"{plain(finding.object)}: "
    printer.line(head, "magenta", f"{place}{plain(readable(finding.message))}", indent=2)
