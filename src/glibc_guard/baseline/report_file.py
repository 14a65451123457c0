"""A JSON report of an earlier run as a baseline: hostile input like any other file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from glibc_guard.baseline.errors import BaselineError
from glibc_guard.model import SCHEMA_VERSION, ArtifactReport, Report, Shard, Tool, Verdict

LARGEST: Final = 2**63 - 1  # bytes; no file system holds more
LONGEST: Final = 65_536  # characters of a path or of a symbol
MAXIMUM: Final = 128 * 1024 * 1024  # bytes; a report of 3,000 objects has about five million

T = TypeVar("T")


class Head(msgspec.Struct):
    """What every schema has."""

    schema_version: int
    tool: dict[str, Any]


class Outline(msgspec.Struct):
    """A report of schema 1 whose artifacts are left as they stand: each may be decoded by itself, and let go."""

    schema_version: Literal[1]
    tool: Tool
    verdict: Verdict
    artifacts: list[msgspec.Raw]
    notes: tuple[str, ...] = ()
    shard: Shard | None = None


def is_report(path: Path) -> bool:
    """Tell whether the file looks like JSON, which no artifact does: by its first character, or by its name."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError:  # told where it is read as an artifact
        return False
    return start.startswith((b"{", b"[")) or path.suffix == ".json"


def read_report(path: Path) -> Report:
    """Return what was read of the artifacts that the report in ``path`` is about.

    Raises:
        BaselineError: the file cannot be read, or is no report that this version understands.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAXIMUM + 1)
    except OSError as error:
        raise BaselineError(f"{path}: cannot be read: {error.strerror or error}") from error
    report = parsed(data, str(path))
    return replace(report, artifacts=tuple(map(_as_read, report.artifacts)))


def parsed(data: bytes, path: str) -> Report:
    """Return the report that ``data`` is, with everything that its run made of it.

    Raises:
        BaselineError: it is no report that this version understands; the message begins with ``path``.
    """
    if len(data) > MAXIMUM:
        raise BaselineError(f"{path}: larger than {MAXIMUM // 1024 // 1024} MiB: that is no report of glibc-guard")
    outline = outlined(data, path)
    if not outline.artifacts:
        raise BaselineError(f"{path}: a report of no artifact: there is nothing to compare with")
    artifacts = tuple(artifacts_of(outline, path))
    return Report(outline.tool, outline.verdict, artifacts, notes=outline.notes, shard=outline.shard)


def outlined(data: bytes, path: str) -> Outline:
    """Return what the report in ``data`` says of itself; its artifacts are yet to be read; raises BaselineError."""
    head = _decoded(data, Head, f"{path}: no JSON report of glibc-guard")
    if head.tool.get("name") != "glibc-guard":
        raise BaselineError(f"{path}: no JSON report of glibc-guard: another tool wrote it")
    if head.schema_version > SCHEMA_VERSION:
        raise BaselineError(
            f"{path}: a report of schema {head.schema_version}, and this glibc-guard knows schema {SCHEMA_VERSION}: "
            "update glibc-guard, or write the report again with this one"
        )
    return _decoded(data, Outline, f"{path}: a damaged JSON report")


def artifacts_of(outline: Outline, path: str) -> Iterator[ArtifactReport]:
    """Yield the artifacts of a report, one after the other; raises BaselineError at one that is damaged."""
    for number, raw in enumerate(outline.artifacts, 1):
        artifact = _decoded(raw, ArtifactReport, f"{path}: a damaged JSON report: artifact {number}")
        for name in _out_of_bounds(artifact):
            raise BaselineError(f"{path}: a damaged JSON report: {name} of artifact {number} is out of bounds")
        yield artifact


def _decoded(data: bytes | msgspec.Raw, kind: type[T], complaint: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BaselineError(f"{complaint}: {error}") from error


def _as_read(artifact: ArtifactReport) -> ArtifactReport:
    """Return what was read of the artifact, without what that run made of it and of its baseline."""
    findings = (*artifact.findings, *(entry.finding for entry in artifact.ignored))
    unread = tuple(finding for finding in findings if finding.rule == "unreadable")
    verdict: Verdict = "unreadable" if unread else "pass"
    return replace(artifact, verdict=verdict, findings=unread, ignored=(), notes=(), changes=None)


def _out_of_bounds(artifact: ArtifactReport) -> Iterator[str]:
    """Yield the names of fields whose numbers and paths no artifact can have."""
    if not 0 <= (artifact.size or 0) <= LARGEST or len(artifact.path) > LONGEST:
        yield "size or path"
    if not 0 <= (artifact.downloads_lost or 0) <= 1:
        yield "downloads_lost"
    if not all(0 <= item.size <= LARGEST and len(item.path) <= LONGEST for item in artifact.objects):
        yield "size or path of an object"
    texts = (text for item in artifact.objects for text in (item.soname or "", *item.needed, *item.imports))
    if any(len(text) > LONGEST for text in (*artifact.floor, *artifact.floor.values(), *texts)):
        yield "a name"
