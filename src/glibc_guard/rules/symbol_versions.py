"""symbol-version-too-new and private-symbol: version needs that the system's libraries do not define."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glibc_guard.model import Finding, UndefinedSymbol, VersionNeed
from glibc_guard.rules.subject import Subject
from glibc_guard.targets.symbol_version import SymbolVersion, at_most, parse

PRIVATE: Final = "GLIBC_PRIVATE"
LOWEST: Final = SymbolVersion("GLIBC", ())
WEAK_HINT: Final = (
    "the code may cope without this symbol, but the linker wrote the version need without the weak flag (GNU ld always "
    "does), so the loader refuses the object all the same: build against the older glibc"
)


def symbol_version_too_new(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each symbol whose version is newer than the target provides.

    A version node that no symbol refers to is checked by the loader like any other (``elf/dl-version.c``): it gives one
    finding without a symbol.
    """
    for need in subject.system_needs:
        version = parse(need.version)
        ceiling = subject.target.ceilings.get(version.namespace) if version else None
        if version is not None and ceiling is not None and not at_most(version.number, ceiling):
            complaint = _beyond(subject, version.namespace, ceiling)
            yield from _for_each_symbol(subject, need, "symbol-version-too-new", complaint)


def private_symbol(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each symbol of ``GLIBC_PRIVATE``, which is bound to one exact build of glibc."""
    for need in subject.system_needs:
        if need.version == PRIVATE:
            yield from _for_each_symbol(subject, need, "private-symbol", "is internal to one exact build of glibc")


def glibc_on_musl(subject: Subject) -> Iterator[Finding]:
    """Yield one finding where an object built for glibc is promised to a musl system."""
    needs = [need for need in subject.system_needs if need.version.startswith("GLIBC_")]
    if subject.target.libc != "musl" or not needs:
        return
    highest = max(needs, key=lambda need: (parse(need.version) or LOWEST).significant)
    yield Finding(
        rule="symbol-version-too-new",
        severity="error",
        object=subject.object.path,
        message=f"needs glibc ({highest.version} of {highest.library}): {subject.system} has no glibc",
        version=highest.version,
        library=highest.library,
        target=subject.target.name,
        hint="build it on musl (a musllinux image, Alpine, or zig cc -target …-linux-musl), or tag it manylinux",
    )


def _for_each_symbol(subject: Subject, need: VersionNeed, rule: str, complaint: str) -> Iterator[Finding]:
    symbols: list[UndefinedSymbol | None] = [
        symbol
        for symbol in subject.object.undefined
        if symbol.version == need.version and symbol.library == need.library
    ]
    for symbol in symbols or [None]:
        yield Finding(
            rule=rule,
            severity="error",
            object=subject.object.path,
            message=_message(symbol, need, complaint),
            symbol=symbol.name if symbol else None,
            version=need.version,
            library=need.library,
            binding=symbol.binding if symbol else None,
            target=subject.target.name,
            hint=_hint(rule, symbol),
        )


def _hint(rule: str, symbol: UndefinedSymbol | None) -> str | None:
    if rule == "private-symbol":
        return "link without it: such a symbol may change or go with any update of glibc"
    return WEAK_HINT if symbol is not None and symbol.binding == "weak" else None


def _message(symbol: UndefinedSymbol | None, need: VersionNeed, complaint: str) -> str:
    if symbol is None:
        return f"{need.version} ({need.library}) {complaint}; no symbol uses it, yet the loader asks for it"
    weak = "; the symbol is weak, its version need is not" if symbol.binding == "weak" else ""
    return f"{symbol.name}@{need.version} ({need.library}) {complaint}{weak}"


def _beyond(subject: Subject, namespace: str, ceiling: str) -> str:
    if namespace == "GLIBC":
        return f"is newer than glibc {ceiling}"
    if ceiling == "0":
        return f"is not promised by {subject.target.name}: no version of {namespace} is"
    return f"is newer than {namespace}_{ceiling}, the newest in {subject.target.name}"
