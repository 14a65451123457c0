"""SHA-256 of what passes by in pieces; of much of it on a thread of its own, beside the one that produces it."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Protocol

WORTH_A_THREAD: Final = 16 * 1024 * 1024  # bytes; hashing takes a third of the time that inflating takes
AHEAD: Final = 4  # pieces that wait for the thread at most, since each is held in memory


class Digest(Protocol):
    """What hashlib gives, as far as it is used here."""

    def update(self, data: bytes, /) -> None:
        """Take another piece."""

    def digest(self) -> bytes:
        """Return the SHA-256 of all pieces."""


def sha256(size: int) -> Digest:
    """Return what takes the SHA-256 of ``size`` bytes; where it is a ThreadedDigest, close it."""
    return hashlib.sha256() if size < WORTH_A_THREAD else ThreadedDigest()


class ThreadedDigest:
    """Takes the SHA-256 on another thread, which hashlib does without the interpreter's lock."""

    def __init__(self) -> None:
        """Begin with nothing; the thread starts with the first piece."""
        self._hash = hashlib.sha256()
        self._pool = ThreadPoolExecutor(1)
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

    def close(self) -> None:
        """End the thread; the digest can still be asked for."""
        self._pool.shutdown()
