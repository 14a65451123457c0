"""A report that a stranger's code may have written: bounded, of the exact shape, not believed against its own findings.

What is left is text, which the reports neutralise as they do that of any artifact.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from glibc_guard.baseline.errors import BaselineError
from glibc_guard.baseline.report_file import LARGEST, LONGEST, parsed
from glibc_guard.model import ArtifactReport, Report
from glibc_guard.report.grouping import count
from glibc_guard.report.neutral import plain
from glibc_guard.report.sites import LARGEST_LINE
from glibc_guard.rules.catalogue import CATALOGUE
from glibc_guard.targets import distros
from glibc_guard.targets.symbol_version import parse
from glibc_guard.verdict import verdict_of, worst

MAXIMUM_BYTES: Final = 32 * 1024 * 1024  # of all files together
MAXIMUM_FILES: Final = 64
MAXIMUM_ENTRIES: Final = 1000  # files and folders that are looked at
MAXIMUM_ARTIFACTS: Final = 500
MAXIMUM_FINDINGS: Final = 50_000
ORIGINS: Final = frozenset({"wheel tag", "installed wheels", "option", "default"})

_WORD: Final = re.compile(r"[A-Za-z0-9_.+-]{1,100}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class UntrustedError(Exception):
    """A report that is refused; the message says why, and is not neutralised."""


def read(path: Path) -> Report | None:
    """Return the one report of all JSON files at ``path``, a file or a folder; None where there is none.

    Raises:
        UntrustedError: there is too much, or a file is no report of this version.
    """
    if not os.path.lexists(path):  # what a download that matched nothing leaves
        return None
    reports, room = [], MAXIMUM_BYTES
    files = list(_files(path))
    if len(files) > MAXIMUM_FILES:
        raise UntrustedError(f"{path} holds more than {count(MAXIMUM_FILES, 'JSON file')}")
    for file in files:
        data = _content(file, room)
        room -= len(data)
        reports.append(_report(data, file.name))
    if not reports:
        return None
    artifacts = tuple(artifact for report in reports for artifact in report.artifacts)
    findings = sum(len(artifact.findings) + len(artifact.ignored) for artifact in artifacts)
    if len(artifacts) > MAXIMUM_ARTIFACTS or findings > MAXIMUM_FINDINGS:
        raise UntrustedError(f"{path} is about {count(len(artifacts), 'artifact')} with {count(findings, 'finding')}")
    notes = tuple(note for report in reports for note in report.notes)
    return Report(reports[0].tool, worst([artifact.verdict for artifact in artifacts]), artifacts, notes=notes)


def _files(path: Path) -> Iterator[Path]:
    """Yield the regular files that are named ``.json``, in order; no link is followed."""
    if stat.S_ISREG(_mode(path)):
        yield path
        return
    seen = 0
    for folder, folders, names in os.walk(path):
        folders.sort()
        seen += len(folders) + len(names)
        if seen > MAXIMUM_ENTRIES:
            raise UntrustedError(f"{path} holds more than {count(MAXIMUM_ENTRIES, 'file')}")
        found = (Path(folder, name) for name in sorted(names) if name.endswith(".json"))
        yield from (file for file in found if stat.S_ISREG(_mode(file)))


def _mode(path: Path) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError as problem:
        raise UntrustedError(f"{path}: {problem.strerror or problem}") from problem


def _content(file: Path, room: int) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(room + 1)
    except OSError as problem:
        raise UntrustedError(f"{file}: {problem.strerror or problem}") from problem
    if len(data) > room:
        raise UntrustedError(f"the reports are larger than {MAXIMUM_BYTES // 1024 // 1024} MiB")
    return data


def _report(data: bytes, name: str) -> Report:
    try:
        report = parsed(data, name)
        strange = _strange(msgspec.json.decode(data), msgspec.to_builtins(report), "")
    except (BaselineError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise UntrustedError(str(problem)) from problem
    for complaint in strange:
        raise UntrustedError(f"{name}: no report of this version of glibc-guard: {complaint}")
    return replace(report, artifacts=tuple(map(_believed, report.artifacts)))


def _strange(given: Any, known: Any, place: str) -> Iterator[str]:  # noqa: ANN401  # any JSON
    """Yield what of ``given`` is not in ``known``, the same as far as this version understands it, or out of bounds."""
    if isinstance(given, dict):
        for key, value in given.items():
            if key not in known:
                yield f"{plain(place, 100)} has the unknown field {plain(key, 100)}"
            else:
                yield from _strange(value, known[key], key)
        yield from _senseless(given, place)
    elif isinstance(given, list):
        for one, other in zip(given, known, strict=True):
            yield from _strange(one, other, f"{place}[]")
    elif isinstance(given, str) and len(given) > LONGEST:
        yield f"{plain(place, 100)} has {len(given):,} characters"
    elif isinstance(given, (int, float)) and not 0 <= given <= (LARGEST_LINE if place == "line" else LARGEST):
        yield f"{plain(place, 100)} is {given}"


def _is_distribution(value: str) -> bool:
    return distros.find(value) is not None


#: What a field of some name can say, where that is not any text.
_SENSE: Final[Mapping[str, Callable[[str], object]]] = {
    "arch": _WORD.fullmatch,
    "distro": _is_distribution,
    "origin": ORIGINS.__contains__,
    "rule": CATALOGUE.__contains__,
    "sha256": _SHA256.fullmatch,
    "until": _DATE.fullmatch,
}


def _senseless(fields: Mapping[str, Any], place: str) -> Iterator[str]:
    for name, makes_sense in _SENSE.items():
        value = fields.get(name)
        if isinstance(value, str) and not makes_sense(value):
            yield f"{name} is {plain(value, 100)}"
    if place in {"floor", "ceilings"}:
        pairs = [(name, number) for name, number in fields.items() if parse(f"{name}_{number}") is None]
        yield from (f"{place} is {plain(f'{name} {number}', 100)}" for name, number in pairs)
    if place == "floor[]":
        numbers = [fields.get(when) for when in ("before", "after")]
        if any(number is not None and parse(f"{fields['namespace']}_{number}") is None for number in numbers):
            yield f"a change of {plain(str(fields['namespace']), 100)} is no change of a version"
    for name, value in fields.items():
        if (place, name) in {("tool", "version"), ("targets[]", "name")} and not _WORD.fullmatch(str(value)):
            yield f"the {name} in {place} is {plain(str(value), 100)}"


def _believed(artifact: ArtifactReport) -> ArtifactReport:
    """Return ``artifact`` with what its findings and objects say, where it says something better of itself."""
    covered = artifact.coverage
    elf = len(artifact.objects)
    unread = max(covered.unread, sum(finding.rule == "unreadable" for finding in artifact.findings))
    coverage = replace(covered, elf=elf, members=max(covered.members, elf), unread=unread)
    least = verdict_of(artifact.findings, "error")  # which warnings fail was configured elsewhere
    return replace(artifact, verdict=worst([artifact.verdict, least]), coverage=coverage)
