"""The symbol tables agree with Debian's builds of glibc, symbol by symbol."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerDefSection, GNUVerSymSection
from elftools.elf.sections import SymbolTableSection

from glibc_guard.targets import glibc_symbols
from loader.debian_glibc import SUITES, debian_glibc

pytestmark = pytest.mark.loader

ARCHITECTURES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
PRIVATE: Final = "GLIBC_PRIVATE"


@dataclass(frozen=True)
class Exported:
    """A symbol that a library defines."""

    name: str
    version: str
    index: int
    hidden: bool


def exports(path: Path) -> tuple[list[Exported], set[str]]:
    """The versioned symbols of a library without those that stand for nothing, and its version nodes."""
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        symbols, numbers, nodes = (elf.get_section_by_name(f) for f in (".dynsym", ".gnu.version", ".gnu.version_d"))
        assert isinstance(symbols, SymbolTableSection)
        assert isinstance(numbers, GNUVerSymSection)
        assert isinstance(nodes, GNUVerDefSection)
        names = {node["vd_ndx"]: next(iter(entries)).name for node, entries in nodes.iter_versions()}
        found = []
        for position, symbol in enumerate(symbols.iter_symbols()):
            number = numbers.get_symbol(position)["ndx"]
            if symbol["st_shndx"] == "SHN_UNDEF" or isinstance(number, str) or "placeholder" in symbol.name:
                continue
            version = names[number & 0x7FFF]
            if symbol.name != version:
                found.append(Exported(symbol.name, version, number & 0x7FFF, bool(number & 0x8000)))
    return found, {name for index, name in names.items() if index > 1} - {PRIVATE}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("suite", SUITES)
def test_tables_agree(suite: str, architecture: str) -> None:
    glibc = debian_glibc(suite, architecture)
    table = glibc_symbols.load(ARCHITECTURES[architecture])
    backported = {marker.version for marker in glibc_symbols.extra().markers if marker.backported_to}
    everything = {symbol: table.definitions(symbol) for symbol in table.symbols()}
    for library in table.libraries:
        (path,) = {(folder / library).resolve() for folder in glibc.library_path if (folder / library).exists()}
        found, nodes = exports(path)
        public = {(symbol.name, symbol.version) for symbol in found if symbol.version != PRIVATE}
        listed = {
            (symbol, definition.version)
            for symbol, definitions in everything.items()
            for definition in definitions
            if library in table.providers(symbol, definition.version, glibc.release)
        }
        assert listed == public, library
        assert table.nodes(library, glibc.release) - backported == nodes - backported, library
        check_unversioned(table, library, glibc.release, found)


def check_unversioned(table: glibc_symbols.SymbolTable, library: str, release: str, found: list[Exported]) -> None:
    """``check_match`` of glibc 2.42 ``elf/dl-lookup.c``, on the real version indexes."""
    versions = defaultdict(list)
    for symbol in found:
        versions[symbol.name].append(symbol)
    for name, candidates in versions.items():
        if any(symbol.version == PRIVATE for symbol in candidates):
            continue
        oldest = any(symbol.index <= 2 for symbol in candidates)
        default = sum(not symbol.hidden for symbol in candidates) == 1
        assert (library in table.provides_unversioned(name, release)) is (oldest or default), (library, name)
