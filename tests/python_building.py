"""Builds extension modules without any Python headers, and finds the interpreters that can say what they make of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from building import compile_with_gcc, compile_with_zig

#: ``PyModuleDef`` of the builds with a GIL, in machine words (Include/moduleobject.h, PyModuleDef_HEAD_INIT).
MODULE: Final = """
static struct {{ long refcnt; void *type, *init; long index; void *copy; const char *name, *doc; long size;
                void *methods, *slots, *traverse, *clear, *free; }} definition = {{1, 0, 0, 0, 0, "{name}", 0, -1}};
void *PyModule_Create2(void *, int);
void *PyInit_{name}(void) {{ return PyModule_Create2(&definition, 1013); }}
"""


def source(*symbols: str, name: str = "_core") -> str:
    """Return C code of a module that calls functions of ``symbols`` in a function that nobody calls."""
    declared = "\n".join(f"void {symbol}(void);" for symbol in symbols)
    calls = " ".join(f"{symbol}();" for symbol in symbols)
    return f"{declared}\nvoid never_called(void) {{ {calls} }}\n{MODULE.format(name=name)}"


def module(*symbols: str, name: str = "_core", arch: str = "x86_64", flags: Sequence[str] = ()) -> bytes:
    """Return an extension module for any glibc, that asks for ``symbols`` beside what each module asks for."""
    return compile_with_zig(source(*symbols, name=name), "-shared", "-fPIC", "-Wl,-z,undefs", *flags, arch=arch)


def native_module(*symbols: str, name: str = "_core", flags: Sequence[str] = (), code: str = "") -> bytes:
    """Return such a module for this machine, with ``code`` in it as well."""
    return compile_with_gcc(f"{source(*symbols, name=name)}\n{code}\n", "-shared", "-fPIC", *flags)


@dataclass(frozen=True)
class Interpreter:
    """A CPython of this machine."""

    path: str
    version: str  # "3.12"
    release: str  # "3.12.1"
    flags: str  # "", "t", "d": what its own endings say
    endings: tuple[str, ...]

    @property
    def name(self) -> str:
        """As the table calls it."""
        return f"{self.version}{self.flags}"

    @property
    def patch(self) -> int:
        """The third number of the release."""
        return int(self.release.rpartition(".")[2])

    def run(self, code: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run ``code`` without what the environment of the tests says."""
        command = [self.path, "-I", "-c", code, *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True, input=given, env={"LC_ALL": "C"})

    def imported(self, folder: Path, name: str = "_core") -> str | None:
        """Import ``name`` from ``folder``; return None, or what the interpreter complains of."""
        code = f"import sys; sys.path.insert(0, sys.argv[1]); import {name}"
        done = self.run(code, str(folder))
        return None if done.returncode == 0 else done.stderr.strip().rpartition("\n")[2]


FACTS: Final = """
import importlib.machinery, json, sys
if sys.implementation.name == "cpython" and sys.version_info >= (3, 8):
    endings = importlib.machinery.EXTENSION_SUFFIXES
    print(json.dumps([list(sys.version_info[:3]), sys.abiflags, endings]))
"""


@lru_cache(maxsize=1)
def interpreters() -> tuple[Interpreter, ...]:
    """Return the CPythons of this machine from 3.8 on, one a version and kind, the one that runs the tests first."""
    named = (shutil.which(f"python3.{minor}{flag}") for minor in range(8, 20) for flag in ("", "t"))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions").glob("*/bin/python")
    others = (*pyenv, *Path("/opt/python").glob("cp*/bin/python"))
    more = os.environ.get("GLIBC_GUARD_PYTHONS", "").split(os.pathsep)
    paths = [sys.executable, *(path for path in named if path), *map(str, others), *filter(None, more)]
    found: dict[str, Interpreter] = {}
    for path in paths:
        one = _ask(path)
        if one is not None:
            found.setdefault(one.name, one)
    return tuple(found.values())


def _ask(path: str) -> Interpreter | None:
    done = subprocess.run([path, "-I", "-c", FACTS], check=False, capture_output=True, text=True)
    if done.returncode or not done.stdout.strip():
        return None
    version, flags, endings = json.loads(done.stdout)
    release = ".".join(map(str, version))
    return Interpreter(path, release.rpartition(".")[0], release, re.sub(r"[^td]", "", flags), tuple(endings))


def running() -> Interpreter:
    """Return the interpreter that runs the tests."""
    return interpreters()[0]
