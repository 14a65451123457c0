"""The report as GitHub's Markdown, for job summaries and comments; cut in time, since GitHub drops what is too long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from glibc_guard.model import ArtifactReport, Finding, Report, Verdict
from glibc_guard.report.changes import baseline_name, headline
from glibc_guard.report.grouping import Group, by_object, count, lost, percent, summary_line
from glibc_guard.report.matrix import Cell, Matrix, by_release, of_report
from glibc_guard.report.neutral import markdown, markdown_code
from glibc_guard.report.remedies import Remedies
from glibc_guard.report.sites import SHOWN, Use, function_of, named, package_in_words, places_in_all, uses_of, where
from glibc_guard.report.spelling import first_findings, readable, spelled

ICONS: Final[dict[Verdict, str]] = {"pass": "✅", "fail": "❌", "unreadable": "⚠️"}
SQUARES: Final[dict[Cell, str]] = {"loads": "🟩", "refused": "🟥", "not promised": "⬜", "no such architecture": "·"}
SYMBOLS_SHOWN: Final = 20
CUT: Final = "\n*The report is cut here, since GitHub shows no more; the rest is in the log and in the JSON report.*\n"


def render(report: Report, *, limit: int = 65_535) -> str:
    """Return the report in at most ``limit`` bytes of UTF-8; what does not fit is left out and said to be."""
    return cut_in_time(blocks(report), limit)


def cut_in_time(blocks: Iterable[str], limit: int) -> str:
    """Join ``blocks`` to at most ``limit`` bytes of UTF-8, and say so where some did not fit."""
    shown: list[str] = []
    room = limit - len(CUT.encode())
    for block in blocks:
        room -= len(block.encode())
        if room < 0:
            return "".join((*shown, CUT))
        shown.append(block)
    return "".join(shown)


def blocks(report: Report) -> Iterator[str]:
    """Yield the report in pieces that are valid Markdown wherever the text is cut between them."""
    yield f"### {ICONS[report.verdict]} glibc-guard: {summary_line(report.artifacts)}\n\n"
    yield from table(report.artifacts)
    yield _picture(of_report(report))
    yield from all_details(report)


def table(artifacts: Iterable[ArtifactReport]) -> Iterator[str]:
    """Yield a table with a row for each artifact, in such pieces."""
    yield "| | artifact | promised | needs | ELF objects |\n|---|---|---|---|---|\n"
    for artifact in artifacts:
        yield _row(artifact)


def details(report: Report, *, limit: int) -> str:
    """Return what ``render`` has below its table, in at most ``limit`` bytes of UTF-8."""
    return cut_in_time(all_details(report), limit)


def all_details(report: Report) -> Iterator[str]:
    """Yield what stands below the table, in such pieces."""
    for artifact in report.artifacts:
        if artifact.findings or artifact.changes or artifact.notes:
            yield from _details(artifact)
    for note in report.notes:
        yield f"\n- {markdown(note)}\n"


def _row(artifact: ArtifactReport) -> str:
    promised = ", ".join(dict.fromkeys(f"{markdown_code(target.name, in_table=True)}" for target in artifact.targets))
    needs = _floor(artifact.floor)
    path = markdown_code(artifact.path, in_table=True)
    return f"| {ICONS[artifact.verdict]} | {path} | {promised or '-'} | {needs or '-'} | {artifact.coverage.elf} |\n"


def _picture(matrix: Matrix) -> str:
    """Return the matrix in squares, by glibc release; nothing where all load everywhere.

    GitHub shows no SVG that comes with the text, only one that has an address.
    """
    if all(row.loads_everywhere for row in matrix.rows):
        return ""
    releases = [release for release, _ in matrix.releases]
    lines = [f"\n| loads on glibc | {' | '.join(releases)} |", f"|---|{':-:|' * len(releases)}"]
    for row in matrix.rows:
        several = f" ({row.stands_for:,})" if row.stands_for > 1 else ""
        squares = " | ".join(SQUARES[cell] for cell in by_release(matrix, row))
        lines.append(f"| {markdown_code(row.name, in_table=True)}{several} | {squares} |")
    return "\n".join(lines) + "\n"


def _details(artifact: ArtifactReport) -> Iterator[str]:
    yield f"\n#### {markdown_code(artifact.path)}\n"
    if artifact.changes is not None:
        former = markdown_code(baseline_name(artifact.changes))
        yield f"\nSince {former}: {markdown(headline(artifact.changes))}.\n"
    found = by_object(artifact.findings)
    remedies = Remedies([group for groups in found.values() for group in groups])
    for path, groups in found.items():
        yield f"\n**{markdown_code(path) if path is not None else 'The artifact as a whole'}**\n\n"
        for group in groups:
            yield from _group(group, remedies)
    if remedies.shared:
        yield "\n"
    yield from shared(remedies)
    names = lost(artifact.runs_on)
    if names and artifact.findings:
        reach = artifact.downloads_lost
        share = f" ({percent(reach)} of x86_64 package downloads come from older systems)" if reach else ""
        yield f"\nDoes not load on: {', '.join(map(markdown, names))}{share}.\n"
    for note in artifact.notes:
        yield f"\nNote: {markdown(note)}\n"


def shared(remedies: Remedies) -> Iterator[str]:
    """Yield what several findings of an artifact have in common, as a list."""
    for one in remedies.shared:
        yield f"- **{_capital(markdown(one.head))}:** {markdown(one.text)}\n"


def _group(group: Group, remedies: Remedies) -> Iterator[str]:
    told = _sites(group.findings) + own(group, remedies)
    if not group.is_about_symbols:
        yield from _messages(group, told)
        return
    library = f" of {markdown_code(group.library)}" if group.library else ""
    head = f"{markdown_code(group.version or '')}{library}"
    yield f"- {group.severity}: {head}: {_symbols(group.findings)} ({markdown_code(group.rule)}){told}\n"


def _messages(group: Group, told: str) -> Iterator[str]:
    rule = markdown_code(group.rule)
    *others, last = (markdown(readable(finding.message)) for finding in group.in_full)
    if group.in_brief:
        others, last = [*others, last], f"{len(group.in_brief)} more like these: {_symbols(group.in_brief)}"
    for message in others:
        yield f"- {group.severity}: {message} ({rule})\n"
    yield f"- {group.severity}: {last} ({rule}){told}\n"


def _symbols(findings: Sequence[Finding]) -> str:
    first = first_findings(findings, SYMBOLS_SHOWN)
    shown = ", ".join(_symbol(finding) for finding in first)
    more = len(findings) - len(first)
    return shown + (f" and {count(more, 'symbol')} more" if more > 0 else "")


def _symbol(finding: Finding) -> str:
    return f"{markdown_code(spelled(finding.symbol or ''))}{' (weak)' if finding.binding == 'weak' else ''}"


def _sites(findings: Sequence[Finding]) -> str:
    uses = uses_of(findings)
    lines = [f"<br>Used by {_use(use)}" for use in uses[:SHOWN]]
    if len(uses) > SHOWN:
        lines.append(f"<br>Used at {count(places_in_all(findings), 'place')}")
    return "".join(lines)


def _use(use: Use) -> str:
    place = where(use.site)
    at = f" at {markdown_code(place)}" if place else ""
    symbols = ", ".join(name if name == "…" else markdown_code(name) for name in named(use))
    function = f"{markdown_code(function_of(use.site))}{markdown(package_in_words(use.site))}"
    return f"{function}{at}{f' ({symbols})' if symbols else ''}"


def own(group: Group, remedies: Remedies) -> str:
    """Return why ``group`` is there and what helps against it alone, on lines of their own."""
    return "".join(f"<br>{_capital(label)}: {markdown(line)}" for label, line in remedies.own(group))


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _floor(floor: Mapping[str, str]) -> str:
    return ", ".join(f"{'glibc' if name == 'GLIBC' else name} {number}" for name, number in floor.items())
