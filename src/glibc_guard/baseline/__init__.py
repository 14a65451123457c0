"""What a release is compared with: a former artifact, a JSON report or a wheel on a package index."""

from glibc_guard.baseline.counterparts import Counterpart, counterparts
from glibc_guard.baseline.difference import difference
from glibc_guard.baseline.errors import BaselineError
from glibc_guard.baseline.holders import is_unread, unread
from glibc_guard.baseline.likeness import is_itself, unlike
from glibc_guard.baseline.pypi import PackageIndex
from glibc_guard.baseline.source import Source, opened

__all__ = [
    "BaselineError",
    "Counterpart",
    "PackageIndex",
    "Source",
    "counterparts",
    "difference",
    "is_itself",
    "is_unread",
    "opened",
    "unlike",
    "unread",
]
