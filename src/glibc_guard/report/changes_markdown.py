"""What `diff` gives as GitHub's Markdown: a table of before and after, then the objects."""

from __future__ import annotations

from collections.abc import Iterator

from glibc_guard.model import ArtifactReport, Changes, Report
from glibc_guard.report import changes as arranged
from glibc_guard.report.changes import Alike
from glibc_guard.report.grouping import count
from glibc_guard.report.markdown import cut_in_time
from glibc_guard.report.neutral import markdown, markdown_code
from glibc_guard.report.spelling import readable
from glibc_guard.sizes import size_in_words

OBJECTS_SHOWN = 5
LONGEST = 4_000  # characters of a list of symbols


def render(report: Report, *, limit: int = 65_535) -> str:
    """Return the changes in at most ``limit`` bytes of UTF-8; what does not fit is left out and said to be."""
    return cut_in_time(_blocks(report), limit)


def _blocks(report: Report) -> Iterator[str]:
    for artifact in report.artifacts:
        yield from blocks(artifact)
    for note in report.notes:
        yield f"\n- {markdown(note)}\n"


def blocks(artifact: ArtifactReport) -> Iterator[str]:
    """Yield pieces about one artifact that are valid Markdown wherever the text is cut between them."""
    yield f"### {markdown_code(artifact.path)}\n\n"
    changes = artifact.changes
    if changes is not None:
        yield f"Since {markdown_code(changes.baseline)}"
        yield ": nothing changed.\n\n" if arranged.is_empty(changes) else ".\n\n"
        yield _table(changes)
        yield from _whole(changes)
        yield from _objects(changes)
    for note in artifact.notes:
        yield f"Note: {markdown(note)}\n\n"
    for finding in artifact.findings:
        if finding.rule in arranged.NOT_COMPARED:
            place = "" if finding.object is None else f"{markdown_code(finding.object)}: "
            yield f"⚠️ {place}{markdown(readable(finding.message))}\n\n"


def _table(changes: Changes) -> str:
    rows = arranged.rows(changes)
    if not rows:
        return ""
    lines = [f"| {markdown(row.label)} | {markdown(row.before)} | {markdown(row.after)} |\n" for row in rows]
    return "".join(["| | before | after |\n|---|---|---|\n", *lines, "\n"])


def _whole(changes: Changes) -> Iterator[str]:
    for label, names in arranged.distributions(changes):
        yield f"- {label}: {markdown(names)}\n"
    for label, libraries in (("needed now", changes.libraries_added), ("no longer needed", changes.libraries_gone)):
        if libraries:
            yield f"- {label}: {', '.join(map(markdown_code, libraries))}\n"


def _objects(changes: Changes) -> Iterator[str]:
    for label, entries in (("added", changes.objects_added), ("gone", changes.objects_gone)):
        for entry in entries:
            yield f"- {label}: {markdown_code(entry.path)} ({size_in_words(entry.size)})\n"
    for group in arranged.alike(changes):
        yield _group(group)
    same = arranged.of_another_size(changes)
    if same:
        shown = ", ".join(f"{markdown_code(item.path)} {arranged.size_change(item)}" for item in same[:OBJECTS_SHOWN])
        more = f" and {len(same) - OBJECTS_SHOWN:,} more" if len(same) > OBJECTS_SHOWN else ""
        yield f"- of another size alone, {arranged.growth(same)} together: {shown}{more}\n"
    yield "\n"


def _group(group: Alike) -> str:
    """Return one item with its sub-items: a list that is cut would leave them without a head."""
    objects = [
        f"{markdown_code(item.path)} {arranged.size_change(item)}"
        + (f", moved, was {markdown_code(item.path_before)}" if item.moved else "")
        for item in group.objects[:OBJECTS_SHOWN]
    ]
    more = len(group.objects) - OBJECTS_SHOWN
    rest = f" and {count(more, 'object')} more" if more > 0 else ""
    lines = [f"- {'; '.join(objects)}{rest}\n"]
    if group.floor:
        lines.append(f"  - needs {markdown(arranged.floor_in_words(group.floor))}\n")
    for label, entries in (("added", group.added), ("gone", group.gone)):
        lines += [f"  - {label}: {markdown(what)}: {markdown_code(names, LONGEST)}\n" for what, names in entries]
    return "".join(lines)
