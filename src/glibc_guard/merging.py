"""Joins reports, those of shards above all, in the memory that the largest of them takes."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from glibc_guard import __version__
from glibc_guard.baseline import BaselineError
from glibc_guard.baseline.report_file import Outline, artifacts_of, outlined
from glibc_guard.model import ArtifactReport, Report, Shard, Tool, Verdict
from glibc_guard.output import OutputError, aside
from glibc_guard.report import json
from glibc_guard.sharding import MOST_SHARDS, Contents
from glibc_guard.verdict import verdict_of, worst

if TYPE_CHECKING:
    from _typeshed import SupportsRead

MAXIMUM: Final = 1024 * 1024 * 1024  # bytes of one report
LISTED: Final = 10  # shards that a message names


class MergeError(Exception):
    """Reports that do not belong together, or are none; the message says which and why."""


class _Part(Struct, frozen=True):
    """One report, read once to find its place."""

    path: Path
    digest: bytes  # SHA-256 of the file
    verdict: Verdict  # as it says itself: held against its artifacts when these are read
    shard: Shard | None
    artifacts: int


class Total(Struct):
    """What all the artifacts of a merged report come to."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    findings: int = 0

    @property
    def artifacts(self) -> int:
        """How many there are."""
        return self.verdicts.total()

    @property
    def verdict(self) -> Verdict:
        """The worst of their verdicts."""
        return worst([*self.verdicts])

    def add(self, artifact: ArtifactReport) -> None:
        """Count ``artifact``."""
        self.verdicts[artifact.verdict] += 1
        self.findings += len(artifact.findings)


def merged(paths: Sequence[Path]) -> Report:
    """Return one report of all that the reports at ``paths`` are about, in memory.

    Raises:
        MergeError: one of them is no report of this version, is there twice, or a shard is missing.
    """
    parts = _parts(paths)
    artifacts: list[ArtifactReport] = []
    notes = _each_artifact(parts, artifacts.append)
    verdict = worst([part.verdict for part in parts])
    return Report(Tool("glibc-guard", __version__), verdict, tuple(artifacts), notes=notes)


def merge(paths: Sequence[Path], output: Path | None, seen: Callable[[ArtifactReport], None] | None = None) -> Total:
    """Write the JSON report of all that the reports at ``paths`` are about; the file is whole or not written.

    Args:
        paths: The reports. Each is read twice; what of the largest is in memory is the file, and one artifact of it.
        output: Where to; None is standard output, which gets nothing either where something is wrong.
        seen: Is called with each artifact.

    Raises:
        MergeError: as of `merged`.
        OutputError: the file cannot be written.
    """
    parts = _parts(paths)
    try:
        if output is not None and (not output.exists() or output.is_file()):
            with aside(output) as file:
                return _write(parts, file, seen)
        with tempfile.TemporaryFile() as file:
            total = _write(parts, file, seen)
            file.seek(0)
            _copy(file, output)
            return total
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except OSError as error:
        raise OutputError(f"{output or 'standard output'}: cannot be written: {error.strerror or error}") from error


def _copy(file: SupportsRead[bytes], output: Path | None) -> None:
    if output is None:
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()
    else:
        with output.open("wb") as pipe:
            shutil.copyfileobj(file, pipe)


def _write(parts: Sequence[_Part], file: BinaryIO, seen: Callable[[ArtifactReport], None] | None) -> Total:
    total = Total()

    def take(artifact: ArtifactReport) -> None:
        file.write(json.one_artifact(artifact, first=not total.artifacts))
        total.add(artifact)
        if seen is not None:
            seen(artifact)

    whole = Report(Tool("glibc-guard", __version__), worst([part.verdict for part in parts]), ())
    file.write(json.around(whole)[0])
    notes = _each_artifact(parts, take)
    file.write(json.around(replace(whole, notes=notes))[1])
    return total


def _parts(paths: Sequence[Path]) -> list[_Part]:
    """Return the reports at ``paths``, shards in their order, if they belong together."""
    parts = []
    for path in paths:
        data = _content(path)
        outline = _outline(data, path)
        if outline.tool.version != __version__:
            raise MergeError(
                f"{path}: written by glibc-guard {outline.tool.version[:50]}, and this is {__version__}: the versions "
                "do not judge alike; merge with the one that wrote all of them"
            )
        parts.append(_Part(path, hashlib.sha256(data).digest(), outline.verdict, outline.shard, len(outline.artifacts)))
    _refuse_doubles(parts)
    sharded = [part for part in parts if part.shard is not None]
    if sharded:
        _refuse_gaps(parts, sharded)
        parts.sort(key=lambda part: part.shard.index if part.shard else 0)
    if not any(part.artifacts for part in parts):
        raise MergeError("the reports are about no artifact at all: nothing was judged")
    return parts


def _refuse_doubles(parts: Sequence[_Part]) -> None:
    known: dict[object, Path] = {}
    for part in parts:
        shard = (part.shard.index, part.shard.count) if part.shard is not None else None
        for key, what in ((part.digest, "the same report"), (shard, f"{_name(part.shard)} too,")):
            if key in known:
                raise MergeError(f"{part.path}: {what} as {known[key]}: its artifacts would be counted twice")
        known |= {key: part.path for key in (part.digest, shard) if key is not None}


def _refuse_gaps(parts: Sequence[_Part], sharded: Sequence[_Part]) -> None:
    if len(sharded) < len(parts):
        whole = next(part.path for part in parts if part.shard is None)
        raise MergeError(f"{whole}: no shard, while {sharded[0].path} is {_name(sharded[0].shard)}: they do not belong")
    counts = {part.shard.count: part for part in sharded if part.shard is not None}
    if len(counts) > 1:
        told = " and ".join(f"{part.path} is {_name(part.shard)}" for part in [*counts.values()][:2])
        raise MergeError(f"shards of different checks: {told}")
    lists = {part.shard.paths_sha256: part.path for part in sharded if part.shard is not None}
    if len(lists) > 1:
        one, other = [*lists.values()][:2]
        raise MergeError(f"shards of different checks: {one} and {other} are parts of different lists of paths")
    (count,) = counts
    there = {part.shard.index for part in sharded if part.shard is not None}
    missing = [index for index in range(1, count + 1) if index not in there]
    if missing:
        names = ", ".join(map(str, missing[:LISTED])) + (" …" if len(missing) > LISTED else "")
        raise MergeError(f"{len(missing):,} of {count:,} shards are missing: {names}. What they hold was not judged")


def _name(shard: Shard | None) -> str:
    return f"shard {shard.index}/{shard.count}" if shard is not None else "no shard"


def _each_artifact(parts: Sequence[_Part], take: Callable[[ArtifactReport], None]) -> tuple[str, ...]:
    """Hand every artifact to ``take``, and return the notes of the reports, each once."""
    notes: Counter[str] = Counter()
    known: dict[bytes, Path] = {}
    for part in parts:
        data = _content(part.path)
        if hashlib.sha256(data).digest() != part.digest:
            raise MergeError(f"{part.path}: was changed while it was read")
        outline = _outline(data, part.path)
        verdicts: set[Verdict] = set()
        contents = Contents()
        for artifact in _artifacts(outline, part.path):
            verdicts.add(artifact.verdict)
            contents.add(artifact)
            _refuse_known(artifact, part.path, known)
            take(artifact)
        if outline.shard is not None:
            _refuse_other_contents(contents.of(outline.shard), outline.shard, part.path)
        if outline.verdict != (worst([*verdicts]) if verdicts else "pass"):
            raise MergeError(f"{part.path}: a damaged JSON report: its verdict is not that of its artifacts")
        notes.update(dict.fromkeys(outline.notes, 1))
    # They tell what did not occur, like an ignore that matched nothing: of all shards it is true if it is of each.
    least = len(parts) if parts[0].shard is not None else 1
    return tuple(note for note, number in notes.items() if number >= least)


def _refuse_known(artifact: ArtifactReport, path: Path, known: dict[bytes, Path]) -> None:
    """Refuse an artifact that another report has too; the same one twice in a report was asked for twice."""
    # Of a folder there is no digest: it is the same where all that was found in it is.
    told = artifact if artifact.sha256 is None else (artifact.path, artifact.sha256, artifact.targets)
    identity = hashlib.blake2b(msgspec.json.encode(told, order="deterministic"), digest_size=16).digest()
    other = known.setdefault(identity, path)
    if other != path:
        raise MergeError(f"{path}: {artifact.path} is in {other} too: it would be counted twice")


def _refuse_other_contents(found: Shard, written: Shard, path: Path) -> None:
    if written.artifacts is None or written.artifacts_sha256 is None:
        raise MergeError(f"{path}: a damaged JSON report: the shard does not say which artifacts it has")
    if found.artifacts != written.artifacts:
        told = f"it has {found.artifacts:,} artifacts, and was written with {written.artifacts:,}"
        raise MergeError(f"{path}: a damaged JSON report: {told}")
    if found != written:
        raise MergeError(f"{path}: a damaged JSON report: its artifacts are not those that it was written with")


def _artifacts(outline: Outline, path: Path) -> Iterator[ArtifactReport]:
    try:
        for artifact in artifacts_of(outline, str(path)):
            least = verdict_of(artifact.findings, "error")  # which warnings fail was chosen at the check
            if worst([artifact.verdict, least]) != artifact.verdict:
                shown = artifact.path
                raise MergeError(f"{path}: a damaged JSON report: {shown} has findings that its verdict does not tell")
            yield artifact
    except BaselineError as error:
        raise MergeError(str(error)) from error


def _outline(data: bytes, path: Path) -> Outline:
    try:
        outline = outlined(data, str(path))
    except BaselineError as error:
        raise MergeError(str(error)) from error
    shard = outline.shard
    if shard is not None and not 1 <= shard.index <= shard.count <= MOST_SHARDS:
        raise MergeError(f"{path}: a damaged JSON report: there is no shard {shard.index} of {shard.count}")
    if not outline.artifacts and shard is None:
        raise MergeError(f"{path}: a report of no artifact, and no shard: nothing was judged")
    return outline


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAXIMUM + 1)
    except OSError as error:
        raise MergeError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > MAXIMUM:
        raise MergeError(f"{path}: larger than {MAXIMUM // 1024 // 1024} MiB: make more shards")
    return data
