"""The tables under ``data/``: what they look like, and how they are read, each when it is first asked for."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import msgspec

DATA: Final = Path(__file__).parent.parent / "data"  # not importlib.resources, which costs 10 ms to import

Number = Annotated[str, msgspec.Meta(pattern=r"^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){0,3}$")]
Architecture = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")]
Namespace = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]+$")]
Text = Annotated[str, msgspec.Meta(min_length=1)]
TableT = TypeVar("TableT", bound="Table")


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all tables have in common: nothing in them goes unnoticed."""


class Policy(Table, frozen=True):
    """One entry of ``manylinux_policies.json``."""

    name: Annotated[str, msgspec.Meta(pattern=r"^(manylinux|musllinux)_[0-9]+_[0-9]+$")]
    aliases: tuple[Text, ...]
    ceilings: dict[Architecture, dict[Namespace, Number]]
    named_versions: dict[Architecture, dict[Namespace, tuple[Text, ...]]]
    libraries: tuple[Text, ...]
    forbidden_symbols: dict[Text, tuple[Text, ...]]


class Policies(Table, frozen=True):
    """``manylinux_policies.json``, written by ``scripts/update_manylinux_policies.py``; the oldest profile first."""

    source: Text
    policies: tuple[Policy, ...]


class CompilerRuntime(Table, frozen=True, rename="upper"):
    """The newest versions in libstdc++ and libgcc_s of one GCC release."""

    glibcxx: Number
    cxxabi: Number
    gcc: dict[Architecture, Number]


class DistributionEntry(Table, frozen=True):
    """One entry of ``distros.json``."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z]+[0-9]+(\.[0-9]+)?(sp[0-9])?$")]
    name: Text
    aliases: tuple[Text, ...]
    architectures: Annotated[tuple[Architecture, ...], msgspec.Meta(min_length=1)]
    glibc: Number
    gcc: Number
    end_of_life: date
    sources: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    x86_64_level: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1
    note: Text | None = None


class Distributions(Table, frozen=True):
    """``distros.json``, kept by hand: ``about`` says how, ``sources`` what the short names of sources stand for."""

    about: Text
    sources: dict[Text, Text]
    compiler_runtimes: dict[Number, CompilerRuntime]
    distributions: tuple[DistributionEntry, ...]


class Runtime(Table, frozen=True):
    """One entry of ``runtimes.json``: a runtime, and what tells it; the table's ``about`` says what the fields mean."""

    name: Text
    libraries: tuple[Text, ...]
    told_by: Annotated[tuple[tuple[Text, ...], ...], msgspec.Meta(min_length=1)]
    exports: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    sources: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    renamed: tuple[Text, ...] = ()
    internals: tuple[Text, ...] = ()
    hidden_signs: tuple[Text, ...] = ()
    unique: tuple[Text, ...] = ()
    unique_assumed: tuple[Text, ...] = ()  # of a copy outside of the artifacts
    first_serves_all: bool = False  # two copies in one scope: the first is used, the other lies idle
    in_parts: bool = False  # several libraries in one folder make one copy
    front: bool = False  # no copy where it needs another library of the family, which then does the work
    versioned_by_soname: bool = False  # its symbol versions are named after its soname


class Clash(Table, frozen=True):
    """Runtimes (one name: two copies of it) that must not meet, whatever the scopes of their names."""

    between: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1, max_length=2)]
    where: Literal["process", "artifact"]
    why: Text


class Family(Table, frozen=True):
    """Runtimes of which a process should hold one."""

    rule: Annotated[str, msgspec.Meta(pattern=r"^conflicting-[a-z]+$")]
    what: Text  # the plural, for "two …"
    apart: Literal["warning", "note"]  # two copies with the same names in scopes of their own
    harm: Text  # what they do to each other even so
    hint: Text
    runtimes: Annotated[tuple[Runtime, ...], msgspec.Meta(min_length=1)]
    clashes: tuple[Clash, ...] = ()
    of_programs: bool = False  # a module never gets at it: the C library comes first


class Runtimes(Table, frozen=True):
    """``runtimes.json``, kept by hand: ``about`` says how, ``sources`` what the short names of sources stand for."""

    about: Text
    sources: dict[Text, Text]
    families: tuple[Family, ...]


@lru_cache(maxsize=1)
def runtimes() -> Runtimes:
    """Read which runtimes a process should hold once."""
    return decode((DATA / "runtimes.json").read_bytes(), Runtimes)


@lru_cache(maxsize=1)
def policies() -> Policies:
    """Read the manylinux and musllinux policies."""
    return decode((DATA / "manylinux_policies.json").read_bytes(), Policies)


@lru_cache(maxsize=1)
def distributions() -> Distributions:
    """Read the facts about distributions."""
    return decode((DATA / "distros.json").read_bytes(), Distributions)


def decode(raw: bytes, kind: type[TableT]) -> TableT:
    """Validate and decode a table.

    Raises:
        AssertionError: the table that ships with glibc-guard is broken, which no user can mend.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise AssertionError(f"the table {kind.__name__} of glibc-guard is broken: {error}") from error
