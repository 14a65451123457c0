"""What a repair did, and what it would not do, as the report of ``fix`` tells it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from msgspec import Struct

from glibc_guard.model import Finding, Tool

Outcome: TypeAlias = Literal["fixed", "partly fixed", "not fixed", "nothing to fix"]


class RepairError(Exception):
    """A repair that cannot be made, or not where it was asked for; the message says why and what to do instead."""


class Change(Struct, frozen=True):
    """Bytes of an object that were changed."""

    offset: int  # in the object's file
    before: str  # hexadecimal, as many bytes as ``after``
    after: str
    what: str  # in words: "version index of the reference to gettid: 5 → 1"


class Repair(Struct, frozen=True):
    """One thing that was repaired in one object."""

    rule: str  # whose finding is gone
    object: str  # path inside the artifact
    message: str
    changes: tuple[Change, ...]
    library: str | None = None
    version: str | None = None
    symbols: tuple[str, ...] = ()


class Refusal(Struct, frozen=True):
    """One thing that was not repaired, since it is not provably safe."""

    rule: str
    object: str
    reason: str
    library: str | None = None
    version: str | None = None
    symbol: str | None = None  # the one that stands in the way


class FixReport(Struct, frozen=True):
    """What came of ``fix``, schema 1; ``output`` is None where nothing was written."""

    tool: Tool
    path: str
    output: str | None
    dry_run: bool
    outcome: Outcome
    repairs: tuple[Repair, ...]
    refusals: tuple[Refusal, ...]
    remaining: tuple[Finding, ...]  # of the repaired copy: what still fails the check
    schema_version: Literal[1] = 1
    notes: tuple[str, ...] = ()


def change(data: bytes, offset: int, after: bytes, what: str) -> Change:
    """Return the change of ``data`` that puts ``after`` at ``offset``."""
    return Change(offset, data[offset : offset + len(after)].hex(), after.hex(), what)


def applied(data: bytes, changes: Iterable[Change]) -> bytes:
    """Return ``data`` with ``changes`` made.

    Raises:
        RepairError: a change does not fit the bytes that are there.
    """
    copy = bytearray(data)
    for one in changes:
        before, after = bytes.fromhex(one.before), bytes.fromhex(one.after)
        if len(before) != len(after) or copy[one.offset : one.offset + len(before)] != before:
            raise RepairError(f"the bytes at {one.offset:#x} are not those that were to be changed")
        copy[one.offset : one.offset + len(after)] = after
    return bytes(copy)
