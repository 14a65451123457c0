"""Version needs that the libraries of the system do not meet: what the loader checks before it looks at any symbol.

``_dl_check_map_versions`` of glibc's ``elf/dl-version.c`` is what this file retells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from glibc_guard.model import Finding, UndefinedSymbol, VersionNeed
from glibc_guard.rules.libc import has_foreign_libc
from glibc_guard.rules.subject import Subject
from glibc_guard.targets import glibc_symbols, manylinux
from glibc_guard.targets.symbol_version import SymbolVersion, at_most, parse

PRIVATE: Final = "GLIBC_PRIVATE"
MARKER_PREFIX: Final = "GLIBC_ABI_"
LOOKUP_TOLERANT: Final = "2.30"  # BZ 24741: the look-up no longer insists on the file that a version need names
LIBXCRYPT: Final = "2.28"  # RHEL 8; the distributions with an older glibc ship its own libcrypt
LOWEST: Final = SymbolVersion("GLIBC", ())
MARKER_HINTS: Final = {
    "GLIBC_ABI_DT_RELR": "link without packed relative relocations: -Wl,-z,nopack-relative-relocs",
    "GLIBC_ABI_GNU2_TLS": "compile with -mtls-dialect=gnu",
    "GLIBC_ABI_DT_X86_64_PLT": "link with -Wl,-z,nomark-plt",
}
WEAK_HINT: Final = (
    "the code may cope without this symbol, but the linker wrote the version need without the weak flag (GNU ld always "
    "does), so the loader refuses the object all the same: build against the older glibc"
)


def symbol_version_too_new(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each symbol whose version the target does not provide.

    A version node that no symbol refers to is checked like any other: it gives one finding without a symbol.
    """
    for need in _ordinary_needs(subject):
        complaint = _complaint(subject, need)
        if complaint is None:
            continue
        symbols = _symbols_of(subject, need)
        if not need.weak:
            yield from _for_each(subject, need, [*symbols] or [None], complaint)
        elif subject.before(LOOKUP_TOLERANT):
            looked_up: list[UndefinedSymbol | None] = [symbol for symbol in symbols if symbol.relocated]
            fatal = (
                f"{complaint}; its version need is weak, but before glibc {LOOKUP_TOLERANT} the look-up of it is fatal"
            )
            yield from _for_each(subject, need, looked_up, fatal)


def weak_version_need(subject: Subject) -> Iterator[Finding]:
    """Yield a note for each version that is missing and marked weak: the version check goes on without it."""
    for need in _ordinary_needs(subject):
        complaint = _complaint(subject, need) if need.weak else None
        if complaint is not None:
            yield Finding(
                rule="weak-version-need",
                severity="note",
                object=subject.object.path,
                message=f"{need.version} ({need.library}) {complaint}; the need is marked weak, so the loader goes on "
                "without it (a program says so on stderr at every start)",
                version=need.version,
                library=need.library,
                target=subject.target.name,
            )


def private_symbol(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each symbol of ``GLIBC_PRIVATE``, which is bound to one exact build of glibc."""
    for need in subject.system_needs:
        if need.version == PRIVATE and not _is_part_of_a_system(subject, need.library):
            symbols: list[UndefinedSymbol | None] = [*_symbols_of(subject, need)]
            hint = "link without it: such a symbol may change or go with any update of glibc"
            yield from _for_each(
                subject,
                need,
                symbols or [None],
                "is internal to one exact build of glibc",
                rule="private-symbol",
                hint=hint,
            )


def _is_part_of_a_system(subject: Subject, library: str) -> bool:
    """Tell whether the artifact is, or holds, a whole system: glibc's parts come together there, of one build."""
    return subject.artifact.kind in {"deb", "folder", "tar"} and subject.linkage.holds(library)


def loader_marker(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each marker (``GLIBC_ABI_DT_RELR`` and its kin) that the target's loader does not know."""
    if subject.release is None:
        return
    markers = glibc_symbols.extra().markers
    known = {marker.version: marker for marker in markers if marker.concerns(subject.target.arch)}
    for need in subject.system_needs:
        marker = known.get(need.version)
        if not need.version.startswith(MARKER_PREFIX) or (marker and not subject.before(marker.release)):
            continue
        yield Finding(
            rule="loader-marker",
            severity="error",
            object=subject.object.path,
            message=f"{need.version} ({need.library}) is a mark that {_who_knows(subject, marker)}",
            version=need.version,
            library=need.library,
            target=subject.target.name,
            hint=MARKER_HINTS.get(need.version),
        )


def _who_knows(subject: Subject, marker: glibc_symbols.Marker | None) -> str:
    if marker is None:
        return "no known glibc knows"
    backported = ""
    if marker.backported_to is not None and not subject.before(marker.backported_to):
        backported = f" (some distributions' builds from {marker.backported_to} on as well)"
    return f"only glibc {marker.release} and later know{backported}, and the target is {subject.system}"


def glibc_on_musl(subject: Subject) -> Iterator[Finding]:
    """Yield one finding where an object built for glibc is promised to a musl system."""
    needs = [need for need in subject.system_needs if need.version.startswith("GLIBC_")]
    if subject.target.libc != "musl" or not needs or has_foreign_libc(subject):
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


def carried_version(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each version that a library inside the artifact must define and does not.

    A library without version definitions is accepted for any version (``match_symbol`` in ``elf/dl-version.c``).
    """
    for need in subject.object.version_needs:
        if not subject.linkage.brings(subject.object, need.library):
            continue
        provider = subject.linkage.provider(subject.object, need.library)
        if provider is None or not provider.version_definitions or need.weak:
            continue
        if not any((need.hash, need.version) == (one.hash, one.version) for one in provider.version_definitions):
            yield Finding(
                rule="symbol-missing",
                severity="error",
                object=subject.object.path,
                message=f"{need.version} of {need.library} is not defined by the {provider.path} that the artifact "
                "carries",
                version=need.version,
                library=need.library,
                target=subject.target.name,
                hint="carry the release of that library that the object was linked with",
            )


def is_met(subject: Subject, need: VersionNeed) -> bool:
    """Tell whether the target defines the version that ``need`` asks for."""
    if need.version == PRIVATE:
        return True
    return _complaint(subject, need) is None


def _ordinary_needs(subject: Subject) -> Iterator[VersionNeed]:
    if subject.release is not None:
        for need in subject.system_needs:
            if need.version != PRIVATE and not need.version.startswith(MARKER_PREFIX):
                yield need


def _complaint(subject: Subject, need: VersionNeed) -> str | None:
    """Say why the target does not meet ``need``; None where it does."""
    version = parse(need.version)
    ceiling = subject.target.ceilings.get(version.namespace) if version else None
    if version is not None and ceiling is not None and not at_most(version.number, ceiling):
        return _beyond(subject, version.namespace, ceiling)
    release = subject.release or ""
    if need.library in subject.symbols.libraries:
        if need.version not in subject.symbols.nodes(need.library, release):
            return f"is no version that {need.library} of glibc {release} defines"
    elif version is None and (missing := _unpromised_name(subject, need)) is not None:
        return missing
    if need.library == "libcrypt.so.1" and need.version.startswith("XCRYPT_") and subject.before(LIBXCRYPT):
        return f"is a version of libxcrypt, and glibc {release} comes with its own libcrypt"
    if not need.hash_matches:
        return "is stored with a wrong hash, so that no loader finds it"
    return None


def _beyond(subject: Subject, namespace: str, ceiling: str) -> str:
    if namespace == "GLIBC":
        return f"is newer than glibc {ceiling}"
    if ceiling == "0":
        return f"is not promised by {subject.target.name}: no version of {namespace} is"
    return f"is newer than {namespace}_{ceiling}, the newest in {subject.target.name}"


def _unpromised_name(subject: Subject, need: VersionNeed) -> str | None:
    """Judge a version that is a name and no number (``CXXABI_FLOAT128``) by the profile's list of such names."""
    namespace, _, name = need.version.partition("_")
    profile = manylinux.find(subject.target.name)
    if profile is None or namespace not in profile.ceilings or name in profile.named_versions.get(namespace, ()):
        return None
    return f"is not promised by {subject.target.name}"


def _symbols_of(subject: Subject, need: VersionNeed) -> list[UndefinedSymbol]:
    return [
        symbol
        for symbol in subject.object.undefined
        if symbol.version == need.version and symbol.library == need.library
    ]


def _for_each(
    subject: Subject,
    need: VersionNeed,
    symbols: Sequence[UndefinedSymbol | None],
    complaint: str,
    *,
    rule: str = "symbol-version-too-new",
    hint: str | None = None,
) -> Iterator[Finding]:
    for symbol in symbols:
        weak = symbol is not None and symbol.binding == "weak" and not need.weak
        yield Finding(
            rule=rule,
            severity="error",
            object=subject.object.path,
            message=_message(symbol, need, complaint)
            + ("; the symbol is weak, its version need is not" if weak else ""),
            symbol=symbol.name if symbol else None,
            version=need.version,
            library=need.library,
            binding=symbol.binding if symbol else None,
            target=subject.target.name,
            hint=hint or (WEAK_HINT if weak else None),
        )


def _message(symbol: UndefinedSymbol | None, need: VersionNeed, complaint: str) -> str:
    if symbol is None:
        return f"{need.version} ({need.library}) {complaint}; no symbol uses it, yet the loader asks for it"
    return f"{symbol.name}@{need.version} ({need.library}) {complaint}"
