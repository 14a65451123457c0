from __future__ import annotations

import io
import struct
import subprocess
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection, GNUVerSymSection
from elftools.elf.sections import Section, Symbol, SymbolTableSection
from msgspec.structs import replace

from building import compile_with_gcc, library
from glibc_guard.artifacts.member import MemoryFile, PlainContent
from glibc_guard.elf import ElfError, read_object
from glibc_guard.model import ElfObject
from glibc_guard.targets.glibc_symbols import ZIG_TARGETS
from unit.rules.crafting import with_shared_page, with_short_first_segment


def read(data: bytes) -> ElfObject:
    return read_object("object", len(data), PlainContent(MemoryFile(data)))


def patched(data: bytes, offset: int, layout: str, *values: int) -> bytes:
    copy = bytearray(data)
    struct.pack_into(layout, copy, offset, *values)
    return bytes(copy)


def section_of(data: bytes, name: str) -> Section:
    section = ELFFile(io.BytesIO(data)).get_section_by_name(name)
    assert section is not None
    return section


def dynamic_symbols(elf: ELFFile) -> list[Symbol]:
    table = elf.get_section_by_name(".dynsym")
    assert isinstance(table, SymbolTableSection)
    return list(table.iter_symbols())


def without_sections(data: bytes) -> bytes:
    """Drop the section table, as ``sstrip`` does: e_shoff, e_shnum and e_shstrndx become 0."""
    return patched(patched(data, 0x28, "<Q", 0), 0x3C, "<HH", 0, 0)


@pytest.mark.parametrize("arch", ZIG_TARGETS)
def test_every_architecture_is_read(arch: str) -> None:
    glibc = {"loongarch64": "2.36"}.get(arch, "2.29")
    found = read(library("reallocarray(0, 1, 2)", "pow(x, 2.5)", arch=arch, glibc=glibc))
    assert (found.architecture, found.kind) == (arch, "shared")
    assert set(found.needed) == {"libc.so.6", "libm.so.6"}
    symbols = {symbol.name: (symbol.version, symbol.library, symbol.binding) for symbol in found.undefined}
    first = {"riscv64": "GLIBC_2.27", "loongarch64": "GLIBC_2.36"}.get(arch)
    assert symbols["reallocarray"] == (first or "GLIBC_2.26", "libc.so.6", "global")
    assert symbols["pow"] == (first or "GLIBC_2.29", "libm.so.6", "global")


def test_kinds() -> None:
    program = "int main(void) { return 0; }"
    assert read(compile_with_gcc(program)).kind == "executable"
    assert read(compile_with_gcc(program, "-no-pie")).kind == "executable"
    assert read(compile_with_gcc(program, "-static")).kind == "static"
    assert read(compile_with_gcc(program, "-static-pie")).kind == "static"
    assert read(compile_with_gcc(program, "-shared", "-fPIC")).kind == "shared"
    assert read(compile_with_gcc(program, "-c")).kind == "relocatable"
    assert read(Path("/lib64/ld-linux-x86-64.so.2").read_bytes()).kind == "shared"
    assert read(Path("/lib/x86_64-linux-gnu/libc.so.6").read_bytes()).kind == "shared"


def test_the_interpreter_and_the_names_are_read() -> None:
    program = read(
        compile_with_gcc("int main(void) { return 0; }", "-Wl,-rpath,$ORIGIN/lib", "-Wl,--disable-new-dtags")
    )
    assert program.interpreter == "/lib64/ld-linux-x86-64.so.2"
    assert (program.rpath, program.runpath) == ("$ORIGIN/lib", None)
    shared = read(
        compile_with_gcc("int f(void) { return 0; }", "-shared", "-fPIC", "-Wl,-soname,libf.so.1,-rpath,/opt")
    )
    assert (shared.soname, shared.runpath) == ("libf.so.1", "/opt")


def test_weak_symbols_are_weak_and_their_version_need_is_not() -> None:
    source = """
    #include <stdlib.h>
    extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *) __attribute__((weak));
    void *f(void) { return __cxa_thread_atexit_impl ? malloc(1) : 0; }
    """
    found = read(compile_with_gcc(source, "-shared", "-fPIC"))
    (symbol,) = [symbol for symbol in found.undefined if symbol.name == "__cxa_thread_atexit_impl"]
    assert (symbol.binding, symbol.version) == ("weak", "GLIBC_2.18")
    (need,) = [need for need in found.version_needs if need.version == "GLIBC_2.18"]
    assert not need.weak


def test_no_section_is_needed() -> None:
    data = library("reallocarray(0, 1, 2)", glibc="2.29")
    assert read(data).comments
    assert read(without_sections(data)) == replace(read(data), comments=())


def test_counts_that_hide_entries_are_not_believed() -> None:
    data = library("reallocarray(0, 1, 2)", "pow(x, 2.5)", glibc="2.29")
    whole = read(data)
    with_lie = data
    section = section_of(data, ".gnu.version_r")
    with_lie = patched(with_lie, section["sh_offset"] + 2, "<H", 0)  # vn_cnt of the first record
    assert read(with_lie).version_needs == whole.version_needs
    assert len(whole.version_needs) >= 2


def test_an_empty_gnu_hash_does_not_hide_undefined_symbols() -> None:
    # GNU ld writes a table with one empty bucket and symoffset 1 for a program that defines nothing.
    found = read(compile_with_gcc('#include <stdio.h>\nint main(void) { return puts(""); }', "-Wl,--hash-style=gnu"))
    assert "puts" in {symbol.name for symbol in found.undefined}


@pytest.mark.parametrize("style", ["gnu", "sysv", "both"])
def test_every_hash_style_gives_the_same_symbols(style: str) -> None:
    source = "#include <stdlib.h>\nint defined(void) { return 1; }\nvoid *f(void) { return malloc(1); }"
    found = read(compile_with_gcc(source, "-shared", "-fPIC", f"-Wl,--hash-style={style}"))
    assert "malloc" in {symbol.name for symbol in found.undefined}
    assert "defined" not in {symbol.name for symbol in found.undefined}


@pytest.mark.parametrize("size", [4, 15, 20, 60, 100, 300, 1000])
def test_truncated_objects_are_an_error(size: int) -> None:
    data = library("reallocarray(0, 1, 2)", glibc="2.29")
    with pytest.raises(ElfError):
        read(data[:size])


def test_a_chain_that_does_not_end_is_an_error() -> None:
    data = library("reallocarray(0, 1, 2)", arch="i686", glibc="2.29")
    section = section_of(data, ".gnu.version_r")
    cyclic = patched(data, section["sh_offset"] + 12, "<I", 0xFFFFFFF0)  # vn_next: backwards, were addresses to wrap
    with pytest.raises(ElfError):
        read(cyclic)


def test_a_dynamic_segment_outside_the_mapping_is_an_error() -> None:
    data = library("reallocarray(0, 1, 2)", glibc="2.29")
    (number,) = [n for n, s in enumerate(ELFFile(io.BytesIO(data)).iter_segments()) if s["p_type"] == "PT_DYNAMIC"]
    moved = patched(data, 64 + 56 * number + 16, "<Q", 0x7000_0000)  # p_vaddr
    with pytest.raises(ElfError, match="nothing is mapped"):
        read(moved)


def test_device_code_and_other_systems_are_told_apart() -> None:
    data = library("reallocarray(0, 1, 2)", glibc="2.29")
    assert read(patched(data, 18, "<H", 190)).kind == "device"  # EM_CUDA
    assert read(patched(data, 7, "<B", 9)).kind == "device"  # ELFOSABI_FREEBSD
    assert read(patched(data, 18, "<H", 8)).architecture == "EM_MIPS (64 bit, little endian)"


def test_segments_that_share_a_page_are_refused() -> None:
    """The loader maps whole pages, so that a later segment can hide tables that a tool still reads."""
    data = library("reallocarray(0, 1, 2)", glibc="2.29")
    loads = [n for n, s in enumerate(ELFFile(io.BytesIO(data)).iter_segments()) if s["p_type"] == "PT_LOAD"]
    place = 64 + 56 * loads[1]
    overlapping = patched(data, place + 8, "<QQQQQ", 0, 0xFF0, 0xFF0, 16, 16)
    with pytest.raises(ElfError):
        read(overlapping)


CALL = "#define _GNU_SOURCE\n#include <stdlib.h>\nvoid *f(void *p) { return reallocarray(p, 3, 3); }"


def test_what_lies_behind_a_segment_in_its_last_page_is_mapped_too() -> None:
    data = compile_with_gcc(CALL, "-shared", "-fPIC", "-Wl,-z,separate-code")
    assert replace(read(with_short_first_segment(data)), size=0) == replace(read(data), size=0)


def test_segments_that_go_on_in_the_same_page_are_read() -> None:
    data = compile_with_gcc(CALL, "-shared", "-fPIC", "-Wl,-z,separate-code")
    assert replace(read(with_shared_page(data)), size=0) == replace(read(data), size=0)
    with pytest.raises(ElfError, match="share a page"):
        read(with_shared_page(data, bss=16))


def test_a_segment_beyond_the_file_is_refused() -> None:
    data = compile_with_gcc("char big[100000] = {1}; int f(void) { return big[5]; }", "-shared", "-fPIC")
    with pytest.raises(ElfError, match="truncated"):
        read(data[: len(data) - 60_000])


@pytest.mark.parametrize(("offset", "value"), [(6, 0), (9, 1), (15, 1)])
def test_header_bytes_that_the_loader_refuses(offset: int, value: int) -> None:
    with pytest.raises(ElfError, match="damaged ELF header"):
        read(patched(library("malloc(1)"), offset, "<B", value))


def test_a_program_of_another_system_by_its_header_alone_is_judged() -> None:
    """The kernel does not look at EI_OSABI of a program."""
    program = compile_with_gcc("int main(void) { return 0; }")
    assert read(patched(program, 7, "<B", 9)).kind == "executable"


def test_a_dynamic_segment_of_no_size_is_still_read() -> None:
    data = library("reallocarray(0, 1, 2)", glibc="2.29")
    (number,) = [n for n, s in enumerate(ELFFile(io.BytesIO(data)).iter_segments()) if s["p_type"] == "PT_DYNAMIC"]
    assert read(patched(data, 64 + 56 * number + 32, "<Q", 0)).needed == read(data).needed


def test_a_shared_object_without_a_dynamic_segment() -> None:
    data = library("malloc(1)")
    (number,) = [n for n, s in enumerate(ELFFile(io.BytesIO(data)).iter_segments()) if s["p_type"] == "PT_DYNAMIC"]
    with pytest.raises(ElfError, match="no dynamic segment"):
        read(patched(data, 64 + 56 * number, "<I", 0))


def test_a_filter_is_a_needed_library() -> None:
    data = compile_with_gcc("int f(void) { return 1; }", "-shared", "-fPIC", "-Wl,-F,libnothere.so.9")
    assert "libnothere.so.9" in read(data).needed


@pytest.mark.parametrize("field", [0x20, 0x28])
def test_offsets_beyond_all_files(field: int) -> None:
    data = patched(library("malloc(1)"), field, "<Q", 2**63 + 5)  # e_phoff, e_shoff
    if field == 0x20:
        with pytest.raises(ElfError):
            read(data)
    else:
        assert read(data).needed == ("libc.so.6",)


def test_debug_companions_are_not_judged(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(compile_with_gcc("int main(void) { return 0; }", "-g"))
    subprocess.run(["objcopy", "--only-keep-debug", program, tmp_path / "program.debug"], check=True)
    assert read((tmp_path / "program.debug").read_bytes()).kind == "debug"


def host_objects() -> list[Path]:
    found = []
    for folder in ("/usr/bin", "/usr/lib/x86_64-linux-gnu"):
        for path in sorted(Path(folder).iterdir()):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    if file.read(4) == b"\x7fELF":
                        found.append(path)
    return found[::9][:60]


@pytest.mark.parametrize("path", host_objects(), ids=lambda path: path.name)
def test_agrees_with_pyelftools_on_honest_objects(path: Path) -> None:
    """On what a linker wrote and nobody tampered with, sections and segments tell the same."""
    data = path.read_bytes()
    found = read(data)
    elf = ELFFile(io.BytesIO(data))
    dynamic = elf.get_section_by_name(".dynamic")
    if not isinstance(dynamic, DynamicSection):
        assert found.needed == ()
        return
    assert list(found.needed) == [tag.needed for tag in dynamic.iter_tags("DT_NEEDED")]  # type: ignore[attr-defined]
    needs = elf.get_section_by_name(".gnu.version_r")
    expected = set()
    if isinstance(needs, GNUVerNeedSection):
        expected = {
            (need.name, entry.name, entry["vna_other"]) for need, entries in needs.iter_versions() for entry in entries
        }
    assert {(need.library, need.version, need.index) for need in found.version_needs} == expected
    # A copy relocation makes a variable of a library defined in the program; its version need says that it is not.
    copied = {symbol.name for symbol in found.undefined} - undefined_by_sections(elf)
    assert {symbol.name for symbol in found.undefined} == undefined_by_sections(elf) | copied
    assert all(symbol.version for symbol in found.undefined if symbol.name in copied)
    assert not copied or found.kind == "executable"
    versions = elf.get_section_by_name(".gnu.version")
    if isinstance(versions, GNUVerSymSection):
        by_index = {index: version for _, version, index in expected}
        for number, symbol in enumerate(dynamic_symbols(elf)):
            ndx = versions.get_symbol(number)["ndx"]
            if symbol["st_shndx"] == "SHN_UNDEF" and isinstance(ndx, int) and symbol.name:
                assert by_index[ndx & 0x7FFF] in {one.version for one in found.undefined if one.name == symbol.name}


def undefined_by_sections(elf: ELFFile) -> set[str]:
    return {
        symbol.name
        for symbol in dynamic_symbols(elf)
        if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name and symbol["st_info"]["bind"] != "STB_LOCAL"
    }


INTERPRETER = 'const char interp[] __attribute__((section(".interp"))) = "/lib64/ld-linux-x86-64.so.2";'


@pytest.mark.parametrize(
    ("path", "code", "kind"),
    [
        ("m/_core.so", "void *PyInit__core(void) { return 0; }", "shared"),
        ("m/_core.cpython-312-x86_64-linux-gnu.so", "void *PyInit__core(void) { return 0; }", "shared"),
        ("m/core", "void *PyInit_core(void) { return 0; }", "executable"),  # an interpreter that holds a module
        ("m/core.so", "void start(void) {}", "executable"),
    ],
)
def test_what_can_be_run_and_imported(path: str, code: str, kind: str) -> None:
    """PT_INTERP and no name of its own: so look programs of before DF_1_PIE, and modules that can be run as well."""
    data = compile_with_gcc(f"{INTERPRETER} {code}", "-shared", "-fPIC")
    found = read_object(path, len(data), PlainContent(MemoryFile(data)))
    assert found.interpreter == "/lib64/ld-linux-x86-64.so.2"
    assert found.kind == kind
    assert bool(found.defined) == (kind == "shared")


def test_several_dynamic_segments_are_refused() -> None:
    data = library("reallocarray(0, 1, 2)", glibc="2.29")
    (stack,) = [n for n, s in enumerate(ELFFile(io.BytesIO(data)).iter_segments()) if s["p_type"] == "PT_GNU_STACK"]
    with pytest.raises(ElfError, match="several dynamic segments"):
        read(patched(data, 64 + 56 * stack, "<I", 2))


def test_a_segment_that_is_not_writable_has_all_of_its_bytes_in_the_file() -> None:
    data = library("reallocarray(0, 1, 2)", glibc="2.29")
    loads = [n for n, s in enumerate(ELFFile(io.BytesIO(data)).iter_segments()) if s["p_type"] == "PT_LOAD"]
    size = 64 + 56 * loads[0] + 32
    (filesz,) = struct.unpack_from("<Q", data, size)
    with pytest.raises(ElfError, match="what lies there is unsure"):
        read(patched(data, size, "<QQ", filesz - 1, filesz))
    assert read(patched(data, size, "<QQ", filesz - 1, filesz - 1)).needed == read(data).needed


def test_a_table_of_relocations_that_goes_on_in_the_next_segment_is_refused() -> None:
    """The loader reads on there; no linker writes one."""
    data = compile_with_gcc("int g(void); int f(void) { return g(); }", "-shared", "-fPIC", "-nostdlib")
    section = section_of(data, ".dynamic")
    entry = section["sh_offset"]
    while struct.unpack_from("<Q", data, entry)[0] != 2:  # DT_PLTRELSZ
        entry += 16
    with pytest.raises(ElfError, match="relocations does not fit"):
        read(patched(data, entry + 8, "<Q", 24 * 1000))
