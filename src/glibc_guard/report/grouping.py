"""Arranges findings for people: by object, then by library and version, so that forty symbols read as one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from glibc_guard.model import ArtifactReport, Finding, RunsOn, Severity, Target
from glibc_guard.targets import distros

SHOWN_IN_FULL: Final = 3  # messages of a group that differ in more than the symbol
COUNTED: Final[tuple[Severity, ...]] = ("error", "warning")
SHOWN_FIRST: Final = ("GLIBC", "GLIBCXX", "CXXABI", "GCC")  # of the namespaces


class Group(Struct, frozen=True):
    """Findings of one rule about one library and version in one object; or a single finding of another kind."""

    rule: str
    severity: Severity
    library: str | None
    version: str | None
    findings: tuple[Finding, ...]

    @property
    def is_about_symbols(self) -> bool:
        """Whether the members differ only in the symbol."""
        return self.findings[0].symbol is not None and self.version is not None

    @property
    def findings_shown(self) -> int:
        """How many findings they are to a reader: the symbols of one version are one."""
        return 1 if self.is_about_symbols else len(self.findings)

    @property
    def in_full(self) -> tuple[Finding, ...]:
        """The members whose messages are shown, where these say more than the symbol."""
        return self.findings if len(self.findings) <= SHOWN_IN_FULL + 1 else self.findings[:SHOWN_IN_FULL]

    @property
    def in_brief(self) -> tuple[Finding, ...]:
        """The other members, of which a symbol will do."""
        return self.findings[len(self.in_full) :]


def by_object(findings: Sequence[Finding]) -> dict[str | None, list[Group]]:
    """Group ``findings`` by object, in the order given (worst first); None stands for the artifact as a whole."""
    grouped: dict[str | None, dict[tuple[str | None, ...], list[Finding]]] = {}
    for finding in findings:
        key = (finding.rule, finding.severity, finding.library, finding.version)
        grouped.setdefault(finding.object, {}).setdefault((*key, _own(finding)), []).append(finding)
    return {
        path: [
            Group(found[0].rule, found[0].severity, found[0].library, found[0].version, tuple(found))
            for found in groups.values()
        ]
        for path, groups in grouped.items()
    }


def _own(finding: Finding) -> str | None:
    """Return what members of a group share beyond their library and version: symbols without one, the way out."""
    if finding.symbol is None:
        return finding.message
    return finding.hint if finding.version is None else None


def lost(entries: Sequence[RunsOn]) -> list[str]:
    """Return the names of the distributions that the artifact does not load on, oldest glibc first."""
    several = len({entry.arch for entry in entries}) > 1
    return distribution_names([entry for entry in entries if not entry.loads], with_arch=several)


def distribution_names(entries: Sequence[RunsOn], *, with_arch: bool = False) -> list[str]:
    """Return the names of ``entries``, with the architecture where they are of several."""
    several = with_arch or len({entry.arch for entry in entries}) > 1
    return [f"{_name(entry.distro)}{f' ({entry.arch})' if several else ''}" for entry in entries]


def _name(distro: str) -> str:
    known = distros.find(distro)
    return known.name if known else distro


def floor_in_words(floor: Mapping[str, str]) -> str:
    """Return "glibc 2.29, GLIBCXX 3.4.19", the namespaces that everybody knows first."""
    names = {"GLIBC": "glibc"}
    shown = [name for name in SHOWN_FIRST if name in floor] + [name for name in floor if name not in SHOWN_FIRST]
    return ", ".join(f"{names.get(name, name)} {floor[name]}" for name in shown)


def promise_in_words(target: Target) -> str:
    """Return the ceilings of ``target`` that everybody knows, or its libc."""
    return (
        floor_in_words({name: target.ceilings[name] for name in SHOWN_FIRST if name in target.ceilings}) or target.libc
    )


def count(number: int, noun: str) -> str:
    """Return "1 error", "2,810 files"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(share: float) -> str:
    """Return "6.4 %" for 0.064; what is above 0 is never shown as 0."""
    return "under 0.1 %" if 0 < share < 0.001 else f"{share:.1%}".replace("%", " %")


def summary_line(reports: Sequence[ArtifactReport]) -> str:
    """Return one sentence over all artifacts: how many fail, and with what, counted as reports show it."""
    failing = sum(report.verdict == "fail" for report in reports)
    unreadable = sum(report.verdict == "unreadable" for report in reports)
    parts = [f"{failing:,} of {count(len(reports), 'artifact')} failed"] if failing or not unreadable else []
    if not failing and not unreadable:
        parts = [f"{count(len(reports), 'artifact')} passed"]
    if unreadable:
        parts.append(f"{unreadable:,} of {count(len(reports), 'artifact')} could not be judged")
    groups = [group for report in reports for groups in by_object(report.findings).values() for group in groups]
    tail = filter(None, (in_words([one for one in groups if one.severity == name], name) for name in COUNTED))
    told = ", ".join(tail)
    return ", ".join(parts) + (f" ({told})" if told else "")


def errors_in(groups: Iterable[Group]) -> int:
    """Return how many errors ``groups`` are to a reader: symbols of one version are one."""
    return sum(group.findings_shown for group in groups if group.severity == "error")


def in_words(groups: Sequence[Group], noun: str) -> str:
    """Return "6 errors with 29 symbols", the symbols only where they are more; nothing of no group."""
    versioned = [group for group in groups if group.is_about_symbols]
    symbols = sum(len(group.findings) for group in versioned)
    told = f" with {count(symbols, 'symbol')}" if symbols > len(versioned) else ""
    number = sum(group.findings_shown for group in groups)
    return f"{count(number, noun)}{told}" if number else ""
