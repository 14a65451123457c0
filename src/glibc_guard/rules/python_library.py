"""python-abi, libpython: a module that needs the interpreter as a library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glibc_guard.model import Finding, Severity
from glibc_guard.rules.python_modules import LIBPYTHON, ending_of, interpreter_of, is_module
from glibc_guard.rules.python_tags import promise_of
from glibc_guard.rules.python_words import in_words
from glibc_guard.rules.subject import Subject
from glibc_guard.targets import manylinux

ADVICE: Final = (
    "do not link a module with libpython, the interpreter brings the symbols: CMake Python::Module instead of "
    "Python::Python; on what is built already: patchelf --remove-needed {}"
)


def linked_libpython(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each libpython that a module, or a library of a wheel, needs, whatever the target."""
    for library in dict.fromkeys(subject.object.needed):
        if not tells_of(subject, library):
            continue
        if not subject.linkage.brings(subject.object, library):
            yield _not_there(subject, library)
        elif is_module(subject.object):
            yield _second_one(subject, library)


def tells_of(subject: Subject, library: str) -> bool:
    """Tell whether a finding of this rule speaks of ``library``.

    A program, or a plugin of one, may embed Python. Outside of a wheel the package manager may bring the library, so
    that only the wrong one counts, and any where a manylinux profile is the target.
    """
    if subject.object.kind != "shared" or LIBPYTHON.match(library) is None:
        return False
    if subject.artifact.wheel is not None:
        return True
    profile = manylinux.find(subject.target.name) is not None
    return is_module(subject.object) and (profile or _wanted(subject, library) is not None)


def _not_there(subject: Subject, library: str) -> Finding:
    message = f"needs {library}: an interpreter that is linked statically (manylinux, Debian, …) comes without it"
    wanted = _wanted(subject, library)
    if wanted is not None:
        message = f"needs {library}, the library of another Python: it is for {wanted}"
    return _finding(subject, library, "error", message)


def _second_one(subject: Subject, library: str) -> Finding:
    inside = subject.linkage.provider(subject.object, library)
    place = inside.path if inside is not None else "the artifact"
    message = f"needs {library}, which it gets from {place}: a second interpreter's library in the process"
    wanted = _wanted(subject, library)
    if wanted is not None:
        message += f", and of another Python than {wanted}"
    return _finding(subject, library, "warning", message)


def _wanted(subject: Subject, library: str) -> str | None:
    """Say for which Python the module is, where ``library`` is certain to be of another; None where it may be right."""
    match = LIBPYTHON.match(library)
    if match is None or "." not in match["version"]:
        return None  # libpython3.so, which only leads to that of the interpreter
    version = interpreter_of(match["version"].replace(".", ""), match["flags"])
    ending = ending_of(subject.object.path)
    if ending is not None and ending.interpreter is not None:
        return f"CPython {ending.interpreter}" if ending.interpreter != version else None
    if subject.artifact.wheel is None:
        return None
    promise = promise_of(subject.artifact.wheel)
    if promise.chosen:
        return None  # each of several Pythons has its own module there
    named = {*promise.required, *(name for _, name in promise.foreign)}
    several = promise.stable or len(promise.exact) > 1
    return in_words(promise) if named and (version not in named or several) else None


def _finding(subject: Subject, library: str, severity: Severity, message: str) -> Finding:
    return Finding("python-abi", severity, subject.object.path, message, library=library, hint=ADVICE.format(library))
