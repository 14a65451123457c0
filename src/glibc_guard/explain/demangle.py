"""Names of functions as a programmer wrote them, and the Rust crate or C++ namespace that they belong to.

The library `demangle` reads the Itanium C++ ABI and both manglings of Rust in pure Python, and bounds the length, the
depth and the output of a hostile name. It needs Python 3.11; before that a name stays as it is in the symbol table.
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from typing import Final

LONGEST_MANGLED: Final = 8192  # characters; the names of generic Rust code reach 4000
LONGEST: Final = 400  # characters of what is shown: the template arguments of a C++ name may fill a screen
LANGUAGES: Final = ("rust", "itanium")
#: What any name of Rust has somewhere, and few of C++: the prefix of RFC 2603, the hash or the escapes before it.
MAY_BE_RUST: Final = re.compile(r"_?_R|.*(?:17h|\$)", re.DOTALL)
MANGLED: Final = re.compile(r"_?_(?:Z|R[A-Z])")
#: What compilers add to a name for a part or a copy of a function (gcc, LLVM).
CLONES: Final = frozenset(
    {"cold", "part", "isra", "constprop", "lto_priv", "llvm", "localalias", "unlikely", "warm", "__uniq"}
)

#: Rust RFC 2603: the first crate root of a path that begins with nested names, generic arguments and implementations.
RUST_CRATE: Final = re.compile(
    r"_?_R(?:N[A-Za-z]|I|Y|[MX](?:s[0-9A-Za-z]*_)?)*C(?:s[0-9A-Za-z]*_)?(\d+)_?([A-Za-z_].*)"
)
LEGACY_RUST: Final = re.compile(r"_?_ZN(\d{1,4})(?!\d)(.*)17h[0-9a-f]{16}E")
LEGACY_IMPLEMENTATION: Final = re.compile(
    r"_?\$LT\$(?:\$[A-Z]+\$|mut\$u20\$|dyn\$u20\$|const\$u20\$)*([A-Za-z_]\w*)\.\."
)
#: Itanium C++ ABI, 5.1: thunks, guards and local names stand around a nested name.
CXX_NAMESPACE: Final = re.compile(
    r"_?_Z(?:T[hv]n?\d+_(?:n?\d+_)?|T[VTIS]|GV|Z|L)*(?:N[rVKRO]*(?:(\d+)(.*)|S)|S[tabsiod])"
)
ANONYMOUS: Final = "_GLOBAL__N_"
#: What the standard library has shorter names for (std::string, std::wostream), and the default of a last argument.
BASIC: Final = re.compile(r"\bbasic_([a-z_]+)<(char|wchar_t), std::char_traits<\2>(?:, std::allocator<\2>)?>")
DEFAULT_ALLOCATOR: Final = re.compile(r"<([^<>]+), std::allocator<\1>>")


@lru_cache(maxsize=4096)
def demangled(name: str) -> str:
    """Return ``name`` in the spelling of its language, in at most LONGEST characters, without compilers' suffixes."""
    name = _without_clones(name)
    if MANGLED.match(name) and len(name) <= LONGEST_MANGLED and sys.version_info >= (3, 11):
        name = _spelled(name)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def package_of(name: str) -> str | None:
    """Return the crate of a mangled Rust name, or the outermost namespace or class of a C++ name; else None."""
    name = _without_clones(name[:LONGEST_MANGLED])
    if (crate := RUST_CRATE.match(name)) is not None:
        return _first(crate[1], crate[2])
    if (legacy := LEGACY_RUST.match(name)) is not None:
        first = _first(legacy[1], legacy[2])
        implementation = LEGACY_IMPLEMENTATION.match(first or "")
        return implementation[1] if implementation else first if first and first.isidentifier() else None
    nested = CXX_NAMESPACE.match(name)
    if nested is None:
        return None
    namespace = _first(nested[1], nested[2]) if nested[1] else "std"
    return None if namespace is None or namespace.startswith(ANONYMOUS) else namespace


def is_rust(name: str, package: str | None) -> bool:
    """Tell whether ``name``, as `demangled` shows it, is that of a Rust function of ``package``.

    A name of C++ ends with its parameters, which those of Rust have not; what has any is not called Rust.
    """
    if RUST_CRATE.match(name) or LEGACY_RUST.match(name):
        return True
    return package is not None and "::" in name and "(" not in name and not name.endswith("…")


def _without_clones(name: str) -> str:
    """Return ``name`` without what compilers added: words of CLONES, each with or without numbers behind it.

    Part by part from the right, and no pattern: what is added may be repeated, and numbers may be split in many ways.
    """
    parts = name.split(".")
    kept = end = len(parts)
    while end > 1:
        end -= 1
        word = parts[end].rstrip("0123456789")
        if word in CLONES:
            kept = end
        elif word or not parts[end]:
            break
    return ".".join(parts[:kept])


def _first(length: str, rest: str) -> str | None:
    return rest[: int(length)] if len(length) < 5 and 0 < int(length) <= len(rest) else None


def _spelled(name: str) -> str:
    import demangle  # noqa: PLC0415  # lazy, wanted only where something was found

    # The first name that a scheme is asked about loads it, which takes 4 ms for the one of Rust.
    languages = LANGUAGES if MAY_BE_RUST.match(name) else LANGUAGES[1:]
    full = demangle.demangle(name, language=languages)
    short = BASIC.sub(lambda found: f"{'w' * (found[2] == 'wchar_t')}{found[1]}", full)
    return DEFAULT_ALLOCATOR.sub(r"<\1>", short)
