"""What a reviewer reads first, as GitHub's Markdown: verdict and floor before and after, what is lost, the way out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from glibc_guard.model import ArtifactReport, Changes, Finding, Report, Site
from glibc_guard.report import changes as arranged
from glibc_guard.report import markdown as in_full
from glibc_guard.report.grouping import by_object, count, lost, percent, summary_line
from glibc_guard.report.markdown import ICONS
from glibc_guard.report.neutral import markdown, markdown_code
from glibc_guard.report.remedies import Remedies
from glibc_guard.report.sites import function_of, uses_of, where
from glibc_guard.report.spelling import brief, first_of, readable

FINDINGS_SHOWN: Final = 5  # of an artifact; the details have all
SYMBOLS_SHOWN: Final = 12
SITES_SHOWN: Final = 3
ARTIFACTS_SHOWN: Final = 10  # with what they lost and how to fix it; the table has all
_OPEN: Final = "<details><summary>All findings and changes</summary>\n\n"
_CLOSE: Final = "\n</details>\n"


class About(Struct, frozen=True):
    """What is known of a report besides itself."""

    variant: str = ""  # of the job among others: the values of its matrix
    head: str | None = None  # the commit that was judged
    url: str | None = None  # the run that judged it
    has_failed: bool = False  # that run, although its report names no reason
    is_foreign: bool = False  # the code of a pull request could write the report


ALONE: Final = About()


def is_news(report: Report) -> bool:
    """Tell whether a reviewer should hear of ``report``: more than notes, or other systems load the artifacts."""
    return report.verdict != "pass" or any(
        any(finding.severity != "note" for finding in artifact.findings) or _moves(artifact.changes)
        for artifact in report.artifacts
    )


def _moves(changes: Changes | None) -> bool:
    return changes is not None and any((changes.floor, changes.distros_lost, changes.distros_gained))


def render(report: Report, *, limit: int, about: About = ALONE, fixed: bool = False) -> str:
    """Return ``report`` in at most ``limit`` bytes of UTF-8; the details are cut where there is no room for them.

    Args:
        report: What was found.
        limit: Bytes.
        about: What is known of it besides.
        fixed: Whether a reader has been told of a failure, which is gone.
    """
    foot = _foot(about)
    first = in_full.cut_in_time(_blocks(report, about, fixed=fixed), limit - len(foot.encode()))
    room = limit - len((first + _OPEN + _CLOSE + foot).encode())
    if room < len(in_full.CUT.encode()) or not any(item.findings or item.changes for item in report.artifacts):
        return first + foot
    return first + _OPEN + in_full.details(report, limit=room) + _CLOSE + foot


def without_report(reason: str, about: About) -> str:
    """Return what is said where there is no report, because of ``reason``, which may be a stranger's words."""
    variant = f" ({markdown(about.variant)})" if about.variant else ""
    icon = ICONS["unreadable"]
    return (
        f"### {icon} glibc-guard{variant}: no usable report\n\nNothing was judged: {markdown(reason)}\n{_foot(about)}"
    )


def headline(report: Report, *, has_failed: bool = False) -> str:
    """Return the outcome in one line; of a run that failed, whatever its report says of itself."""
    if has_failed and report.verdict == "pass":
        return "the run failed; its report names no finding"
    return summary_line(report.artifacts)


def _blocks(report: Report, about: About, *, fixed: bool) -> Iterator[str]:
    """Yield pieces that are valid Markdown wherever the text is cut between them."""
    is_odd = about.has_failed and report.verdict == "pass"
    icon = ICONS["unreadable"] if is_odd else ICONS[report.verdict]
    said = "fixed, " if fixed and not is_odd else ""
    variant = f" ({markdown(about.variant)})" if about.variant else ""
    yield f"### {icon} glibc-guard{variant}: {said}{headline(report, has_failed=about.has_failed)}\n\n"
    compared = any(artifact.changes is not None for artifact in report.artifacts)
    yield _head(compared=compared)
    for artifact in report.artifacts:
        yield _row(artifact, compared=compared)
    yield "\n"
    told = [item for item in report.artifacts if item.findings or _is_worth_telling(item.changes)]
    for artifact in told[:ARTIFACTS_SHOWN]:
        yield from _artifact(artifact)
    if len(told) > ARTIFACTS_SHOWN:
        yield f"{count(len(told) - ARTIFACTS_SHOWN, 'artifact')} more: see the details.\n\n"


def _head(*, compared: bool) -> str:
    columns = ["", "artifact", "promised", *(["before"] if compared else []), "now"]
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"


def _row(artifact: ArtifactReport, *, compared: bool) -> str:
    promised = ", ".join(dict.fromkeys(markdown_code(target.name, in_table=True) for target in artifact.targets))
    cells = [ICONS[artifact.verdict], markdown_code(artifact.path, in_table=True), promised or "-"]
    if compared:
        cells.append(_before(artifact))
    needs = artifact.floor.get("GLIBC")
    cells.append(f"{artifact.verdict}, {f'glibc {markdown(needs)}' if needs else 'no glibc'}")
    return f"| {' | '.join(cells)} |\n"


def _before(artifact: ArtifactReport) -> str:
    changes = artifact.changes
    if changes is None:
        return "-"
    moved = {entry.namespace: entry.before for entry in changes.floor}
    needs = moved.get("GLIBC", artifact.floor.get("GLIBC"))
    verdict = f"{ICONS[changes.verdict_before]} {changes.verdict_before}, " if changes.verdict_before else ""
    return f"{verdict}{f'glibc {markdown(needs)}' if needs else 'no glibc'}"


def _artifact(artifact: ArtifactReport) -> Iterator[str]:
    yield f"#### {markdown_code(artifact.path)}\n\n"
    if artifact.changes is not None:
        yield "".join(_changes(artifact.changes))
    elif artifact.findings:
        yield "".join(_reach(artifact))
    head = "\n**What to fix**\n\n"  # never cut off from the first
    for way in _ways_out(artifact.findings):
        yield head + way
        head = ""
    yield "\n"


def _changes(changes: Changes) -> Iterator[str]:
    yield f"- Since {markdown_code(arranged.baseline_name(changes))}: {markdown(arranged.headline(changes))}\n"
    for label, distributions in arranged.distributions(changes):
        yield f"- {label[:1].upper()}{label[1:]}: {markdown(distributions)}\n"
    for label, names in (
        ("Symbols added", changes.imports_added),
        ("Symbols gone", changes.imports_gone),
        ("Libraries added", changes.libraries_added),
        ("Libraries gone", changes.libraries_gone),
    ):
        if names:
            yield f"- {label}: {_listed(names)}\n"


def _reach(artifact: ArtifactReport) -> Iterator[str]:
    names = lost(artifact.runs_on)
    if names:
        yield f"- Does not load on: {markdown(', '.join(names))}\n"
    if artifact.downloads_lost:
        yield f"- Downloads lost: {percent(artifact.downloads_lost)} of x86_64 package downloads\n"


def _ways_out(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield what helps against most, then each group of findings, why it is there and where; the worst first."""
    groups = [group for found in by_object(findings).values() for group in found]
    remedies = Remedies(groups)
    yield from in_full.shared(remedies)
    for group in groups[:FINDINGS_SHOWN]:
        names = list(dict.fromkeys(filter(None, map(_name, group.findings))))
        what = f" ({_listed(names)})" if names else f": {markdown(readable(group.findings[0].message))}"
        told = in_full.own(group, remedies)
        yield f"- {markdown_code(group.rule)}{what}{told}{_used(group.findings)}\n"
    if len(groups) > FINDINGS_SHOWN:
        yield f"- {len(groups) - FINDINGS_SHOWN:,} more: see the details.\n"


def _name(finding: Finding) -> str:
    return "@".join(filter(None, (brief(finding.symbol or ""), finding.version))) or finding.library or ""


def _used(findings: Sequence[Finding]) -> str:
    uses = uses_of(findings)
    shown = [text for text in (_site(use.site) for use in uses[:SITES_SHOWN]) if text]
    more = f" and {count(len(uses) - SITES_SHOWN, 'place')} more" if len(uses) > SITES_SHOWN else ""
    return f"<br>Used by {', '.join(shown)}{more}" if shown else ""


def _site(site: Site) -> str:
    return ", ".join(markdown_code(part) for part in (site.function and function_of(site), where(site)) if part)


def _listed(names: Sequence[str]) -> str:
    first = first_of(names, SYMBOLS_SHOWN)
    more = f" and {len(names) - len(first):,} more" if len(names) > len(first) else ""
    return ", ".join(markdown_code(readable(name), 200) for name in first) + more


def _foot(about: About) -> str:
    parts = [f"commit {about.head[:12]}"] if about.head else []
    parts += [f'<a href="{about.url}">run</a>'] if about.url else []
    parts += [
        "names and messages are those of a report that the code of the pull request could write"
    ] * about.is_foreign
    return f"\n<sub>{', '.join(parts)}</sub>\n" if parts else ""


def _is_worth_telling(changes: Changes | None) -> bool:
    """Tell whether more changed than sizes and versions of the artifact itself."""
    if changes is None:
        return False
    return arranged.has_other_needs(changes) or bool(changes.distros_lost or changes.distros_gained)
