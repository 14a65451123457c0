"""What an artifact says of Pythons: which ones the tags of a wheel promise, and which one a module's file name means.

The tags are those of PEP 425 and, for abi3t, PEP 803; the endings of extension modules those of PEP 3149 and CPython's
``Python/dynload_shlib.c``.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from glibc_guard.model import ElfObject, WheelFacts

Stable: TypeAlias = Literal["abi3", "abi3t"]
Version: TypeAlias = tuple[int, int]

ENDING: Final = re.compile(
    r"\.(?:cpython-(?P<digits>[23]\d{1,2})(?P<flags>[a-z]*)|(?P<stable>abi3t?)|(?P<other>pypy\w*-\w+|graalpy\w*-\w+))"
    r"(?:-(?P<triplet>[\w-]+))?\.so$"
)
CPYTHON_TAG: Final = re.compile(r"cp(?P<major>[23])(?P<minor>\d{1,4})")
ANY_TAG: Final = re.compile(r"py3\d*")
LIBPYTHON: Final = re.compile(r"libpython[23]")
FREE_THREADED: Final = 13  # PEP 703: 3.13 is the first version with such a build
ABI3T_BEGINS: Final[Version] = (3, 15)  # PEP 803: older interpreters do not look for files with that ending
NEVER: Final[Version] = (9, 0)
#: Since 3.11 the ending tells musl from glibc (bpo-43112); until then a Python on musl may be of either opinion.
MUSL_TOLD_APART: Final[Version] = (3, 11)


@dataclass(frozen=True, slots=True)
class Ending:
    """How the file name of an extension module ends, between the module's name and ``.so``."""

    text: str  # ".cpython-312-x86_64-linux-gnu.so"
    interpreter: str | None = None  # "3.12", "3.13t"
    stable: Stable | None = None
    foreign: bool = False  # PyPy, GraalPy, a debug build: nothing that is judged here
    triplet: str | None = None  # "x86_64-linux-gnu"


@dataclass(frozen=True, slots=True)
class Promise:
    """What the Python and ABI tags of a wheel promise."""

    exact: tuple[str, ...] = ()  # interpreters: "3.12", "3.13t"
    stable: tuple[tuple[Stable, Version], ...] = ()  # from that version on
    loose: bool = False  # no ABI is named (py3-none, cp39-none): the wheel sees to it itself which module is taken
    foreign: bool = False  # Python 2, PyPy, …: nothing that is judged here


def ending_of(path: str) -> Ending | None:
    """Return the ending by which an interpreter recognises the module at ``path``; None for a plain ``.so``."""
    match = ENDING.search(posixpath.basename(path))
    if match is None:
        return None
    stable: Stable | None = "abi3" if match["stable"] == "abi3" else "abi3t" if match["stable"] else None
    if match["digits"] is None:
        return Ending(match[0], stable=stable, foreign=bool(match["other"]), triplet=match["triplet"])
    flags = match["flags"].replace("m", "").replace("u", "")  # of Python 3.7 and before: no ABI of their own
    interpreter = f"{match['digits'][0]}.{match['digits'][1:]}{flags}"
    foreign = flags not in {"", "t"} or interpreter.startswith("2")
    return Ending(match[0], None if foreign else interpreter, foreign=foreign, triplet=match["triplet"])


def is_module(item: ElfObject) -> bool:
    """Tell whether an object is an extension module: by its file name, or by the function that the import calls."""
    return item.kind == "shared" and (
        ENDING.search(item.path) is not None or any(name.startswith("PyInit_") for name in item.defined)
    )


def promise_of(wheel: WheelFacts) -> Promise:
    """Return what the tags of ``wheel`` promise, those of its file name: pip goes by them."""
    exact: dict[str, None] = {}
    stable: dict[Stable, Version] = {}
    loose = foreign = False
    for tag in wheel.tags:
        python, abi, _ = tag.split("-", 2)
        match = CPYTHON_TAG.fullmatch(python)
        if match is None or match["major"] == "2":
            loose |= ANY_TAG.fullmatch(python) is not None
            foreign |= ANY_TAG.fullmatch(python) is None
        elif abi == "none":
            loose = True
            version = f"3.{match['minor']}"
            exact.update({version: None} | ({f"{version}t": None} if int(match["minor"]) >= FREE_THREADED else {}))
        elif abi in {"abi3", "abi3t"}:
            kind: Stable = "abi3" if abi == "abi3" else "abi3t"
            stable[kind] = min(stable.get(kind, NEVER), (3, int(match["minor"])))
        elif abi.startswith(python):
            flags = abi.removeprefix(python).replace("m", "").replace("u", "")
            foreign |= flags not in {"", "t"}
            exact.update({f"3.{match['minor']}{flags}": None} if flags in {"", "t"} else {})
    return Promise(tuple(exact), tuple(stable.items()), loose, foreign)


def imports(interpreter: str, ending: Ending | None) -> bool:
    """Tell whether ``interpreter`` looks for files with that ending."""
    version, free_threaded = _version(interpreter), interpreter.endswith("t")
    if ending is None:
        return True
    if ending.stable is not None and ending.triplet is not None:
        return version >= ABI3T_BEGINS  # as for abi3t; Debian's own builds since 3.13
    if ending.stable == "abi3":
        return not (free_threaded and version >= ABI3T_BEGINS)
    if ending.stable == "abi3t":
        return version >= ABI3T_BEGINS
    return ending.interpreter == interpreter


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


def wrong_triplet(item: ElfObject, ending: Ending, platforms: tuple[str, ...]) -> str | None:
    """Return what a Python for this object and these platform tags looks for instead; None where the triplet is right.

    None, too, where the triplet is none that CPython makes.
    """
    machine, _, system = (ending.triplet or "").partition("-")
    own = MACHINES.get(item.architecture)
    if ending.foreign or own is None or machine not in MACHINES.values():
        return None
    if machine != own:
        return f"{own}-{system.removesuffix('eabihf') + ('eabihf' if own == 'arm' else '')}"
    if all(platform.startswith("musllinux") for platform in platforms) and platforms:
        told_apart = ending.interpreter is None or _version(ending.interpreter) >= MUSL_TOLD_APART
        return f"{machine}-{system.replace('gnu', 'musl')}" if "gnu" in system and told_apart else None
    if any(platform.startswith("manylinux") for platform in platforms) and "musl" in system:
        return f"{machine}-{system.replace('musl', 'gnu')}"
    return None


def _version(interpreter: str) -> Version:
    major, _, minor = interpreter.rstrip("td").partition(".")
    return int(major), int(minor)
