"""How the loader finds the libraries of an artifact: which needed name leads to which object inside it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from glibc_guard.model import NOT_LOADED, ElfObject

#: Folders that the loader searches without being told (glibc ``elf/rtld.c``, ``ld.so(8)``), as packages place files.
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


@dataclass(frozen=True)
class Linkage:
    """The objects of one architecture in an artifact, as each other's libraries."""

    objects: tuple[ElfObject, ...]

    @classmethod
    def of(cls, objects: Iterable[ElfObject], arch: str) -> Linkage:
        """Take the objects of ``arch`` that a loader maps."""
        return cls(tuple(item for item in objects if item.architecture == arch and item.kind not in NOT_LOADED))

    def carried(self, name: str) -> ElfObject | None:
        """Return an object that answers to ``name``, wherever it lies; None where the system must have it."""
        return self._by_name.get(name)

    def provider(self, item: ElfObject, name: str) -> ElfObject | None:
        """Return the object that ``item`` gets for ``name``: on its search path, else any that answers to it."""
        return self.on_search_path(item, name) or self.carried(name)

    def on_search_path(self, item: ElfObject, name: str) -> ElfObject | None:
        """Return the object for ``name`` in the folders that ``item`` itself names."""
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
        return any(
            parent.rpath is not None and parent.runpath is None and self.on_search_path(parent, name) is not None
            for parent in self._parents(item)
        )

    def reached_by_another(self, item: ElfObject, name: str) -> bool:
        """Tell whether another object finds ``name``: loaded first, it leaves the library there for ``item``."""
        return any(other is not item and self.on_search_path(other, name) is not None for other in self._users(name))

    def closure(self, item: ElfObject) -> tuple[frozenset[str], bool]:
        """Return every library name that is loaded with ``item``, and whether that is all.

        It is not all where a library outside the artifact may load further ones that nobody here knows.
        """
        if item.path not in self._closures:
            self._closures[item.path] = self._closure(item)
        return self._closures[item.path]

    @cached_property
    def defined(self) -> frozenset[str]:
        """Every symbol name that a library of the artifact defines."""
        return frozenset().union(*(item.defined for item in self.objects))

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
            folder = resolved(entry, item.path)
            if folder is not None:
                yield folder

    @cached_property
    def _by_name(self) -> dict[str, ElfObject]:
        found: dict[str, ElfObject] = {}
        for item in self.objects:
            if item.kind == "shared":
                found.setdefault(posixpath.basename(item.path), item)
        for item in self.objects:
            if item.kind == "shared" and item.soname is not None:
                found.setdefault(item.soname, item)
        return found

    @cached_property
    def _by_path(self) -> dict[str, ElfObject]:
        return {posixpath.normpath(item.path): item for item in self.objects}

    def _in_default_folder(self, name: str) -> bool:
        found = self.carried(name)
        if found is None:
            return False
        folder = posixpath.dirname(found.path).lstrip("/")
        return folder in DEFAULT_FOLDERS or (posixpath.dirname(folder) in {"lib", "usr/lib"} and "-linux-" in folder)

    def _parents(self, item: ElfObject) -> Iterator[ElfObject]:
        names = {posixpath.basename(item.path), item.soname}
        seen: set[str] = set()
        waiting = [other for other in self.objects if names & set(other.needed)]
        while waiting:
            parent = waiting.pop()
            if parent.path not in seen:
                seen.add(parent.path)
                yield parent
                above = {posixpath.basename(parent.path), parent.soname}
                waiting.extend(other for other in self.objects if above & set(other.needed))

    def _users(self, name: str) -> Sequence[ElfObject]:
        return [item for item in self.objects if name in item.needed]


def resolved(entry: str, path: str) -> str | None:
    """Return the folder inside the artifact that a search path ``entry`` of the object at ``path`` means.

    None for an absolute folder, for the working folder (an empty or relative entry), and for what leaves the artifact.
    """
    for token in ("$ORIGIN", "${ORIGIN}"):
        if entry == token or entry.startswith(f"{token}/"):
            folder = posixpath.normpath(posixpath.join(posixpath.dirname(path), f".{entry[len(token) :]}"))
            return None if folder == ".." or folder.startswith("../") else folder
    return None


def is_musl_library(name: str) -> bool:
    """Tell whether ``name`` is the C library of musl: ``libc.so``, or ``libc.musl-x86_64.so.1`` as Alpine writes it.

    With glibc, ``libc.so`` is a text for the linker, which never ends up as a needed library.
    """
    return name == "libc.so" or name.startswith("libc.musl-")


def is_glibc_library(name: str) -> bool:
    """Tell whether ``name`` is a library that glibc itself brings: those load nothing but each other."""
    return name.partition(".so")[0] in GLIBC_STEMS or name.startswith(("ld-linux", "ld64.so", "libnss_"))


GLIBC_STEMS: Final = frozenset({
    "libc", "libm", "libpthread", "libdl", "librt", "libutil", "libresolv", "libanl", "libmvec", "libcrypt", "libnsl",
    "libBrokenLocale", "libthread_db", "libc_malloc_debug", "libmemusage", "libpcprofile", "libSegFault",
})  # fmt: skip
