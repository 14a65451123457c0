"""Holds CHANGELOG.md against its format, and against a tag that is to be released.

usage: check_changelog.py [TAG [NOTES]]: NOTES is where the section of the release is written to.
"""

from __future__ import annotations

import datetime
import itertools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.version import Version

from glibc_guard import __version__

ROOT: Final = Path(__file__).resolve().parents[1]
KINDS: Final = frozenset({"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"})  # keepachangelog.com
UNRELEASED: Final = "Unreleased"

_HEADING: Final = re.compile(r"^## (.*)$", re.MULTILINE)
_NAME: Final = re.compile(r"\[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d{2}-\d{2}))?")


class ChangelogError(Exception):
    """The changelog has no such form that it can be read."""


@dataclass(frozen=True)
class Section:
    """What is said of one version."""

    version: str
    date: datetime.date | None
    text: str


def sections(changelog: str) -> list[Section]:
    """Return the sections in order; raises ChangelogError."""
    parts = _HEADING.split(changelog)[1:]
    return [_section(heading, text) for heading, text in zip(parts[::2], parts[1::2], strict=True)]


def _section(heading: str, text: str) -> Section:
    found = _NAME.fullmatch(heading)
    if found is None:
        raise ChangelogError(f"## {heading}: write [{UNRELEASED}], or [VERSION] - YEAR-MONTH-DAY")
    try:
        date = datetime.date.fromisoformat(found["date"]) if found["date"] else None
        if found["version"] != UNRELEASED:
            Version(found["version"])
    except ValueError as problem:
        raise ChangelogError(f"## {heading}: {problem}") from problem
    return Section(found["version"], date, text.strip())


def problems(found: list[Section]) -> Iterator[str]:
    """Yield what is wrong with the form of the changelog."""
    if not found or found[0].version != UNRELEASED:
        yield f"the first section is not [{UNRELEASED}]"
    released = found[1:]
    for section in released:
        if section.date is None:
            yield f"[{section.version}] has no date"
        if not re.search(r"^- ", section.text, re.MULTILINE):
            yield f"[{section.version}] says nothing"
    for newer, older in itertools.pairwise(released):
        if UNRELEASED in {newer.version, older.version} or Version(newer.version) <= Version(older.version):
            yield f"[{older.version}] stands below [{newer.version}], which is not newer"
    for section in found:
        for kind in re.findall(r"^### (.*)$", section.text, re.MULTILINE):
            if kind not in KINDS:
                yield f"[{section.version}]: there is no kind of change that is called {kind}"


def release_problems(found: list[Section], tag: str, version: str, today: datetime.date) -> Iterator[str]:
    """Yield what keeps ``tag`` from being released; ``version`` is what the package says of itself."""
    if tag != f"v{version}":
        yield f"the tag is {tag}, and the package is of version {version}"
    section = next((section for section in found if f"v{section.version}" == tag), None)
    if section is None:
        yield f"there is no section for {tag}: rename [{UNRELEASED}] and begin an empty one"
        return
    if len(found) < 2 or found[1] is not section:
        yield f"[{section.version}] is not the first section below [{UNRELEASED}]"
    if found[0].version == UNRELEASED and found[0].text:
        yield f"[{UNRELEASED}] is not empty: its changes are in the release"
    if section.date is not None and abs((section.date - today).days) > 1:  # it is another day elsewhere
        yield f"[{section.version}] is dated {section.date}, and today is {today}"


def main(arguments: list[str]) -> int:
    """Say what is wrong, write the notes, and return the exit status."""
    try:
        found = sections((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    except ChangelogError as problem:
        print(f"CHANGELOG.md: {problem}", file=sys.stderr)
        return 1
    wrong = list(problems(found))
    if arguments:
        today = datetime.datetime.now(tz=datetime.timezone.utc).date()
        wrong += release_problems(found, arguments[0], __version__, today)
    for line in wrong:
        print(f"CHANGELOG.md: {line}", file=sys.stderr)
    if len(arguments) > 1 and not wrong:
        Path(arguments[1]).write_text(f"{found[1].text}\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
