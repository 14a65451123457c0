"""A file on a web server, of which no more is fetched than is read: HTTP range requests (RFC 9110, section 14)."""

from __future__ import annotations

import hashlib
import re
import tempfile
import threading
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Final

from glibc_guard.artifacts.member import ArtifactError
from glibc_guard.limits import Limits, beyond
from glibc_guard.urls import shown
from glibc_guard.web import Answer, Patience, Web, WebError

BLOCK: Final = 64 * 1024  # bytes; what is kept is kept in such blocks
MOST_AT_ONCE: Final = 4 * 1024 * 1024  # bytes of one request
WORTH_A_GAP: Final = 256 * 1024  # bytes that are fetched for nothing rather than asked around
HASH_STEP: Final = 1024 * 1024
CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
EMPTY: Final = re.compile(r"bytes \*/0")
MAY_BE_EXPIRED: Final = frozenset({401, 403, 404, 410})  # what a URL with a signature answers after its time
REASONS: Final = {
    401: "it asks for a password: download the file and check that",
    403: "access is forbidden: download the file and check that",
    404: "there is no such file",
    410: "there is no such file any more",
}


class _ExpiredError(ArtifactError):
    """The place that the URL once led to does not answer any more."""


class RemoteFile:
    """A file behind a URL, read at any offset by several threads; what was fetched stays in a temporary file.

    Where the server does not know ranges, all of the file is fetched. Every answer must be about the same file: of the
    same size, and with the same ETag or date.
    """

    def __init__(self, url: str, limits: Limits, patience: Patience | None = None) -> None:
        """Fetch the beginning of ``url``.

        Raises:
            ArtifactError: there is no such file, or the server cannot be understood.
        """
        self.url = url  # as it was given
        self._url = url.partition("#")[0]
        self._claimed = _claimed_digest(url)
        self._place = self._url  # where redirects led to
        self._limits = limits
        self._web = Web(patience)
        self._asking = threading.Lock()
        self._storing = threading.Lock()
        self._store = tempfile.TemporaryFile(prefix="glibc-guard-")  # noqa: SIM115  # closed with this object
        self._present = bytearray()  # of each block whether it is in the store
        self._next = 0  # the block behind the last answer
        self._run = 1  # blocks to ask for where reading goes on there
        self._etag: str | None = None
        self._modified: str | None = None  # what stands in for an ETag, by the second
        self.size = 0
        self.fetched = 0  # bytes
        self.requests = 0
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, fewer only at the end; raises ArtifactError."""
        size = min(size, self.size - offset)
        if offset < 0 or size <= 0:
            return b""
        first, last = offset // BLOCK, (offset + size - 1) // BLOCK
        if not self._has(first, last):
            with self._asking:
                self._bring(first, last)
        with self._storing:
            self._store.seek(offset)
            return self._store.read(size)

    def prefetch(self, places: Iterable[tuple[int, int]]) -> None:
        """Fetch these places (offset, size) with few requests, since all of them will be read."""
        with self._asking:
            for first, last in _runs(places, self.size):
                self._bring(first, last)

    def close(self) -> None:
        """Let go of the connection and of what was fetched."""
        self._web.close()
        self._store.close()

    def digest(self) -> str | None:
        """Return the SHA-256 where the whole file was fetched; raises ArtifactError where the URL claims another."""
        if not all(self._present):
            return None
        digest = hashlib.sha256()
        for offset in range(0, self.size, HASH_STEP):
            digest.update(self.read_at(offset, HASH_STEP))
        found = digest.hexdigest()
        if self._claimed is not None and found != self._claimed:
            raise ArtifactError(f"its SHA-256 is {found}, and the URL says {self._claimed}: it is another file")
        return found

    def remark(self) -> str:
        """Say what was fetched, and what of it was not proved."""
        share = f"{self.fetched:,} of {self.size:,} bytes were fetched to judge it, in {self.requests:,} requests"
        if all(self._present):
            return share
        unproved = " (and the SHA-256 in the URL was not compared)" if self._claimed is not None else ""
        return f"{share}: the SHA-256 of the whole file is not known{unproved}"

    def _has(self, first: int, last: int) -> bool:
        return all(self._present[first : last + 1])

    def _bring(self, first: int, last: int) -> None:
        """Fetch the blocks from ``first`` to ``last`` that are not here, and more where reading goes on in order."""
        while (start := self._present.find(0, first, last + 1)) >= 0:
            # What is read in order, like a compressed tar, is asked for in steps that double.
            self._run = min(self._run * 2, MOST_AT_ONCE // BLOCK) if start == self._next else 1
            until = min(max(last + 1, start + self._run), start + MOST_AT_ONCE // BLOCK, len(self._present))
            known = self._present.find(1, start, until)
            self._fetch(start, known if known >= 0 else until)

    def _begin(self) -> None:
        begin, end, total, data = self._asked(0, BLOCK)
        if total > self._limits.remote_bytes:
            raise ArtifactError(beyond(f"has {total} bytes", "remote_bytes", self._limits.remote_bytes))
        self.size = total
        self._present = bytearray(-(-total // BLOCK))
        self._keep(begin, end, data)

    def _fetch(self, start: int, until: int) -> None:
        begin, end = start * BLOCK, min(until * BLOCK, self.size)
        found_begin, found_end, total, data = self._asked(begin, end)
        if (found_begin, found_end, total) != (begin, end, self.size):
            raise ArtifactError(f"the server answers with other bytes than those asked for: {_UNSTEADY}")
        self._keep(begin, end, data)

    def _keep(self, begin: int, end: int, data: bytes | None) -> None:
        """Mark what is in the store; ``data`` None: it is there already."""
        if data is not None:
            with self._storing:
                self._store.seek(begin)
                self._store.write(data)
                self._store.flush()
        first, until = begin // BLOCK, -(-end // BLOCK)
        self._present[first:until] = b"\1" * (until - first)
        self._next = until

    def _asked(self, begin: int, end: int) -> tuple[int, int, int, bytes | None]:
        """Return begin, end and bytes of what the server gave for this range, and the size of the file."""
        headers = {"Range": f"bytes={begin}-{end - 1}"}
        if self._etag is not None and not self._etag.startswith("W/"):  # a weak one does not name bytes
            headers["If-Range"] = self._etag
        try:
            try:
                return self._web.get(self._place, headers, lambda answer: self._taken(answer, end - begin))
            except _ExpiredError:
                if self._place == self._url:
                    raise
                self._place = self._url
                return self._web.get(self._place, headers, lambda answer: self._taken(answer, end - begin))
        except WebError as error:
            raise ArtifactError(f"cannot be fetched: {error}") from error

    def _taken(self, answer: Answer, wanted: int) -> tuple[int, int, int, bytes | None]:
        first = not self._present
        if answer.status == 416 and first and EMPTY.fullmatch(answer.headers.get("Content-Range", "")):
            return 0, 0, 0, b""
        if answer.status not in {200, 206}:
            reason = REASONS.get(answer.status, "the server does not give it")
            kind = _ExpiredError if answer.status in MAY_BE_EXPIRED else ArtifactError
            raise kind(f"cannot be fetched: {reason} (HTTP {answer.status} from {shown(answer.url)})")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise ArtifactError("cannot be fetched: the server sends it compressed, though it was asked not to")
        etag, modified = answer.headers.get("ETag"), answer.headers.get("Last-Modified")
        if first:
            self._etag, self._modified = etag, modified
        # Machines behind one name may differ in the date, not in the ETag.
        elif answer.status == 200 or etag != self._etag or (etag is None and modified != self._modified):
            raise ArtifactError(_UNSTEADY)
        self._place = answer.url
        self.requests += 1
        return self._whole(answer) if answer.status == 200 else self._part(answer, wanted)

    def _part(self, answer: Answer, wanted: int) -> tuple[int, int, int, bytes]:
        found = CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        data = b"".join(self._counted(answer, wanted))
        if found is None or int(found[2]) + 1 - int(found[1]) != len(data) or int(found[2]) >= int(found[3]):
            raise ArtifactError("cannot be fetched: the server answers a range request with something else")
        begin, end, total = int(found[1]), int(found[2]) + 1, int(found[3])
        if begin % BLOCK or (end % BLOCK and end != total):
            raise ArtifactError("cannot be fetched: the server gives another range than the one asked for")
        return begin, end, total, data

    def _whole(self, answer: Answer) -> tuple[int, int, int, None]:
        """Take all of the file, from a server that does not know ranges."""
        with self._storing:
            self._store.seek(0)
            self._store.truncate()
            for piece in self._counted(answer, self._limits.remote_bytes):
                self._store.write(piece)
            self._store.flush()
            size = self._store.tell()
        return 0, size, size, None

    def _counted(self, answer: Answer, most: int) -> Iterator[bytes]:
        for piece in answer.pieces(most):
            self.fetched += len(piece)
            if self.fetched > self._limits.remote_bytes:
                what = "more bytes would be fetched than that (the file can be downloaded and checked)"
                raise ArtifactError(beyond(what, "remote_bytes", self._limits.remote_bytes))
            yield piece


_UNSTEADY: Final = "the file on the server was changed while it was read: check it again"


def _claimed_digest(url: str) -> str | None:
    """Return the SHA-256 that an index writes behind the URL of a file (PEP 503)."""
    found = re.fullmatch(r"(?:.*&)?sha256=([0-9a-fA-F]{64})(?:&.*)?", urllib.parse.urlsplit(url).fragment)
    return found[1].lower() if found else None


def _runs(places: Iterable[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """Return the blocks (first, last) of ``places``, those together that lie close to each other."""
    runs: list[tuple[int, int]] = []
    for offset, length in sorted(places):
        if not 0 <= offset < size or length <= 0:
            continue
        first, last = offset // BLOCK, (min(offset + length, size) - 1) // BLOCK
        if runs and (first - runs[-1][1]) * BLOCK <= WORTH_A_GAP:
            runs[-1] = (runs[-1][0], max(last, runs[-1][1]))
        else:
            runs.append((first, last))
    return runs
