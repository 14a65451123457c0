"""symbol-missing: a symbol that the target does not have although every version node that is asked for is there.

``_dl_lookup_symbol_x`` and ``do_lookup_x`` of glibc's ``elf/dl-lookup.c`` are what this file retells.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glibc_guard.model import Finding, Severity, UndefinedSymbol
from glibc_guard.rules.linkage import is_glibc_library
from glibc_guard.rules.subject import Subject
from glibc_guard.rules.symbol_versions import LOOKUP_TOLERANT, PRIVATE, is_met
from glibc_guard.targets import manylinux
from glibc_guard.targets.glibc_symbols import Definition
from glibc_guard.targets.symbol_version import significant_numbers

COMPLETE_KINDS: Final = frozenset({"executable"})  # a program brings its whole process along, a module joins one


def symbol_missing(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each symbol that a relocation needs and that no library of the target defines."""
    if subject.release is None or not subject.loaded:
        return
    met = {(need.library, need.version): is_met(subject, need) for need in subject.system_needs}
    weak_needs = {(need.library, need.version) for need in subject.system_needs if need.weak}
    known, whole = subject.symbols.symbols(), _is_whole(subject)
    for symbol in subject.object.undefined:
        if not symbol.relocated or symbol.version == PRIVATE:
            continue
        if symbol.version is None:
            if whole or symbol.name in known:  # of a module most are not glibc's, but Python's
                yield from _unversioned(subject, symbol)
        elif symbol.library is None or (symbol.library, symbol.version) not in met:
            yield from _of_any_library(subject, symbol, symbol.version)
        else:
            key = (symbol.library, symbol.version)
            if met[key]:
                yield from _versioned(subject, symbol, symbol.library, symbol.version)
            elif key in weak_needs and symbol.binding != "weak" and not subject.before(LOOKUP_TOLERANT):
                message = f"{symbol.name}@{symbol.version} ({symbol.library}) is not defined by {subject.system}"
                yield _finding(subject, symbol, f"{message}; its version need is weak, the symbol is not")


def _is_whole(subject: Subject) -> bool:
    """Tell whether every library is known that may meet a reference of the object."""
    return subject.object.kind in COMPLETE_KINDS and subject.linkage.closure(subject.object)[1]


def forbidden_symbol(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each symbol that not every system of the profile has in its copy of a library.

    The lists are those of the manylinux policies, and concern zlib: what they say of glibc the tables know better.
    """
    profile = manylinux.find(subject.target.name)
    if profile is None or not subject.loaded:
        return
    for library, names in profile.forbidden_symbols.items():
        carried = subject.linkage.carried(library) is not None
        if is_glibc_library(library) or library not in subject.object.needed or carried:
            continue
        for symbol in subject.object.undefined:
            if symbol.name in names and symbol.library in {None, library} and symbol.binding != "weak":
                message = f"{symbol.name} ({library}) is not in every system that {profile.platform} stands for"
                yield _finding(subject, symbol, message)


def _versioned(subject: Subject, symbol: UndefinedSymbol, library: str, version: str) -> Iterator[Finding]:
    if library not in subject.symbols.libraries:
        return
    if subject.symbols.lasts(library, symbol.name, version, subject.release or ""):  # asked first, as nearly all do
        return
    definitions = [one for one in subject.symbols.definitions(symbol.name) if one.version == version]
    for release in _releases_to_ask(subject, definitions):
        providers = [one.library for one in definitions if _is_in(one, release)]
        complaint = _lookup_fails(subject, symbol, library, providers, release)
        if complaint is not None:
            yield _finding(subject, symbol, f"{symbol.name}@{version} ({library}) {complaint}")
            return


def _of_any_library(subject: Subject, symbol: UndefinedSymbol, version: str) -> Iterator[Finding]:
    """Judge a reference whose version names no library of the system: any that is loaded and has both will do.

    It names the object itself or a library of the artifact, whose versions are judged elsewhere. One that defines none
    at all is accepted for any, and the system's may then have to bring the symbol.
    """
    if symbol.binding == "weak" or subject.linkage.defines(subject.object, symbol.name):
        return
    if subject.symbols.providers(symbol.name, version, subject.release or ""):
        return
    if subject.linkage.closure(subject.object)[1]:
        yield _finding(subject, symbol, f"{symbol.name}@{version} is in none of the needed libraries")


def _lookup_fails(
    subject: Subject, symbol: UndefinedSymbol, library: str, providers: list[str], release: str
) -> str | None:
    """Say why the look-up of a versioned symbol fails at ``release``; None where it does not."""
    if library in providers:
        return None
    if _older(release, LOOKUP_TOLERANT):
        return _strict_lookup_fails(subject, library, providers, release)
    if symbol.binding == "weak":  # it is 0 then
        return None
    names, complete = subject.linkage.closure(subject.object)
    if not providers:
        return f"is not in glibc {release}{'' if release == subject.release else ' and later'}, though its version is"
    if complete and not names.intersection(providers):
        return f"is in {providers[0]} of glibc {release}, which is not among the needed libraries"
    return None


def _strict_lookup_fails(subject: Subject, library: str, providers: list[str], release: str) -> str | None:
    """Say why the look-up fails where it stops at the file that the version need names, for weak references too."""
    in_order = [name for name in subject.object.needed if name in {*providers, library}]
    if in_order and in_order[0] in providers:
        return None
    if not providers:
        return f"is not in glibc {release}, though its version is"
    elsewhere = f"it is in {providers[0]} there, and glibc before {LOOKUP_TOLERANT} does not look further"
    return f"is not in {library} of glibc {release}; {elsewhere}"


def _unversioned(subject: Subject, symbol: UndefinedSymbol) -> Iterator[Finding]:
    """Judge a reference without a version: any loaded library may meet it, with its base or default version."""
    if symbol.binding == "weak" or subject.linkage.defines_unversioned(subject.object, symbol.name):
        return
    definitions = subject.symbols.definitions(symbol.name)
    names, complete = subject.linkage.closure(subject.object)
    whole = _is_whole(subject)
    if not definitions:
        if whole and not any(name in OPAQUE for name in names):
            yield _finding(subject, symbol, f"{symbol.name} (without a version) is in none of the needed libraries")
        return
    for release in _releases_to_ask(subject, definitions):
        providers = subject.symbols.provides_unversioned(symbol.name, release)
        if providers and (not whole or names.intersection(providers)):
            continue
        first = min((one.first for one in definitions), key=lambda number: significant_numbers(number) or ())
        if providers:
            message = f"is in {providers[0]} of glibc {release}, which is not among the needed libraries"
        elif _older(release, first):
            message = f"is in glibc only since {first}, and the target is {subject.system}"
        else:
            message = f"is not offered to new programs by glibc {release} and later"
        severity: Severity = "error" if complete else "warning"
        yield _finding(subject, symbol, f"{symbol.name} (without a version) {message}", severity)
        return


#: Libraries outside glibc that programs get everywhere and whose symbols no table here lists.
OPAQUE: Final = frozenset(
    {"libstdc++.so.6", "libgcc_s.so.1", "libgomp.so.1", "libatomic.so.1", "libgfortran.so.5", "libz.so.1"}
)


def _releases_to_ask(subject: Subject, definitions: tuple[Definition, ...] | list[Definition]) -> list[str]:
    """Return the target's release, and each later one that took something away: a target means those too."""
    release = subject.release or ""
    changes = {change for one in definitions for change in (one.removed, one.hidden) if change is not None}
    later = [change for change in changes if _older(release, change)]
    return [release, *sorted(later, key=lambda number: significant_numbers(number) or ())]


def _is_in(definition: Definition, release: str) -> bool:
    return not _older(release, definition.first) and (definition.removed is None or _older(release, definition.removed))


def _older(release: str, than: str) -> bool:
    return (significant_numbers(release) or ()) < (significant_numbers(than) or ())


def _finding(subject: Subject, symbol: UndefinedSymbol, message: str, severity: Severity = "error") -> Finding:
    return Finding(
        rule="symbol-missing",
        severity=severity,
        object=subject.object.path,
        message=message,
        symbol=symbol.name,
        version=symbol.version,
        library=symbol.library,
        binding=symbol.binding,
        target=subject.target.name,
    )
