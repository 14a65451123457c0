"""Follows what a function keeps in registers, as far as it holds on every way through it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from heapq import heappop, heappush
from typing import Final, Protocol, TypeAlias

from msgspec import Struct, field

MOST_VISITS: Final = 8  # of one instruction, on the average: what a function does is mostly known after two


class Content(Struct, frozen=True):
    """What the loader wrote into a slot."""

    slot: int
    loads: frozenset[int]  # the instructions that took it from there


#: A register → a number that is known, or what is in a slot.
State: TypeAlias = Mapping[int, "int | Content"]


class Uses(Struct):
    """What a function does with slots."""

    slots: dict[int, int] = field(default_factory=dict)  # instruction with an operand there → slot
    consumed: dict[int, set[int]] = field(default_factory=dict)  # load → instructions that call or test what it took
    kept: set[int] = field(default_factory=set)  # loads of what is passed on: the load itself is the use

    def consume(self, value: int | Content | None, at: int) -> None:
        """Note that the instruction ``at`` uses ``value``."""
        for load in value.loads if isinstance(value, Content) else ():
            self.consumed.setdefault(load, set()).add(at)

    def keep(self, value: int | Content | None) -> None:
        """Note that ``value`` goes where it is not followed."""
        self.kept.update(value.loads if isinstance(value, Content) else ())


class Ways(Struct, frozen=True):
    """Where it goes on behind an instruction."""

    falls: bool = True  # to the next one
    target: int | None = None  # … or there
    anywhere: bool = False  # to a place that is looked up in a table


class Machine(Protocol):
    """The instructions of one function."""

    def addresses(self) -> Iterable[int] | None:
        """Return where instructions begin, in order; None where that cannot be told."""

    def after(self, at: int, state: State) -> State:
        """Return what registers hold behind the instruction ``at``."""

    def ways(self, at: int, state: State) -> Ways:
        """Return where it goes on behind the instruction ``at``."""

    def note(self, at: int, state: State, uses: Uses) -> None:
        """Add to ``uses`` what the instruction ``at`` does with slots."""


def uses_of(machine: Machine) -> Uses:
    """Return what a function does with slots; nothing where it cannot be followed.

    A place that nothing is seen to go to, behind an instruction that does not go on, is one of a table of jumps where
    the function has one, else a landing pad of exceptions, of whose registers nothing is known.
    """
    uses = Uses()
    places = machine.addresses()
    order = list(places) if places is not None else []
    states = _states(machine, order) if order else {}
    for at, state in states.items():
        machine.note(at, state, uses)
    return uses


def _states(machine: Machine, order: list[int]) -> dict[int, State]:
    """Return what registers hold before each instruction; nothing where that cannot be told."""
    following = dict(zip(order, [*order[1:], -1], strict=True))
    states: dict[int, State] = {order[0]: {}}
    waiting = [order[0]]
    orphans = iter(order)
    in_table: list[int] | None = None
    left = MOST_VISITS * len(order)
    while waiting or (waiting := _next_orphan(orphans, states)):
        at, left = heappop(waiting), left - 1
        state = states[at]
        ways = machine.ways(at, state)
        behind = machine.after(at, state)
        goals = [following[at]] if ways.falls else []
        if ways.target is not None and order[0] <= ways.target <= order[-1]:
            goals.append(ways.target)
        if ways.anywhere:
            in_table = _unreached(machine, order) if in_table is None else in_table
            goals += in_table
        for goal in goals:
            if goal == -1:
                continue
            if goal not in following or left < 0:
                return {}  # into the middle of what was taken as one instruction
            met = behind if goal not in states else _met(states[goal], behind)
            if goal not in states or met != states[goal]:
                states[goal] = met
                heappush(waiting, goal)
    return states


def _next_orphan(order: Iterator[int], states: dict[int, State]) -> list[int]:
    """Return the next instruction that nothing leads to, of whose registers nothing is known then."""
    for at in order:
        if at not in states:
            states[at] = {}
            return [at]
    return []


def _unreached(machine: Machine, order: list[int]) -> list[int]:
    """Return the instructions behind one that does not go on, which no jump names."""
    ways = [machine.ways(at, {}) for at in order]
    named = {one.target for one in ways}
    return [at for at, before in zip(order[1:], ways, strict=False) if not before.falls and at not in named]


def _met(one: State, other: State) -> State:
    """Return what holds in both."""
    found: dict[int, int | Content] = {}
    for register, value in one.items():
        second = other.get(register)
        if value == second:
            found[register] = value
        elif isinstance(value, Content) and isinstance(second, Content) and value.slot == second.slot:
            found[register] = Content(value.slot, value.loads | second.loads)
    return found
