"""Scores numbers with a library that another build made."""

import ctypes
from pathlib import Path

_core = ctypes.CDLL(str(Path(__file__).with_name("_core.so")))
_core.score.restype = ctypes.c_double
_core.score.argtypes = [ctypes.c_double]


def score(number: float) -> float:
    """Return the score of ``number``."""
    return float(_core.score(number))
