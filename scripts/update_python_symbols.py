"""Reads CPython interpreters into ``src/glibc_guard/data/python.symbols``, the table of what each of them exports.

An interpreter is given as ``SOURCE=PATH``: in words where it is from, and its libpython, or its program where that
holds all (``Debian sid=/usr/bin/python3.14``). It is read, never run, so that any architecture will do; version, free
threading and debugging are told from the file itself. What the table knows already stays; a build of the same source,
release, architecture and kind is replaced. ``--forget SOURCE`` takes the builds of a source out.

``--headers SOURCE=FOLDER`` is for a free-threaded build that cannot be had: FOLDER holds the ``Python.h`` of some
version of the table. Its headers are preprocessed with and without ``Py_GIL_DISABLED``; what only the first declares
is added to what the usual build of that release exports. The same done for 3.13 gives what a real 3.13t exports.

A table is text, compressed: ``build INTERPRETER RELEASE ARCHITECTURE SOURCE`` lines, an empty line, then one line a
symbol with the builds that export it as the bits of a hexadecimal number, the first build in the lowest one.

Run: ``PYTHONPATH=src python scripts/update_python_symbols.py SOURCE=PATH...`` (``--check`` only compares).
docs/python-symbols.md tells where the interpreters of the table are from.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from elftools.elf.elffile import ELFFile

from glibc_guard.elf.reader import ARCHITECTURES
from glibc_guard.targets.cpython import NAME, TABLE, Build, order, parse
from glibc_guard.targets.glibc_symbols import pack, unpack

Exports: TypeAlias = dict[Build, frozenset[str]]

FREE_THREADED: Final = b"free-threading build"  # Python/getversion.c
DEBUG_ONLY: Final = "_Py_NegativeRefcount"  # Objects/object.c, under Py_REF_DEBUG
MINOR: Final = re.compile(r"python(?P<version>[23]\.\d+)")
BINDINGS: Final = ("STB_GLOBAL", "STB_WEAK", "STB_LOOS")
DECLARED: Final = re.compile(r'visibility \("default"\)\)\)([^;{]*)')  # what PyAPI_FUNC and PyAPI_DATA become
GIL_MACRO: Final = re.compile(r"^/\* #undef Py_GIL_DISABLED \*/$", re.MULTILINE)


def read_interpreter(source: str, path: Path) -> tuple[Build, frozenset[str]]:
    """Tell what the interpreter at ``path`` is, and the names of the C-API that it exports."""
    content = path.read_bytes()
    with path.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".dynsym").iter_symbols()  # type: ignore[union-attr]
        names = {symbol.name for symbol in symbols if is_exported(symbol.entry)}
    machine = int.from_bytes(content[18:20], "little" if content[5] == 1 else "big")  # e_machine
    architecture = ARCHITECTURES[machine, content[4], content[5]]
    version = named_version(path)
    flag = "t" if FREE_THREADED in content else "d" if DEBUG_ONLY in names else ""
    build = Build(f"{version}{flag}", release(version, content, path), architecture, source)
    return build, frozenset(name for name in names if NAME.match(name))


def is_exported(entry: Mapping[str, object]) -> bool:
    """Tell whether another object can bind to a symbol."""
    info, other = entry["st_info"], entry["st_other"]
    visible = other["visibility"] in {"STV_DEFAULT", "STV_PROTECTED"}  # type: ignore[index]
    return visible and info["bind"] in BINDINGS and entry["st_shndx"] != "SHN_UNDEF"  # type: ignore[index]


def named_version(path: Path) -> str:
    """Return "3.13" for ``libpython3.13.so.1.0``."""
    match = MINOR.search(path.name)
    if match is None:
        raise SystemExit(f"{path}: the name does not tell the version: libpython3.13.so.1.0, python3.13")
    return match["version"]


def release(version: str, content: bytes, path: Path) -> str:
    """Find PY_VERSION, a string of the interpreter, of which the version is the beginning."""
    found = set(re.findall(rb"(?<![\w.])" + re.escape(version).encode() + rb"\.\d+(?=\+?\0)", content))
    if len(found) != 1:
        raise SystemExit(f"{path}: it does not tell its release: {sorted(found)}")
    return str(found.pop().decode())


# --- a free-threaded build that cannot be had -------------------------------------------------------------------------


def from_headers(source: str, folder: Path, known: Exports) -> tuple[Build, frozenset[str]]:
    """Tell what the free-threaded build of the headers in ``folder`` exports."""
    text = (folder / "patchlevel.h").read_text(encoding="utf-8")
    match = re.search(r'PY_VERSION\s+"(?P<release>(?P<version>\d\.\d+)\.\d+)', text)
    if match is None:
        raise SystemExit(f"{folder}: its patchlevel.h does not tell the release")
    wanted = (match["version"], match["release"], "x86_64")
    usual = [build for build in known if (build.interpreter, build.release, build.architecture) == wanted]
    if not usual:
        raise SystemExit(f"{folder}: read the usual build of {match['release']} for x86_64 first")
    only = declared(folder, free_threaded=True) - declared(folder, free_threaded=False)
    build = Build(f"{match['version']}t", match["release"], usual[0].architecture, source)
    return build, known[usual[0]] | {name for name in only if NAME.match(name)}


def declared(folder: Path, *, free_threaded: bool) -> frozenset[str]:
    """Return the names that the headers declare as exported, the internal ones included."""
    found: set[str] = set()
    headers = sorted(path.name for path in (folder / "internal").glob("*.h"))
    with tempfile.TemporaryDirectory() as work:
        configure(folder, Path(work), free_threaded=free_threaded)
        for header in ("", *headers):
            more = f'#include "internal/{header}"\n' if header else ""
            Path(work, "all.c").write_text(f'#define Py_BUILD_CORE 1\n#include "Python.h"\n{more}', encoding="utf-8")
            command = ["cc", "-E", "-P", "-w", "-I.", f"-I{folder}", f"-I{folder / 'internal'}", "all.c"]
            done = subprocess.run(command, cwd=work, check=False, capture_output=True, text=True)
            if done.returncode == 0:  # a few internal headers belong to one source file and stand for nobody else
                found.update(re.findall(r"\b\w+\b", " ".join(DECLARED.findall(done.stdout))))
    return frozenset(found)


def configure(folder: Path, work: Path, *, free_threaded: bool) -> None:
    """Put a ``pyconfig.h`` of the wanted kind where Debian's, which leads to that of the architecture, looks for it."""
    (own,) = folder.parent.glob(f"*-linux-gnu*/{folder.name}/pyconfig.h")
    text = own.read_text(encoding="utf-8")
    if not GIL_MACRO.search(text):
        raise SystemExit(f"{own} says nothing of Py_GIL_DISABLED")
    place = work / own.relative_to(folder.parent)
    place.parent.mkdir(parents=True)
    replacement = "#define Py_GIL_DISABLED 1" if free_threaded else ""
    place.write_text(GIL_MACRO.sub(replacement, text), encoding="utf-8")


# --- the file ---------------------------------------------------------------------------------------------------------


def known_exports() -> Exports:
    """What the table says already."""
    if not TABLE.exists():
        return {}
    known = parse(unpack(TABLE.read_bytes(), TABLE.name))
    return {build: known.exported_by(build) for build in known.builds}


def encode(exports: Exports) -> str:
    """Write a table as text."""
    builds = sorted(
        exports, key=lambda build: (order(build.interpreter), build.patch, build.architecture, build.source)
    )
    masks: dict[str, int] = {}
    for index, build in enumerate(builds):
        for name in exports[build]:
            masks[name] = masks.get(name, 0) | 1 << index
    lines = (
        *(f"build {build.interpreter} {build.release} {build.architecture} {build.source}" for build in builds),
        "",
        *(f"{name} {mask:x}" for name, mask in sorted(masks.items())),
    )
    return "\n".join(lines)


def pairs(arguments: Iterable[str]) -> Iterable[tuple[str, Path]]:
    """Split ``SOURCE=PATH`` arguments."""
    for argument in arguments:
        source, separator, path = argument.partition("=")
        if not separator or not source:
            raise SystemExit(f"{argument}: SOURCE=PATH is wanted")
        yield source, Path(path)


def main() -> int:
    """Write the table, or compare it; 1 if ``--check`` finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("interpreters", nargs="*", metavar="SOURCE=PATH")
    parser.add_argument("--headers", action="append", default=[], metavar="SOURCE=FOLDER")
    parser.add_argument("--forget", action="append", default=[], metavar="SOURCE")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the table would change")
    options = parser.parse_args()
    exports = {build: names for build, names in known_exports().items() if build.source not in options.forget}
    for source, path in pairs(options.interpreters):
        build, names = read_interpreter(source, path)
        exports[build] = names
        print(f"{build.release} {build.interpreter} {build.architecture} {source}: {len(names)} symbols")
    for source, folder in pairs(options.headers):
        build, names = from_headers(source, folder, exports)
        exports[build] = names
        print(f"{build.release} {build.interpreter} by its headers: {len(names)} symbols")
    wanted = encode(exports)
    if not options.check:
        print(f"{TABLE.name}: {TABLE.write_bytes(pack(wanted))} bytes")
    elif unpack(TABLE.read_bytes(), TABLE.name) != wanted:
        print(f"{TABLE.name} is not up to date: run this without --check", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
