from __future__ import annotations

from pathlib import Path

import pytest

from building import compile_with_gcc, compile_with_zig, library, make_wheel
from unit.rules.crafting import (
    dynamic_entry,
    program_header,
    put,
    section,
    version_entry,
    with_stack_flags,
    without_sections,
)
from unit.rules.judging import judged, of_rule, rules_of, written

CALLER = "#include <stdlib.h>\nvoid *table[] = {malloc, free, abort};\nvoid *f(int n) { return malloc(n); }"
PROGRAM = "#include <stdlib.h>\nint main(void) { return malloc(1) == 0; }"
SHARED = ("-shared", "-fPIC", "-s")


def relr(arch: str) -> bytes:
    """A library whose dynamic segment announces DT_RELR where the linker wrote DT_RELACOUNT."""
    source = "static int a, b, c; int *pointers[] = {&a, &b, &c};\n" + CALLER
    data = compile_with_zig(source, *SHARED, "-Wl,-z,max-page-size=65536", arch=arch)
    return put(data, dynamic_entry(data, 0x6FFFFFF9), "<q", 36)


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "ppc64le"])
def test_packed_relocations_without_the_marker(tmp_path: Path, arch: str) -> None:
    data = relr(arch)
    assert rules_of(tmp_path, data, "2.17") == {("relr-without-marker", "error")}
    assert rules_of(tmp_path, data, "2.36") == {("relr-without-marker", "error")}
    plain = compile_with_zig(CALLER, *SHARED, "-Wl,-z,max-page-size=65536", arch=arch)
    assert rules_of(tmp_path, plain, "2.17") == set()


def test_packed_relocations_with_the_marker(tmp_path: Path) -> None:
    data = compile_with_gcc("static int a, b; int *p[] = {&a, &b};\n" + CALLER, *SHARED, "-Wl,-z,pack-relative-relocs")
    (finding,) = of_rule(judged(written(tmp_path, data), "2.35"), "loader-marker")
    assert finding.version == "GLIBC_ABI_DT_RELR"
    assert "only glibc 2.36 and later know" in finding.message
    assert finding.hint is not None
    assert "-z,nopack-relative-relocs" in finding.hint
    assert rules_of(tmp_path, data, "2.36") == set()


def test_markers_of_a_later_loader(tmp_path: Path) -> None:
    data = compile_with_gcc("static int a, b; int *p[] = {&a, &b};\n" + CALLER, *SHARED, "-Wl,-z,pack-relative-relocs")
    strings = section(data, ".dynstr")["sh_offset"]
    at = data.index(b"GLIBC_ABI_DT_RELR", strings)
    unknown = data[:at] + b"GLIBC_ABI_DT_XXXX" + data[at + 17 :]
    unknown = put(unknown, version_entry(unknown, "GLIBC_ABI_DT_XXXX"), "<I", 0)
    (finding,) = of_rule(judged(written(tmp_path, unknown), "2.43"), "loader-marker")
    assert "no known glibc knows" in finding.message


@pytest.mark.parametrize("arch", ["x86_64", "i686", "aarch64", "s390x"])
def test_an_executable_stack(tmp_path: Path, arch: str) -> None:
    data = compile_with_zig(CALLER, *SHARED, "-Wl,-z,max-page-size=65536", arch=arch)
    assert rules_of(tmp_path, with_stack_flags(data, 7), "2.17") == {("executable-stack", "error")}
    assert rules_of(tmp_path, data, "2.17") == set()


def test_a_program_with_an_executable_stack_is_a_warning(tmp_path: Path) -> None:
    data = with_stack_flags(compile_with_zig(PROGRAM), 7)
    assert rules_of(tmp_path, data, "2.17") == {("executable-stack", "warning")}


def test_without_a_stack_header_the_default_counts(tmp_path: Path) -> None:
    data = library("malloc(1)")
    dropped = put(data, program_header(data, "PT_GNU_STACK"), "<I", 0)  # PT_NULL
    assert rules_of(tmp_path, dropped, "2.17") == {("executable-stack", "error")}


@pytest.mark.parametrize(("level", "found"), [("x86-64-v2", True), ("x86-64-v3", True), ("x86-64", False)])
def test_processor_levels(tmp_path: Path, level: str, found: bool) -> None:  # noqa: FBT001  # a column of the table
    mark = {"x86-64": 1, "x86-64-v2": 3, "x86-64-v3": 7}[level]
    note = f"""
    asm(".pushsection .note.gnu.property,\\"a\\",@note\\n.p2align 3\\n.long 4,16,5\\n.asciz \\"GNU\\"\\n"
        ".long 0xc0008002,4,{mark},0\\n.popsection");
    """
    data = compile_with_gcc(note + "int f(void) { return 1; }", *SHARED, "-nostdlib")
    report = judged(written(tmp_path, data), "2.33")
    assert bool(of_rule(report, "isa-level-too-high")) is found
    if found:
        assert f"declares {level} as needed" in report.findings[0].message


@pytest.mark.parametrize(
    ("arch", "page", "expected"),
    [
        ("aarch64", 4096, {("page-alignment", "warning")}),
        ("aarch64", 65536, set()),
        ("ppc64le", 4096, {("page-alignment", "warning")}),
        ("x86_64", 4096, set()),
        ("i686", 4096, set()),
        ("s390x", 4096, set()),
    ],
)
def test_page_sizes(tmp_path: Path, arch: str, page: int, expected: set[tuple[str, str]]) -> None:
    data = compile_with_zig(CALLER, *SHARED, f"-Wl,-z,max-page-size={page},-z,common-page-size={page}", arch=arch)
    assert rules_of(tmp_path, data, "2.17") == expected


def test_a_segment_that_no_kernel_maps(tmp_path: Path) -> None:
    data = library("malloc(1)")
    declared = put(data, program_header(data, "PT_LOAD") + 48, "<Q", 0x10)  # p_align
    assert rules_of(tmp_path, declared, "2.17") == {("page-alignment", "error")}
    assert "glibc before 2.35 refuses it" in judged(written(tmp_path, declared), "2.34").findings[0].message
    assert rules_of(tmp_path, declared, "2.35") == set()
    second = [n for n in range(8) if data[64 + 56 * n : 64 + 56 * n + 4] == b"\x01\0\0\0"][1]
    place = 64 + 56 * second
    shifted = put(data, place + 8, "<Q", int.from_bytes(data[place + 8 : place + 16], "little") + 16)  # p_offset
    (finding,) = of_rule(judged(written(tmp_path, shifted), "2.41"), "page-alignment")
    assert "every loader refuses it" in finding.message


@pytest.mark.parametrize("arch", ["x86_64", "i686", "aarch64", "armv7l", "ppc64le", "s390x", "riscv64", "loongarch64"])
def test_interpreters(tmp_path: Path, arch: str) -> None:
    glibc = {"riscv64": "2.27", "loongarch64": "2.36"}.get(arch, "2.17")
    flags = ("-Wl,-z,max-page-size=65536",)
    right = written(tmp_path, compile_with_zig(PROGRAM, *flags, arch=arch, glibc=glibc))
    assert of_rule(judged(right, glibc), "wrong-interpreter") == []
    elsewhere = "-Wl,--dynamic-linker=/nix/store/abc/lib/ld.so"
    wrong = written(tmp_path, compile_with_zig(PROGRAM, *flags, elsewhere, arch=arch, glibc=glibc))
    (finding,) = of_rule(judged(wrong, glibc), "wrong-interpreter")
    assert "/nix/store/abc/lib/ld.so" in finding.message


def test_the_loader_of_musl_is_for_musl(tmp_path: Path) -> None:
    program = compile_with_zig(PROGRAM, "-dynamic", glibc=None)
    if b"ld-musl" in program:
        assert ("wrong-interpreter", "error") in rules_of(tmp_path, program, "2.17")


def test_a_static_glibc(tmp_path: Path) -> None:
    for flag in ("-static", "-static-pie"):
        assert rules_of(tmp_path, compile_with_gcc(PROGRAM, flag), "2.17") == {("static-glibc", "warning")}
    assert rules_of(tmp_path, compile_with_zig(PROGRAM, "-static", glibc=None), "2.17") == set()


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "s390x"])
def test_static_tls_is_a_note(tmp_path: Path, arch: str) -> None:
    source = "__thread int counter; int f(void) { return counter++; }"
    flags = (*SHARED, "-Wl,-z,max-page-size=65536")
    initial = compile_with_zig(source, *flags, "-ftls-model=initial-exec", arch=arch)
    assert rules_of(tmp_path, initial, "2.17") == {("static-tls", "note")}
    assert rules_of(tmp_path, compile_with_zig("int f(void) { return 1; }", *flags, arch=arch), "2.17") == set()


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "ppc64le"])
def test_a_count_that_hides_needs(tmp_path: Path, arch: str) -> None:
    source = "#define _GNU_SOURCE\n#include <stdlib.h>\nvoid *f(void *p) { return reallocarray(p, 1, 2); }"
    data = compile_with_zig(source, *SHARED, "-Wl,-z,max-page-size=65536", arch=arch, glibc="2.29")
    table = section(data, ".gnu.version_r")["sh_offset"]
    hidden = put(data, table + 2, "<H", 0)  # vn_cnt
    report = judged(written(tmp_path, hidden), "2.17")
    assert {finding.rule for finding in report.findings} == {"inconsistent-elf", "symbol-version-too-new"}
    counted = put(data, dynamic_entry(data, 0x6FFFFFFF) + 8, "<Q", 1)  # DT_VERNEEDNUM
    assert ("inconsistent-elf", "error") in rules_of(tmp_path, counted, "2.29") or _one_library(data)
    assert rules_of(tmp_path, data, "2.29") == set()


def _one_library(data: bytes) -> bool:
    return int(section(data, ".gnu.version_r")["sh_info"]) == 1


@pytest.mark.parametrize("name", [".dynamic", ".dynsym", ".gnu.version_r"])
def test_a_section_table_that_contradicts_the_segments(tmp_path: Path, name: str) -> None:
    data = library("reallocarray(0, 1, 2)", glibc="2.29")
    table, size = header_table(data)
    number = [n for n in range(size) if section_name(data, n) == name][0]  # noqa: RUF015
    for field in (16, 24):  # sh_addr, sh_offset
        lying = put(data, table + 64 * number + field, "<Q", 0x40)
        assert ("inconsistent-elf", "error") in rules_of(tmp_path, lying, "2.29")
    assert rules_of(tmp_path, without_sections(data), "2.29") == set()


def header_table(data: bytes) -> tuple[int, int]:
    return int.from_bytes(data[0x28:0x30], "little"), int.from_bytes(data[0x3C:0x3E], "little")


def section_name(data: bytes, number: int) -> str:
    import io  # noqa: PLC0415  # only here

    from elftools.elf.elffile import ELFFile  # noqa: PLC0415

    return str(ELFFile(io.BytesIO(data)).get_section(number).name)


def test_findings_of_a_wheel_name_the_object(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"pkg/m.so": with_stack_flags(compile_with_zig(CALLER, *SHARED), 7)})
    (finding,) = judged(wheel).findings
    assert (finding.rule, finding.object) == ("executable-stack", "pkg/m.so")


def test_a_distribution_promises_the_level_that_it_demands(tmp_path: Path) -> None:
    note = """
    asm(".pushsection .note.gnu.property,\\"a\\",@note\\n.p2align 3\\n.long 4,16,5\\n.asciz \\"GNU\\"\\n"
        ".long 0xc0008002,4,3,0\\n.popsection");
    """
    data = compile_with_gcc(note + "int f(void) { return 1; }", *SHARED, "-nostdlib")
    assert rules_of(tmp_path, data, "rhel8") == {("isa-level-too-high", "error")}
    assert rules_of(tmp_path, data, "rhel9") == set()
