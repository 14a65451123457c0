"""Every rule by name: its usual severity, and when it fires, in one line."""

from __future__ import annotations

from typing import Final

#: name → (severity, when it fires); in the order in which the documentation lists them.
CATALOGUE: Final[dict[str, tuple[str, str]]] = {
    "symbol-version-too-new": ("error", "a symbol version that the target does not provide"),
    "symbol-missing": ("error", "the version is there but not the symbol; or no library of the target has it at all"),
    "private-symbol": ("error", "a symbol of `GLIBC_PRIVATE`, bound to one exact build of glibc"),
    "loader-marker": ("error", "`GLIBC_ABI_DT_RELR` and its kin, which the target's loader does not know"),
    "weak-version-need": ("note", "a missing version that is marked weak: the loader goes on"),
    "relr-without-marker": ("error", "packed relocations (DT_RELR) that a loader refuses or silently skips"),
    "library-not-allowed": (
        "error",
        "a needed library that the profile does not promise and the artifact does not carry",
    ),
    "library-missing": ("error, warning", "a library that the artifact carries, or should, out of the loader's reach"),
    "orphan-version-need": ("error, warning", "a version need on a library that is not loaded: the loader dies of it"),
    "runpath-escapes": ("warning", "a search path that leaves the artifact or names a build machine's folder"),
    "executable-stack": ("error, warning", "an executable stack is asked for; glibc 2.41 refuses such a library"),
    "isa-level-too-high": ("error", "x86-64-v2 or above is declared as needed, and the target promises less"),
    "page-alignment": ("warning, error", "segments that a kernel with large pages, or any kernel, cannot map"),
    "wrong-interpreter": ("error", "a program names a loader (PT_INTERP) that the target does not have there"),
    "static-glibc": ("warning", "a program has glibc linked statically"),
    "static-tls": ("note", "a library in the static TLS model, which may fail when it is loaded late"),
    "inconsistent-elf": ("error", "sections or counts tell another story than the loader follows"),
    "wrong-architecture": ("error", "an object built for another architecture than the wheel's tag or the target"),
    "wheel-tag-dishonest": ("error, warning", "the tag of a wheel promises more than its contents keep"),
    "python-abi": (
        "error, warning, note",
        "a symbol that the promised Python does not export, a broken `abi3`, a module that is never imported",
    ),
    "record-mismatch": ("error", "a native member that RECORD does not list, or lists with another hash or size"),
    "unreadable": ("error", "a member that is damaged, encrypted or of unknown architecture; exit status 3"),
    "nothing-to-check": ("error", "no program and no library where one was to be expected; exit status 3"),
}
