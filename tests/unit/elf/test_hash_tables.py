"""A symbol that the hash table does not lead to is not there: the loader finds symbols by that table alone."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerSymSection
from elftools.elf.hash import ELFHashTable, GNUHashTable
from elftools.elf.sections import SymbolTableSection
from hypothesis import given as examples
from hypothesis import strategies

from building import compile_with_gcc, compile_with_zig
from glibc_guard.artifacts.member import MemoryFile, PlainContent
from glibc_guard.elf import Allowance, ElfError, read_object
from glibc_guard.elf.gnu_hash import FEW, gnu_hashes
from glibc_guard.guard import check
from glibc_guard.model import ElfObject, Finding
from glibc_guard.settings import Settings
from python_building import native_module

SOURCE: Final = (
    "int given(void) { return 1; } int other(void) { return 2; } int calls(void) { return 3; }"
    "int (*used[])(void) = {given, other};"
)
FLAGS: Final = ("-shared", "-fPIC", "-nostdlib", "-s", "-Wl,-z,now", "-Wl,-z,norelro")
ARCHITECTURES: Final = ["x86_64", "aarch64", "i686", "s390x"]
#: LLD writes DT_HASH of s390x with entries of 32 bits, which no loader of Linux reads.
BUILT: Final = [
    (arch, style) for style in ("gnu", "sysv") for arch in ARCHITECTURES if (arch, style) != ("s390x", "sysv")
]
STYLES: Final = {"gnu": "-Wl,--hash-style=gnu", "sysv": "-Wl,--hash-style=sysv"}
USER: Final = "int given(void); int uses(void) { return given(); }"


class Table:
    """The parts of the hash table of an object, where they lie in the file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        elf = ELFFile(io.BytesIO(data))
        self.order, self.bits = "<" if elf.little_endian else ">", elf.elfclass
        symbols = elf.get_section_by_name(".dynsym")
        assert isinstance(symbols, SymbolTableSection)
        self.names = [one.name for one in symbols.iter_symbols()]
        sections = {section.name: section["sh_offset"] for section in elf.iter_sections()}
        self.gnu, self.sysv = sections.get(".gnu.hash", 0), sections.get(".hash", 0)
        self.word = 8 if elf["e_machine"] == "EM_S390" else 4

    def integers(self, start: int, code: str, count: int) -> tuple[int, ...]:
        return struct.unpack_from(f"{self.order}{count}{code}", self.data, start)

    def put(self, place: int, code: str, value: int) -> bytes:
        raw = struct.pack(self.order + code, value)
        return self.data[:place] + raw + self.data[place + len(raw) :]

    def gnu_parts(self) -> tuple[int, int, int, int, int, int, int]:
        """Return counts and places: buckets, first symbol, words, shift, then where bloom, buckets and chain begin."""
        start = self.gnu
        buckets, first, words, shift = self.integers(start, "I", 4)
        bloom = start + 16
        bucket_table = bloom + words * self.bits // 8
        return buckets, first, words, shift, bloom, bucket_table, bucket_table + 4 * buckets


def without_bloom_bit(data: bytes, name: str) -> bytes:
    table = Table(data)
    _, _, words, _, bloom, _, _ = table.gnu_parts()
    code, value = "Q" if table.bits == 64 else "I", GNUHashTable.gnu_hash(name)
    place = bloom + value // table.bits % words * table.bits // 8
    (word,) = table.integers(place, code, 1)
    return table.put(place, code, word & ~(1 << value % table.bits))


def without_bucket(data: bytes, name: str) -> bytes:
    table = Table(data)
    buckets, _, _, _, _, bucket_table, _ = table.gnu_parts()
    return table.put(bucket_table + GNUHashTable.gnu_hash(name) % buckets * 4, "I", 0)


def with_other_hash(data: bytes, name: str) -> bytes:
    table = Table(data)
    _, first, _, _, _, _, chain = table.gnu_parts()
    place = chain + 4 * (table.names.index(name) - first)
    (word,) = table.integers(place, "I", 1)
    return table.put(place, "I", word ^ 0x10)


def with_short_chain(data: bytes, name: str) -> bytes:
    """End the bucket before the symbol, or begin it behind, where it is the first of it."""
    table = Table(data)
    buckets, first, _, _, _, bucket_table, chain = table.gnu_parts()
    place = bucket_table + GNUHashTable.gnu_hash(name) % buckets * 4
    (start,), index = table.integers(place, "I", 1), table.names.index(name)
    if start < index:
        before = chain + 4 * (index - 1 - first)
        return table.put(before, "I", table.integers(before, "I", 1)[0] | 1)
    return table.put(place, "I", index + 1)


def without_sysv_entry(data: bytes, name: str) -> bytes:
    """Take the symbol out of the list of its bucket."""
    table = Table(data)
    start, word, code = table.sysv, table.word, "Q" if table.word == 8 else "I"
    buckets, _ = table.integers(start, code, 2)
    index = table.names.index(name)
    place = start + (2 + ELFHashTable.elf_hash(name) % buckets) * word
    while table.integers(place, code, 1)[0] != index:
        place = start + (2 + buckets + table.integers(place, code, 1)[0]) * word
    following = table.integers(start + (2 + buckets + index) * word, code, 1)[0]
    return table.put(place, code, following)


def in_another_bucket(data: bytes, name: str) -> bytes:
    """Exchange the first bucket and that of the symbol, or where they are one, with the next."""
    table = Table(data)
    start, word, code = table.sysv, table.word, "Q" if table.word == 8 else "I"
    buckets, _ = table.integers(start, code, 2)
    own = ELFHashTable.elf_hash(name) % buckets
    places = [start + (2 + bucket) * word for bucket in (own, (own + 1) % buckets)]
    values = [table.integers(place, code, 1)[0] for place in places]
    table.data = table.put(places[0], code, values[1])
    return table.put(places[1], code, values[0])


DAMAGES: Final[dict[str, tuple[str, Callable[[bytes, str], bytes]]]] = {
    "bloom filter": ("gnu", without_bloom_bit),
    "bucket": ("gnu", without_bucket),
    "hash": ("gnu", with_other_hash),
    "chain": ("gnu", with_short_chain),
    "list": ("sysv", without_sysv_entry),
    "other bucket": ("sysv", in_another_bucket),
}


def seen(data: bytes, name: str = "m.so") -> ElfObject:
    return read_object(name, len(data), PlainContent(MemoryFile(data)), Allowance())


def asked(data: bytes) -> dict[str, bool]:
    return {symbol.name: symbol.relocated for symbol in seen(data).undefined}


@pytest.mark.parametrize(("arch", "style"), BUILT)
def test_all_that_a_linker_writes_is_found(arch: str, style: str) -> None:
    found = seen(compile_with_zig(SOURCE, *FLAGS, STYLES[style], arch=arch, glibc=None))
    assert {"given", "other", "calls"} <= found.defined
    assert all(found.provides(name) and found.provides_unversioned(name) for name in found.defined)
    assert not found.provides("nowhere")
    assert not found.undefined


@pytest.mark.parametrize(
    ("arch", "damage"), [(arch, one) for one in DAMAGES for arch in ARCHITECTURES if (arch, DAMAGES[one][0]) in BUILT]
)
def test_what_the_table_does_not_lead_to_is_not_provided(arch: str, damage: str) -> None:
    style, change = DAMAGES[damage]
    data = change(compile_with_zig(SOURCE, *FLAGS, STYLES[style], arch=arch, glibc=None), "given")
    assert not seen(data).provides("given")
    assert not seen(data).provides_unversioned("given")
    assert asked(data)["given"]  # its own use is looked up by the same table


def failure(path: Path) -> str:
    """Load ``path`` with the real loader, and return what it says."""
    load = [sys.executable, "-c", "import ctypes, os, sys; ctypes.CDLL(sys.argv[1], os.RTLD_NOW)", str(path)]
    return subprocess.run(load, check=False, capture_output=True, text=True).stderr


@pytest.mark.parametrize("damage", [None, *DAMAGES])
def test_the_loader_of_this_machine_does_so_for_what_an_object_uses_of_itself(
    damage: str | None, tmp_path: Path
) -> None:
    style, change = DAMAGES[damage] if damage else ("gnu", lambda data, _: data)
    data = change(compile_with_gcc(SOURCE, *FLAGS, STYLES[style]), "given")
    (tmp_path / "m.so").write_bytes(data)
    said, names = failure(tmp_path / "m.so"), asked(data)
    assert ("given" in names) == (damage is not None)
    assert any(f"undefined symbol: {name}" in said for name in names) == bool(names) == bool(said), said


def program_and_library(folder: Path, damage: str | None) -> Path:
    """Write a program and the library that it needs, and return where the program is."""
    style, change = DAMAGES[damage] if damage else ("gnu", lambda data, _: data)
    library = compile_with_gcc(SOURCE, *FLAGS, STYLES[style], "-Wl,-soname,libgiven.so", "-Wl,-Bsymbolic")
    source = "int given(void); int main(void) { return given() - 1; }"
    linked = ("libgiven.so", "-Wl,-rpath,$ORIGIN", "-Wl,-z,now")
    (folder / "program").write_bytes(compile_with_gcc(source, *linked, beside={"libgiven.so": library}))
    (folder / "program").chmod(0o700)
    (folder / "libgiven.so").write_bytes(change(library, "given"))
    return folder / "program"


def missing(folder: Path) -> list[Finding]:
    (artifact,) = check([str(folder)], Settings(targets=("2.36",))).artifacts
    return [finding for finding in artifact.findings if finding.rule == "symbol-missing"]


@pytest.mark.parametrize("damage", [None, *DAMAGES])
def test_a_program_whose_library_hides_a_symbol_does_not_start(damage: str | None, tmp_path: Path) -> None:
    program = program_and_library(tmp_path, damage)
    done = subprocess.run([program], check=False, capture_output=True, text=True)
    assert ("undefined symbol: given" in done.stderr) == (damage is not None), done.stderr
    assert bool(done.returncode) == (damage is not None)
    assert [(one.object, one.symbol) for one in missing(tmp_path)] == ([("program", "given")] if damage else [])


VERSIONED: Final = (
    "int old(void) { return 1; } int new(void) { return 2; } int plain(void) { return old() + new(); }"
    '__asm__(".symver old,both@V_1"); __asm__(".symver new,both@@V_2");'
)
VERSIONS: Final = b"V_0 { global: plain; local: *; }; V_1 { } V_0; V_2 { } V_1;"


def test_a_reference_without_a_version_wants_the_definition_that_is_found(tmp_path: Path) -> None:
    """Of foo@V_1 and foo@@V_2 only the first is left in the table."""
    flags = ("-shared", "-fPIC", "-nostdlib", "-Wl,--hash-style=gnu", "-Wl,--version-script=map")
    data = compile_with_gcc(VERSIONED, *flags, beside={"map": VERSIONS})
    table = Table(data)
    versions = ELFFile(io.BytesIO(data)).get_section_by_name(".gnu.version")
    assert isinstance(versions, GNUVerSymSection)
    indexes = [index for index, name in enumerate(table.names) if name == "both"]
    (default,) = (i for i in indexes if table.integers(versions["sh_offset"] + 2 * i, "H", 1)[0] < 0x8000)
    _, first, _, _, _, _, chain = table.gnu_parts()
    place = chain + 4 * (default - first)
    damaged = table.put(place, "I", table.integers(place, "I", 1)[0] ^ 0x10)
    assert seen(data).provides_unversioned("both")
    assert seen(damaged).provides("both")
    assert not seen(damaged).provides_unversioned("both")
    (tmp_path / "libboth.so").write_bytes(damaged)
    user = compile_with_gcc(
        "int both(void); int uses(void) { return both(); }", "-shared", "-fPIC", "-nostdlib", "-Wl,-z,now"
    )
    (tmp_path / "user.so").write_bytes(user)
    code = "import ctypes, sys; [ctypes.CDLL(name, ctypes.RTLD_GLOBAL) for name in sys.argv[1:]]"
    command = [sys.executable, "-c", code, str(tmp_path / "libboth.so"), str(tmp_path / "user.so")]
    assert "undefined symbol: both" in subprocess.run(command, check=False, capture_output=True, text=True).stderr


@pytest.mark.parametrize(
    ("style", "place", "value", "message"),
    [
        ("gnu", 8, 3, "the bloom filter of the GNU hash table is damaged"),
        ("gnu", 12, 32, "the bloom filter of the GNU hash table is damaged"),
        ("gnu", 0, 0x7FFFFFFF, "a count in the GNU hash table lies"),
        ("sysv", 0, 0x7FFFFFFF, "a count in the hash table lies"),
        ("sysv", 8, 0x7FFFFFFF, "lead into each other, or out of it"),
    ],
)
def test_tables_that_no_linker_writes(style: str, place: int, value: int, message: str) -> None:
    data = compile_with_gcc(SOURCE, *FLAGS, STYLES[style])
    table = Table(data)
    section = table.gnu if style == "gnu" else table.sysv
    with pytest.raises(ElfError, match=message):
        seen(table.put(section + place, "I", value))


def test_a_list_that_runs_in_circles_is_refused() -> None:
    data = compile_with_gcc(SOURCE, *FLAGS, STYLES["sysv"])
    table = Table(data)
    start = table.sysv
    buckets, _ = table.integers(start, "I", 2)
    index = table.names.index("given")
    with pytest.raises(ElfError, match="lead into each other"):
        seen(table.put(start + 4 * (2 + buckets + index), "I", index))


def test_a_table_without_buckets_leads_nowhere() -> None:
    data = compile_with_gcc(SOURCE, *FLAGS, STYLES["gnu"])
    table = Table(data)
    assert not seen(table.put(table.gnu, "I", 0)).provides("given")


LATIN: Final = strategies.text(strategies.characters(min_codepoint=1, max_codepoint=255), max_size=40)


@examples(strategies.lists(LATIN, max_size=FEW * 4))
def test_hashes_side_by_side_are_those_of_one_after_the_other(names: list[str]) -> None:
    def one(name: str) -> int:
        value = 5381
        for byte in name.encode("latin-1"):
            value = (value * 33 + byte) & 0xFFFFFFFF
        return value

    many = [*names, *(name * 3 for name in names), *names * 9]
    assert gnu_hashes(many) == [one(name) for name in many]
    assert gnu_hashes(["", "printf"]) == [0x00001505, 0x156B2BB8]


@pytest.mark.parametrize("damage", [None, "bloom filter", "hash", "list", "other bucket"])
def test_a_module_whose_function_no_import_finds(damage: str | None, tmp_path: Path) -> None:
    style, change = DAMAGES[damage] if damage else ("gnu", lambda data, _: data)
    data = change(native_module(flags=(STYLES[style], "-nostdlib")), "PyInit__core")
    file = f"_core{sysconfig.get_config_var('EXT_SUFFIX')}"
    (tmp_path / file).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", "import _core"], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert ("does not define module export function" in done.stderr) == (damage is not None), done.stderr
    (artifact,) = check([str(tmp_path)], Settings(targets=("2.36",))).artifacts
    told = [one.message for one in artifact.findings if "no import finds it" in one.message]
    assert told == (
        ["has PyInit__core in its symbol table, but its hash table does not lead there: no import finds it"]
        if damage
        else []
    )
