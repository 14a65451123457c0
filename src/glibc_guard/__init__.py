"""Stops a release whose native code will not load on the oldest Linux system it was promised to.

What is named here is the library (https://github.com/org/glibc-guard/blob/main/docs/library.md); all else may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from glibc_guard.config import load
    from glibc_guard.guard import UsageError, check, diff
    from glibc_guard.model import Report
    from glibc_guard.settings import ConfigError, Settings
    from glibc_guard.targets.errors import TargetError

__version__ = "0.1.0"
__all__ = ["ConfigError", "Report", "Settings", "TargetError", "UsageError", "__version__", "check", "diff", "load"]

#: Where each name comes from: imported when it is asked for, since starting is most of what a small check takes.
_PLACES: Final = {
    "ConfigError": "settings",
    "Report": "model",
    "Settings": "settings",
    "TargetError": "targets.errors",
    "UsageError": "guard",
    "check": "guard",
    "diff": "guard",
    "load": "config",
}


if not TYPE_CHECKING:  # a type checker is to know that there are no other names

    def __getattr__(name: str) -> object:
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
