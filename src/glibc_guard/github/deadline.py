"""A limit to the time that GitHub may take in all, whatever it answers and however slowly."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent import futures
from typing import Final, TypeVar

#: Seconds. What is written takes a second a request; a check run with all its annotations has a dozen.
LONGEST: Final = 180.0

T = TypeVar("T")


class DeadlineError(Exception):
    """The time is over; the message says so."""


def within(seconds: float, operation: Callable[[], T]) -> T:
    """Return what ``operation`` returns, and raise what it raises.

    Neither the time limits of sockets nor those of retries bound a server that sends a byte now and then, or asks to
    wait at each of many requests. So the operation runs in a thread, which is left behind when the time is over and
    ends with the process.

    Raises:
        DeadlineError: it takes longer than ``seconds``.
    """
    done: futures.Future[T] = futures.Future()

    def run() -> None:
        try:
            done.set_result(operation())
        except Exception as problem:  # noqa: BLE001 - raised where it is waited for
            done.set_exception(problem)

    threading.Thread(target=run, daemon=True).start()
    if not futures.wait([done], timeout=seconds).done:
        raise DeadlineError(f"GitHub took longer than {seconds:.0f} seconds")
    return done.result()
