from __future__ import annotations

from pathlib import Path

import msgspec.structs
import pytest

from building import compile_with_gcc, compile_with_zig, library, make_wheel, needs_libstdcxx
from unit.rules.judging import judged, of_rule, written

ARCHITECTURES = ("x86_64", "i686", "aarch64", "ppc64le", "s390x", "armv7l")
WEAK = """
#include <stdlib.h>
extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *) __attribute__((weak));
void *f(void) { return __cxa_thread_atexit_impl ? malloc(1) : 0; }
"""


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_version_above_the_target_is_found_and_one_below_is_not(tmp_path: Path, arch: str) -> None:
    path = written(tmp_path, library("reallocarray(0, 1, 2)", "pow(x, 2.5)", "malloc(1)", arch=arch, glibc="2.29"))
    old = judged(path, "2.17")
    assert old.verdict == "fail"
    assert {(f.symbol, f.version, f.library, f.binding, f.target, f.object) for f in old.findings} == {
        ("reallocarray", "GLIBC_2.26", "libc.so.6", "global", "2.17", str(path)),
        ("pow", "GLIBC_2.29", "libm.so.6", "global", "2.17", str(path)),
    }
    assert {f.message for f in old.findings} == {
        "reallocarray@GLIBC_2.26 (libc.so.6) is newer than glibc 2.17",
        "pow@GLIBC_2.29 (libm.so.6) is newer than glibc 2.17",
    }
    assert {f.symbol for f in judged(path, "2.28").findings} == {"pow"}
    assert judged(path, "2.29").verdict == "pass"
    assert judged(path, "2.29").floor["GLIBC"] == "2.29"


@pytest.mark.parametrize(("arch", "first"), [("riscv64", "2.27"), ("loongarch64", "2.36")])
def test_younger_architectures_start_at_their_first_release(tmp_path: Path, arch: str, first: str) -> None:
    path = written(tmp_path, library("reallocarray(0, 1, 2)", arch=arch, glibc=first))
    report = judged(path)
    assert (report.verdict, report.targets[0].origin) == ("pass", "default")
    assert report.floor == {"GLIBC": first}


def test_every_target_must_hold(tmp_path: Path) -> None:
    path = written(tmp_path, library("reallocarray(0, 1, 2)", glibc="2.29"))
    report = judged(path, "2.28", "rhel7")
    assert report.verdict == "fail"
    assert [finding.target for finding in report.findings] == ["rhel7"]


def test_the_tag_of_a_wheel_is_checked_even_when_a_target_is_given(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m.so": library("reallocarray(0, 1, 2)", glibc="2.29")})
    assert judged(wheel, "2.28").verdict == "fail"


def test_a_weak_symbol_is_told_to_be_weak(tmp_path: Path) -> None:
    report = judged(written(tmp_path, compile_with_gcc(WEAK, "-shared", "-fPIC", "-nostartfiles")), "2.17")
    (finding,) = report.findings
    assert (finding.symbol, finding.binding) == ("__cxa_thread_atexit_impl", "weak")
    assert "the symbol is weak, its version need is not" in finding.message
    assert finding.hint is not None
    assert "the loader refuses" in finding.hint


def test_a_node_without_a_symbol_is_found(tmp_path: Path) -> None:
    # The version node stays in the table when the only symbol that used it becomes unversioned.
    data = bytearray(library("reallocarray(0, 1, 2)", glibc="2.29"))
    versions = version_symbol_table(bytes(data))
    data[versions.start : versions.stop] = (1).to_bytes(2, "little") * (len(versions) // 2)
    (finding,) = of_rule(judged(written(tmp_path, bytes(data)), "2.17"), "symbol-version-too-new")
    assert (finding.symbol, finding.version) == (None, "GLIBC_2.26")
    assert "no symbol uses it" in finding.message


def version_symbol_table(data: bytes) -> range:
    import io  # noqa: PLC0415  # only here

    from elftools.elf.elffile import ELFFile  # noqa: PLC0415

    section = ELFFile(io.BytesIO(data)).get_section_by_name(".gnu.version")
    assert section is not None
    return range(section["sh_offset"], section["sh_offset"] + section["sh_size"])


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "ppc64le"])
def test_private_symbols(tmp_path: Path, arch: str) -> None:
    # A stub that defines a symbol in the node GLIBC_PRIVATE, as libc.so.6 does.
    stub = compile_with_zig(
        "void __libc_early_init(void) {}",
        *("-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libc.so.6", "-Wl,--version-script=map"),
        arch=arch,
        beside={"map": b"GLIBC_PRIVATE { __libc_early_init; };"},
    )
    user = compile_with_zig(
        "extern void __libc_early_init(void); void f(void) { __libc_early_init(); }",
        *("-shared", "-fPIC", "-nostdlib", "./libc.so.6"),
        arch=arch,
        beside={"libc.so.6": stub},
    )
    report = judged(written(tmp_path, user), "2.41")
    (finding,) = of_rule(report, "private-symbol")
    assert (finding.symbol, finding.version, finding.severity) == ("__libc_early_init", "GLIBC_PRIVATE", "error")
    assert report.verdict == "fail"


def test_libstdcxx_is_held_against_the_profile(tmp_path: Path) -> None:
    module = needs_libstdcxx("GLIBCXX_3.4.29")
    wheel = make_wheel(tmp_path, {"m.so": module}, tag="cp312-cp312-manylinux_2_17_x86_64")
    report = judged(wheel)
    found = {(f.version, f.library) for f in of_rule(report, "symbol-version-too-new")}
    assert ("GLIBCXX_3.4.29", "libstdc++.so.6") in found
    assert any(
        "is newer than GLIBCXX_3.4.19, the newest in manylinux_2_17_x86_64" in f.message for f in report.findings
    )
    newer = make_wheel(tmp_path, {"m.so": module}, tag="cp312-cp312-manylinux_2_36_x86_64")
    assert judged(newer).verdict == "pass"


def test_a_vendored_libstdcxx_does_not_raise_the_floor(tmp_path: Path) -> None:
    runtime = compile_with_gcc("int x;", "-shared", "-fPIC", "-Wl,-soname,libstdc++.so.6", name="libstdc++.so.6")
    for flags, met in ((("-Wl,-rpath,$ORIGIN/m.libs",), True), ((), False)):
        module = needs_libstdcxx("GLIBCXX_3.4.29", *flags)
        wheel = make_wheel(tmp_path, {"m.so": module, "m.libs/libstdc++.so.6": runtime})
        assert ("GLIBCXX" not in judged(wheel).floor) is met


def test_a_vendored_glibc_meets_nothing(tmp_path: Path) -> None:
    """The interpreter that loads the module has loaded the system's glibc before."""
    libc = compile_with_gcc("int x;", "-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libc.so.6")
    module = library("reallocarray(0, 1, 2)", glibc="2.29")
    wheel = make_wheel(tmp_path, {"m.so": module, "tests/a.bin": libc, "lib/libc.so.6": libc})
    assert {finding.symbol for finding in of_rule(judged(wheel), "symbol-version-too-new")} == {"reallocarray"}


def test_musl_has_no_glibc(tmp_path: Path) -> None:
    data = library("reallocarray(0, 1, 2)", glibc="2.29")
    wheel = make_wheel(tmp_path, {"m.so": data}, tag="cp312-cp312-musllinux_1_2_x86_64")
    (finding,) = of_rule(judged(wheel), "symbol-version-too-new")
    assert "musl (musllinux_1_2_x86_64) has no glibc" in finding.message
    musl = compile_with_zig('int puts(const char *); int f(void) { return puts(""); }', "-shared", "-fPIC", glibc=None)
    assert (
        judged(make_wheel(tmp_path, {"m.so": musl}, tag="cp312-cp312-musllinux_1_2_x86_64", name="b")).verdict == "pass"
    )


def test_a_library_of_musl_is_not_for_glibc(tmp_path: Path) -> None:
    stub = compile_with_gcc(
        "int puts(const char *s) { return 0; }",
        *("-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libc.musl-x86_64.so.1"),
    )
    user = compile_with_gcc(
        'int puts(const char *); int f(void) { return puts(""); }',
        *("-shared", "-fPIC", "-nostdlib", "./libc.so"),
        beside={"libc.so": stub},
    )
    (finding,) = judged(written(tmp_path, user), "2.17").findings
    assert finding.rule == "library-not-allowed"
    assert "the C library of musl" in finding.message


@pytest.mark.parametrize("soname", ["libc.so", "libc.musl-armhf.so.1"])
def test_musl_by_its_other_names(tmp_path: Path, soname: str) -> None:
    stub = compile_with_gcc("int x(void) { return 0; }", "-shared", "-fPIC", "-nostdlib", f"-Wl,-soname,{soname}")
    source = "int x(void); int f(void) { return x(); }"
    user = compile_with_gcc(source, "-shared", "-fPIC", "-nostdlib", "./lib.so", beside={"lib.so": stub})
    for target in ("2.17", "manylinux2014", "rhel8"):
        report = judged(written(tmp_path, user), target)
        assert "the C library of musl" in of_rule(report, "library-not-allowed")[0].message
        assert not any(entry.loads for entry in report.runs_on)


def test_sections_do_not_matter(tmp_path: Path) -> None:
    data = bytearray(library("reallocarray(0, 1, 2)", glibc="2.29"))
    whole = judged(written(tmp_path, bytes(data)), "2.17")
    data[0x28:0x30] = bytes(8)
    data[0x3C:0x40] = bytes(4)
    stripped = judged(written(tmp_path, bytes(data)), "2.17")
    assert stripped.findings == whole.findings
    assert msgspec.structs.replace(stripped, sha256="") == msgspec.structs.replace(whole, sha256="")


def test_libstdcxx_is_held_against_the_distribution(tmp_path: Path) -> None:
    path = written(tmp_path, needs_libstdcxx("GLIBCXX_3.4.29"))
    assert "GLIBCXX_3.4.29" in {finding.version for finding in judged(path, "rhel8").findings}
    assert judged(path, "debian12").findings == ()
