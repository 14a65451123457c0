"""A version need is taken out where every reference is weak and can be told to be missing, and nowhere else."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import Literal

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from building import compile_with_gcc
from glibc_guard.elf import ElfError
from glibc_guard.model import ElfObject
from glibc_guard.repair import Repair, RepairError, Wish, repaired
from glibc_guard.repair.version_needs import Need, facts_without, without_need
from glibc_guard.targets.glibc_symbols import ZIG_TARGETS
from provisions import needed
from unit.repair.objects import (
    CANONICALIZE,
    GETTID,
    MEMFD,
    REALLOCARRAY,
    WEAK,
    complaints,
    facts_of,
    needs_by_sections,
    needs_of,
    nobody,
    reason,
    repair,
    small,
    weak_library,
    weakened,
)
from unit.rules.crafting import need_renamed, put, section, version_entry, weak_need

ARCHITECTURES = sorted(set(ZIG_TARGETS) - {"riscv64", "loongarch64"})  # whose first glibc has all these versions


def tags(data: bytes) -> set[str]:
    table = ELFFile(io.BytesIO(data)).get_section_by_name(".dynamic")
    assert isinstance(table, DynamicSection)
    return {str(tag.entry.d_tag) for tag in table.iter_tags()}


# --- what is taken out ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("need", WEAK, ids=lambda need: need.version)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_weak_need_is_taken_out_and_nothing_else_changes(arch: str, need: Need, tmp_path: Path) -> None:
    data = weak_library(arch=arch)
    before = facts_of(data)
    after = repair(data, need)
    assert len(after) == len(data)
    assert (need.library, need.version) in needs_of(data)
    assert facts_of(after) == facts_without(before, need) != before
    told = needs_by_sections(after)
    assert {(library, version) for library, versions in told for version in versions} == needs_of(after)
    assert complaints(tmp_path, after) <= complaints(tmp_path, data)


@pytest.mark.parametrize(("arch", "order"), [("x86_64", "little"), ("i686", "little"), ("s390x", "big")])
def test_the_bytes_that_change(arch: str, order: Literal["little", "big"]) -> None:
    data = weak_library(arch=arch)
    versions, needs = section(data, ".gnu.version"), section(data, ".gnu.version_r")
    outcome = without_need(data, facts_of(data), GETTID, nobody)
    assert isinstance(outcome, Repair)
    index, *links, gone = outcome.changes
    assert 0 <= index.offset - versions["sh_offset"] < versions["sh_size"]
    assert bytes.fromhex(index.after) == (1).to_bytes(2, order)
    count = next(change for change in links if change.what.startswith("vn_cnt"))
    assert int.from_bytes(bytes.fromhex(count.before), order) == int.from_bytes(bytes.fromhex(count.after), order) + 1
    assert bytes.fromhex(gone.before)[:4] == 0x069691B0.to_bytes(4, order)  # the gABI's hash of "GLIBC_2.30"
    assert bytes.fromhex(gone.after) == bytes(16)
    for change in (*links, gone):
        assert 0 <= change.offset - needs["sh_offset"] < needs["sh_size"]


@pytest.mark.parametrize("arch", ["x86_64", "s390x", "i686"])
@pytest.mark.parametrize("order", [WEAK, WEAK[::-1], (MEMFD, CANONICALIZE, GETTID, REALLOCARRAY)])
def test_all_of_them_in_any_order(order: tuple[Need, ...], arch: str, tmp_path: Path) -> None:
    data = weak_library(arch=arch)
    result = repaired(data, facts_of(data), Wish(order, executable_stack=False), nobody)
    assert [(one.library, one.version) for one in result.repairs] == [(one.library, one.version) for one in order]
    assert needs_of(result.data) == needs_of(data) - {(need.library, need.version) for need in order}
    assert {library for library, _ in needs_by_sections(result.data)} == {"libc.so.6", "libm.so.6"}
    assert complaints(tmp_path, result.data) <= complaints(tmp_path, data)
    again = repaired(data, facts_of(data), Wish(order[::-1], executable_stack=False), nobody)
    assert facts_of(again.data) == facts_of(result.data)


@pytest.mark.parametrize("gone", ["libc.so.6", "libm.so.6", "libresolv.so.2"])
@pytest.mark.parametrize("arch", ["x86_64", "i686", "aarch64", "s390x"])
def test_a_library_of_which_nothing_else_is_asked(arch: str, gone: str, tmp_path: Path) -> None:
    """The needs of three libraries in a row: each of them is the first, the middle or the last one."""
    source = """
    extern int gettid(void), canonicalize(double *, const double *), ns_datetosecs(const char *, int *);
    void *functions[] = {gettid, canonicalize, ns_datetosecs};
    """
    data = weakened(small(source, "-lm", "-lresolv", arch=arch), "gettid", "canonicalize", "ns_datetosecs")
    order = [library for library, _ in needs_by_sections(data)]
    assert len(order) == 3
    (need,) = (Need(*one) for one in needs_of(data) if one[0] == gone)
    after = repair(data, need)
    assert sorted(library for library, _ in needs_by_sections(after)) == sorted({*order} - {gone})
    assert facts_of(after) == facts_without(facts_of(data), need)
    assert facts_of(after).needed == facts_of(data).needed
    assert section(after, ".gnu.version_r")["sh_info"] == 2
    assert complaints(tmp_path, after) <= complaints(tmp_path, data)


@pytest.mark.parametrize("arch", ["x86_64", "i686", "s390x"])
def test_the_only_need_of_all_takes_the_tags_with_it(arch: str, tmp_path: Path) -> None:
    data = weakened(small("extern int gettid(void); void *functions[] = {gettid};", arch=arch), "gettid")
    after = repair(data, GETTID)
    assert facts_of(after).version_needs == ()
    assert facts_of(after).inconsistencies == ()
    assert facts_of(after).needed == ("libc.so.6",)
    # With DT_VERSYM alone the loader reads an array that it never made.
    assert tags(data) - tags(after) == {"DT_VERSYM", "DT_VERNEED", "DT_VERNEEDNUM"}
    assert complaints(tmp_path, after) <= complaints(tmp_path, data)


def test_an_object_that_defines_versions_keeps_its_version_symbol_table(tmp_path: Path) -> None:
    source = "extern int gettid(void) __attribute__((weak)); int id(void) { return gettid ? gettid() : -1; }"
    flags = ("-shared", "-fPIC", "-nostartfiles", "-Wl,--no-as-needed,--version-script=map")
    data = compile_with_gcc(source, *flags, beside={"map": b"OWN_1 { id; };"})
    after = repair(data, GETTID)
    assert tags(data) - tags(after) == {"DT_VERNEED", "DT_VERNEEDNUM"}
    assert facts_of(after).version_definitions == facts_of(data).version_definitions
    assert complaints(tmp_path, after) == set()


def test_a_need_that_is_marked_weak() -> None:
    data = weak_need(weak_library(), "GLIBC_2.30")
    assert facts_of(repair(data, GETTID)) == facts_without(facts_of(data), GETTID)


def test_without_a_section_table() -> None:
    data = put(weak_library(), 40, "<Q", 0)  # e_shoff
    data = put(data, 60, "<HH", 0, 0)  # e_shnum, e_shstrndx
    for need in WEAK:
        data = repair(data, need)
    assert needs_of(data) == {("libc.so.6", "GLIBC_2.2.5"), ("libm.so.6", "GLIBC_2.2.5")}


def test_patchelf_goes_on_from_a_repaired_object(tmp_path: Path) -> None:
    patchelf = needed("patchelf", "apt-get install patchelf")
    path = tmp_path / "m.so"
    path.write_bytes(repair(repair(weak_library(), CANONICALIZE), GETTID))
    path.chmod(0o755)
    for change in (["--set-rpath", "$ORIGIN/a/path/that/needs/room"], ["--add-needed", "libz.so.1"]):
        subprocess.run([patchelf, *change, path], check=True)
    after = path.read_bytes()
    assert needs_of(after) == needs_of(weak_library()) - {("libm.so.6", "GLIBC_2.25"), ("libc.so.6", "GLIBC_2.30")}
    assert facts_of(after).inconsistencies == ()
    assert needs_of(repair(after, MEMFD)) == needs_of(after) - {("libc.so.6", "GLIBC_2.27")}


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "s390x"])
def test_a_strong_symbol(arch: str) -> None:
    data = small("extern int gettid(void); int id(void) { return gettid(); }", arch=arch)
    assert reason(data, GETTID) == "gettid is not weak: the code cannot do without it"


@pytest.mark.parametrize("arch", ["x86_64", "i686", "aarch64"])
def test_a_strong_symbol_beside_a_weak_one_of_the_same_version(arch: str) -> None:
    source = """
    extern int gettid(void) __attribute__((weak)); int id(void) { return gettid ? gettid() : -1; }
    extern int getdents64(int, void *, unsigned long); int list(void *to) { return getdents64(0, to, 9); }
    """
    assert reason(small(source, arch=arch), GETTID) == "getdents64 is not weak: the code cannot do without it"


@pytest.mark.parametrize("arch", ["x86_64", "i686", "aarch64", "s390x", "ppc64le", "armv7l"])
def test_a_weak_symbol_that_is_called_without_a_look(arch: str) -> None:
    data = weakened(small("extern int gettid(void); int id(void) { return gettid(); }", arch=arch), "gettid")
    assert "gettid is only called and never compared with 0" in reason(data, GETTID)


@pytest.mark.parametrize("flags", ["-O0 -fno-plt", "-O2 -fno-plt", "-Os -fno-plt -Wl,-z,now"])
@pytest.mark.parametrize("compiler", ["gcc", "x86_64", "aarch64"])
def test_a_weak_symbol_that_is_called_by_way_of_its_slot(compiler: str, flags: str) -> None:
    """GLOB_DAT fills the slot of ``call *slot(%rip)`` too: without the symbol, the call is one of address 0."""
    source = "extern int gettid(void) __attribute__((weak)); "
    for body in ("return gettid() + 1;", "return gettid();", "int id = gettid(); return id ? id : gettid();"):
        data = linked(compiler, f"{source} int id(void) {{ {body} }}", flags)
        assert "gettid is used by way of the global offset table" in reason(data, GETTID)


@pytest.mark.parametrize("flags", ["-O0", "-O1 -fno-plt", "-O2", "-O3 -fno-plt", "-Os -Wl,-z,now"])
@pytest.mark.parametrize("compiler", ["gcc", "x86_64", "aarch64"])
def test_a_weak_symbol_that_the_code_looks_at(compiler: str, flags: str) -> None:
    source = "extern int gettid(void) __attribute__((weak)); extern int other(int); "
    bodies = (
        "return gettid ? gettid() : -1;",
        "return (gettid != 0) + 2;",
        "int all = 0; while (a--) { other(a); if (gettid) all += gettid(); } return all;",
        "if (a && gettid && other(a)) return gettid(); return a;",
    )
    for body in bodies:
        data = linked(compiler, f"{source} int id(int a) {{ {body} }}", flags)
        assert needs_of(repair(data, GETTID)) == needs_of(data) - {("libc.so.6", "GLIBC_2.30")}


@pytest.mark.parametrize("arch", ["i686", "armv7l", "ppc64le", "s390x"])
def test_where_code_is_not_looked_at(arch: str) -> None:
    source = "extern int gettid(void) __attribute__((weak)); int id(void) { return gettid ? gettid() : -1; }"
    strong = 'extern int puts(const char *); int say(void) { return puts("said"); }'
    assert f"on {arch} it is not looked whether the code compares it" in reason(
        small(source + strong, arch=arch), GETTID
    )


def linked(compiler: str, source: str, flags: str) -> bytes:
    """Link a library by gcc, or by zig, which is clang, for an architecture."""
    strong = ' extern int puts(const char *); int say(void) { return puts("said"); }'
    if compiler in ZIG_TARGETS:
        return small(source + strong, *flags.split(), arch=compiler)
    return compile_with_gcc(source + strong, "-shared", "-fPIC", *flags.split())


def test_a_weak_symbol_in_a_table_of_pointers() -> None:
    source = "extern int gettid(void) __attribute__((weak)); int (*table[])(void) = {gettid};"
    data = compile_with_gcc(source, "-shared", "-fPIC", "-Wl,--no-as-needed")
    assert needs_of(repair(data, GETTID)) == needs_of(data) - {("libc.so.6", "GLIBC_2.30")}


def test_a_program_that_is_not_position_independent_takes_the_address_for_its_own() -> None:
    source = "extern int gettid(void) __attribute__((weak)); int main(void) { return gettid ? gettid() == 0 : 7; }"
    data = compile_with_gcc(source, "-no-pie", "-fno-pic")
    assert "gettid has an address in this program itself" in reason(data, GETTID)


def test_a_copied_variable() -> None:
    source = "extern char **environ; int main(void) { return environ == 0; }"
    data = compile_with_gcc(source, "-no-pie", "-fno-pic")
    assert "is defined here" in reason(data, Need("libc.so.6", "GLIBC_2.2.5"))


@pytest.mark.parametrize(
    ("symbol", "version", "library", "other"),
    [
        ("pow", "GLIBC_2.29", "libm.so.6", "GLIBC_2.2.5"),
        ("memcpy", "GLIBC_2.14", "libc.so.6", "GLIBC_2.2.5"),
    ],
)
def test_a_symbol_of_which_there_are_two(symbol: str, version: str, library: str, other: str) -> None:
    data = weakened(small(f"extern void {symbol}(void); void *functions[] = {{{symbol}}};", "-lm"), symbol)
    assert f"{symbol} exists as {symbol}@{other} too" in reason(data, Need(library, version))


def test_a_symbol_that_another_object_defines() -> None:
    data = weak_library()
    outcome = without_need(data, facts_of(data), GETTID, lambda name: "libs/other.so" if name == "gettid" else None)
    assert outcome.reason == "gettid is defined by libs/other.so too, which a reference without a version may take"  # type: ignore[union-attr]


def test_a_mark_that_no_symbol_carries() -> None:
    source = '#include <stdio.h>\nstatic int a; int *p[] = {&a, &a, &a}; int f(void) { return printf("%p", p[1]); }'
    data = compile_with_gcc(source, "-shared", "-fPIC", "-Wl,-z,pack-relative-relocs")
    assert "no symbol uses the version" in reason(data, Need("libc.so.6", "GLIBC_ABI_DT_RELR"))


def test_a_library_outside_of_glibc() -> None:
    provider = compile_with_gcc(
        "void later(void) {}", "-shared", "-nostdlib", "-Wl,-soname,libstdc++.so.6,--version-script=map",
        beside={"map": b"GLIBCXX_3.4.30 { later; };"},
    )  # fmt: skip
    source = "void later(void) __attribute__((weak)); void f(void) { if (later) later(); }"
    flags = ("-shared", "-fPIC", "-nostdlib", "-Wl,--no-as-needed", "./libstdc++.so.6")
    data = compile_with_gcc(source, *flags, beside={"libstdc++.so.6": provider})
    assert "what libstdc++.so.6 defines at which version is not known" in reason(
        data, Need("libstdc++.so.6", "GLIBCXX_3.4.30")
    )


def test_what_no_linker_writes() -> None:
    data = weak_library()
    assert "2 times" in reason(need_renamed(data, "GLIBC_2.27", "GLIBC_2.30"), GETTID)
    assert "0 times" in reason(data, Need("libc.so.6", "GLIBC_2.31"))
    entry, other = version_entry(data, "GLIBC_2.30"), version_entry(data, "GLIBC_2.27")
    shared = put(data, other + 6, "<H", int.from_bytes(data[entry + 6 : entry + 8], "little"))
    assert "share an index" in reason(shared, GETTID)
    table = section(data, ".gnu.version_r")["sh_offset"]
    assert "inconsistent: vn_cnt" in reason(put(data, table + 2, "<H", 9), GETTID)


def test_tables_over_each_other() -> None:
    data = weak_library()
    dynamic = section(data, ".dynamic")
    place = dynamic["sh_offset"]
    while data[place : place + 8] != (10).to_bytes(8, "little"):  # DT_STRSZ
        place += 16
    huge = put(data, place + 8, "<Q", 0x10000)
    assert "its tables lie over each other" in reason(huge, GETTID)


# --- hostile objects --------------------------------------------------------------------------------------------------


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    arch=st.sampled_from(["x86_64", "i686", "s390x"]),
    at=st.integers(0, 4096),
    value=st.binary(min_size=1, max_size=8),
    more=st.lists(st.tuples(st.integers(0, 4096), st.integers(0, 255)), max_size=4),
)
def test_a_damaged_object_is_refused_or_repaired_whole(
    arch: str, at: int, value: bytes, more: list[tuple[int, int]]
) -> None:
    copy = bytearray(weak_library(arch=arch))
    for place, piece in ((at, value), *((place, bytes([byte])) for place, byte in more)):
        copy[place : place + len(piece)] = piece[: max(0, len(copy) - place)]
    data = bytes(copy)
    try:
        facts = facts_of(data)
    except ElfError:
        return
    if facts.architecture != arch or not isinstance(facts, ElfObject):
        return
    try:
        result = repaired(data, facts, Wish(WEAK, executable_stack=True), nobody)
    except RepairError as error:
        raise AssertionError(error) from error
    expected = facts
    for one in result.repairs:
        if one.version is not None and one.library is not None:
            expected = facts_without(expected, Need(one.library, one.version))
        else:
            expected = replace(expected, executable_stack=False)
    assert facts_of(result.data) == expected
