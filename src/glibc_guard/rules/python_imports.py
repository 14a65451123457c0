"""python-abi, the file names: modules that no promised Python looks for, and those that it finds and refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from msgspec import Struct

from glibc_guard.model import Artifact, ElfObject, Finding, Severity
from glibc_guard.rules.linkage import libc_of
from glibc_guard.rules.python_modules import Ending, ending_of, looks_for, wrong_triplet
from glibc_guard.rules.python_objects import PythonObject, wanted
from glibc_guard.rules.python_tags import Promise
from glibc_guard.rules.python_words import about, in_words, is_one, listed


class Candidates(Struct, frozen=True, dict=True):
    """The files of an artifact that hide each other: of one name in one folder. An interpreter takes one of them."""

    files: tuple[PythonObject, ...]
    platforms: tuple[str, ...]  # of the wheel; nothing outside of one

    def taken_by(self, interpreter: str) -> PythonObject | None:
        """Return the file that ``interpreter`` imports: its own, else one of the stable ABI, else the plain one."""
        found = [one for one in self.files if self._is_looked_for(one, interpreter)]
        return min(found, key=_rank, default=None)

    def interpreters_of(self, found: PythonObject, promised: Sequence[str]) -> list[str]:
        """Return those of ``promised`` that take ``found``."""
        return [name for name in promised if self.taken_by(name) is found]

    def seekers_of(self, found: PythonObject, promised: Sequence[str]) -> list[str]:
        """Return those of ``promised`` that would take ``found`` if there were no other."""
        return [name for name in promised if self._is_looked_for(found, name)]

    @cached_property
    def named(self) -> tuple[PythonObject, ...]:
        """Those with an ending that says for which Python they are."""
        return tuple(one for one in self.files if one.ending is not None)

    def _is_looked_for(self, found: PythonObject, interpreter: str) -> bool:
        return looks_for(interpreter, found.ending, found.item.architecture, self.platforms)


def _rank(found: PythonObject) -> int:
    return 2 if found.ending is None else 1 if found.ending.stable is not None else 0


def candidates(objects: Sequence[PythonObject], platforms: tuple[str, ...]) -> Mapping[str, Candidates]:
    """Group objects by where a wheel puts them: ``NAME.data/platlib`` is the same folder as the root."""
    groups: dict[str, list[PythonObject]] = {}
    for found in objects:
        if found.place is not None:
            groups.setdefault(found.place, []).append(found)
    return {place: Candidates(tuple(files), platforms) for place, files in groups.items()}


def import_findings(groups: Mapping[str, Candidates], promise: Promise | None) -> Iterator[Finding]:
    """Yield a finding for each module that no promised interpreter finds, and for those that only some find."""
    for group in groups.values():
        if not group.named:
            continue
        if promise is None:
            yield from (one for found in group.named for one in _misnamed(found, group, "error"))
        else:
            yield from _of_group(group, promise)
            yield from _abi3_without_gil(group, promise)
        for found in group.named:
            yield from _without_its_function(found)


def _of_group(group: Candidates, promise: Promise) -> Iterator[Finding]:
    without = [name for name in promise.required if group.taken_by(name) is None]
    imported = [found for found in group.files if _is_imported(found, group, promise)]
    severity: Severity = "error" if without or not (imported or promise.required) else "warning"
    for found in group.named:
        if found in imported:
            continue
        wrong = list(_misnamed(found, group, severity))
        yield from wrong
        if not wrong and (promise.judged or promise.foreign):
            yield _left_over(found, promise, severity)
    if without and imported:
        yield _partly_imported(imported[0], promise, without)


def _is_imported(found: PythonObject, group: Candidates, promise: Promise) -> bool:
    """Tell whether an interpreter that the tags name looks for ``found``, as far as that is known here."""
    ending = found.ending
    if ending is None or group.seekers_of(found, promise.judged):
        return True
    foreign = {name for _, name in promise.foreign}
    if ending.foreign:  # py3-none is taken by others, and cp312-cp312 by none but CPython 3.12
        return ending.named in foreign or bool(promise.chosen)
    return ending.stable is not None and bool(foreign)


def _misnamed(found: PythonObject, group: Candidates, severity: Severity) -> Iterator[Finding]:
    """Yield a finding where no Python at all that could load the object looks for such a file name."""
    ending = found.ending
    if ending is None:
        return
    wanted = wrong_triplet(found.item, ending, group.platforms)
    if wanted is not None:
        yield _wrong_triplet(found, ending, wanted, severity)
    elif ending.named is None and ending.stable is None:
        message = f"is never imported: no CPython looks for files that end in {ending.text}"
        hint = (
            "name it as the Python does that it was built with (sysconfig, EXT_SUFFIX): the “m” is for CPython 3.7 "
            "and older, which need it, the “t” for 3.13 and newer"
        )
        yield about(found.item, severity, message, hint)


def _wrong_triplet(found: PythonObject, ending: Ending, wanted: str, severity: Severity) -> Finding:
    message = f"is never imported: a Python that could load it looks for {wanted}, not for {ending.text}"
    hint = "cross-compiling? name the ending of the Python that is built for: SETUPTOOLS_EXT_SUFFIX, or its sysconfig"
    return about(found.item, severity, message, hint)


def _left_over(found: PythonObject, promise: Promise, severity: Severity) -> Finding:
    ending = found.ending.text if found.ending else ".so"
    who = in_words(promise)
    does = "does" if is_one(promise) else "do"
    message = f"is never imported: the wheel is for {who}, which {does} not look for files that end in {ending}"
    if severity == "warning":
        takes = "takes" if is_one(promise) else "take"
        message = f"is left over: the wheel is for {who}, which {takes} the module of that name with another ending"
    hint = "leave it out, or package the module that was built with that Python: was a build folder not cleaned?"
    return about(found.item, severity, message, hint)


def _partly_imported(found: PythonObject, promise: Promise, without: Sequence[str]) -> Finding:
    name = found.item.path.rpartition("/")[2].partition(".")[0]
    finds = "finds" if len(without) == 1 else "find"
    message = f"the wheel is for {in_words(promise)}, but CPython {listed(without)} {finds} no module {name} in it"
    hint = "give the wheel the tag of the Python that it was built with, or build the module for the stable ABI"
    return about(found.item, "error", message, hint)


def _abi3_without_gil(group: Candidates, promise: Promise) -> Iterator[Finding]:
    for found in group.named:
        free = [name for name in group.interpreters_of(found, promise.required) if name.endswith("t")]
        if found.ending is None or found.ending.stable != "abi3" or not free:
            continue
        message = (
            "is named as built for abi3, the stable ABI of the builds with a GIL, and the wheel is for "
            f"CPython {listed(free)}, whose objects have another layout"
        )
        hint = (
            "build it for that Python itself, or give the wheel a tag that names the ABI (cp313-cp313); "
            "a stable ABI without the GIL (abi3t) begins with CPython 3.15"
        )
        yield about(found.item, "error", message, hint)


def _without_its_function(found: PythonObject) -> Iterator[Finding]:
    """Yield a finding for a module that was given another name: the import calls ``PyInit_`` and the file's name.

    So it does for one whose hash table does not lead to that function.
    """
    ending = found.ending
    functions = sorted(name for name in found.item.defined if name.startswith(("PyInit_", "PyInitU_")))
    if ending is None or ending.foreign or not functions:
        return
    folder, _, name = found.item.path.removesuffix(ending.text).rpartition("/")
    names = {name, folder.rpartition("/")[2]} if name == "__init__" else {name}
    called = [_function_of(one) for one in sorted(names)]
    if "." in name or any(map(found.item.provides, called)):
        return
    lost = next((one for one in called if one in functions), None)
    if lost is not None:
        message = f"has {lost} in its symbol table, but its hash table does not lead there: no import finds it"
        yield about(found.item, "error", message, "link it again: a tool that changed the file damaged that table")
        return
    message = (
        f"exports {', '.join(functions[:3])} and no {_function_of(name)}, which an import of a file of that name calls"
    )
    hint = "name the file as the module was built: CPython refuses it (does not define module export function)"
    yield about(found.item, "error", message, hint)


def programs_as_modules(artifact: Artifact) -> Iterator[Finding]:
    """Yield a finding for each program that is called like an extension module (2c75b545de of glibc, since 2.30)."""
    for item in artifact.objects:
        if item.pie and libc_of(item) == "glibc" and _is_called_like_a_module(item, artifact):
            message = (
                "is never imported: it was linked as a program (-pie), and glibc 2.30 and later refuse to load one "
                "(cannot dynamically load position-independent executable)"
            )
            hint = "link it as a module: -shared -fPIC, add_library(… MODULE) of CMake, extension_module() of Meson"
            yield about(item, "error", message, hint)


def _is_called_like_a_module(item: ElfObject, artifact: Artifact) -> bool:
    """Tell whether only an import has a use for that name; a plain ``.so`` of a wheel has to ask for the C-API too."""
    if ending_of(item.path) is not None:
        return True
    return artifact.wheel is not None and item.path.endswith(".so") and any(True for _ in wanted(item))


def _function_of(name: str) -> str:
    """Return the function that CPython looks up (PEP 489): names beyond ASCII are written in Punycode."""
    if name.isascii():
        return f"PyInit_{name}"
    return f"PyInitU_{name.encode('punycode', 'replace').decode('ascii').replace('-', '_')}"
