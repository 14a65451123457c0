"""Needed libraries: promised by the profile, carried by the artifact and within reach, or missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from glibc_guard.model import Finding, Severity
from glibc_guard.rules.libc import has_foreign_libc
from glibc_guard.rules.linkage import (
    installed,
    is_core_library,
    is_glibc_library,
    is_musl_library,
    libc_of,
    resolved,
)
from glibc_guard.rules.python_library import tells_of
from glibc_guard.rules.subject import Subject
from glibc_guard.targets import manylinux
from glibc_guard.targets.glibc_symbols import LOADERS

GRAFTED: Final = re.compile(r"-[0-9a-f]{8}\.so(\.|$)")  # the name that auditwheel gives to a copy of a library
#: Absolute folders that name no build machine: where distributions keep libraries.
SYSTEM_FOLDERS: Final = re.compile(r"/(usr/)?lib(32|64|x32)?(/|$)")

#: What an absolute search path tells of where it comes from.
BUILD_FOLDERS: Final = (
    (re.compile(r"^/tmp/|^/var/tmp/|/pip-|/build-env-"), "a temporary one: anybody may put a library there"),
    (re.compile(r"^/home/runner/|^/__w/|^/github/"), "of a GitHub runner"),
    (re.compile(r"^/(?:io|project|src|work|workspace|build|host)(?:/|$)"), "mounted into a build container"),
    (re.compile(r"conda|_h_env_placehold"), "of a conda environment"),
    (re.compile(r"^/nix/store/|^/gnu/store/"), "of a package store, /nix or /gnu"),
    (re.compile(r"/\.(?:cargo|rustup)/|/target/(?:debug|release)/"), "of a Rust build"),
    (re.compile(r"^/(?:home|Users)/|^/root(?:/|$)"), "somebody's home"),
    (re.compile(r"^/opt/|^/usr/local/"), "of software that is installed there by hand"),
)


def library_not_allowed(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each needed library that the profile does not promise and the artifact does not carry.

    A glibc release or a distribution as target has no list of libraries: there, only musl's own library is refused.
    """
    if not subject.loaded:
        return
    profile = manylinux.find(subject.target.name)
    for library in dict.fromkeys(subject.object.needed):
        if subject.linkage.carried(library) is not None or library == LOADERS[subject.target.arch]:
            continue
        if (profile is not None and library in profile.libraries) or _told_by_another_rule(subject, library):
            continue
        if is_musl_library(library) and subject.target.libc == "glibc":
            message = f"needs {library}, the C library of musl: {subject.system} does not have it"
            hint = "build it on glibc (a manylinux image), or promise musl: --target musllinux_1_2"
        elif profile is not None and not GRAFTED.search(library):
            message = f"needs {library}, which {profile.platform} does not promise and the artifact does not carry"
            hint = (
                "carry it (auditwheel repair does), link it statically, or name the system that has it: "
                "--target rhel8, ubuntu22.04, …"
            )
        else:
            continue
        yield _finding(subject, "library-not-allowed", "error", message, hint, library)


def _told_by_another_rule(subject: Subject, library: str) -> bool:
    """Tell whether another finding speaks of ``library``: libpython, or of the other kind of C library."""
    if tells_of(subject, library):
        return True
    if libc_of(subject.object) == subject.target.libc or not (is_core_library(library) or is_musl_library(library)):
        return False
    if subject.target.libc == "musl" and any(need.version.startswith("GLIBC_") for need in subject.system_needs):
        return True
    return has_foreign_libc(subject) or subject.object.kind == "executable"


def library_missing(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each library that the artifact carries, or should, and that the loader does not find."""
    if not subject.loaded:
        return
    for library in dict.fromkeys(subject.object.needed):
        if is_musl_library(library):  # musl's loader is its C library, and is never looked for (ldso/dynlink.c)
            continue
        inside = subject.linkage.carried(library)
        if inside is None and GRAFTED.search(library):
            message = f"needs {library}, a copy that a repair tool made: the artifact does not carry it"
            yield _finding(subject, "library-missing", "error", message, "repair and pack the artifact again", library)
        elif inside is not None and not subject.linkage.reaches(subject.object, library):
            by_another = subject.linkage.reached_by_another(subject.object, library)
            wheel = subject.artifact.wheel
            certain = wheel is not None and not wheel.preloads and not by_another
            severity: Severity = "error" if certain else "warning"
            message = f"needs {library}, which lies at {inside.path}: its search path does not lead there"
            if wheel is not None and wheel.preloads:
                message += "; the package calls CDLL when it is imported, and may load it before"
            elif by_another:
                message += "; it loads only after another object that finds it"
            hint = f"set its RUNPATH: patchelf --set-rpath '$ORIGIN/…' {subject.object.path.rpartition('/')[2]}"
            yield _finding(subject, "library-missing", severity, message, hint, library)


def orphan_version_need(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each version need on a library that is not loaded: the loader dies of an assertion.

    ``_dl_check_map_versions``: ``assert (needed != NULL)``. A tool that removes DT_NEEDED alone does that.
    """
    if not subject.loaded or subject.target.libc != "glibc":
        return
    names, complete = subject.linkage.closure(subject.object)
    loaded = {*names, *subject.object.needed, subject.object.soname}
    for library in dict.fromkeys(need.library for need in subject.object.version_needs):
        if library in loaded or (library.startswith("ld") and is_glibc_library(library) and names):
            continue
        message = f"has version needs on {library}, which it does not load: the loader ends with an assertion"
        hint = f"put the library back among the needed ones: patchelf --add-needed {library}"
        yield _finding(subject, "orphan-version-need", "error" if complete else "warning", message, hint, library)


def runpath_escapes(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each search path that leaves the artifact or names a folder of the machine that built it."""
    item = subject.object
    if not subject.loaded:
        return
    tag, path = ("RUNPATH", item.runpath) if item.runpath is not None else ("RPATH", item.rpath)
    for entry in dict.fromkeys(path.split(":")) if path else ():  # the loader takes no notice of an empty one
        complaint = _escape(entry, subject)
        if complaint is not None:
            message = f"{tag} entry “{entry}” {complaint}"
            hint = "build with -Wl,-rpath,'$ORIGIN/…', or take it out: patchelf --remove-rpath"
            yield _finding(subject, "runpath-escapes", "warning", message, hint, None)


def _escape(entry: str, subject: Subject) -> str | None:
    if entry.startswith(("$ORIGIN", "${ORIGIN}")):
        # A single file, or an installed package, may be part of a larger tree.
        closed = subject.artifact.kind in {"wheel", "zip", "tar", "conda"}
        leaves = closed and resolved(entry, installed(subject.object.path)) is None
        return "leaves the artifact: what lies there is not of its making" if leaves else None
    if entry.startswith(("$LIB", "$PLATFORM")) or (entry.startswith("/") and SYSTEM_FOLDERS.match(entry)):
        return None
    if entry.startswith("/"):
        kind = next((kind for pattern, kind in BUILD_FOLDERS if pattern.search(entry)), None)
        told = f" ({kind})" if kind else ""
        return f"names a folder that only the machine that built it is sure to have{told}"
    what = "" if entry else "is empty: it means the working folder, and "
    return f"{what}is searched in whatever folder the program is started from"


def _finding(subject: Subject, rule: str, severity: Severity, message: str, hint: str, library: str | None) -> Finding:
    return Finding(rule, severity, subject.object.path, message, library=library, target=subject.target.name, hint=hint)
