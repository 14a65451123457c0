"""Which of many artifacts one machine judges, and the file that lists them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from glibc_guard.model import ArtifactReport, Shard

if TYPE_CHECKING:
    import hashlib

MOST_SHARDS: Final = 100_000
STANDARD_INPUT: Final = "-"


class ShardError(Exception):
    """A shard or a list of artifacts that cannot be used; the message says what to write instead."""


def shard_of(text: str) -> Shard:
    """Return the shard that "3/8" is; raises ShardError."""
    found = re.fullmatch(r"\s*([0-9]{1,6})\s*/\s*([0-9]{1,6})\s*", text)
    shard = Shard(int(found[1]), int(found[2])) if found else Shard(0, 0)
    if not 1 <= shard.index <= shard.count <= MOST_SHARDS:
        raise ShardError(f"{text}: write INDEX/COUNT, from 1/8 to 8/8 for eight shards")
    return shard


def share(paths: Sequence[str], shard: Shard) -> tuple[list[str], Shard]:
    """Return what of ``paths`` belongs to ``shard``, of the sorted ones, each once; and ``shard`` with their digest."""
    known = sorted(set(paths))
    digest = _sha256()
    digest.update("".join(f"{path}\n" for path in known).encode("utf-8", "surrogateescape"))
    return known[shard.index - 1 :: shard.count], replace(shard, paths_sha256=digest.hexdigest())


class Contents:
    """Counts and digests the artifacts of a shard, so that `merge` can tell whether all of them are still there."""

    def __init__(self) -> None:
        """Begin with none."""
        self._number = 0
        self._digest = _sha256()

    def add(self, artifact: ArtifactReport) -> None:
        """Take the next artifact, in the order of the report."""
        self._number += 1
        self._digest.update(f"{artifact.path}\0{artifact.sha256 or ''}\n".encode("utf-8", "surrogateescape"))

    def of(self, shard: Shard) -> Shard:
        """Return ``shard`` with what was added."""
        return replace(shard, artifacts=self._number, artifacts_sha256=self._digest.hexdigest())


def _sha256() -> hashlib._Hash:
    import hashlib  # noqa: PLC0415  # lazy: OpenSSL takes 3 ms, and most checks have no shard

    return hashlib.sha256()


def with_contents(shard: Shard, artifacts: Iterable[ArtifactReport]) -> Shard:
    """Return ``shard`` with the number and the digest of the ``artifacts`` of its report."""
    contents = Contents()
    for artifact in artifacts:
        contents.add(artifact)
    return contents.of(shard)


def listed(file: str) -> list[str]:
    """Return the paths and URLs in ``file``, one a line; "-" is standard input. Raises ShardError."""
    try:
        data = sys.stdin.buffer.read() if file == STANDARD_INPUT else Path(file).read_bytes()
    except OSError as error:
        raise ShardError(f"{file}: cannot be read: {error.strerror or error}") from error
    lines = (line.rstrip("\r") for line in data.decode("utf-8", "surrogateescape").split("\n"))
    return [line for line in lines if line.strip()]
