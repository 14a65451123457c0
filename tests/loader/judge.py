"""Asks a real dynamic loader what it would refuse about an object, without running any of its code.

``LD_TRACE_LOADED_OBJECTS=1`` makes ``ld.so`` load an object and its libraries as if it were a program, check the
versions, list the libraries and stop. ``LD_WARN=1`` adds the weak versions and, after the list, relocates every object
and prints each symbol that is not found; ``LD_BIND_NOW=1`` does so for functions too (glibc 2.36 ``elf/rtld.c``,
``rtld_mode_trace``). IFUNC resolvers, constructors and ``main`` are not called. The exit status says nothing.

How this is different from a real start:

- The loader decides by the rules of its own release, whatever libraries it is given. A host of 2.30 or later never
  applies the older rule that a symbol must come from the file that the version need names (BZ 24741), nor the fatal
  look-up after a weak version need; DT_RELR is judged by its own release too, and since the loader is itself the object
  ``ld-linux-*``, so are the needs on that.
- A shared library is loaded like a program, not by ``dlopen``: an executable stack is allowed (``dlopen`` refuses it
  since 2.41), and so is a program where ``dlopen`` refuses programs (2.30).
- All complaints are listed, where a real start stops after the version check. A symbol whose version node is missing is
  in ``missing_versions`` and again in ``missing_symbols``.
- ``missing_symbols`` has what a relocation asks for. An undefined symbol that no relocation mentions (linkers leave
  some behind) is no matter to the loader; a copy relocation asks for a symbol that the program itself seems to define.
- Undefined weak symbols print nothing, whether versioned or not.
- A library that is not found is replaced by an empty one: it is listed, its version needs are neither checked nor
  stored, and its symbols are listed as undefined, without their version. Where such a need is the last one of the
  object, the loader reads beyond its table and may crash (``fatal``, beside ``missing_libraries``).
- An unversioned symbol is looked for in all objects of the process, so it may be found where only a library's library
  brings it in. An object without DT_NEEDED has nothing to look in but itself: all its undefined symbols are listed.
- A program without a dynamic segment crashes the loader (``fatal``); a static-pie program is judged like a library.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

TRACE: Final = {"LD_TRACE_LOADED_OBJECTS": "1", "LD_WARN": "1", "LD_BIND_NOW": "1", "LC_ALL": "C"}
SECONDS: Final = 300


class UnknownLineError(AssertionError):
    """The loader printed something that this module does not understand."""


@dataclass(frozen=True)
class Glibc:
    """A glibc to ask: its loader, and the folders with its libraries."""

    name: str  # for messages
    release: str  # "2.36"
    loader: Path
    library_path: tuple[Path, ...]
    emulator: str | None = None  # qemu-user, for another architecture


@dataclass(frozen=True)
class LoaderVerdict:
    """What the loader refuses about one object. Complaints that concern its libraries are kept apart."""

    missing_versions: frozenset[tuple[str, str]]  # (library, version)
    weak_versions: frozenset[tuple[str, str]]  # likewise, of needs marked VER_FLG_WEAK: a message, no refusal
    missing_symbols: frozenset[tuple[str, str | None]]  # (symbol, version)
    missing_libraries: frozenset[str]  # DT_NEEDED entries of the object
    fatal: str | None  # any other refusal, which may have cut the rest short
    of_libraries: tuple[str, ...] = ()  # complaints about what the object's libraries need
    lines: tuple[str, ...] = field(default=(), repr=False)  # all that the loader printed

    @property
    def loads(self) -> bool:
        """Whether nothing about the object itself is refused."""
        return not (self.missing_versions or self.missing_symbols or self.missing_libraries or self.fatal)


def ask_loader(object_path: Path, glibc: Glibc, extra_library_path: tuple[Path, ...] = ()) -> LoaderVerdict:
    """Let the loader of ``glibc`` judge one object.

    Libraries are looked for where the object says (RPATH, RUNPATH), in ``extra_library_path``, in those of ``glibc``,
    and at last where the host has them.

    Raises:
        UnknownLineError: the loader printed a line that is not understood.
        subprocess.TimeoutExpired: it did not end within five minutes.
    """
    path = object_path.absolute()
    folders = ":".join(str(folder) for folder in (*extra_library_path, *glibc.library_path))
    command = [str(glibc.loader), "--library-path", folders, str(path)]
    environment = dict(TRACE)
    if glibc.emulator is not None:
        variables = ",".join(f"{name}={value}" for name, value in TRACE.items())
        command, environment = [glibc.emulator, "-E", variables, *command], {"LC_ALL": "C"}
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
    )
    lines = (done.stdout + done.stderr).decode("utf-8", "backslashreplace").splitlines()
    return understand(path, lines, done.returncode)


# What glibc 2.31 to 2.43 prints: elf/rtld.c, elf/dl-version.c, elf/dl-lookup.c, elf/dl-catch.c, sysdeps/*/dl-machine.h.
_FOUND: Final = re.compile(r"\t(?:\S.* => )?\S.* \(0x[0-9a-f]+\)|\tstatically linked")
_NOT_FOUND: Final = re.compile(r"\t(?P<library>.+) => not found")
_VERSION: Final = re.compile(
    r"(?P<program>.+): (?P<library>.+): (?P<weak>weak )?version `(?P<version>.*)' not found \(required by (?P<by>.+)\)"
)
_SYMBOL: Final = re.compile(r"undefined symbol: (?P<symbol>\S*)(?:, version (?P<version>\S*))?\t\((?P<by>.+)\)")
_FATAL: Final = re.compile(r".+: error while loading shared libraries: .+|Inconsistency detected by ld\.so: .+")
_REFUSAL: Final = re.compile(
    r"(?P<program>.+): (?P<by>.+): (?:DT_RELR without GLIBC_ABI_\w+ dependency|unsupported version \S+ of \w+ record)"
)
_NOTICE: Final = re.compile(
    r".+: no version information available \(required by .+\)"
    r"|.+: Symbol `.+' has different size in shared object, consider re-linking"
)


def understand(path: Path, lines: list[str], status: int) -> LoaderVerdict:
    """Sort every line that the loader printed about the object at ``path``."""
    versions: dict[bool, set[tuple[str, str]]] = {False: set(), True: set()}
    symbols: set[tuple[str, str | None]] = set()
    libraries: set[str] = set()
    fatal: list[str] = [f"the loader ended with {status}"] if status < 0 or status > 127 else []
    others: list[str] = []
    for line in lines:
        if _FOUND.fullmatch(line) or _NOTICE.fullmatch(line) or not line:
            continue
        if found := _NOT_FOUND.fullmatch(line):
            libraries.add(found["library"])
        elif found := _VERSION.fullmatch(line):
            if found["by"] == str(path):
                versions[bool(found["weak"])].add((Path(found["library"]).name, found["version"]))
            else:
                others.append(line)
        elif found := _SYMBOL.fullmatch(line):
            if found["by"] == str(path):
                symbols.add((found["symbol"], found["version"] or None))  # empty: of a library that is not found
            else:
                others.append(line)
        elif found := _REFUSAL.fullmatch(line):
            (fatal if found["by"] == str(path) else others).append(line)
        elif _FATAL.fullmatch(line):
            fatal.append(line)
        else:
            raise UnknownLineError(f"{path}: {line!r}")
    own = needed(path) if libraries else frozenset()
    return LoaderVerdict(
        missing_versions=frozenset(versions[False]),
        weak_versions=frozenset(versions[True]),
        missing_symbols=frozenset(symbols),
        missing_libraries=frozenset(libraries & own),
        fatal="; ".join(fatal) or None,
        of_libraries=(*others, *(f"{library} => not found" for library in sorted(libraries - own))),
        lines=tuple(lines),
    )


def needed(path: Path) -> frozenset[str]:
    """The DT_NEEDED entries of an ELF file."""
    with path.open("rb") as stream:
        dynamic = [segment for segment in ELFFile(stream).iter_segments() if isinstance(segment, DynamicSegment)]
        tags = (tag for segment in dynamic for tag in segment.iter_tags("DT_NEEDED"))
        return frozenset(str(getattr(tag, "needed")) for tag in tags)  # noqa: B009 - pyelftools adds it, untyped
