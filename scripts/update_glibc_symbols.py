"""Generates ``src/glibc_guard/data/glibc_symbols/`` from the symbol lists in the installed ziglang package.

Source: ``lib/libc/glibc/abilists`` of the ziglang package, which ziglang/glibc-abi-tool makes from the
``*.abilist`` files of all glibc releases and whose binary layout its README describes. The lists say in which library a
symbol was at first and since when. ``data/glibc_extra.json`` adds, by hand and with references, what moved to another
library, what was dropped, and what the lists omit.

A table is text, compressed: ``word value`` lines about the whole, an empty line, then one line a symbol with its
definitions ``library:version[+first][-removed][~hidden]``. ``first`` is given where it is not the release that the
version names; versions that begin with a digit lack their ``GLIBC_``.

Run: ``PYTHONPATH=src python scripts/update_glibc_symbols.py`` (``--check`` only compares).
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import importlib.resources
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, NamedTuple

from glibc_guard.targets.glibc import ARCHITECTURES
from glibc_guard.targets.glibc_symbols import LOADERS, ZIG_TARGETS, Extra, extra, pack, unpack

OLDEST: Final = (2, 5)  # of manylinux1, the oldest promise a wheel can make
FOLDER: Final = Path(__file__).parents[1] / "src" / "glibc_guard" / "data" / "glibc_symbols"

#: SONAME → the letter that stands for it in a table; in the order in which libraries are named to the user.
KEYS: Final = {
    "libc.so.6": "c",
    "libm.so.6": "m",
    "libpthread.so.0": "p",
    "libdl.so.2": "d",
    "librt.so.1": "r",
    "libutil.so.1": "u",
    "libresolv.so.2": "n",
    "libanl.so.1": "a",
    "ld.so": "l",
}
SONAMES: Final = {
    "c": "libc.so.6",
    "m": "libm.so.6",
    "pthread": "libpthread.so.0",
    "dl": "libdl.so.2",
    "rt": "librt.so.1",
    "util": "libutil.so.1",
    "resolv": "libresolv.so.2",
    "ld": "ld.so",
}

Number = tuple[int, ...]  # of a release or version: (2, 17), (2, 3, 4)


class Key(NamedTuple):
    """What a table tells apart."""

    symbol: str
    library: str
    version: str


@dataclass
class Life:
    """When a definition is there."""

    first: Number
    removed: Number | None = None
    hidden: Number | None = None


Table = dict[Key, Life]


# --- the source -------------------------------------------------------------------------------------------------------


class Reader:
    """Walks over the bytes of ``abilists``."""

    def __init__(self, content: bytes) -> None:
        """Start at the beginning of ``content``."""
        self.content = content
        self.position = 0

    def byte(self) -> int:
        """One unsigned byte."""
        self.position += 1
        return self.content[self.position - 1]

    def text(self) -> str:
        """A string that ends in a zero byte."""
        end = self.content.index(0, self.position)
        start, self.position = self.position, end + 1
        return self.content[start:end].decode("ascii")

    def leb128(self) -> int:
        """An unsigned LEB128 number."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def flagged(self) -> Iterator[int]:
        """Seven-bit numbers, of which the last one has the eighth bit set."""
        while True:
            byte = self.byte()
            yield byte & 0x7F
            if byte & 0x80:
                return


@dataclass(frozen=True)
class Inclusion:
    """A symbol in a library at some versions, on some targets."""

    symbol: str
    library: str
    versions: tuple[Number, ...]
    targets: int  # one bit a target


@dataclass(frozen=True)
class Lists:
    """The content of ``abilists``."""

    versions: tuple[Number, ...]
    targets: tuple[str, ...]
    inclusions: tuple[Inclusion, ...]


def read_lists(content: bytes) -> Lists:
    """Decode ``abilists``; ``ValueError`` if anything is left over."""
    reader = Reader(content)
    libraries = tuple(reader.text() for _ in range(reader.byte()))
    versions = tuple(number(reader) for _ in range(reader.byte()))
    targets = tuple(reader.text() for _ in range(reader.byte()))
    inclusions = [
        inclusion
        for sized in (False, True, True)  # functions, objects, thread-local objects
        for inclusion in read_inclusions(reader, libraries, versions, sized=sized)
    ]
    if reader.position != len(content):
        raise ValueError(f"abilists: {len(content) - reader.position} bytes are left over")
    return Lists(versions, targets, tuple(inclusions))


def number(reader: Reader) -> Number:
    """A version number; the third part is not written where it is 0."""
    major, minor, patch = reader.byte(), reader.byte(), reader.byte()
    return (major, minor, patch) if patch else (major, minor)


def read_inclusions(
    reader: Reader, libraries: tuple[str, ...], versions: tuple[Number, ...], *, sized: bool
) -> Iterator[Inclusion]:
    """One of the three lists: a name, then its inclusions, of which the last one has the eighth bit set."""
    count = reader.byte() | reader.byte() << 8
    symbol: str | None = None
    for _ in range(count):
        symbol = symbol if symbol is not None else reader.text()
        targets = reader.leb128()
        if sized:
            reader.leb128()  # the size of the object in bytes
        library = reader.byte()
        listed = tuple(versions[position] for position in reader.flagged())
        yield Inclusion(symbol, SONAMES[libraries[library & 0x7F]], listed, targets)
        if library & 0x80:
            symbol = None


# --- one architecture -------------------------------------------------------------------------------------------------


def build(architecture: str, lists: Lists) -> tuple[Table, tuple[str, ...]]:
    """The definitions of ``architecture`` and its releases."""
    bit = 1 << lists.targets.index(ZIG_TARGETS[architecture])
    table: Table = {
        Key(inclusion.symbol, inclusion.library, f"GLIBC_{written(version)}"): Life(version)
        for inclusion in lists.inclusions
        if inclusion.targets & bit
        for version in inclusion.versions
    }
    oldest = min(life.first for life in table.values())
    additions = extra()
    add(table, architecture, oldest, additions)
    move(table, additions)
    for change in additions.dropped:
        for life in matching(table, change.library, change.symbols, numbered(change.release)).values():
            life.removed = numbered(change.release)
    for change in additions.hidden:
        hide(table, change.library, change.symbols, numbered(change.release))
    return table, tuple(written(version) for version in lists.versions if version >= max(oldest, OLDEST))


def add(table: Table, architecture: str, oldest: Number, additions: Extra) -> None:
    """What the lists omit; no version with a number is older than the first of the architecture."""
    for addition in additions.added:
        if architecture not in addition.architectures:
            continue
        first, name = oldest, addition.version
        if name.startswith("GLIBC_"):
            first = max(numbered(name.removeprefix("GLIBC_")), oldest)
            name = f"GLIBC_{written(first)}"
        removed = numbered(addition.removed) if addition.removed else None
        table.update({Key(symbol, addition.library, name): Life(first, removed) for symbol in addition.symbols})


def move(table: Table, additions: Extra) -> None:
    """Symbols that change the library; where the new one has the version already, they only leave the old one."""
    for change in additions.moved:
        release = numbered(change.release)
        for key, life in matching(table, change.source, change.symbols, release).items():
            life.removed = release
            table.setdefault(key._replace(library=change.destination), Life(release))


def matching(table: Table, library: str, symbols: tuple[str, ...], release: Number) -> Table:
    """The definitions of ``library`` that the globs mean and that are there before ``release``."""
    return {
        key: life
        for key, life in table.items()
        if key.library == library
        and life.first < release
        and (life.removed is None or life.removed > release)
        and any(fnmatchcase(key.symbol, glob) for glob in symbols)
    }


def hide(table: Table, library: str, symbols: tuple[str, ...], release: Number) -> None:
    """Mark the versions of the symbols as no longer the default from ``release`` on."""
    for key, life in table.items():
        if key.library == library and any(fnmatchcase(key.symbol, glob) for glob in symbols):
            life.hidden = max(release, life.first)


# --- the file ---------------------------------------------------------------------------------------------------------


def encode(architecture: str, lists: Lists, source: str) -> str:
    """The table of ``architecture`` as text."""
    table, releases = build(architecture, lists)
    symbols: dict[str, list[str]] = defaultdict(list)
    for key, life in sorted(table.items(), key=lambda entry: (entry[0].symbol, *order(entry[0]))):
        symbols[key.symbol].append(item(key, life, releases))
    lines = (
        f"architecture {architecture}",
        f"source {source}",
        f"releases {' '.join(releases)}",
        *library_lines(architecture, table, releases),
        "",
        *(f"{symbol} {' '.join(items)}" for symbol, items in sorted(symbols.items())),
    )
    return "\n".join(lines)


def library_lines(architecture: str, table: Table, releases: tuple[str, ...]) -> Iterator[str]:
    """A line a library: its letter, its SONAME, its version nodes."""
    nodes: dict[str, dict[str, Life]] = defaultdict(dict)
    for key, life in table.items():
        known = nodes[key.library].setdefault(key.version, Life(life.first))
        known.first = min(known.first, life.first)
    for marker in (*extra().markers, *extra().placeholders):
        if marker.concerns(architecture):
            nodes[marker.library].setdefault(marker.version, Life(numbered(marker.release)))
    for soname, letter in KEYS.items():
        if soname in nodes:
            ordered = sorted(nodes[soname].items(), key=lambda node: order(Key("", soname, node[0])))
            items = (item(Key("", soname, version), life, releases) for version, life in ordered)
            yield f"library {letter} {LOADERS[architecture] if soname == 'ld.so' else soname} {' '.join(items)}"


def item(key: Key, life: Life, releases: tuple[str, ...]) -> str:
    """``library:version[+first][-removed][~hidden]``; releases before the first of the table are not told apart."""
    short = key.version.removeprefix("GLIBC_") if key.version[6:7].isdigit() else key.version
    oldest = numbered(releases[0])
    own = numbered(short) if short in releases else oldest
    first = max(life.first, oldest)
    text = f"{KEYS[key.library]}:{short}"
    text += f"+{written(first)}" if first != own else ""
    text += f"-{written(life.removed)}" if life.removed is not None else ""
    return text + (f"~{written(max(life.hidden, oldest))}" if life.hidden is not None else "")


def order(key: Key) -> tuple[int, bool, Number, str]:
    """Libraries in their order, then versions by number, then names without one."""
    digits = key.version.removeprefix("GLIBC_")
    numeric = digits[0].isdigit()
    return list(KEYS).index(key.library), not numeric, numbered(digits) if numeric else (), key.version


def numbered(text: str) -> Number:
    """``2.3.4`` as a number that can be compared."""
    return tuple(int(part) for part in text.split("."))


def written(value: Number) -> str:
    """The opposite of `numbered`."""
    return ".".join(str(part) for part in value)


def main() -> int:
    """Write the tables, or compare them; 1 if ``--check`` finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a table is not up to date")
    check = parser.parse_args().check
    content = importlib.resources.files("ziglang").joinpath("lib", "libc", "glibc", "abilists").read_bytes()
    version = importlib.metadata.version("ziglang")
    source = f"ziglang {version} lib/libc/glibc/abilists sha256 {hashlib.sha256(content).hexdigest()}"
    lists = read_lists(content)
    stale = 0
    for architecture in ARCHITECTURES:
        path, wanted = FOLDER / f"{architecture}.symbols", encode(architecture, lists, source)
        if not check:
            print(f"{path.name}: {path.write_bytes(pack(wanted))} bytes")
        elif unpack(path.read_bytes(), path.name) != wanted:
            print(f"{path.name} is not up to date: run this without --check", file=sys.stderr)
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
