"""SHA-256 of what passes by in pieces; of much of it on a thread of its own, beside the one that produces it."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, Protocol

WORTH_A_THREAD: Final = 64 * 1024 * 1024  # bytes; smaller members come several at once, and fill the processors anyway
AHEAD: Final = 4  # pieces that wait for the thread at most, since each is held in memory


class Digest(Protocol):
    """What hashlib gives, as far as it is used here."""

    def update(self, data: bytes, /) -> None:
        """Take another piece."""

    def digest(self) -> bytes:
        """Return the SHA-256 of all pieces."""


@contextmanager
def sha256(size: int) -> Iterator[Digest]:
    """Give what takes the SHA-256 of ``size`` bytes."""
    if size < WORTH_A_THREAD:
        yield hashlib.sha256()
        return
    with ThreadPoolExecutor(1) as pool:
        yield _ThreadedDigest(pool)


class _ThreadedDigest:
    """Takes the SHA-256 on another thread, which hashlib does without the interpreter's lock."""

    def __init__(self, pool: Executor) -> None:
        """Begin with nothing; ``pool`` has one thread, so that the pieces are taken in order."""
        self._hash = hashlib.sha256()
        self._pool = pool
        self._waiting: deque[Future[None]] = deque()

    def update(self, data: bytes, /) -> None:
        """Hand over another piece; waits where the thread is too far behind."""
        self._waiting.append(self._pool.submit(self._hash.update, data))
        if len(self._waiting) > AHEAD:
            self._waiting.popleft().result()

    def digest(self) -> bytes:
        """Return the SHA-256 of all pieces."""
        while self._waiting:
            self._waiting.popleft().result()
        return self._hash.digest()
