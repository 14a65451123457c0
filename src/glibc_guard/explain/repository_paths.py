"""From a path in debug information to the file of the repository, and where a file that is none of it comes from."""

from __future__ import annotations

import filecmp
import os
import posixpath
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, Literal, Protocol, TypeAlias

from msgspec import Struct

from glibc_guard.model import Frame, Site

Kind: TypeAlias = Literal["crate", "rust std", "system header", "dependency"]

#: Where build images and runners have the repository: cibuildwheel, auditwheel and maturin, cross, GitHub, GitLab, and
#: what the pages of the official Docker images of languages tell to write.
MOUNTS: Final = re.compile(
    r"/(?:io|project|work|workspace|app|usr/src/[^/]+|github/workspace|home/[^/]+/work/([^/]+)/\1|__w/([^/]+)/\2|builds/[^/]+/[^/]+)/"
)
#: Of a path on another machine so many components must remain to call it a file of the repository.
LEAST_COMPONENTS: Final = 2
#: A folder elsewhere is that of the repository if so many files in it, and most of all, are here too.
LEAST_FILES: Final = 2
MAX_COMPONENTS: Final = 64
CALL_OPERATOR: Final = "operator()"
MAX_KEPT: Final = 100_000  # answers
MOST_BYTES: Final = 64 * 1024 * 1024  # of a source file

_RUST_STD: Final = re.compile(r"^/rustc/[0-9a-f]+/|/lib/rustlib/src/rust/|^/?library/(?:alloc|core|std)/src/")
_RUST_STD_CRATE: Final = re.compile(r"/library/(?:backtrace|stdarch/crates/)?/?([\w-]+)/")
_CRATE: Final = re.compile(r"/registry/src/[^/]+/([A-Za-z0-9_-]+?)-(\d+\.\d+\.\d[^/]*)(?:/|$)")
_GIT_CRATE: Final = re.compile(r"/git/checkouts/([A-Za-z0-9_.-]+)-[0-9a-f]{16}/([0-9a-f]+)/")
#: Folders that package managers unpack the source of others to.
_DEPENDENCY: Final = re.compile(
    r"/(?:site-packages|dist-packages|node_modules|_deps|go/pkg/mod|vcpkg(?:_installed)?|\.conan2?|\.cargo|\.rustup)/"
)
_VENDORED: Final = re.compile(r"(?:[^/]+/)*?vendor/[^/]+/")  # `cargo vendor`; other folders of this name are one's own
_SYSTEM: Final = re.compile(
    r"^/(?:usr|lib|lib64|opt)/(?:[^/]+/)*?(?:include|lib/gcc|lib/llvm[^/]*)/|^/lib/gcc/|/lib/libc/include/"
)
_DRIVE: Final = re.compile(r"^[A-Za-z]:(?=/)")


class Origin(Struct, frozen=True):
    """Where a file that is none of the repository comes from; ``name`` and ``version`` None where unknown."""

    kind: Kind
    name: str | None = None
    version: str | None = None


def origin(file: str) -> Origin | None:
    """Tell from its path where a file comes from; None for one that may be of the project itself."""
    path = _slashes(file)
    if (found := _CRATE.search(path)) or (found := _GIT_CRATE.search(path)):
        return Origin("crate", found[1], found[2])
    if _RUST_STD.search(path):
        library = _RUST_STD_CRATE.search(path)
        return Origin("rust std", library[1] if library else None)
    if _SYSTEM.search(path):
        return Origin("system header")
    return Origin("dependency") if _DEPENDENCY.search(path) else None


class Recorded(Protocol):
    """What debug information tells of the files that an object was compiled from."""

    def sources(self) -> Iterable[str]:
        """Go over the files, as they were called in the compilation."""

    def digest(self, file: str) -> bytes | None:
        """Return the MD5 of one; None where that is not told."""


class RepositoryPaths:
    """The files of the checked out repository."""

    def __init__(self, root: Path, prefixes: Sequence[tuple[str, str]] = (), recorded: Recorded | None = None) -> None:
        """Find files below ``root``.

        Args:
            root: The root of the repository.
            prefixes: What a path begins with on the machine that built, and what that is here: relative to ``root``, or
                absolute. Of several that fit the longest is taken.
            recorded: What tells of the files by more than their paths.
        """
        self._root = Path(os.path.abspath(root))  # noqa: PTH100  # links stay, as the compiler was given them
        self._real = self._root.resolve()
        self._prefixes = sorted(((_folder(old), new) for old, new in prefixes), key=lambda pair: -len(pair[0]))
        self._recorded = recorded
        self._known: dict[str, str | None] = {}
        self._mappings: dict[str, bool] = {}  # folders of another machine: whether they are the root
        self._contents: dict[str, tuple[int, bytes]] = {}  # number of lines, MD5

    def find(self, file: str, line: int = 0) -> str | None:
        """Return the file that debug information calls ``file``, relative to the root; None where there is none.

        Never a file outside, nor one of a crate of a registry, of the Rust library or of the system, even if the end of
        its path is that of a file of the repository; nor one of other content, or that has no such ``line``.
        """
        if file not in self._known:
            if len(self._known) >= MAX_KEPT:
                self._known.clear()
            self._known[file] = self._find(file)
        found = self._known[file]
        return None if found is None or (line > 0 and self._content(found)[0] < line) else found

    def _find(self, file: str) -> str | None:
        found = self._by_path(file)
        return None if found is None or self._same_content(file, found) is False else found

    def _same_content(self, file: str, found: str) -> bool | None:
        """Tell whether ``found`` is what was compiled; None where that is not told."""
        digest = self._recorded.digest(file) if self._recorded is not None else None
        return None if digest is None else digest == self._content(found)[1]

    def _content(self, found: str) -> tuple[int, bytes]:
        """Return how many lines a file of the repository has, and its MD5."""
        if found not in self._contents:
            import hashlib  # noqa: PLC0415  # lazy, only where sites are looked for

            try:
                with (self._root / found).open("rb") as opened:
                    content = opened.read(MOST_BYTES)
            except OSError:
                content = b""
            lines = content.count(b"\n") + (not content.endswith(b"\n") and bool(content))
            self._contents[found] = lines, hashlib.md5(content, usedforsecurity=False).digest()
        return self._contents[found]

    def _by_path(self, file: str) -> str | None:
        if not file or not file.isprintable():
            return None
        path = _DRIVE.sub("", posixpath.normpath(_slashes(file)))
        for old, new in self._prefixes:
            if path == old or path.startswith(f"{old}/"):
                return self._existing(posixpath.join(new or ".", path[len(old) + 1 :]))
        inside = self._inside(path)
        if inside is not None:
            return None if _is_foreign(f"/{inside}") else self._existing(inside)
        if _is_foreign(path):
            return None
        if not path.startswith("/"):
            return self._relative(path)
        mount = MOUNTS.match(path)
        found = (self._existing(path[mount.end() :]) if mount else None) or self._by_end(file, path)
        return None if found is None or self._is_another(path, found) else found

    def _inside(self, path: str) -> str | None:
        """Return a path below the root without it; None for others."""
        for root in (self._root, self._real):
            if PurePosixPath(path).is_relative_to(root):
                return PurePosixPath(path).relative_to(root).as_posix()
        return None

    def _relative(self, path: str) -> str | None:
        """A path that the compiler was given, or that was made relative on purpose."""
        parts = path.split("/")
        inner = [part for part in parts if part != ".."]
        if len(inner) < len(parts) and len(inner) < LEAST_COMPONENTS:
            return None
        return self._existing("/".join(inner))

    def _by_end(self, file: str, path: str) -> str | None:
        """Drop leading folders until the rest exists: a build in a container has the repository under another path.

        Other projects have files of the same name as well, so that something more has to speak for it.
        """
        parts = path.split("/")[1:][-MAX_COMPONENTS:]
        for start in range(len(parts) - LEAST_COMPONENTS + 1):
            found = self._existing("/".join(parts[start:]))
            if found is not None:
                folder = path.removesuffix("/" + "/".join(parts[start:]))
                return found if self._same_content(file, found) or self._is_root(folder, path, found) else None
        return None

    def _is_root(self, folder: str, path: str, found: str) -> bool:
        """Tell whether ``folder`` of another machine is the root of the repository there, or has what is here."""
        if posixpath.basename(folder) in {self._root.name, self._real.name} or self._is_copy(path, found):
            return True
        if folder not in self._mappings:
            sources = self._recorded.sources() if self._recorded is not None else ()
            below = {one for source in sources if (one := _slashes(source)).startswith(f"{folder}/")}
            here = sum(self._existing(one[len(folder) + 1 :]) is not None for one in below)
            self._mappings[folder] = here >= LEAST_FILES and 2 * here > len(below)
        return self._mappings[folder]

    def _is_copy(self, path: str, found: str) -> bool:
        """Tell whether this machine has ``path`` itself, with the same content."""
        try:
            return Path(path).is_file() and filecmp.cmp(path, self._root / found, shallow=False)
        except (OSError, ValueError):
            return False

    def _is_another(self, path: str, found: str) -> bool:
        """Tell whether this machine has ``path`` itself, and it is not like ``found``: a project beside this one."""
        try:
            return Path(path).is_file() and not filecmp.cmp(path, self._root / found, shallow=False)
        except (OSError, ValueError):
            return False

    def _existing(self, path: str) -> str | None:
        """Return ``path`` from the root on, if it is a regular file inside, and none of ``cargo vendor``."""
        whole = Path(os.path.normpath(self._root / path))
        vendored = _VENDORED.match(path)
        try:
            if vendored and (self._root / vendored[0] / ".cargo-checksum.json").is_file():
                return None
            real = whole.resolve()
            inside = whole.is_relative_to(self._root) and real.is_relative_to(self._real)
            if not inside or ".git" in real.relative_to(self._real).parts or not real.is_file():
                return None
        except (OSError, RuntimeError, ValueError):  # a name too long, a circle of links
            return None
        return whole.relative_to(self._root).as_posix()


def site_of(function: str | None, frames: Sequence[Frame], paths: RepositoryPaths) -> Site:
    """Return the site of code in ``function``: of ``frames`` the innermost in the repository.

    Where none is, it is the innermost that is no header of the system and not of the Rust library, else the innermost.
    """
    levels = tuple(frames) if len(frames) > 1 else ()
    # Code that belongs to no line of the innermost function was moved or merged: no line is that of the use.
    moved = bool(levels) and levels[0].line is None
    for number, frame in enumerate(frames):
        found = paths.find(frame.file, frame.line or 0) if frame.file is not None else None
        if found is not None:
            name, through = _function(function, frames, number), _crate_of(frames[:number])
            line = None if moved else frame.line
            return Site(name, found, line, in_repository=True, frames=levels, through=through)
    if not frames:
        return Site(function)
    number = next((number for number, frame in enumerate(frames) if not _is_of_a_library(frame)), 0)
    name, through = _function(function, frames, number), _crate_of(frames[:number])
    return Site(name, frames[number].file, None if moved else frames[number].line, frames=levels, through=through)


def crate_of(file: str | None) -> str | None:
    """Return the crate that a file was unpacked from, which C code in a crate is of as well."""
    found = origin(file) if file is not None else None
    return found.name if found is not None and found.kind in {"crate", "rust std"} else None


def _crate_of(frames: Sequence[Frame]) -> str | None:
    """Return the innermost crate of ``frames``, one of the Rust library where there is no other."""
    origins = [found for frame in frames if frame.file is not None and (found := origin(frame.file)) is not None]
    names = [found.name for kind in ("crate", "rust std") for found in origins if found.kind == kind]
    return next(iter(names), None)


def _function(function: str | None, frames: Sequence[Frame], number: int) -> str | None:
    """Return the function of a frame: the outermost one is that whose code it is."""
    name = frames[number].function
    if number == len(frames) - 1 and function is not None and (name is None or _is_short_for(name, function)):
        return function
    # Short debug information has no more of the name of a lambda, which says nothing without what is around it.
    return f"{name} in {function}" if name == CALL_OPERATOR and function not in {None, name} else name


def _is_short_for(name: str, function: str) -> bool:
    """Tell whether ``function``, from the symbol table, is ``name`` with what it lies in.

    gcc writes only "room" of ``growth::(anonymous namespace)::room``, and rustc where lines alone are asked for.
    """
    return re.search(rf"::{re.escape(name.partition('<')[0])}(?!\w)", function) is not None


def _is_of_a_library(frame: Frame) -> bool:
    found = origin(frame.file) if frame.file is not None else None
    return frame.file is None or (found is not None and found.kind in {"rust std", "system header"})


def _is_foreign(path: str) -> bool:
    return origin(path) is not None


def _slashes(path: str) -> str:
    return path.replace("\\", "/")


def _folder(path: str) -> str:
    return posixpath.normpath(_slashes(path)).rstrip("/")
