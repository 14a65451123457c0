"""Arranges findings for people: by object, then by library and version, so that forty symbols read as one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from glibc_guard.explain.demangle import MANGLED, demangled
from glibc_guard.model import ArtifactReport, Finding, RunsOn, Severity, Target
from glibc_guard.targets import distros

SHOWN_IN_FULL: Final = 3  # messages of a group that differ in more than the symbol
HINTS_SHOWN: Final = 10  # of a group
SYMBOLS_OF_A_HINT: Final = 5
MANGLED_SHOWN: Final = 5  # symbols of a group of which some are of C++ or Rust
LONGEST_SPELLED: Final = 100  # characters of such a name; its arguments tell a reader little
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
    def in_full(self) -> tuple[Finding, ...]:
        """The members whose messages are shown, where these say more than the symbol."""
        return self.findings if len(self.findings) <= SHOWN_IN_FULL + 1 else self.findings[:SHOWN_IN_FULL]

    @property
    def in_brief(self) -> tuple[Finding, ...]:
        """The other members, of which a symbol will do."""
        return self.findings[len(self.in_full) :]

    @property
    def hints(self) -> tuple[str, ...]:
        """The first of the different hints of the members, in order; of those that differ in the symbol alone, one.

        Where there are several, each says which symbols it is for.
        """
        found: dict[str, list[Finding]] = {}
        for finding in self.findings:
            if finding.hint:
                found.setdefault(_of_any_symbol(finding.hint, finding.symbol), []).append(finding)
        several = len(found) > 1
        return tuple(_hint(findings, named=several) for findings in found.values())[:HINTS_SHOWN]


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


def _of_any_symbol(hint: str, symbol: str | None) -> str:
    """Return ``hint`` without the word ``symbol``; a pattern for each of 50,000 symbols would take its time."""
    if not symbol:
        return hint
    pieces, start = [], 0
    while (at := hint.find(symbol, start)) >= 0:
        end = at + len(symbol)
        is_part = _is_of_a_word(hint[at - 1 : at]) or _is_of_a_word(hint[end : end + 1])
        pieces += [hint[start:at], symbol if is_part else "\0"]
        start = end
    return "".join((*pieces, hint[start:]))


def _is_of_a_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _hint(findings: Sequence[Finding], *, named: bool) -> str:
    """Return the hint that all share: where it tells the first symbol, the others too; else after them if ``named``."""
    hint, symbols = findings[0].hint or "", [finding.symbol for finding in findings if finding.symbol]
    if symbols and _of_any_symbol(hint, symbols[0]) != hint:
        others = [symbol for symbol in dict.fromkeys(symbols) if symbol != symbols[0]]
        return f"{hint}; and so for {_some(others)}" if others else hint
    return f"{_some(symbols)}: {hint}" if named and symbols else hint


def _some(symbols: Sequence[str]) -> str:
    more = len(symbols) - SYMBOLS_OF_A_HINT
    return f"{', '.join(symbols[:SYMBOLS_OF_A_HINT])}{f' and {more} more' if more > 0 else ''}"


def first_of(findings: Sequence[Finding], most: int) -> Sequence[Finding]:
    """Return those whose symbols are named: ``most`` of C's, and few where some are long names of C++ or Rust."""
    mangled = any(MANGLED.match(finding.symbol or "") for finding in findings)
    return findings[: min(most, MANGLED_SHOWN) if mangled else most]


def spelled(symbol: str) -> str:
    """Return ``symbol`` as a programmer wrote it, without the end of what is long; a name of C as it is."""
    if not MANGLED.match(symbol):
        return symbol
    name = demangled(symbol)
    return name if len(name) <= LONGEST_SPELLED else f"{name[: LONGEST_SPELLED - 1]}…"


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
    """Return one sentence over all artifacts: how many fail, and with what."""
    errors = sum(finding.severity == "error" for report in reports for finding in report.findings)
    warnings = sum(finding.severity == "warning" for report in reports for finding in report.findings)
    failing = sum(report.verdict == "fail" for report in reports)
    unreadable = sum(report.verdict == "unreadable" for report in reports)
    parts = [f"{failing:,} of {count(len(reports), 'artifact')} failed"] if failing or not unreadable else []
    if not failing and not unreadable:
        parts = [f"{count(len(reports), 'artifact')} passed"]
    if unreadable:
        parts.append(f"{unreadable:,} of {count(len(reports), 'artifact')} could not be judged")
    tail = [count(number, noun) for number, noun in ((errors, "error"), (warnings, "warning")) if number]
    return ", ".join(parts) + (f" ({', '.join(tail)})" if tail else "")
