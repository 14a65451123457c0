"""Why findings are there and what helps, arranged for people: what several groups of them share is told once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from glibc_guard.model import Finding
from glibc_guard.report.grouping import Group
from glibc_guard.report.spelling import brief, readable

Label: TypeAlias = Literal["why", "fix"]
Line: TypeAlias = "tuple[Label, str]"

SHOWN: Final = 10  # lines of a group with one label
SHARED_SHOWN: Final = 10  # lines of an artifact, those of the most groups
SYMBOLS_SHOWN: Final = 5  # that a line is for …
EXCEPTIONS_SHOWN: Final = 2  # … or is not for, where it is for more
VERSIONS_SHOWN: Final = 4  # that a shared line is for


class Shared(Struct, frozen=True):
    """A reason or a way out that is the same for several groups; ``scope`` says for which: "all", "GLIBC_2.30"."""

    label: Label
    text: str
    scope: str

    @property
    def head(self) -> str:
        """What it begins with: "fix for all"."""
        return f"{self.label} for {self.scope}"


class Remedies:
    """What is told of the groups of one artifact."""

    def __init__(self, groups: Sequence[Group]) -> None:
        """Find what at least two of ``groups`` share, each for all of its findings; the rest stays with its groups."""
        self._longest = _longest({finding.remedy for group in groups for finding in group.findings if finding.remedy})
        users: dict[Line, list[Group]] = {}
        for group in groups:
            for line in self._of_all(group):
                users.setdefault(line, []).append(group)
        often = sorted((item for item in users.items() if len(item[1]) > 1), key=lambda item: -len(item[1]))
        often = often[:SHARED_SHOWN]
        ordered = sorted(often, key=lambda item: item[0][0], reverse=True)  # whys before fixes
        self.shared = tuple(
            Shared(label, readable(text), _scope(members, groups)) for (label, text), members in ordered
        )
        self._told = frozenset(line for line, _ in often)

    def own(self, group: Group) -> list[Line]:
        """Return what is told of ``group`` alone; of texts that differ in the symbol alone, one."""
        told = self._told & set(self._of_all(group))
        rest = [self._rest(finding, told) for finding in group.findings]
        return [
            *_lines("why", group, [why for why, _ in rest]),
            *_lines("fix", group, [way for _, way in rest]),
        ]

    def _rest(self, finding: Finding, told: Iterable[Line]) -> tuple[str | None, str | None]:
        """Return why ``finding`` is there and what helps, without what is told elsewhere."""
        why, ways = self._parts(finding)
        left = [way for way in ways if ("fix", way) not in told]
        if why is None or ("why", why) in told:
            return None, ", or ".join(left) or None
        if len(left) == len(ways):
            return None, finding.hint
        return why, ", or ".join(left) or None

    def _of_all(self, group: Group) -> tuple[Line, ...]:
        """Return what holds for every finding of ``group``."""
        found: dict[Line, int] = {}
        for finding in group.findings:
            why, ways = self._parts(finding)
            lines: list[Line] = [("fix", way) for way in ways]
            lines += [("why", why)] if why is not None else []
            for line in lines:
                found[line] = found.get(line, 0) + 1
        return tuple(line for line, number in found.items() if number == len(group.findings))

    def _parts(self, finding: Finding) -> tuple[str | None, tuple[str, ...]]:
        why, ways = parts(finding)
        return why, tuple(self._longest.get(way, way) for way in ways)


def parts(finding: Finding) -> tuple[str | None, tuple[str, ...]]:
    """Return the reason that the hint tells, where its remedy stands apart, and the ways out."""
    if not finding.hint:
        return None, ()
    before, found, after = finding.hint.partition(finding.remedy or "\0")
    if not found or not before.endswith(": ") or not (after.startswith(", or ") or not after):
        return None, (finding.hint,)
    return before.removesuffix(": "), (found, *([after.removeprefix(", or ")] if after else ()))


def _longest(remedies: Iterable[str]) -> Mapping[str, str]:
    """Return for each remedy one that goes on where it ends, or itself: what says more does for both."""
    found: dict[str, str] = {}
    last = ""
    for remedy in sorted(remedies, reverse=True):
        last = last if last.startswith(remedy) else remedy
        found[remedy] = last
    return found


def _scope(members: Sequence[Group], groups: Sequence[Group]) -> str:
    if len(members) == len(groups):
        return "all"
    versions = list(dict.fromkeys(group.version for group in members))
    if None in versions or len(versions) > VERSIONS_SHOWN:
        return f"{len(members):,} of {len(groups):,} findings"
    return ", ".join(version for version in versions if version)


def _lines(label: Label, group: Group, texts: Iterable[str | None]) -> list[Line]:
    """Return what ``texts``, one a finding, tell; each says which symbols it is for unless it is for all."""
    found: dict[str, tuple[str, list[Finding]]] = {}
    for finding, text in zip(group.findings, texts, strict=True):
        if text:
            found.setdefault(_of_any_symbol(text, finding.symbol), (text, []))[1].append(finding)
    shown = islice(found.values(), SHOWN)  # first, since each line goes through the whole group
    return [(label, _line(text, members, group.findings)) for text, members in shown]


def _line(text: str, findings: Sequence[Finding], group: Sequence[Finding]) -> str:
    """Return ``text``: where it tells the first symbol, the others too; else after them unless it is for all."""
    symbols = _symbols(findings)
    if symbols and _of_any_symbol(text, symbols[0]) != text:
        others = [symbol for symbol in dict.fromkeys(symbols) if symbol != symbols[0]]
        return f"{readable(text)}; and so for {_some(others)}" if others else readable(text)
    if len(findings) == len(group) or not symbols:
        return readable(text)
    own = set(symbols)
    others = _symbols([one for one in group if one.symbol not in own])
    few = 0 < len(others) <= EXCEPTIONS_SHOWN < len(symbols)
    return f"{f'all but {_some(others)}' if few else _some(symbols)}: {readable(text)}"


def _symbols(findings: Sequence[Finding]) -> list[str]:
    return [finding.symbol for finding in findings if finding.symbol]


def _of_any_symbol(text: str, symbol: str | None) -> str:
    """Return ``text`` without the word ``symbol``; a pattern for each of 50,000 symbols would take its time."""
    if not symbol:
        return text
    pieces, start = [], 0
    while (at := text.find(symbol, start)) >= 0:
        end = at + len(symbol)
        is_part = _is_of_a_word(text[at - 1 : at]) or _is_of_a_word(text[end : end + 1])
        pieces += [text[start:at], symbol if is_part else "\0"]
        start = end
    return "".join((*pieces, text[start:]))


def _is_of_a_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _some(symbols: Sequence[str]) -> str:
    more = len(symbols) - SYMBOLS_SHOWN
    return f"{', '.join(map(brief, symbols[:SYMBOLS_SHOWN]))}{f' and {more} more' if more > 0 else ''}"
