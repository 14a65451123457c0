"""The judge itself: what it reads out of the loader's answers is what the object was made to lack."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.hash import ELFHashTable

from building import compile_with_gcc, compile_with_zig, library
from loader.debian_glibc import SUITES, debian_glibc
from loader.judge import UnknownLineError, ask_loader, understand
from loader.machine_objects import is_dynamic_x86_64, machine_objects
from loader.stub_glibc import RELEASES, stub_glibc
from provisions import kept

pytestmark = pytest.mark.loader

REALLOCARRAY = """
    #define _GNU_SOURCE
    #include <stdlib.h>
    int main(void) { void *p = reallocarray(0, 2, 3); free(p); return p == 0; }
"""


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def elf_hash(name: str) -> int:
    return int(ELFHashTable.elf_hash(name))


def patched_need(content: bytes, version: str, *, flags: int | None = None, becomes: str | None = None) -> bytes:
    """Change the flags of a version need, or let it repeat another one."""
    at = content.index(struct.pack("<I", elf_hash(version)))
    name_hash, old_flags, other, name, following = struct.unpack_from("<IHHII", content, at)
    if becomes is not None:
        model = content.index(struct.pack("<I", elf_hash(becomes)))
        name_hash, _, _, name, _ = struct.unpack_from("<IHHII", content, model)
    changed = bytearray(content)
    struct.pack_into("<IHHII", changed, at, name_hash, old_flags if flags is None else flags, other, name, following)
    return bytes(changed)


def without_needed(path: Path, soname: str) -> None:
    """Turn a DT_NEEDED entry into one that the loader passes over (DT_DEBUG)."""
    with path.open("r+b") as stream:
        section = ELFFile(stream).get_section_by_name(".dynamic")
        assert isinstance(section, DynamicSection)
        (number,) = (number for number, tag in enumerate(section.iter_tags()) if getattr(tag, "needed", None) == soname)
        stream.seek(section["sh_offset"] + number * section["sh_entsize"])
        stream.write(struct.pack("<q", 21))


# --- versions and symbols ---------------------------------------------------------------------------------------------


def test_a_program_that_needs_a_newer_function(tmp_path: Path) -> None:
    program = write(tmp_path / "program", compile_with_zig(REALLOCARRAY, glibc="2.28"))
    verdict = ask_loader(program, stub_glibc("2.17"))
    assert not verdict.loads
    assert verdict.missing_versions == {("libc.so.6", "GLIBC_2.26")}
    assert verdict.missing_symbols == {("reallocarray", "GLIBC_2.26")}
    assert verdict.fatal is None
    assert ask_loader(program, stub_glibc("2.28")).loads


@pytest.mark.parametrize("release", RELEASES)
def test_what_was_built_for_2_17_loads_everywhere(release: str, tmp_path: Path) -> None:
    calls = ("pow(x, 2)", "dlopen(0, 1)", "pthread_create(0, 0, 0, 0)", "clock_gettime(0, 0)", "res_init()")
    headers = ("math.h", "dlfcn.h", "pthread.h", "time.h", "netinet/in.h", "resolv.h")
    path = write(tmp_path / "library.so", library(*calls, glibc="2.17", headers=headers))
    verdict = ask_loader(path, stub_glibc(release))
    assert verdict.loads, verdict.lines


@pytest.mark.parametrize("suite", SUITES)
def test_what_was_built_for_2_17_loads_on_every_debian(suite: str, tmp_path: Path) -> None:
    path = write(
        tmp_path / "library.so", library("pow(x, 2)", "pthread_create(0, 0, 0, 0)", headers=("math.h", "pthread.h"))
    )
    verdict = ask_loader(path, debian_glibc(suite))
    assert verdict.loads, verdict.lines
    assert all(
        str(debian_glibc(suite).library_path[0].parents[1]) in line for line in verdict.lines if "libc.so.6" in line
    )


def test_each_debian_refuses_what_is_newer_than_itself(tmp_path: Path) -> None:
    path = write(
        tmp_path / "library.so", library("strlcpy((char *)&x, (char *)&x, 8)", glibc="2.38", headers=("string.h",))
    )
    verdicts = {suite: ask_loader(path, debian_glibc(suite)) for suite in SUITES}
    assert {suite: verdict.loads for suite, verdict in verdicts.items()} == {
        "bullseye": False,
        "bookworm": False,
        "trixie": True,
        "sid": True,
    }
    assert verdicts["bookworm"].missing_versions == {("libc.so.6", "GLIBC_2.38")}


def test_another_architecture_through_qemu(tmp_path: Path) -> None:
    content = library("strlcpy((char *)&x, (char *)&x, 8)", arch="aarch64", glibc="2.38", headers=("string.h",))
    path = write(tmp_path / "library.so", content)
    verdict = ask_loader(path, debian_glibc("bookworm", "arm64"))
    assert verdict.missing_versions == {("libc.so.6", "GLIBC_2.38")}
    assert verdict.missing_symbols == {("strlcpy", "GLIBC_2.38")}
    assert ask_loader(path, debian_glibc("trixie", "arm64")).loads


def unversioned(symbol: str, folder: Path) -> Path:
    """A library with DT_NEEDED libc.so.6 and a reference to ``symbol`` without a version."""
    empty = compile_with_gcc("", "-shared", "-nostdlib", "-Wl,-soname,libc.so.6")
    source = f"extern void {symbol}(void); void caller(void) {{ {symbol}(); }}"
    flags = ("-shared", "-fPIC", "-nostdlib", "-fno-builtin", "-Wl,--no-as-needed", "empty.so")
    return write(folder / "library.so", compile_with_gcc(source, *flags, beside={"empty.so": empty}))


def test_an_unversioned_symbol(tmp_path: Path) -> None:
    path = unversioned("reallocarray", tmp_path)
    verdict = ask_loader(path, stub_glibc("2.17"))
    assert verdict.missing_versions == frozenset()
    assert verdict.missing_symbols == {("reallocarray", None)}
    assert ask_loader(path, stub_glibc("2.28")).loads


@pytest.mark.parametrize(
    ("symbol", "loads"),
    [
        ("xdr_void", True),  # hidden, at the oldest node of libc
        ("xdr_quad_t", False),  # hidden, at a later node
        ("memcpy", True),  # at the oldest node, and by default at another
        ("reallocarray", True),  # by default at a later node
        ("__libc_fork", True),  # GLIBC_PRIVATE does as well
        ("no_such_function", False),
    ],
)
def test_what_an_unversioned_reference_binds_to(symbol: str, loads: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a table
    assert ask_loader(unversioned(symbol, tmp_path), debian_glibc("bookworm")).loads is loads


def test_weak_symbols_and_symbols_without_a_relocation_are_silent(tmp_path: Path) -> None:
    source = "extern void gone(void) __attribute__((weak)); void caller(void) { if (gone) gone(); }"
    path = write(tmp_path / "library.so", compile_with_gcc(source, "-shared", "-fPIC"))
    assert ask_loader(path, stub_glibc("2.17")).loads


def test_a_weak_version_need_is_a_message(tmp_path: Path) -> None:
    content = patched_need(compile_with_zig(REALLOCARRAY, glibc="2.28"), "GLIBC_2.26", flags=2)
    verdict = ask_loader(write(tmp_path / "program", content), stub_glibc("2.17"))
    assert verdict.missing_versions == frozenset()
    assert verdict.weak_versions == {("libc.so.6", "GLIBC_2.26")}
    assert verdict.missing_symbols == {("reallocarray", "GLIBC_2.26")}


# --- other refusals ---------------------------------------------------------------------------------------------------


def gone_library(folder: Path) -> Path:
    """A library that needs ``gone@GONE_1`` of libgone.so, which is not there."""
    provider = compile_with_gcc(
        "void gone(void) {}",
        "-shared",
        "-fPIC",
        "-Wl,-soname,libgone.so,--version-script=map",
        beside={"map": b"GONE_1 { gone; };"},
    )
    source = "extern void gone(void); void caller(void) { gone(); }"
    content = compile_with_gcc(source, "-shared", "-fPIC", "libgone.so", beside={"libgone.so": provider})
    return write(folder / "library.so", content)


def test_a_missing_library(tmp_path: Path) -> None:
    verdict = ask_loader(gone_library(tmp_path), stub_glibc("2.17"))
    assert verdict.missing_libraries == {"libgone.so"}
    assert verdict.missing_versions == frozenset()


def test_a_version_need_without_its_library(tmp_path: Path) -> None:
    path = gone_library(tmp_path)
    without_needed(path, "libgone.so")
    verdict = ask_loader(path, stub_glibc("2.17"))
    assert verdict.fatal is not None
    assert "Assertion `needed != NULL' failed" in verdict.fatal


def test_relr_without_its_marker(tmp_path: Path) -> None:
    source = '#include <stdio.h>\nstatic int a; int *p[] = {&a, &a, &a}; int f(void) { return printf("%p", p[1]); }'
    content = compile_with_gcc(source, "-shared", "-fPIC", "-Wl,-z,pack-relative-relocs")
    path = write(tmp_path / "library.so", content)
    assert ask_loader(path, debian_glibc("bookworm")).loads
    assert ask_loader(path, debian_glibc("bullseye")).missing_versions == {("libc.so.6", "GLIBC_ABI_DT_RELR")}
    path.write_bytes(patched_need(content, "GLIBC_ABI_DT_RELR", becomes="GLIBC_2.2.5"))
    assert ask_loader(path, debian_glibc("bullseye")).loads  # and crashes when it runs: the relocations are not applied
    fatal = ask_loader(path, debian_glibc("bookworm")).fatal
    assert fatal is not None
    assert "DT_RELR without GLIBC_ABI_DT_RELR dependency" in fatal


def test_a_static_program_and_what_is_no_elf_file_are_fatal(tmp_path: Path) -> None:
    program = write(tmp_path / "program", compile_with_gcc(REALLOCARRAY, "-static"))
    assert not is_dynamic_x86_64(program)
    assert ask_loader(program, stub_glibc("2.17")).fatal is not None
    text = ask_loader(
        write(tmp_path / "text", b"no ELF file, but long enough to be read as a header" * 9), stub_glibc("2.17")
    )
    assert text.fatal is not None
    assert "invalid ELF header" in text.fatal


def test_a_trace_does_not_see_what_only_dlopen_refuses(tmp_path: Path) -> None:
    path = write(tmp_path / "library.so", compile_with_gcc("", "-shared", "-z", "execstack"))
    assert ask_loader(path, debian_glibc("trixie")).loads


def test_complaints_about_libraries_are_kept_apart(tmp_path: Path) -> None:
    inner = library("reallocarray(0, 1, 2)", glibc="2.28")
    write(tmp_path / "libinner.so", inner)
    source = "extern void *call_0(double); void *caller(void) { return call_0(1); }"
    flags = ("-shared", "-fPIC", "-Wl,--no-as-needed", "libinner.so")
    outer = write(tmp_path / "outer.so", compile_with_zig(source, *flags, beside={"libinner.so": inner}))
    verdict = ask_loader(outer, stub_glibc("2.17"), (tmp_path,))
    assert verdict.loads
    assert any("GLIBC_2.26" in line for line in verdict.of_libraries)


def test_a_line_that_is_not_understood_is_an_error() -> None:
    with pytest.raises(UnknownLineError, match="something new"):
        understand(Path("/object"), ["something new"], 0)


# --- the objects of this machine, and what is kept --------------------------------------------------------------------


def test_every_answer_about_real_objects_is_understood() -> None:
    objects = machine_objects(100)
    assert len(objects) == 100
    verdicts = [ask_loader(path, stub_glibc("2.17")) for path in objects]
    assert any(not verdict.loads for verdict in verdicts)
    assert any(verdict.loads for verdict in verdicts)


def test_machine_objects_are_dynamic_and_the_same_each_time() -> None:
    objects = machine_objects(20)
    assert objects == machine_objects(20)
    assert len(set(objects)) == 20
    assert all(is_dynamic_x86_64(path) for path in objects)


def test_kept_folders_are_whole_or_absent(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "file").write_text("whole", encoding="ascii")

    def fail(folder: Path) -> None:
        fill(folder)
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        kept(tmp_path / "folder", fail)
    assert list(tmp_path.iterdir()) == []
    assert (kept(tmp_path / "folder", fill) / "file").read_text(encoding="ascii") == "whole"
    assert kept(tmp_path / "folder", fail) == tmp_path / "folder"
