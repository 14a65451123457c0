"""What `explain` tells of a symbol or a version: what it is, since when, on which architectures, how to avoid it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct

from glibc_guard.explain.advice import words
from glibc_guard.explain.history import Appearance, at, history
from glibc_guard.explain.knowledge import Family, families_of, filled, gcc_of, knowledge, numbers
from glibc_guard.model import Target
from glibc_guard.targets import distros, glibc_symbols
from glibc_guard.targets.glibc import ARCHITECTURES
from glibc_guard.targets.symbol_version import at_most, parse

NEAR: Final = 3  # names that are offered for one that is unknown
SHOWN: Final = 120  # characters of an unknown name in a message
#: Remedies for what nothing is written about, by namespace.
USUAL: Final = {
    "GLIBC": ("build", "zig", "zigbuild"),
    "GLIBCXX": ("libstdcxx", "static-libstdcxx", "zig"),
    "CXXABI": ("libstdcxx", "static-libstdcxx", "zig"),
    "GCC": ("build", "static-libgcc"),
}
PRIVATE: Final = "GLIBC_PRIVATE"
MARKS: Final = re.compile(r"GLIBC_(?:PRIVATE|ABI_\w+)")
NAMESPACES: Final = ("GLIBC", "GLIBCXX", "CXXABI", "GCC")


class UnknownSymbolError(Exception):
    """Nothing is known of what was asked for; the message says what comes near."""


class Story(Struct, frozen=True):
    """What is written of a family of symbols."""

    name: str
    title: str
    what: str
    version: str | None
    differs: str | None  # said of the older version


class Versions(Struct, frozen=True):
    """The appearances of a symbol, which are the same on several architectures; none where it never was there."""

    architectures: tuple[str, ...]
    appearances: tuple[Appearance, ...]


class OnTarget(Struct, frozen=True):
    """What a target has of it."""

    target: str
    arch: str
    glibc: str
    has_it: bool
    versions: tuple[str, ...]  # of the symbol


class Distributions(Struct, frozen=True):
    """Which distributions have it, as they were first published, the oldest first."""

    arch: str
    having: tuple[str, ...]
    lacking: tuple[str, ...]


class Additions(Struct, frozen=True):
    """What a release of glibc brought under a version, on one architecture."""

    arch: str
    new: tuple[str, ...]  # symbols that no earlier release has
    changed: tuple[str, ...]  # symbols that have an older version in the same library
    moved: tuple[str, ...]  # symbols that have an older version in another library


class SymbolPage(Struct, frozen=True):
    """All that is told of one symbol, at one version or at any, or of one version."""

    symbol: str | None
    version: str | None
    gcc: str | None  # the release that brought a version of libstdc++ or libgcc
    stories: tuple[Story, ...]
    versions: tuple[Versions, ...]
    additions: tuple[Additions, ...]
    targets: tuple[OnTarget, ...]
    distributions: tuple[Distributions, ...]
    remedies: tuple[str, ...]
    sources: tuple[str, ...]


def symbol_page(asked: str, architectures: Sequence[str], targets: Sequence[Target]) -> SymbolPage:
    """Tell of ``asked``: a symbol, a symbol at a version ("pow@GLIBC_2.29"), or a version.

    Args:
        asked: what the user wrote; mangled names, and demangled ones where the knowledge table has them.
        architectures: the first one is what remedies and distributions are told for.
        targets: to be told what they have; the remedies are for the first one of the first architecture.

    Raises:
        UnknownSymbolError: nothing is known of it.
    """
    symbol, version = _parts(asked)
    arch = architectures[0]
    families = _families(symbol, version)
    _refuse_unknown(symbol, version, families, architectures)
    release = _release(targets, arch)
    judged = _judged(symbol, version, families, architectures)
    return SymbolPage(
        symbol=symbol,
        version=version,
        gcc=gcc_of(version) if version else None,
        stories=tuple(Story(one.name, one.title, one.what, one.version, one.differs) for one in families),
        versions=_versions(symbol, architectures) if symbol else (),
        additions=() if symbol else _additions(version or "", arch),
        targets=tuple(_on_target(*judged, target) for target in targets if target.libc == "glibc") if judged else (),
        distributions=_distributions(*judged, arch) if judged else (),
        remedies=_remedies(symbol, version, families, arch, release),
        sources=_sources(symbol, families),
    )


def _parts(asked: str) -> tuple[str | None, str | None]:
    symbol, _, version = asked.strip().partition("@")
    version = version.removeprefix("@").strip()
    if not version and (_is_version(symbol) or MARKS.fullmatch(symbol)):
        return None, symbol
    return symbol.strip(), version or None


def _families(symbol: str | None, version: str | None) -> tuple[Family, ...]:
    """Return what is written of it, as far as the tables agree that there is such a symbol."""
    known = knowledge()
    if symbol is None or version == PRIVATE:
        return tuple(one for one in known.families if one.version == version)
    there = {one.version for arch in ARCHITECTURES for one in history(symbol, arch)}
    return tuple(
        one
        for one in families_of(symbol, version)
        if one.kind == "runtime" or (one.version in there if one.version else there)
    )


def _judged(
    symbol: str | None, version: str | None, families: Sequence[Family], architectures: Sequence[str]
) -> tuple[str | None, str | None] | None:
    """Return the symbol and version that systems are asked for; None where no system can be.

    What the tables do not know, of libstdc++ and libmvec, goes by its version alone.
    """
    if version == PRIVATE:
        return None
    if symbol and any(history(symbol, arch) for arch in architectures):
        return symbol, version
    version = version or next((one.version for one in families if one.version), None)
    return (None, version) if version else None


def _is_version(text: str) -> bool:
    named = parse(text)
    return named is not None and named.namespace in NAMESPACES


def _release(targets: Sequence[Target], arch: str) -> str:
    """Return the release that remedies aim at."""
    fitting = (target.ceilings.get("GLIBC") for target in targets if target.arch == arch and target.libc == "glibc")
    return next((release for release in fitting if release), glibc_symbols.load(arch).releases[0])


# --- what is unknown --------------------------------------------------------------------------------------------------


def _refuse_unknown(
    symbol: str | None, version: str | None, families: Sequence[Family], architectures: Sequence[str]
) -> None:
    if symbol == "":
        raise UnknownSymbolError(
            "no symbol is named: write one, as in pow or pow@GLIBC_2.29, or a version as GLIBC_2.34"
        )
    if symbol is None:
        if not families and not _exists(version or "", architectures):
            raise UnknownSymbolError(_unknown_version(version or "", architectures[0]))
        return
    appearances = [one for arch in architectures for one in history(symbol, arch)]
    named = parse(version or "")
    if named and named.namespace in NAMESPACES[1:] and (families or _exists(version or "", architectures)):
        return
    if version and MARKS.fullmatch(version) and _exists(version, architectures):
        return
    if not appearances and not families:
        raise UnknownSymbolError(_unknown(symbol, architectures))
    if version and appearances and version not in {one.version for one in appearances}:
        there = ", ".join(dict.fromkeys(one.version for one in appearances))
        raise UnknownSymbolError(f"{_short(symbol)} has no version {_short(version)}: it has {there}")


def _unknown_version(version: str, arch: str) -> str:
    release = version.partition("_")[2]
    if version.startswith("GLIBC_") and release in glibc_symbols.load(arch).releases:
        return f"glibc {release} brought no version of its own on {arch}: nothing there is {version}"
    return f"no release that is known here has the version {_short(version)}"


def _exists(version: str, architectures: Sequence[str]) -> bool:
    """Tell whether a version is known by itself, without a symbol."""
    if MARKS.fullmatch(version):
        return version == PRIVATE or any(marker.version == version for marker in glibc_symbols.extra().markers)
    named = parse(version)
    if named is None or named.namespace == "GLIBC":
        return any(version in _nodes(arch) for arch in architectures)
    if named.namespace == "GCC":  # libgcc has no list of versions here: any up to the newest one may be
        return any(
            at_most(named.number, entry.ceilings[arch]["GCC"])
            for entry in distros.distributions()
            for arch in entry.ceilings
        )
    return gcc_of(version) is not None


def _nodes(arch: str) -> frozenset[str]:
    table = glibc_symbols.load(arch)
    return frozenset().union(*(table.nodes(library, table.releases[-1]) for library in table.libraries))


def _unknown(symbol: str, architectures: Sequence[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  # lazy: needed for one message only

    if symbol.startswith(("_ZN", "_ZS", "_ZT", "_Zn", "_Zd", "_R")) and len(symbol) > len("_ZN"):
        return (
            f"no glibc has {_short(symbol)}, a name of C++ or Rust: name its version too, if it has one, as in "
            "_ZSt17__throw_bad_allocv@GLIBCXX_3.4"
        )
    names = {name for arch in architectures for name in glibc_symbols.load(arch).symbols()}
    near = get_close_matches(symbol[:SHOWN], sorted(names), n=NEAR, cutoff=0.7)
    suggestion = f"; did you mean {', '.join(near)}?" if near else ""
    newest = glibc_symbols.load(architectures[0]).releases[-1]
    return f"no glibc from 2.5 to {newest} has the symbol {_short(symbol)}{suggestion}"


def _short(text: str) -> str:
    return ascii(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")[1:-1]


# --- since when, and where --------------------------------------------------------------------------------------------


def _versions(symbol: str, architectures: Sequence[str]) -> tuple[Versions, ...]:
    grouped: dict[tuple[Appearance, ...], list[str]] = {}
    for arch in architectures:
        grouped.setdefault(history(symbol, arch), []).append(arch)
    if set(grouped) == {()}:
        return ()
    return tuple(Versions(tuple(found), appearances) for appearances, found in grouped.items())


def _additions(version: str, arch: str) -> tuple[Additions, ...]:
    if not version.startswith("GLIBC_") or MARKS.fullmatch(version):
        return ()
    table = glibc_symbols.load(arch)
    found: dict[str, list[str]] = {"new": [], "changed": [], "moved": []}
    for symbol in sorted(table.symbols()):
        kind = kind_of(symbol, version, arch)
        if kind is not None:
            found[kind].append(symbol)
    return (Additions(arch, **{kind: tuple(names) for kind, names in found.items()}),)


def kind_of(symbol: str, version: str, arch: str) -> str | None:
    """Tell whether ``symbol`` is "new" with ``version``, "changed" or "moved"; None where it has no such version."""
    found = glibc_symbols.load(arch).versions_of(symbol)
    if version not in found:
        return None
    older = [library for other, (_, library) in found.items() if _number(other) < _number(version)]
    if not older:
        return "new"
    return "changed" if found[version][1] in older else "moved"


def _number(version: str) -> tuple[int, ...]:
    return numbers(version.partition("_")[2])


def _on_target(symbol: str | None, version: str | None, target: Target) -> OnTarget:
    release = target.ceilings["GLIBC"]
    there = tuple(one.version for one in at(symbol, release, target.arch)) if symbol else ()
    has_it = _has(symbol, version, target.ceilings, target.arch)
    return OnTarget(target.name, target.arch, release, has_it, tuple(dict.fromkeys(there)))


def _distributions(symbol: str | None, version: str | None, arch: str) -> tuple[Distributions, ...]:
    having: list[str] = []
    lacking: list[str] = []
    for entry in distros.distributions():
        if arch in entry.ceilings:
            has_it = _has(symbol, version, entry.ceilings[arch], arch)
            (having if has_it else lacking).append(entry.name)
    return (Distributions(arch, tuple(having), tuple(lacking)),)


def _has(symbol: str | None, version: str | None, ceilings: Mapping[str, str], arch: str) -> bool:
    """Tell whether a system has it, by its newest versions of glibc, libstdc++ and libgcc."""
    release, named = ceilings["GLIBC"], parse(version or "")
    if named is not None and named.namespace in NAMESPACES[1:]:
        return at_most(named.number, ceilings.get(named.namespace, "0"))
    if version and MARKS.fullmatch(version):
        marks = (one for one in glibc_symbols.extra().markers if one.version == version and one.concerns(arch))
        return any(numbers(one.release) <= numbers(release) for one in marks)
    if symbol is None:
        return named is not None and at_most(named.number, release)
    return any(version in {None, one.version} for one in at(symbol, release, arch))


# --- what to do -------------------------------------------------------------------------------------------------------


def _remedies(
    symbol: str | None, version: str | None, families: Sequence[Family], arch: str, release: str
) -> tuple[str, ...]:
    known = knowledge()
    asked = [family for family in families if symbol or family.kind == "mark"]
    namespace = (version or "").partition("_")[0]
    remedies = (text for family in asked for text in family.remedies_for(symbol or "", arch))
    listed = dict.fromkeys(remedies) or USUAL.get(namespace, USUAL["GLIBC"])
    filling = words(symbol or "", version, arch, release)
    return (
        *(
            filled(known.remedies.get(text, text), filling)
            for text in listed
            if text != "symver" or not filling["older"].endswith("@VERSION")
        ),
        *(f"Rust, where the crate {name} asks for it: {advice}." for name, advice in _crates(symbol)),
    )


def _crates(symbol: str | None) -> Iterator[tuple[str, str]]:
    for crate in knowledge().crates:
        globs = (glob for glob in crate.symbols if glob != "*")
        if symbol and any(fnmatchcase(symbol, glob) for glob in globs):
            yield crate.name, crate.advice


def _sources(symbol: str | None, families: Iterable[Family]) -> tuple[str, ...]:
    asking = {name for name, _ in _crates(symbol)}
    crates = (source for crate in knowledge().crates if crate.name in asking for source in crate.sources)
    return tuple(dict.fromkeys((*(source for family in families for source in family.sources), *crates)))
