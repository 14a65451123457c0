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
    "wrong-interpreter": ("error, warning", "a program names a loader (PT_INTERP) that the target does not have there"),
    "static-glibc": ("warning, error", "glibc is linked statically into a program, or worse, into a library or module"),
    "mixed-libc": ("error", "musl and glibc in one process: modules of both kinds, or musl linked into a module"),
    "static-tls": ("note", "a library in the static TLS model, which may fail when it is loaded late"),
    "inconsistent-elf": ("error", "sections or counts tell another story than the loader follows"),
    "wrong-architecture": ("error", "an object built for another architecture than the wheel's tag or the target"),
    "wheel-tag-dishonest": ("error, warning", "the tag of a wheel promises more than its contents keep"),
    "python-abi": (
        "error, warning, note",
        "a symbol that the promised Python does not export, a broken `abi3`, a module that is never imported",
    ),
    "record-mismatch": ("error", "a native member that RECORD does not list, or lists with another hash or size"),
    "floor-raised": ("warning, note", "a newer glibc, libstdc++ or libgcc is needed than by the baseline"),
    "size-jump": ("warning", "the artifact or an object of it is much larger than in the baseline"),
    "library-added": ("note", "a library is needed from the system that the baseline did not need"),
    "object-gone": ("warning, note", "a program or library of the baseline is missing, or lies in another folder"),
    "object-added": ("note", "a program or library that the baseline does not have"),
    "tag-changed": ("warning, note", "the tag of the wheel is another than that of the baseline"),
    "baseline-missing": (
        "error",
        "the baseline cannot be read, or `baseline-required` is set and nothing could be compared; exit status 3",
    ),
    "conflicting-openmp": (
        "error, warning, note",
        "two OpenMP runtimes in one process: libgomp, libomp, libiomp5, renamed or not",
    ),
    "conflicting-blas": ("error, warning, note", "two BLAS libraries in one process: OpenBLAS, MKL, BLIS, ATLAS, …"),
    "conflicting-libstdcxx": (
        "error, warning, note",
        "two copies of libstdc++ in one process, linked statically or under another name",
    ),
    "conflicting-unwinder": ("error, warning, note", "two unwinders in one process: copies of libgcc_s, libunwind"),
    "conflicting-cuda": ("error, warning, note", "two CUDA runtimes in one process"),
    "conflicting-protobuf": (
        "error, warning, note",
        "two protobuf libraries or gRPC cores in one process that export the same names",
    ),
    "conflicting-malloc": ("error, note", "two replacements of malloc in one process"),
    "missing-member": ("error", "a member that the configuration requires is not there, or is empty"),
    "forbidden-member": ("error", "a member that the configuration forbids is there"),
    "member-too-large": ("error", "a member, or the artifact, is larger than the configuration allows"),
    "foreign-toolchain": ("note, error", "an object was built by another toolchain, or elsewhere, than the rest"),
    "unreadable": ("error", "a member that is damaged, encrypted or of unknown architecture; exit status 3"),
    "nothing-to-check": ("error", "no program and no library where one was to be expected; exit status 3"),
}
