from __future__ import annotations

from pathlib import Path

import pytest

from building import compile_with_gcc, compile_with_zig, library, make_wheel
from unit.rules.crafting import unversioned, weak_need, wrong_hash
from unit.rules.judging import judged, of_rule, rules_of, written

STUB = ("-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libc.so.6", "-Wl,--version-script=map")
USER = ("-shared", "-fPIC", "-nostdlib", "-Wl,--no-as-needed", "-Wl,-z,max-page-size=65536", "./libc.so.6")


def with_symbol(symbol: str, version: str, *, arch: str = "x86_64", weak: bool = False) -> bytes:
    """A library that asks libc.so.6 for ``symbol`` at ``version``, whether or not any glibc ever had it."""
    stub = compile_with_zig(
        f"void {symbol}(void) {{}}", *STUB, arch=arch, beside={"map": f"{version} {{ {symbol}; }};".encode()}
    )
    attribute = "__attribute__((weak))" if weak else ""
    source = f"extern void {symbol}(void) {attribute}; void f(void) {{ if ({symbol}) {symbol}(); }}"
    return compile_with_zig(source, "-fno-builtin", "-w", *USER, arch=arch, beside={"libc.so.6": stub})


@pytest.mark.parametrize(
    ("arch", "version"), [("x86_64", "GLIBC_2.2.5"), ("aarch64", "GLIBC_2.17"), ("s390x", "GLIBC_2.2")]
)
def test_the_version_is_there_and_the_symbol_is_not(tmp_path: Path, arch: str, version: str) -> None:
    data = with_symbol("no_such_function", version, arch=arch)
    (finding,) = judged(written(tmp_path, data), "2.31").findings
    assert finding.rule == "symbol-missing"
    assert finding.message == (f"no_such_function@{version} (libc.so.6) is not in glibc 2.31, though its version is")
    assert rules_of(tmp_path, with_symbol("malloc", version, arch=arch), "2.31") == set()


def test_a_weak_symbol_that_is_missing_is_fatal_before_2_30_only(tmp_path: Path) -> None:
    data = with_symbol("no_such_function", "GLIBC_2.2.5", weak=True)
    assert rules_of(tmp_path, data, "2.28") == {("symbol-missing", "error")}
    assert rules_of(tmp_path, data, "2.31") == set()


def test_a_symbol_in_another_library_than_the_need_names(tmp_path: Path) -> None:
    # dlsym@GLIBC_2.2.5 is in libdl before 2.34; asked of libc it is found from 2.34 on.
    data = with_symbol("dlsym", "GLIBC_2.2.5")
    (finding,) = judged(written(tmp_path, data), "2.17").findings
    assert "it is in libdl.so.2 there, and glibc before 2.30 does not look further" in finding.message
    (finding,) = judged(written(tmp_path, data), "2.31").findings
    assert "which is not among the needed libraries" in finding.message
    assert rules_of(tmp_path, data, "2.34") == set()


@pytest.mark.parametrize("arch", ["x86_64", "i686", "aarch64"])
def test_symbols_that_moved_into_libc_are_still_found(tmp_path: Path, arch: str) -> None:
    data = library("dlopen(0, 1)", "pthread_create(0, 0, 0, 0)", headers=("dlfcn.h", "pthread.h"), arch=arch)
    for release in ("2.17", "2.31", "2.34", "2.41"):
        assert of_rule(judged(written(tmp_path, data), release), "symbol-missing") == []


def test_what_a_later_release_took_away(tmp_path: Path) -> None:
    data = with_symbol("malloc_set_state", "GLIBC_2.2.5")
    (finding,) = judged(written(tmp_path, data), "2.31").findings
    assert "is not in glibc 2.34 and later" in finding.message


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "ppc64le"])
def test_an_unversioned_symbol_of_a_later_glibc(tmp_path: Path, arch: str) -> None:
    version = {"x86_64": "GLIBC_2.2.5"}.get(arch, "GLIBC_2.17")
    data = with_symbol("__isoc23_strtol", version, arch=arch)
    if arch == "x86_64":
        data = unversioned(data, "__isoc23_strtol")
        (finding,) = judged(written(tmp_path, data), "2.31").findings
        assert finding.message == (
            "__isoc23_strtol (without a version) is in glibc only since 2.38, and the target is glibc 2.31"
        )
        assert rules_of(tmp_path, data, "2.38") == set()
    else:
        assert of_rule(judged(written(tmp_path, data), "2.31"), "symbol-missing")


def test_an_unversioned_symbol_that_the_artifact_brings(tmp_path: Path) -> None:
    user = unversioned(with_symbol("__isoc23_strtol", "GLIBC_2.2.5"), "__isoc23_strtol")
    brings = compile_with_gcc("void __isoc23_strtol(void) {}", "-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libx.so")
    report = judged(make_wheel(tmp_path, {"m.so": user, "libx.so": brings}))
    assert of_rule(report, "symbol-missing") == []


def test_symbols_that_the_interpreter_brings_are_no_matter(tmp_path: Path) -> None:
    source = "extern void *PyModule_Create2(void *, int); void *PyInit_m(void) { return PyModule_Create2(0, 1013); }"
    data = compile_with_gcc(source, "-shared", "-fPIC")
    assert rules_of(tmp_path, data, "2.17") == set()


def test_a_program_must_find_everything(tmp_path: Path) -> None:
    stub = compile_with_gcc("void nowhere(void) {}", "-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libm.so.6")
    source = "extern void nowhere(void); int main(void) { nowhere(); return 0; }"
    data = compile_with_gcc(source, "./libm.so.6", beside={"libm.so.6": stub})
    (finding,) = of_rule(judged(written(tmp_path, data), "2.43"), "symbol-missing")
    assert finding.message == "nowhere (without a version) is in none of the needed libraries"


def test_a_program_with_a_library_that_has_no_soname(tmp_path: Path) -> None:
    helper = compile_with_gcc("int help(void) { return 1; }", "-shared", "-fPIC")
    flags = ("./libhelp.so", "-Wl,-rpath,$ORIGIN")
    program = compile_with_gcc(
        "int help(void); int main(void) { return help(); }", *flags, beside={"libhelp.so": helper}
    )
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "libhelp.so").write_bytes(helper)
    (folder / "program").write_bytes(program)
    assert of_rule(judged(folder, "2.43"), "symbol-missing") == []


def test_a_library_that_nobody_loads_does_not_help_a_program(tmp_path: Path) -> None:
    stub = compile_with_gcc("void strlcat(void) {}", "-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libm.so.6")
    source = "extern void strlcat(void); int main(void) { strlcat(); return 0; }"
    program = compile_with_gcc(source, "-fno-builtin", "-w", "./libm.so.6", beside={"libm.so.6": stub})
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "program").write_bytes(program)
    (folder / "libother.so").write_bytes(
        compile_with_gcc("void strlcat(void) {}", "-shared", "-fPIC", "-fno-builtin", "-w")
    )
    assert of_rule(judged(folder, "2.36"), "symbol-missing") != []


def test_a_libc_in_the_artifact_brings_no_symbol(tmp_path: Path) -> None:
    user = unversioned(with_symbol("__isoc23_strtol", "GLIBC_2.2.5"), "__isoc23_strtol")
    libc = compile_with_gcc("void __isoc23_strtol(void) {}", "-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libc.so.6")
    wheel = make_wheel(tmp_path, {"m.so": user, "t/libc.so.6": libc}, tag="cp312-cp312-manylinux_2_36_x86_64")
    assert {finding.object for finding in of_rule(judged(wheel), "symbol-missing")} == {"m.so"}


def test_versions_of_libxcrypt(tmp_path: Path) -> None:
    flags = ("-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libcrypt.so.1", "-Wl,--version-script=map")
    stub = compile_with_gcc("void crypt_gensalt(void) {}", *flags, beside={"map": b"XCRYPT_2.0 { crypt_gensalt; };"})
    source = "void crypt_gensalt(void); void f(void) { crypt_gensalt(); }"
    user = compile_with_gcc(source, "-shared", "-fPIC", "-nostdlib", "./libcrypt.so.1", beside={"libcrypt.so.1": stub})
    assert rules_of(tmp_path, user, "rhel7") == {("symbol-version-too-new", "error")}
    assert rules_of(tmp_path, user, "rhel8") == set()


def test_a_wrong_hash_is_not_found(tmp_path: Path) -> None:
    data = library("reallocarray(0, 1, 2)", glibc="2.29")
    (finding,) = judged(written(tmp_path, wrong_hash(data, "GLIBC_2.26")), "2.31").findings
    assert finding.rule == "symbol-version-too-new"
    assert "is stored with a wrong hash" in finding.message
    assert rules_of(tmp_path, data, "2.31") == set()


def test_a_version_between_releases_does_not_exist(tmp_path: Path) -> None:
    data = with_symbol("malloc", "GLIBC_2.16.7")
    (finding,) = judged(written(tmp_path, data), "2.31").findings
    assert (finding.rule, finding.symbol) == ("symbol-version-too-new", "malloc")
    assert "is no version that libc.so.6 of glibc 2.31 defines" in finding.message


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "i686"])
def test_needs_on_the_loader_count(tmp_path: Path, arch: str) -> None:
    source = "extern const long __rseq_offset; long f(void) { return __rseq_offset; }"
    data = compile_with_zig(source, "-shared", "-fPIC", "-Wl,-z,max-page-size=65536", arch=arch, glibc="2.35")
    loader = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1", "i686": "ld-linux.so.2"}[arch]
    (finding,) = judged(written(tmp_path, data), "2.31").findings
    assert (finding.symbol, finding.version, finding.library) == ("__rseq_offset", "GLIBC_2.35", loader)
    assert rules_of(tmp_path, data, "2.35") == set()


WEAK = """
#include <stdlib.h>
extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *) __attribute__((weak));
void *f(void) { return __cxa_thread_atexit_impl ? malloc(1) : 0; }
"""


def test_a_weak_need_for_a_weak_symbol(tmp_path: Path) -> None:
    data = weak_need(compile_with_gcc(WEAK, "-shared", "-fPIC", "-nostartfiles"), "GLIBC_2.18")
    before = judged(written(tmp_path, data), "2.17")
    assert {(f.rule, f.severity) for f in before.findings} == {
        ("symbol-version-too-new", "error"),
        ("weak-version-need", "note"),
    }
    assert "before glibc 2.30 the look-up of it is fatal" in before.findings[0].message
    assert rules_of(tmp_path, data, "2.18") == set()


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "ppc64le"])
def test_a_weak_need_from_2_30_on(tmp_path: Path, arch: str) -> None:
    weak = weak_need(with_symbol("future", "GLIBC_2.38", arch=arch, weak=True), "GLIBC_2.38")
    assert rules_of(tmp_path, weak, "2.31") == {("weak-version-need", "note")}
    assert judged(written(tmp_path, weak), "2.31").verdict == "pass"
    strong = weak_need(with_symbol("strlcpy", "GLIBC_2.38", arch=arch), "GLIBC_2.38")
    assert rules_of(tmp_path, strong, "2.31") == {("weak-version-need", "note"), ("symbol-missing", "error")}
    assert rules_of(tmp_path, strong, "2.38") == set()


def test_what_the_carried_library_does_not_define(tmp_path: Path) -> None:
    def versioned(version: str) -> bytes:
        flags = ("-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libx.so.1", "-Wl,--version-script=map")
        return compile_with_gcc("int x(void) { return 1; }", *flags, beside={"map": f"{version} {{ x; }};".encode()})

    user = compile_with_gcc(
        "int x(void); int f(void) { return x(); }",
        *("-shared", "-fPIC", "-nostdlib", "./libx.so.1", "-Wl,-rpath,$ORIGIN"),
        beside={"libx.so.1": versioned("X_2.0")},
    )
    old = judged(make_wheel(tmp_path, {"m.so": user, "libx.so.1": versioned("X_1.0")}))
    (finding,) = old.findings
    assert (finding.rule, finding.object) == ("symbol-missing", "m.so")
    assert "X_2.0 of libx.so.1 is not defined by the libx.so.1 that the artifact carries" in finding.message
    assert judged(make_wheel(tmp_path, {"m.so": user, "libx.so.1": versioned("X_2.0")})).findings == ()


def test_internals_of_zlib(tmp_path: Path) -> None:
    flags = ("-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libz.so.1")
    stub = compile_with_gcc("int inflate_table(void) { return 0; } int inflate(void) { return 0; }", *flags)
    for symbol, expected in (("inflate_table", {("symbol-missing", "error")}), ("inflate", set())):
        user = compile_with_gcc(
            f"int {symbol}(void); int f(void) {{ return {symbol}(); }}",
            *("-shared", "-fPIC", "-nostdlib", "./libz.so.1"),
            beside={"libz.so.1": stub},
        )
        assert rules_of(tmp_path, user, "manylinux2014") == expected


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "s390x"])
def test_marks_of_the_loader(tmp_path: Path, arch: str) -> None:
    data = with_symbol("mark", "GLIBC_ABI_DT_RELR", arch=arch)
    assert ("loader-marker", "error") in rules_of(tmp_path, data, "2.35")
    assert "loader-marker" not in {rule for rule, _ in rules_of(tmp_path, data, "2.36")}


FOO = ("-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libfoo.so.1")
USES_FOO = ("-shared", "-fPIC", "-nostdlib", "-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN", "./libfoo.so.1")
NEW_CALL = (
    "long getrandom(void *, long, int); int foo(void); long f(void) { char b[4]; foo(); return getrandom(b, 4, 0); }"
)


def with_foo(folder: Path, linked_with: bytes, carried: bytes, *, arch: str) -> set[tuple[str, str]]:
    """Return rule and object of the errors about a user of libfoo.so.1 that was linked with another one."""
    folder.mkdir()
    user = compile_with_zig(NEW_CALL, *USES_FOO, arch=arch, glibc=None, beside={"libfoo.so.1": linked_with})
    written(folder, user, "user.so")
    written(folder, carried, "libfoo.so.1")
    found = judged(folder, "2.17").findings
    return {(one.rule, one.object or "") for one in found if one.severity == "error" and one.rule == "symbol-missing"}


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "s390x"])
def test_a_version_of_a_carried_library_does_not_bring_the_symbol(tmp_path: Path, arch: str) -> None:
    """A library without versions is accepted for any, and then glibc is what has getrandom@GLIBC_2.25, or has not."""
    both = "long getrandom(void *a, long b, int c) { return 0; } int foo(void) { return 1; }"
    versions = {"map": b"GLIBC_2.25 { getrandom; }; FOO_1 { foo; };"}
    linked = compile_with_zig(both, *FOO, "-Wl,--version-script=map", arch=arch, glibc=None, beside=versions)
    plain = compile_with_zig("int foo(void) { return 1; }", *FOO, arch=arch, glibc=None)
    other = compile_with_zig(
        "int foo(void) { return 1; } int other(void) { return 2; }",
        *FOO,
        "-Wl,--version-script=map",
        arch=arch,
        glibc=None,
        beside={"map": b"GLIBC_2.25 { other; }; FOO_1 { foo; };"},
    )
    missing = {("symbol-missing", "user.so")}
    assert with_foo(tmp_path / "plain", linked, plain, arch=arch) == missing
    assert with_foo(tmp_path / "other", linked, other, arch=arch) == missing
    assert with_foo(tmp_path / "same", linked, linked, arch=arch) == set()


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "s390x"])
def test_an_old_version_of_a_carried_library_does_not_serve_a_reference_without_one(tmp_path: Path, arch: str) -> None:
    both = "long getrandom(void *a, long b, int c) { return 0; } int foo(void) { return 1; }"
    plain = compile_with_zig(both, *FOO, arch=arch, glibc=None)
    source = (
        "long old(void *a, long b, int c) { return 0; } int foo(void) { return 1; }"
        '__asm__(".symver old,getrandom@FOO_2");'
    )
    versions = {"map": b"FOO_1 { global: foo; local: *; }; FOO_2 { } FOO_1;"}
    hidden = compile_with_zig(source, *FOO, "-Wl,--version-script=map", arch=arch, glibc=None, beside=versions)
    assert with_foo(tmp_path / "hidden", plain, hidden, arch=arch) == {("symbol-missing", "user.so")}
    assert with_foo(tmp_path / "plain", plain, plain, arch=arch) == set()
