"""Ends a run that was interrupted: at once, in one line, whatever the threads are at."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
PATIENCE: Final = 1.0  # seconds for what is inside to be unwound


class Interrupted(BaseException):
    """A signal that asks the process to end; no Exception, so that nothing takes it for a fault."""

    def __init__(self, number: int) -> None:
        """Keep the ``number`` of the signal."""
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number  # as a shell tells it


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into the end of the process, with status 130 or 143.

    What is inside is unwound first, so that temporary files go; threads are not waited for, since one may be in the
    middle of two gigabytes, and no reading thread has anything to clear up.
    """
    if threading.current_thread() is not threading.main_thread():  # Python handles signals on that one alone
        yield
        return
    before = [signal.signal(number, _interrupt) for number in SIGNALS]
    try:
        yield
    except Interrupted as interrupted:
        _end(interrupted)
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)


def _interrupt(number: int, _: object) -> NoReturn:
    began = time.monotonic()

    def again(number: int, _: object) -> None:
        if time.monotonic() - began > PATIENCE:
            _end(Interrupted(number))

    for each in SIGNALS:  # a second one, which some send at once, does not disturb the unwinding
        signal.signal(each, again)
    raise Interrupted(number)


def _end(interrupted: Interrupted) -> NoReturn:
    if sys.stderr is not None:
        sys.stderr.write(f"glibc-guard: interrupted ({interrupted}): there is no verdict\n")
        sys.stderr.flush()
    os._exit(interrupted.status)
