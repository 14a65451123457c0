"""Objects with version needs whose references are weak, to be repaired and looked at by other readers."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from building import compile_with_zig
from glibc_guard.artifacts.member import MemoryFile, PlainContent
from glibc_guard.elf import read_object
from glibc_guard.model import ElfObject
from glibc_guard.repair.changes import Refusal, Repair, applied
from glibc_guard.repair.version_needs import Need, without_need

#: Weak references to functions of which glibc never had but one version, and one that is not weak.
SOURCE: Final = """
extern int gettid(void) __attribute__((weak));
extern int memfd_create(const char *, unsigned) __attribute__((weak));
extern void *reallocarray(void *, unsigned long, unsigned long) __attribute__((weak));
extern double roundeven(double) __attribute__((weak));
extern int puts(const char *);
int id(void) { return gettid ? gettid() : -1; }
int file(void) { return memfd_create ? memfd_create("x", 0) : -1; }
void *grow(void *table) { return reallocarray ? reallocarray(table, 2, 3) : 0; }
double even(double x) { return roundeven ? roundeven(x) : 0; }
int say(void) { return puts("hello"); }
"""
GETTID, MEMFD = Need("libc.so.6", "GLIBC_2.30"), Need("libc.so.6", "GLIBC_2.27")
REALLOCARRAY, ROUNDEVEN = Need("libc.so.6", "GLIBC_2.26"), Need("libm.so.6", "GLIBC_2.25")
WEAK: Final = (GETTID, MEMFD, REALLOCARRAY, ROUNDEVEN)
SHARED: Final = ("-shared", "-fPIC", "-fno-builtin", "-s")


def weak_library(*flags: str, arch: str = "x86_64", libraries: tuple[str, ...] = ("-lm",)) -> bytes:
    """Return a shared library of SOURCE, linked for a glibc that has all that it asks for."""
    return compile_with_zig(SOURCE, *SHARED, *libraries, *flags, arch=arch, glibc="2.33")


def small(source: str, *flags: str, arch: str = "x86_64", glibc: str = "2.33") -> bytes:
    return compile_with_zig(source, *SHARED, *flags, arch=arch, glibc=glibc)


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


def complaints(folder: Path, data: bytes) -> list[str]:
    """Return what readelf and eu-elflint find odd about ``data``."""
    path = folder / "looked-at"
    path.write_bytes(data)
    found: list[str] = []
    for command in (["readelf", "-aW"], ["eu-elflint", "--gnu-ld"]):
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed: apt-get install binutils elfutils")
        done = subprocess.run([*command, str(path)], check=False, capture_output=True, text=True, errors="replace")
        lines = done.stderr.splitlines() + (done.stdout.splitlines() if command[0] == "eu-elflint" else [])
        found += [line for line in lines if line != "No errors"]
    return found
