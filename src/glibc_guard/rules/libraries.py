"""library-not-allowed: a needed library that the system does not promise and the artifact does not carry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glibc_guard.model import NOT_LOADED, Finding
from glibc_guard.rules.subject import Subject

MUSL_PREFIX: Final = "libc.musl-"  # "libc.musl-x86_64.so.1", the name that Alpine's toolchain writes


def library_not_allowed(subject: Subject) -> Iterator[Finding]:
    """Yield a finding where an object built for musl is promised to a glibc system."""
    if subject.target.libc != "glibc" or subject.object.kind in NOT_LOADED:
        return
    for library in subject.object.needed:
        if library.startswith(MUSL_PREFIX) and library not in subject.carried:
            yield Finding(
                rule="library-not-allowed",
                severity="error",
                object=subject.object.path,
                message=f"needs {library}, the C library of musl: {subject.system} does not have it",
                library=library,
                target=subject.target.name,
                hint="build it on glibc (a manylinux image), or promise musl: --target musllinux_1_2",
            )
