"""The objects of an artifact that concern Python, and what they must get from the interpreter."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final

from msgspec import Struct, field

from glibc_guard.model import Artifact, ElfObject
from glibc_guard.rules.linkage import KNOWN_DEPENDENCIES, Linkage, installed, is_glibc_library, is_musl_library
from glibc_guard.rules.python_modules import Ending, ending_of, is_module
from glibc_guard.targets import cpython

#: ``NAME.data/scripts`` and others: what an installer puts there is never imported (PEP 427).
OUTSIDE_OF_PACKAGES: Final = re.compile(r"[^/]+\.data/")


class PythonObject(Struct, frozen=True, dict=True):
    """An object that Python imports, or that a module brings along, and the Python symbols that it needs."""

    item: ElfObject
    ending: Ending | None
    needs: tuple[str, ...] = ()  # C-API symbols that nothing defines with which the object is loaded
    strays: Mapping[str, str] = field(default_factory=dict)  # those that an unrelated object defines: symbol → its path
    outside: tuple[str, ...] = ()  # needed libraries of which nobody here knows what they define
    users: tuple[str, ...] = ()  # paths of the objects of the artifact that need this one, directly or through others

    @property
    def place(self) -> str | None:
        """What the modules that hide each other have in common: folder and name; None where nothing is imported."""
        path = installed(self.item.path)
        if OUTSIDE_OF_PACKAGES.match(path):
            return None
        return path.removesuffix(self.ending.text if self.ending is not None else ".so")

    @cached_property
    def is_helper(self) -> bool:
        """Whether it is no module, but a library of some."""
        return not is_module(self.item)

    def is_certain(self, symbol: str) -> bool:
        """Tell whether ``symbol`` can only come from the interpreter."""
        return symbol not in self.strays and (not self.outside or cpython.table().knows(symbol))

    @cached_property
    def certain_needs(self) -> tuple[str, ...]:
        """The needs that only an interpreter can meet: another library may call its own symbols alike."""
        return tuple(name for name in self.needs if self.is_certain(name))

    @cached_property
    def fits(self) -> list[str]:
        """The interpreters that export all that the object is certain to need."""
        return [name for name in cpython.judged() if not self.lacks(name)]

    @property
    def fits_python2(self) -> bool:
        """Whether CPython 2.7, which is not judged otherwise, exports all that."""
        return not self.lacks(cpython.PYTHON2)

    def lacks(self, interpreter: str) -> list[str]:
        """Return the certain needs that ``interpreter`` does not export."""
        return [need for need in self.certain_needs if not cpython.table().exports(interpreter, need)]


def concerns_python(item: ElfObject) -> bool:
    """Tell whether a shared object has the name of a module or leaves symbols of the C-API undefined."""
    return item.kind == "shared" and (ending_of(item.path) is not None or any(True for _ in wanted(item)))


def python_objects(artifact: Artifact) -> Iterator[PythonObject]:
    """Yield every shared object: what needs nothing of Python may still be the file that an interpreter finds."""
    linkages: dict[str, Linkage] = {}
    for item in artifact.objects:
        if item.kind != "shared":
            continue
        needs = sorted(set(wanted(item)))
        if not needs:
            yield PythonObject(item, ending_of(item.path))
            continue
        linkage = linkages.setdefault(item.architecture, Linkage.of(artifact, item.architecture))
        yield _with_needs(item, needs, linkage, artifact)


def wanted(item: ElfObject) -> Iterator[str]:
    """Yield each symbol of the C-API that a relocation of ``item`` asks for."""
    for symbol in item.undefined:
        if symbol.relocated and symbol.binding != "weak" and cpython.NAME.match(symbol.name):
            yield symbol.name


def _with_needs(item: ElfObject, asked: list[str], linkage: Linkage, artifact: Artifact) -> PythonObject:
    roots = [item, *linkage.parents(item)]
    defined = {name for name in asked if linkage.defines(item, name)}
    scope = list(_scope(roots, linkage, artifact)) if defined else []
    needs = [name for name in asked if not any(name in library.defined for library in scope)]
    strays = {name: _definer(name, linkage) for name in needs if name in defined}
    unknown = any(not cpython.table().knows(name) for name in needs)
    outside = dict.fromkeys(name for root in roots for name in _outside(root, linkage)) if unknown else {}
    users = tuple(root.path for root in roots[1:])
    return PythonObject(item, ending_of(item.path), tuple(needs), strays, tuple(sorted(outside)), users)


def _scope(roots: list[ElfObject], linkage: Linkage, artifact: Artifact) -> Iterator[ElfObject]:
    """Yield the objects that are searched for the symbols of the first of ``roots``, which the others need.

    A module is opened with RTLD_LOCAL: that is what it needs itself, and for a library what its users need
    (``_dl_map_object_deps``). What a package loads with RTLD_GLOBAL comes before.
    """
    names = artifact.wheel.loads_globally if artifact.wheel is not None else ()
    preloaded = (item for item in linkage.objects if posixpath.basename(item.path).partition(".")[0] in names)
    for root in (*roots, *preloaded):
        yield root
        for name in linkage.closure(root)[0]:
            library = linkage.provider(root, name)
            if library is not None:
                yield library


def _definer(symbol: str, linkage: Linkage) -> str:
    return next((item.path for item in linkage.objects if item.kind == "shared" and symbol in item.defined), "")


def _outside(root: ElfObject, linkage: Linkage) -> Iterator[str]:
    """Yield the needed libraries that may define anything: neither in the artifact, nor of glibc, musl or gcc."""
    for name in linkage.closure(root)[0]:
        known = name in KNOWN_DEPENDENCIES or is_glibc_library(name) or is_musl_library(name)
        if not known and linkage.provider(root, name) is None:
            yield name
