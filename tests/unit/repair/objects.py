"""Objects with version needs whose references are weak, to be repaired and looked at by other readers."""

from __future__ import annotations

import io
import re
import subprocess
from pathlib import Path
from typing import Final

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.sections import SymbolTableSection

from building import compile_with_zig
from glibc_guard.artifacts.member import MemoryFile, PlainContent
from glibc_guard.elf import read_object
from glibc_guard.model import ElfObject
from glibc_guard.repair.changes import Refusal, Repair, applied
from glibc_guard.repair.version_needs import Need, without_need
from provisions import needed

#: References to functions of which glibc never had but one version, made weak after linking, and some that stay strong:
#: a linker drops a library, and the versions with it, that has nothing but weak references.
SOURCE: Final = """
extern int gettid(void), memfd_create(const char *, unsigned), puts(const char *);
extern void *reallocarray(void *, unsigned long, unsigned long);
extern int canonicalize(double *, const double *);
extern double cbrt(double);
void *functions[] = {gettid, memfd_create, reallocarray, canonicalize};
double root(double x) { puts("root"); return cbrt(x); }
"""
GETTID, MEMFD = Need("libc.so.6", "GLIBC_2.30"), Need("libc.so.6", "GLIBC_2.27")
REALLOCARRAY, CANONICALIZE = Need("libc.so.6", "GLIBC_2.26"), Need("libm.so.6", "GLIBC_2.25")
WEAK: Final = (GETTID, MEMFD, REALLOCARRAY, CANONICALIZE)
STB_WEAK: Final = 2
SHARED: Final = ("-shared", "-fPIC", "-fno-builtin", "-s")


def weak_library(arch: str = "x86_64") -> bytes:
    """Return a shared library of SOURCE, linked for a glibc that has all that it asks for."""
    return weakened(small(SOURCE, "-lm", arch=arch), "gettid", "memfd_create", "reallocarray", "canonicalize")


def small(source: str, *flags: str, arch: str = "x86_64", glibc: str = "2.33") -> bytes:
    return compile_with_zig(source, *SHARED, *flags, arch=arch, glibc=glibc)


def weakened(data: bytes, *names: str) -> bytes:
    """Make the undefined symbols ``names`` weak in the dynamic symbol table."""
    elf = ELFFile(io.BytesIO(data))
    table = elf.get_section_by_name(".dynsym")
    assert isinstance(table, SymbolTableSection)
    copy, left = bytearray(data), set(names)
    for number, symbol in enumerate(table.iter_symbols()):
        if symbol.name in left:
            left.remove(symbol.name)
            place = table["sh_offset"] + number * table["sh_entsize"] + (4 if elf.elfclass == 64 else 12)
            copy[place] = STB_WEAK << 4 | copy[place] & 0xF
    assert not left
    return bytes(copy)


def facts_of(data: bytes, path: str = "m.so") -> ElfObject:
    return read_object(path, len(data), PlainContent(MemoryFile(data)))


def nobody(_: str) -> None:
    """Tell that no other object defines a symbol."""


def repair(data: bytes, need: Need) -> bytes:
    """Take ``need`` out of ``data``; it must be possible."""
    outcome = without_need(data, facts_of(data), need, nobody)
    assert isinstance(outcome, Repair), outcome
    return applied(data, outcome.changes)


def reason(data: bytes, need: Need) -> str:
    """Say why ``need`` is not taken out of ``data``."""
    outcome = without_need(data, facts_of(data), need, nobody)
    assert isinstance(outcome, Refusal), outcome
    return outcome.reason


def needs_by_sections(data: bytes) -> list[tuple[str, list[str]]]:
    """Return libraries and versions as pyelftools reads them, which goes by sections and counts."""
    table = ELFFile(io.BytesIO(data)).get_section_by_name(".gnu.version_r")
    if table is None:
        return []
    assert isinstance(table, GNUVerNeedSection)
    return [(str(one.name), [str(entry.name) for entry in entries]) for one, entries in table.iter_versions()]


def needs_of(data: bytes) -> set[tuple[str, str]]:
    return {(need.library, need.version) for need in facts_of(data).version_needs}


def complaints(folder: Path, data: bytes) -> set[str]:
    """Return what readelf and eu-elflint find odd about ``data``, without numbers: which entry it is may change."""
    path = folder / "looked-at"
    path.write_bytes(data)
    found: list[str] = []
    for tool, *options in (["readelf", "-aW"], ["eu-elflint", "--gnu-ld"]):
        program = needed(tool, "apt-get install binutils elfutils")
        done = subprocess.run(
            [program, *options, str(path)], check=False, capture_output=True, text=True, errors="replace"
        )
        lines = done.stderr.splitlines() + (done.stdout.splitlines() if tool == "eu-elflint" else [])
        found += [line for line in lines if line != "No errors"]
    return {re.sub(r"\d+", "N", line) for line in found}
