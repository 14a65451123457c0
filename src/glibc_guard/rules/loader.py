"""What a loader or a kernel refuses about an object apart from versions and symbols."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from glibc_guard.model import Finding, Severity
from glibc_guard.rules.linkage import libc_of
from glibc_guard.rules.subject import Subject

RELR_MARKER: Final = "GLIBC_ABI_DT_RELR"
PAGE_SIZE: Final = 4096  # bytes; the smallest of any architecture here
#: Page sizes that kernels of an architecture are built with: RHEL's aarch64 and ppc64le, everybody's loongarch64.
LARGE_PAGES: Final = {"aarch64": 64 * 1024, "ppc64le": 64 * 1024, "loongarch64": 16 * 1024}
#: PT_INTERP by the processor supplements; glibc ``sysdeps/*/shlib-versions``, musl ``arch/*/reloc.h``.
INTERPRETERS: Final = {
    "x86_64": ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1"),
    "i686": ("/lib/ld-linux.so.2", "/lib/ld-musl-i386.so.1"),
    "aarch64": ("/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-aarch64.so.1"),
    "armv7l": ("/lib/ld-linux-armhf.so.3", "/lib/ld-musl-armhf.so.1"),
    "ppc64le": ("/lib64/ld64.so.2", "/lib/ld-musl-powerpc64le.so.1"),
    "s390x": ("/lib/ld64.so.1", "/lib/ld-musl-s390x.so.1"),
    "riscv64": ("/lib/ld-linux-riscv64-lp64d.so.1", "/lib/ld-musl-riscv64.so.1"),
    "loongarch64": ("/lib64/ld-linux-loongarch-lp64d.so.1", "/lib/ld-musl-loongarch64.so.1"),
}


#: ``elf/dl-hwcaps.c``
HARDWARE_FOLDER: Final = re.compile(r"(?:^|/)glibc-hwcaps/x86-64-v([234])/")


def relr_without_marker(subject: Subject) -> Iterator[Finding]:
    """Yield a finding where packed relative relocations are refused or silently skipped.

    Since 2.36 an object with DT_RELR, version needs and a needed ``libc.so.*`` must ask for the marker
    (``elf/dl-version.c``, commit 57292f5741); an older loader does not know DT_RELR and leaves the pointers alone.
    """
    item = subject.object
    if not item.relative_relocations or subject.target.libc != "glibc":
        return
    if any(need.version == RELR_MARKER for need in item.version_needs):
        return
    refused = item.version_needs and any(name.startswith("libc.so.") for name in item.needed)
    if refused:
        message = f"has DT_RELR without {RELR_MARKER}: glibc 2.36 and later refuse it, older ones crash in it"
    elif subject.before("2.36"):
        message = f"has DT_RELR, which {subject.system} does not know: its pointers stay unrelocated"
    else:
        return
    hint = "link with -Wl,-z,nopack-relative-relocs (GNU ld), -Wl,--pack-dyn-relocs=none (lld)"
    yield _finding(subject, "relr-without-marker", "error", message, hint)


def executable_stack(subject: Subject) -> Iterator[Finding]:
    """Yield a finding where the stack must be executable: since 2.41 ``dlopen`` refuses such a library (0ca8785a28)."""
    if not subject.object.executable_stack or not subject.loaded or subject.target.libc != "glibc":
        return
    hint = "link with -Wl,-z,noexecstack; assembly files need a .note.GNU-stack section, nested functions another shape"
    if subject.object.kind == "shared":
        message = "asks for an executable stack: glibc 2.41 and later refuse to load such a library into a program"
        yield _finding(subject, "executable-stack", "error", message, hint)
    else:
        message = "asks for an executable stack: systems that forbid it (SELinux) refuse to start the program"
        yield _finding(subject, "executable-stack", "warning", message, hint)


def isa_level_too_high(subject: Subject) -> Iterator[Finding]:
    """Yield a finding where the object declares a processor level that the target does not promise.

    glibc 2.33 and later refuse it on an older processor (``elf/dl-prop.h``, ``sysdeps/x86/dl-prop.h``).
    """
    level, promised = subject.object.isa_level, subject.target.isa_level
    chosen_by_level = HARDWARE_FOLDER.search(subject.object.path)  # the loader looks there on such processors only
    if level > promised and not (chosen_by_level and int(chosen_by_level[1]) >= level):
        message = f"declares x86-64-v{level} as needed, and {subject.system} runs on x86-64-v{promised} processors"
        hint = f"compile with -march=x86-64{'' if promised == 1 else f'-v{promised}'}, and pick faster code at run time"
        yield _finding(subject, "isa-level-too-high", "error", message, hint)


def page_alignment(subject: Subject) -> Iterator[Finding]:
    """Yield a finding where segments cannot be mapped with a page size that kernels of the architecture use.

    Until 2.34 the loader also insisted that p_align be a multiple of the page size (BZ 28688, commit 163f625cf9).
    """
    item = subject.object
    # The kernel, which maps programs, never looked at p_align.
    strict = item.kind == "shared" and subject.before("2.35")
    size = min(item.page_size, item.segment_alignment) if strict else item.page_size
    needed = LARGE_PAGES.get(subject.target.arch, PAGE_SIZE)
    if not size or not subject.loaded or size % needed == 0:
        return
    if size % PAGE_SIZE:
        who = "every loader" if item.page_size % PAGE_SIZE else "glibc before 2.35"
        message = f"has segments that are not aligned to a page of 4 KiB: {who} refuses it"
        yield _finding(subject, "page-alignment", "error", message, "link it again; a tool has damaged the layout")
    else:
        have, wanted = size // 1024, needed // 1024
        message = f"has segments aligned to {have} KiB: a kernel with pages of {wanted} KiB cannot map it"
        yield _finding(subject, "page-alignment", "warning", message, f"link with -Wl,-z,max-page-size={needed}")


def wrong_interpreter(subject: Subject) -> Iterator[Finding]:
    """Yield a finding where a program names a loader that the target does not have at that place."""
    path = subject.object.interpreter
    expected = INTERPRETERS[subject.target.arch][subject.target.libc == "musl"]
    if subject.object.kind != "executable" or path is None or path == expected:
        return
    if libc_of(subject.object) == "glibc" and subject.target.libc == "musl" and subject.system_needs:
        return  # its version needs say so already
    hint = f"patchelf --set-interpreter {expected} FILE, or link outside of the environment that set it"
    severity: Severity = "error"
    message = f"asks for the loader {path}, which {subject.system} does not have: it has {expected}"
    if libc_of(subject.object) == "musl" and subject.target.libc == "glibc":
        message = f"is a program for musl: {message}"
        hint = "link it statically (musl can: -static), or build it for glibc"
        if carried := _carried(subject, path.rpartition("/")[2]):
            severity = "warning"
            message += f"; the artifact carries {carried}, through which it has to be started"
    yield _finding(subject, "wrong-interpreter", severity, message, hint)


def _carried(subject: Subject, name: str) -> str | None:
    """Return the path of the member called ``name``."""
    paths = (*subject.artifact.files, *(path for path, _ in subject.artifact.links))
    return next((path for path in paths if path.rpartition("/")[2] == name), None)


def static_tls(subject: Subject) -> Iterator[Finding]:
    """Yield a note for a library in the static TLS model: loaded late, it may find the room used up."""
    if subject.object.kind == "shared" and subject.object.static_tls:
        message = (
            "uses the static TLS model (DF_STATIC_TLS): loaded late, it may fail with “cannot allocate memory in "
            "static TLS block”"
        )
        yield _finding(subject, "static-tls", "note", message, "compile with -ftls-model=global-dynamic")


def inconsistent_elf(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each place where tools are shown another story than the loader follows."""
    for told in subject.object.inconsistencies:
        hint = "rebuild the object, and leave out the tool that rewrote it; judged is what the loader sees"
        yield _finding(subject, "inconsistent-elf", "error", told, hint)


def _finding(subject: Subject, rule: str, severity: Severity, message: str, hint: str) -> Finding:
    return Finding(rule, severity, subject.object.path, message, target=subject.target.name, hint=hint)
