"""static-glibc and mixed-libc: a process has one C library, and a second one in it has not been started."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from glibc_guard.model import ElfObject, Finding, Severity
from glibc_guard.rules.linkage import is_core_library, is_musl_library, libc_of
from glibc_guard.rules.subject import Subject

#: Weak references that only the locale code of the static library has (``locale/setlocale.c``, NL_CURRENT_INDIRECT).
LOCALE_OF_LIBC_A: Final = "_nl_current_LC_"
STDIO_OF_GLIBC: Final = frozenset({"_IO_2_1_stdout_", "_IO_file_jumps"})
#: What a C library alone has, and no freestanding object brings along, as they do with memcpy.
STDIO: Final = frozenset({"vfprintf", "fwrite"})
MODULE: Final = re.compile(r"\.so(?:\.\d+)*$")


def static_glibc(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for glibc that is linked in: a warning for a program, an error for what joins a process."""
    item = subject.object
    if item.kind == "static" and item.glibc_start_files:
        if MODULE.search(item.path):
            message = "is a static program with glibc inside, and no module: dlopen refuses to load a program"
            yield _finding(subject, "static-glibc", "error", message, MODULE_HINT)
            return
        message = (
            "has glibc linked statically: name service, iconv and locales still load the shared parts of the very same "
            "release at run time, and fail or crash where the system has another"
        )
        hint = "link dynamically against an old glibc, or statically against musl"
        yield _finding(subject, "static-glibc", "warning", message, hint)
    elif item.kind == "shared" and _has_glibc_inside(item):
        message = (
            "has glibc linked statically, and joins a process that has one: a second glibc, which nothing starts. Its "
            "stdio, heap, locale and errno are its own: what it prints may never appear, and memory or files that are "
            "passed across may crash"
        )
        yield _finding(subject, "static-glibc", "error", message, MODULE_HINT)


MODULE_HINT: Final = (
    "leave -static, -Wl,-Bstatic -lc and libc.a out of the link; for old systems build against an old glibc, in a "
    "manylinux image, and link no more than libgcc statically"
)


def mixed_libc(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for a library or module that brings a second C library, of another kind, into the process."""
    item = subject.object
    if has_foreign_libc(subject):
        other = "glibc" if subject.target.libc == "musl" else "musl"
        objects = subject.linkage.objects
        rest = next(one for one in objects if one.kind == "shared" and libc_of(one) == subject.target.libc)
        message = (
            f"is built for {other} ({_by_what(item)}) among objects for {subject.target.libc}, such as {rest.path}: "
            "one process cannot have both"
        )
        hint = f"build all modules for {subject.target.libc}, and give the {other} ones an artifact of their own"
        yield _finding(subject, "mixed-libc", "error", message, hint)
    elif item.kind == "shared" and not item.needed and item.defined >= STDIO and not _has_glibc_inside(item):
        if is_musl_library(item.soname or "") or "ld-musl-" in item.path:
            return
        message = (
            "has a C library of its own linked in (musl, it seems: it exports "
            f"{' and '.join(sorted(STDIO))}, and needs no library), and joins a process that has one: nothing starts "
            "the second, and its first call may crash"
        )
        yield _finding(subject, "mixed-libc", "error", message, MODULE_HINT)


def has_foreign_libc(subject: Subject) -> bool:
    """Tell whether the object needs another kind of C library than the target has, and than others beside it need.

    What a program of that other kind loads is no matter: it has a process of its own.
    """
    item, libc = subject.object, libc_of(subject.object)
    if item.kind != "shared" or libc in {None, subject.target.libc}:
        return False
    present = subject.linkage.libcs
    return ("shared", subject.target.libc) in present and ("executable", libc) not in present


def _has_glibc_inside(item: ElfObject) -> bool:
    """Tell it by what only glibc's own objects leave: sections, exported stdio, references of static locale code."""
    if is_core_library(item.soname or "") or is_core_library(item.path.rpartition("/")[2]):
        return False
    exported = {name for name in STDIO_OF_GLIBC if name in item.defined}
    static_locale = (symbol.name.startswith(LOCALE_OF_LIBC_A) for symbol in item.undefined)
    return item.glibc_sections or bool(exported) or any(static_locale)


def _by_what(item: ElfObject) -> str:
    musl = next(filter(is_musl_library, item.needed), None)
    return f"needs {musl or next(filter(is_core_library, item.needed), 'its symbols')}"


def _finding(subject: Subject, rule: str, severity: Severity, message: str, hint: str) -> Finding:
    return Finding(rule, severity, subject.object.path, message, target=subject.target.name, hint=hint)
