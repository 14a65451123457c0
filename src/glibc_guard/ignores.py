"""The ignore list: sets findings aside, each with a reason, and tells of entries that no longer serve."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from glibc_guard.globs import glob_matches
from glibc_guard.model import Finding, IgnoredFinding
from glibc_guard.rules.coverage import UNREADABLE_RULES
from glibc_guard.settings import Ignore


class IgnoreList(Struct):
    """Splits findings and remembers which entries matched; ``today`` decides which have expired."""

    entries: Sequence[Ignore]
    today: datetime.date
    _used: set[int] = field(default_factory=set)

    def split(self, findings: Iterable[Finding]) -> tuple[tuple[Finding, ...], tuple[IgnoredFinding, ...]]:
        """Return the findings that stand, and those that an entry sets aside."""
        standing: list[Finding] = []
        ignored: list[IgnoredFinding] = []
        for finding in findings:
            entry = self._entry_for(finding)
            if entry is None:
                standing.append(finding)
            else:
                until = entry.until.isoformat() if entry.until else None
                ignored.append(IgnoredFinding(finding, entry.reason, until))
        return tuple(standing), tuple(ignored)

    def remarks(self) -> tuple[str, ...]:
        """Return a line for each entry that has expired or that matched nothing."""
        lines = []
        for number, entry in enumerate(self.entries):
            if _expired(entry, self.today):
                lines.append(f"an ignore expired on {entry.until} and no longer applies: {entry.describe()}")
            elif number not in self._used:
                lines.append(f"an ignore matched nothing and can go: {entry.describe()}")
        return tuple(lines)

    def _entry_for(self, finding: Finding) -> Ignore | None:
        for number, entry in enumerate(self.entries):
            if not _expired(entry, self.today) and _matches(entry, finding):
                self._used.add(number)
                return entry
        return None


def _expired(entry: Ignore, today: datetime.date) -> bool:
    return entry.until is not None and entry.until < today


def _matches(entry: Ignore, finding: Finding) -> bool:
    # What could not be read is set aside only by name: no wildcard makes a pass of it.
    by_name = finding.rule in UNREADABLE_RULES
    return (
        (entry.rule == finding.rule if by_name else glob_matches(entry.rule, finding.rule))
        and (entry.symbol is None or glob_matches(entry.symbol, finding.symbol or ""))
        and (entry.object is None or glob_matches(entry.object, finding.object or ""))
    )
