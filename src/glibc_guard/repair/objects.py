"""Repairs one object, one wish after the other, and reads it again to see that nothing else has changed."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from glibc_guard.artifacts.member import MemoryFile, PlainContent
from glibc_guard.elf import ElfError, read_object
from glibc_guard.model import ElfObject
from glibc_guard.repair.changes import Refusal, Repair, RepairError, applied
from glibc_guard.repair.executable_stack import without_executable_stack
from glibc_guard.repair.version_needs import Defined, Need, facts_without, without_need


class Wish(Struct, frozen=True):
    """What is to be repaired in one object."""

    needs: tuple[Need, ...]
    executable_stack: bool


class RepairedObject(Struct, frozen=True):
    """An object after its repairs."""

    data: bytes
    repairs: tuple[Repair, ...]
    refusals: tuple[Refusal, ...]


def repaired(data: bytes, facts: ElfObject, wish: Wish, defined: Defined) -> RepairedObject:
    """Return the object ``data`` with what of ``wish`` is provably safe; ``facts`` is what is known of it.

    ``defined`` gives the path of another object of the artifact that defines a symbol, or None.

    Raises:
        RepairError: the result does not read as it must, which is a fault of this program; nothing of it may be used.
    """
    done: list[Repair] = []
    refused: list[Refusal] = []

    def take(outcome: Repair | Refusal, after: Callable[[], ElfObject]) -> None:
        nonlocal data, facts
        if isinstance(outcome, Refusal):
            refused.append(outcome)
            return
        data = applied(data, outcome.changes)
        facts = after()
        _refuse_surprises(data, facts)
        done.append(outcome)

    for need in wish.needs:
        take(without_need(data, facts, need, defined), lambda need=need: facts_without(facts, need))  # type: ignore[misc]
    if wish.executable_stack:
        take(without_executable_stack(data, facts), lambda: replace(facts, executable_stack=False))
    return RepairedObject(data, tuple(done), tuple(refused))


def _refuse_surprises(data: bytes, expected: ElfObject) -> None:
    try:
        found = read_object(expected.path, len(data), PlainContent(MemoryFile(data)))
    except ElfError as error:
        raise RepairError(f"{expected.path} cannot be read after its repair: {error}; please report this") from error
    if found != expected:
        raise RepairError(f"{expected.path} is not after its repair what it must be; please report this")
