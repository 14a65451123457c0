"""How the loader finds the libraries of an artifact: which needed name leads to which object inside it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Final

from msgspec import Struct

from glibc_guard.model import NOT_LOADED, Artifact, ArtifactKind, ElfObject, Libc, ObjectKind

#: Folders that the loader searches without being told (``ld.so(8)``), relative to the root of a system.
DEFAULT_FOLDERS: Final = ("lib", "lib64", "usr/lib", "usr/lib64")
#: What the libraries of gcc and glibc load in their turn; of other libraries outside the artifact nothing is known.
KNOWN_DEPENDENCIES: Final = {
    "libstdc++.so.6": ("libm.so.6", "libgcc_s.so.1"),
    "libgcc_s.so.1": (),
    "libgomp.so.1": ("libpthread.so.0", "libdl.so.2"),
    "libatomic.so.1": ("libpthread.so.0",),
    "libgfortran.so.5": ("libm.so.6", "libgcc_s.so.1"),
    "libz.so.1": (),
}
CACHED: Final = 4096  # names of libraries; a large wheel has a few hundred, and each is asked about many times


class Linkage(Struct, frozen=True, dict=True):
    """The objects of one architecture in an artifact, as each other's libraries."""

    objects: tuple[ElfObject, ...]
    links: tuple[tuple[str, str], ...] = ()
    kind: ArtifactKind = "folder"

    @classmethod
    def of(cls, artifact: Artifact, arch: str) -> Linkage:
        """Take the objects of ``arch`` that a loader maps."""
        mapped = (item for item in artifact.objects if item.architecture == arch and item.kind not in NOT_LOADED)
        return cls(tuple(mapped), artifact.links, artifact.kind)

    def carried(self, name: str) -> ElfObject | None:
        """Return an object that answers to ``name``, wherever it lies; None where the system must have it.

        glibc itself never counts: the program that loads the object, or the loader that PT_INTERP names, has brought
        the system's own before.
        """
        return None if is_core_library(name) else self._by_name.get(name)

    def brings(self, item: ElfObject, name: str) -> bool:
        """Tell whether ``item`` gets the library ``name`` from the artifact, and not from the system."""
        return self.carried(name) is not None and (self.reaches(item, name) or self.reached_by_another(item, name))

    def provider(self, item: ElfObject, name: str) -> ElfObject | None:
        """Return the object that ``item`` gets for ``name``: on its search path, else any that answers to it."""
        return None if is_core_library(name) else self.on_search_path(item, name) or self.carried(name)

    def holds(self, name: str) -> bool:
        """Tell whether a library of that name lies anywhere in the artifact, glibc's own included."""
        return name in self._by_name

    def on_search_path(self, item: ElfObject, name: str) -> ElfObject | None:
        """Return the object for ``name`` in the folders that ``item`` itself names; ``name`` may be a path as well."""
        if "/" in name:
            path = resolved(name, installed(item.path))
            return self._by_path.get(path) if path is not None else None
        for folder in self.folders(item):
            found = self._by_path.get(posixpath.normpath(posixpath.join(folder, name)))
            if found is not None:
                return found
        return None

    def reaches(self, item: ElfObject, name: str) -> bool:
        """Tell whether the loader finds the carried library ``name`` when it loads ``item`` by itself.

        That is by RUNPATH or RPATH of ``item``, by an inherited RPATH of an object that needs it (RPATH is passed on,
        RUNPATH is not), or because it lies where the loader looks anyway.
        """
        if self.on_search_path(item, name) is not None or self._in_default_folder(name):
            return True
        if item.runpath is not None:
            return False
        return any(self.on_search_path(parent, name) is not None for parent in self._passing_on(item))

    def reached_by_another(self, item: ElfObject, name: str) -> bool:
        """Tell whether another module finds ``name``: loaded first, it leaves the library there for ``item``.

        A program starts a process of its own, so that nothing was loaded before.
        """
        if item.kind == "executable":
            return False
        others = (other for other in self._users.get(name, ()) if other is not item and other.kind == "shared")
        return any(self.on_search_path(other, name) is not None for other in others)

    def closure(self, item: ElfObject) -> tuple[frozenset[str], bool]:
        """Return every library name that is loaded with ``item``, and whether that is all.

        It is not all where a library outside the artifact may load further ones that nobody here knows.
        """
        if item.path not in self._closures:
            self._closures[item.path] = self._closure(item)
        return self._closures[item.path]

    def defines(self, item: ElfObject, symbol: str) -> bool:
        """Tell whether the artifact brings ``symbol`` into the process of ``item``, in any version.

        For a program that is what its own libraries define; what a module joins may have loaded any of the others.
        """
        if item.kind != "executable":
            return symbol in self._defined
        return any(symbol in library.defined for library in self._libraries_of(item))

    def defines_unversioned(self, item: ElfObject, symbol: str) -> bool:
        """Tell the same of what a reference without a version gets."""
        if item.kind != "executable":
            return symbol in self._defined and symbol in self._defined_unversioned
        libraries = self._libraries_of(item)
        return any(symbol in library.defined and symbol not in library.by_version for library in libraries)

    def _libraries_of(self, item: ElfObject) -> Iterator[ElfObject]:
        libraries = (self.provider(item, name) for name in self.closure(item)[0])
        return (library for library in libraries if library is not None)

    @cached_property
    def libcs(self) -> frozenset[tuple[ObjectKind, Libc | None]]:
        """The kinds of C library that the objects are linked with, by kind of object."""
        return frozenset((item.kind, libc_of(item)) for item in self.objects)

    @cached_property
    def _defined(self) -> frozenset[str]:
        """Every symbol that a library of the artifact defines; glibc's own are the system's, wherever they lie."""
        return frozenset().union(*(item.defined for item in self._own_libraries))

    @cached_property
    def _defined_unversioned(self) -> frozenset[str]:
        return frozenset().union(*(item.defined - item.by_version for item in self._own_libraries))

    @cached_property
    def _own_libraries(self) -> tuple[ElfObject, ...]:
        return tuple(item for item in self.objects if item.kind == "shared" and not _is_core(item))

    @cached_property
    def _closures(self) -> dict[str, tuple[frozenset[str], bool]]:
        return {}

    def _closure(self, item: ElfObject) -> tuple[frozenset[str], bool]:
        names: set[str] = set()
        complete = True
        waiting = list(item.needed)
        while waiting:
            name = waiting.pop()
            if name in names:
                continue
            names.add(name)
            inside = self.provider(item, name)
            if inside is not None:
                waiting.extend(inside.needed)
                names.update((inside.soname,) if inside.soname else ())
            elif name in KNOWN_DEPENDENCIES:
                waiting.extend(KNOWN_DEPENDENCIES[name])
            elif not is_glibc_library(name):
                complete = False
        if names:  # every library that is linked the usual way needs the C library and that the loader
            names.add("libc.so.6")
        return frozenset(names), complete

    def folders(self, item: ElfObject) -> Iterator[str]:
        """Yield the folders inside the artifact that RUNPATH, or without it RPATH, of ``item`` names."""
        path = item.runpath if item.runpath is not None else item.rpath
        for entry in (path or "").split(":"):
            folder = resolved(entry, installed(item.path))
            if folder is not None:
                yield folder

    @cached_property
    def _by_name(self) -> dict[str, ElfObject]:
        found: dict[str, ElfObject] = {}
        for path, item in self._by_path.items():
            if item.kind == "shared":
                found.setdefault(posixpath.basename(path), item)
        for item in self.objects:
            if item.kind == "shared" and item.soname is not None:
                found.setdefault(item.soname, item)
        return found

    @cached_property
    def _by_path(self) -> dict[str, ElfObject]:
        found = {posixpath.normpath(installed(item.path)): item for item in self.objects}
        real = dict(found)
        for path, target in self.links:
            if target in real:
                found.setdefault(posixpath.normpath(path), real[target])
            elif target in self._folders:
                inside = ((name, item) for name, item in real.items() if name.startswith(f"{target}/"))
                found.update({f"{posixpath.normpath(path)}{name[len(target) :]}": item for name, item in inside})
        return found

    @cached_property
    def _folders(self) -> frozenset[str]:
        return frozenset(posixpath.dirname(item.path) for item in self.objects)

    def _in_default_folder(self, name: str) -> bool:
        """Tell whether ``name`` lies where the loader looks without being told, once the artifact is installed.

        That is known of Debian packages, and of trees with a ``usr`` folder; a wheel is never installed there.
        """
        found = self.carried(name)
        if found is None or self.kind in {"wheel", "conda", "elf"}:
            return False
        folder = posixpath.dirname(found.path).lstrip("/")
        default = folder in DEFAULT_FOLDERS or (posixpath.dirname(folder) in {"lib", "usr/lib"} and "-linux-" in folder)
        return default and (self.kind == "deb" or folder.startswith("usr/"))

    def _passing_on(self, item: ElfObject) -> tuple[ElfObject, ...]:
        """Return the objects whose RPATH ``item`` inherits."""
        if item.path not in self._inherited:
            parents = (parent for parent in self.parents(item) if parent.runpath is None)
            self._inherited[item.path] = tuple(parent for parent in parents if parent.rpath is not None)
        return self._inherited[item.path]

    @cached_property
    def _inherited(self) -> dict[str, tuple[ElfObject, ...]]:
        return {}

    def parents(self, item: ElfObject) -> Iterator[ElfObject]:
        """Yield every object that needs ``item``, directly or through others."""
        seen: set[str] = set()
        waiting = [*self._users_of(item)]
        while waiting:
            parent = waiting.pop()
            if parent.path not in seen:
                seen.add(parent.path)
                yield parent
                waiting.extend(self._users_of(parent))

    def _users_of(self, item: ElfObject) -> Iterator[ElfObject]:
        for name in {posixpath.basename(item.path), item.soname or ""}:
            yield from self._users.get(name, ())

    @cached_property
    def _users(self) -> dict[str, list[ElfObject]]:
        found: dict[str, list[ElfObject]] = {}
        for item in self.objects:
            for name in item.needed:
                found.setdefault(name, []).append(item)
        return found


def resolved(entry: str, path: str) -> str | None:
    """Return the folder inside the artifact that a search path ``entry`` of the object at ``path`` means.

    None for an absolute folder, for the working folder (an empty or relative entry), and for what leaves the artifact.
    """
    for token in ("$ORIGIN", "${ORIGIN}"):
        if entry == token or entry.startswith(f"{token}/"):
            folder = posixpath.normpath(posixpath.join(posixpath.dirname(path), f".{entry[len(token) :]}"))
            return None if folder == ".." or folder.startswith("../") else folder
    return None


def installed(path: str) -> str:
    """Return where an installer puts a member of a wheel: PEP 427 spreads ``NAME.data/platlib`` into site-packages."""
    return re.sub(r"^[^/]+\.data/(?:platlib|purelib)/", "", path)


@lru_cache(CACHED)
def is_core_library(name: str) -> bool:
    """Tell whether ``name`` is a part of glibc that every process has in one copy, the system's."""
    return is_glibc_library(name) and not name.startswith(("libcrypt.", "libnsl.")) and not is_musl_library(name)


def _is_core(item: ElfObject) -> bool:
    return is_core_library(posixpath.basename(item.path)) or is_core_library(item.soname or "")


def is_musl_library(name: str) -> bool:
    """Tell whether ``name`` is the C library of musl: ``libc.so``, or ``libc.musl-x86_64.so.1`` as Alpine writes it.

    With glibc, ``libc.so`` is a text for the linker, which never ends up as a needed library.
    """
    return name == "libc.so" or name.startswith("libc.musl-")


def libc_of(item: ElfObject) -> Libc | None:
    """Return the C library that the object is linked with; None where nothing tells."""
    if any(map(is_musl_library, item.needed)) or "/ld-musl-" in (item.interpreter or ""):
        return "musl"
    if any(map(is_core_library, item.needed)) or any(need.version.startswith("GLIBC_") for need in item.version_needs):
        return "glibc"
    return None


@lru_cache(CACHED)
def is_glibc_library(name: str) -> bool:
    """Tell whether ``name`` is a library that glibc itself brings: those load nothing but each other."""
    return name.partition(".so")[0] in GLIBC_STEMS or name.startswith(("ld-linux", "ld64.so", "libnss_"))


GLIBC_STEMS: Final = frozenset({
    "libc", "libm", "libpthread", "libdl", "librt", "libutil", "libresolv", "libanl", "libmvec", "libcrypt", "libnsl",
    "libBrokenLocale", "libthread_db", "libc_malloc_debug", "libmemusage", "libpcprofile", "libSegFault",
})  # fmt: skip
