"""What is known of symbol versions beyond the tables: ``data/advice.json``, made from ``scripts/advice.toml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from glibc_guard.targets.symbol_version import parse, significant_numbers
from glibc_guard.targets.tables import DATA, Architecture, Number, Table, Text

FILE: Final = DATA / "advice.json"
Kind: TypeAlias = Literal["new", "changed", "moved", "runtime", "mark"]
Texts = Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]


class Bound(Table, frozen=True):
    """A remedy that is one on some architectures only."""

    on: Annotated[tuple[Architecture, ...], msgspec.Meta(min_length=1)]
    remedy: Text
    symbols: tuple[Text, ...] = ()  # globs; none for all of the family

    def concerns(self, symbol: str, architecture: str) -> bool:
        """Tell whether it is a remedy for ``symbol`` there."""
        return architecture in self.on and (not self.symbols or any(_fits(symbol, glob) for glob in self.symbols))


class Family(Table, frozen=True):
    """Symbols that came, changed or moved together."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]+$")]
    title: Text
    kind: Kind
    what: Text
    remedies: Texts
    sources: Texts
    symbols: tuple[Text, ...] = ()  # globs; none for a mark
    names: tuple[Text, ...] = ()  # demangled, as a reader may ask for them
    version: Text | None = None
    except_: tuple[Architecture, ...] = msgspec.field(name="except", default=())
    differs: Text | None = None
    reason: Text | None = None
    instead: Text | None = None
    instead_on: tuple[Architecture, ...] = ()  # where not on every architecture
    bound: tuple[Bound, ...] = ()
    formerly: dict[Text, str] = msgspec.field(default_factory=dict)
    symver: bool = False
    symver_on: tuple[Architecture, ...] = ()  # where not on every architecture

    def concerns(self, symbol: str) -> bool:
        """Tell whether ``symbol``, mangled or not, is one of the family."""
        return symbol in self.names or any(_fits(symbol, glob) for glob in self.symbols)

    def may_use_symver(self, architecture: str) -> bool:
        """Tell whether the older version does for code that is compiled against the new headers."""
        return self.symver and (not self.symver_on or architecture in self.symver_on)

    def instead_of_it(self, architecture: str) -> str | None:
        """Return the other way out that there is on ``architecture``."""
        return self.instead if not self.instead_on or architecture in self.instead_on else None

    def remedies_for(self, symbol: str, architecture: str) -> tuple[str, ...]:
        """Return the remedies for ``symbol`` on ``architecture``, in order."""
        return (*self.remedies, *(one.remedy for one in self.bound if one.concerns(symbol, architecture)))

    def former_name(self, symbol: str) -> str:
        """Return the name that the symbol had before, which is mostly its own."""
        for glob, before in self.formerly.items():
            start = glob.removesuffix("*")
            if symbol == glob:
                return before
            if glob != start and symbol.startswith(start):
                return before + symbol[len(start) :]
        return symbol


class Crate(Table, frozen=True):
    """A Rust crate that is known to ask for some symbols."""

    name: Text
    symbols: Texts
    advice: Text
    sources: Texts
    binding: Literal["weak"] | None = None  # where it asks so only


class Image(Table, frozen=True):
    """An image of an old system to build in."""

    name: Text
    release: Number
    architectures: Annotated[tuple[Architecture, ...], msgspec.Meta(min_length=1)]


class Knowledge(Table, frozen=True):
    """``advice.json``; the head of ``scripts/advice.toml`` says what the fields mean."""

    remedies: dict[Text, Text]
    gcc: dict[Text, Number]  # version of libstdc++ → the release that brought it
    images: tuple[Image, ...]
    crates: tuple[Crate, ...]
    families: tuple[Family, ...]


@lru_cache(maxsize=4096)
def families_of(symbol: str, version: str | None) -> tuple[Family, ...]:
    """Return the families of ``symbol``, those of exactly ``version`` first; of any version where it is None."""
    concerned = (one for one in knowledge().families if one.concerns(symbol))
    found = (one for one in concerned if not version or one.version in {None, version})
    return tuple(sorted(found, key=lambda one: one.version is None))


@lru_cache(maxsize=1)
def knowledge() -> Knowledge:
    """Read the table.

    Raises:
        AssertionError: the table that ships with glibc-guard is broken, which no user can mend.
    """
    try:
        return msgspec.json.decode(FILE.read_bytes(), type=Knowledge)
    except msgspec.DecodeError as error:
        raise AssertionError(f"{FILE.name} of glibc-guard is broken: {error}") from error


def image(release: str, architecture: str) -> Image | None:
    """Return the newest image whose glibc is no newer than ``release``; None where there is none."""
    known = (one for one in knowledge().images if architecture in one.architectures)
    return max((one for one in known if numbers(one.release) <= numbers(release)), key=_release_of, default=None)


def gcc_of(version: str) -> str | None:
    """Return the release of GCC that brought a version of libstdc++ or libgcc; None where it is not known."""
    named = parse(version)
    if named is not None and named.namespace == "GCC":
        return ".".join(map(str, named.significant))
    known = knowledge().gcc.get(version)
    return known and known.removesuffix(".0")


def filled(template: str, words: Mapping[str, str]) -> str:
    """Return ``template`` with each ``{word}`` that is known filled in; any other brace is left alone."""
    return _WORD.sub(lambda match: words.get(match[1], match[0]), template)


def numbers(release: str) -> tuple[int, ...]:
    """Return a release or version number comparable; () for what is none."""
    return significant_numbers(release) or ()


def _release_of(one: Image) -> tuple[int, ...]:
    return numbers(one.release)


def _fits(symbol: str, glob: str) -> bool:
    """Match as fnmatch does, whose cache of patterns is too small for all of these."""
    start = _literal_start(glob)
    return symbol.startswith(start) and (symbol == glob if start == glob else fnmatchcase(symbol, glob))


@cache
def _literal_start(glob: str) -> str:
    return re.split(r"[*?\[]", glob, maxsplit=1)[0]


_WORD: Final = re.compile(r"\{([a-z_]+)\}")
