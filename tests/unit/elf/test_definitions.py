"""What the symbol table tells as defined and the loader passes over: it looks elsewhere, so it is asked for."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.hash import GNUHashSection
from elftools.elf.sections import SymbolTableSection

from building import compile_with_gcc, compile_with_zig
from glibc_guard.artifacts.member import MemoryFile, PlainContent
from glibc_guard.elf import Allowance, read_object
from glibc_guard.model import ElfObject

SOURCE: Final = (
    'int nowhere(void); __thread int kept; __attribute__((noinline)) int given(void) { __asm__(""); return 1; }'
    "int calls(void) { return nowhere() + given(); }"
)
FLAGS: Final = ("-shared", "-fPIC", "-nostdlib", "-s", "-Wl,-z,now", "-Wl,--hash-style=gnu")
LIE: Final = "nowhere"
ABSOLUTE: Final = 0xFFF1


def crafted(arch: str, name: str, *, section: int, value: int, info: int, data: bytes | None = None) -> bytes:
    """Return an object in whose symbol table ``name`` has these fields."""
    data = data or compile_with_zig(SOURCE, *FLAGS, "-Wl,--allow-shlib-undefined", arch=arch, glibc=None)
    elf = ELFFile(io.BytesIO(data))
    table = elf.get_section_by_name(".dynsym")
    assert isinstance(table, SymbolTableSection)
    (index,) = (i for i, one in enumerate(table.iter_symbols()) if one.name == name)
    at, order = table["sh_offset"] + index * table["sh_entsize"], "<" if elf.little_endian else ">"
    word = data[at : at + 4]
    if elf.elfclass == 64:
        entry = word + struct.pack(f"{order}BBHQQ", info, 0, section, value, 0)
    else:
        entry = word + struct.pack(f"{order}IIBBH", value, 0, info, 0, section)
    return data[:at] + entry + data[at + len(entry) :]


def seen(data: bytes) -> ElfObject:
    return read_object("m.so", len(data), PlainContent(MemoryFile(data)), Allowance())


def asked(data: bytes) -> dict[str, bool]:
    return {symbol.name: symbol.relocated for symbol in seen(data).undefined}


#: st_info: the binding in the upper half, the type in the lower.
PASSED_OVER: Final[dict[str, Any]] = {
    "no value": {"section": 1, "value": 0, "info": 0x12},
    "before the first of the hash table": {"section": 1, "value": 0x300, "info": 0x12},
    "a weak one without a value": {"section": 1, "value": 0, "info": 0x22},
    "the type of a file": {"section": 1, "value": 0x300, "info": 0x14},
    "a binding that nobody knows": {"section": 0, "value": 0, "info": 0x52},
}


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "i686", "s390x"])
@pytest.mark.parametrize("lie", PASSED_OVER)
def test_what_the_loader_passes_over_is_asked_for(arch: str, lie: str) -> None:
    data = crafted(arch, LIE, **PASSED_OVER[lie])
    assert asked(data) == {LIE: True}
    assert LIE not in seen(data).defined
    assert {"given", "calls"} <= seen(data).defined


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "i686", "s390x"])
def test_a_definition_that_is_hashed_and_without_a_value_gives_nothing(arch: str) -> None:
    assert "given" not in asked(crafted(arch, LIE, section=0, value=0, info=0x12))
    data = crafted(arch, "given", section=1, value=0, info=0x12)
    assert asked(data) == {LIE: True, "given": True}
    assert "given" not in seen(data).defined


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "i686", "s390x"])
def test_values_of_0_that_the_loader_takes(arch: str) -> None:
    assert "kept" in seen(crafted(arch, LIE, section=0, value=0, info=0x12)).defined  # the first thread-local one
    absolute = crafted(arch, "given", section=ABSOLUTE, value=0, info=0x10)
    assert "given" in seen(absolute).defined
    assert asked(absolute) == {LIE: True}


@pytest.mark.parametrize("lie", PASSED_OVER)
def test_the_loader_of_this_machine_does_so(tmp_path: Path, lie: str) -> None:
    built = compile_with_gcc(SOURCE, *FLAGS)
    table = ELFFile(io.BytesIO(built)).get_section_by_name(".gnu.hash")
    assert isinstance(table, GNUHashSection)
    data = crafted("", LIE, data=built, **PASSED_OVER[lie])
    (tmp_path / "m.so").write_bytes(data)
    load = [sys.executable, "-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1])", str(tmp_path / "m.so")]
    done = subprocess.run(load, check=False, capture_output=True, text=True)
    assert ("undefined symbol: nowhere" in done.stderr) == (PASSED_OVER[lie]["info"] >> 4 != 2), done.stderr
    assert asked(data) == {LIE: True}


def with_visibility(data: bytes, name: str, visibility: int) -> bytes:
    elf = ELFFile(io.BytesIO(data))
    table = elf.get_section_by_name(".dynsym")
    assert isinstance(table, SymbolTableSection)
    (index,) = (i for i, one in enumerate(table.iter_symbols()) if one.name == name)
    at = table["sh_offset"] + index * table["sh_entsize"] + (5 if elf.elfclass == 64 else 13)
    return data[:at] + bytes([visibility]) + data[at + 1 :]


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "i686", "s390x"])
def test_what_is_out_of_sight_is_given_to_nobody_and_asked_of_nobody(arch: str) -> None:
    data = compile_with_zig(SOURCE, *FLAGS, "-Wl,--allow-shlib-undefined", arch=arch, glibc=None)
    for visibility in (1, 2):  # STV_INTERNAL, STV_HIDDEN
        found = seen(with_visibility(data, "given", visibility))
        assert "given" not in found.defined
        assert "calls" in found.defined
        assert {one.name for one in found.undefined} == {one.name for one in seen(data).undefined}
    for visibility in (0, 3):  # STV_DEFAULT, STV_PROTECTED
        assert {"given", "calls"} <= seen(with_visibility(data, "given", visibility)).defined


VERSIONED: Final = (
    "int old(void) { return 1; } int new(void) { return 2; } int only(void) { return 3; } int plain(void) { return 4; }"
    '__asm__(".symver old,both@V_2"); __asm__(".symver new,both@@V_3"); __asm__(".symver only,single@V_3");'
)
VERSIONS: Final = b"V_1 { global: plain; local: *; }; V_2 { } V_1; V_3 { } V_2;"


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "s390x"])
def test_what_only_a_reference_with_a_version_gets(arch: str) -> None:
    data = compile_with_zig(
        VERSIONED, *FLAGS, "-Wl,--version-script=map", arch=arch, glibc=None, beside={"map": VERSIONS}
    )
    found = seen(data)
    assert {"both", "single", "plain"} <= found.defined
    assert found.by_version == {"single"}
