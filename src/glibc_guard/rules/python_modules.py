"""How a CPython finds an extension module: by the ending of its file name, which names version, ABI and platform.

The endings are those of ``importlib.machinery.EXTENSION_SUFFIXES``, that is of PEP 3149 and CPython's
``Python/dynload_shlib.c``; an interpreter takes the first one that it finds a file for.
"""

from __future__ import annotations

import posixpath
import re
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from glibc_guard.model import ElfObject
from glibc_guard.targets import cpython

Stable: TypeAlias = Literal["abi3", "abi3t"]
Version: TypeAlias = tuple[int, int]

ENDING: Final = re.compile(
    r"\.(?:cpython-(?P<digits>[23]\d{1,3})(?P<flags>[a-z]*)|(?P<stable>abi3t?)|(?P<other>pypy|graalpy)\w*-\w+)"
    r"(?:-(?P<triplet>[\w-]+))?\.so$"
)
LIBPYTHON: Final = re.compile(r"libpython(?P<version>[23](?:\.\d+)?)(?P<flags>[a-z]*)\.so")
OTHERS: Final = {"pypy": "PyPy", "graalpy": "GraalPy"}
FREE_THREADED: Final[Version] = (3, 13)  # PEP 703: the first version with such a build
ABI3T_BEGINS: Final[Version] = (3, 15)  # PEP 803: older interpreters do not look for files with that ending
PYMALLOC_ENDS: Final[Version] = (3, 8)  # bpo-36707: until then "m" is part of the ABI's name
#: Since 3.11 the ending tells musl from glibc (bpo-43112); until then a Python on musl may be of either opinion.
MUSL_TOLD_APART: Final[Version] = (3, 11)
#: Until all of these have a triplet, a Python may do without.
LATE_MACHINES: Final = {"riscv64": (3, 9), "loongarch64": (3, 12)}

#: Architecture → how the triplet in an ending begins (CPython's ``configure.ac``, Misc/platform_triplet.c).
MACHINES: Final = {
    "x86_64": "x86_64",
    "i686": "i386",
    "aarch64": "aarch64",
    "armv7l": "arm",
    "ppc64le": "powerpc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "loongarch64": "loongarch64",
}


class Ending(Struct, frozen=True):
    """How the file name of an extension module ends, between the module's name and ``.so``."""

    text: str  # ".cpython-312-x86_64-linux-gnu.so"
    named: str | None = None  # "3.12", "3.13t", "3.12d"; "PyPy"; None where no interpreter of that version is so called
    stable: Stable | None = None
    triplet: str | None = None  # "x86_64-linux-gnu"

    @property
    def interpreter(self) -> str | None:
        """The interpreter of the table that the ending names; None where it is none that is judged."""
        return self.named if self.named in cpython.judged() else None

    @property
    def foreign(self) -> bool:
        """Whether it names an interpreter that is not judged here: PyPy, a debug build, a CPython of no table."""
        return self.named is not None and self.named not in cpython.judged()


def ending_of(path: str) -> Ending | None:
    """Return the ending by which an interpreter recognises the module at ``path``; None for a plain ``.so``."""
    match = ENDING.search(posixpath.basename(path))
    if match is None:
        return None
    stable: Stable | None = "abi3" if match["stable"] == "abi3" else "abi3t" if match["stable"] else None
    named = OTHERS.get(match["other"] or "")
    if match["digits"] is not None:
        named = interpreter_of(match["digits"], match["flags"])
    return Ending(match[0], named, stable, match["triplet"])


def interpreter_of(digits: str, flags: str) -> str | None:
    """Return "3.13t" for ``313`` and ``t``, "3.7" for ``37`` and ``m``; None where no CPython calls itself so."""
    version = int(digits[0]), int(digits[1:])
    kinds = {"": "", "d": "d"}
    if version[0] == 2 or version < (3, 3):  # the width of characters was part of the name, too
        return f"{version[0]}.{version[1]}"
    if version < PYMALLOC_ENDS:
        kinds = {"m": "", "dm": "d"}
    elif version >= FREE_THREADED:
        kinds |= {"t": "t", "td": "td"}
    return f"{version[0]}.{version[1]}{kinds[flags]}" if flags in kinds else None


def is_module(item: ElfObject) -> bool:
    """Tell whether an object is an extension module: by its file name, or by the function that the import calls."""
    return item.kind == "shared" and (
        ENDING.search(item.path) is not None or any(name.startswith(("PyInit_", "PyInitU_")) for name in item.defined)
    )


def own_endings(interpreter: str, architecture: str, platforms: tuple[str, ...]) -> tuple[str, ...]:
    """Return the endings that no other interpreter looks for: one, or one a C library where that is not known."""
    version, flag = cpython.version_of(interpreter), interpreter.lstrip("0123456789.")
    tag = f".cpython-{version[0]}{version[1]}{flag}{'m' if version < PYMALLOC_ENDS else ''}"
    without = (f"{tag}.so",) if version < LATE_MACHINES.get(architecture, (0, 0)) else ()
    return (*(f"{tag}-{triplet}.so" for triplet in triplets(architecture, platforms, version)), *without)


def endings(interpreter: str, architecture: str, platforms: tuple[str, ...]) -> tuple[str, ...]:
    """Return every ending that ``interpreter`` looks for, in its order."""
    version, free_threaded = cpython.version_of(interpreter), interpreter.endswith("t")
    own = own_endings(interpreter, architecture, platforms)
    if version < ABI3T_BEGINS:
        return (*own, ".abi3.so", ".so")
    kinds = ("abi3t",) if free_threaded else ("abi3", "abi3t")
    suffixes = ("", *(f"-{triplet}" for triplet in triplets(architecture, platforms, version)))
    return (*own, *(f".{kind}{suffix}.so" for kind in kinds for suffix in reversed(suffixes)), ".so")


def looks_for(interpreter: str, ending: Ending | None, architecture: str, platforms: tuple[str, ...]) -> bool:
    """Tell whether ``interpreter`` looks for files with that ending; what the processor is called where that is known.

    Architectures that are in no table here have triplets that nobody here knows.
    """
    if ending is None:
        return True
    if architecture in MACHINES:
        return ending.text in endings(interpreter, architecture, platforms)
    return ending.named == interpreter or ending.stable is not None


def triplets(architecture: str, platforms: tuple[str, ...], version: Version) -> tuple[str, ...]:
    """Return the triplets that a Python for such a processor and these platform tags may have in its endings."""
    machine = MACHINES.get(architecture)
    if machine is None:
        return ()
    glibc = any(platform.startswith("manylinux") for platform in platforms)
    musl = any(platform.startswith("musllinux") for platform in platforms)
    either = glibc == musl or (musl and version < MUSL_TOLD_APART)
    systems = [system for system, meant in (("gnu", glibc), ("musl", musl)) if meant or either]
    floats = ("",) if machine != "arm" else ("eabihf",) if glibc or musl else ("eabihf", "eabi")
    return tuple(f"{machine}-linux-{system}{float_abi}" for system in systems for float_abi in floats)


def wrong_triplet(item: ElfObject, ending: Ending, platforms: tuple[str, ...]) -> str | None:
    """Return the ending that a Python for this object and these platform tags looks for; None where it is this one."""
    if ending.foreign or item.architecture not in MACHINES or (ending.named is None and ending.stable is None):
        return None
    if ending.interpreter is not None:
        wanted = own_endings(ending.interpreter, item.architecture, platforms)
        return None if ending.text in wanted else wanted[0]
    allowed = triplets(item.architecture, platforms, ABI3T_BEGINS)
    return None if ending.triplet in {None, *allowed} else f".{ending.stable}-{allowed[0]}.so"
