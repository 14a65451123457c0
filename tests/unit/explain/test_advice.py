"""Hints of real findings, and the remedies that they name, carried out and judged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from building import compile_with_gcc, compile_with_gxx, compile_with_zig
from glibc_guard.explain.advice import Traces, advised_finding
from glibc_guard.explain.knowledge import Family, knowledge
from glibc_guard.model import Finding, Frame, Site, Target
from glibc_guard.report.grouping import Group, by_object
from glibc_guard.report.remedies import Remedies, parts
from glibc_guard.urls import DOCUMENTATION
from measured import costs_less_than
from unit.rules.judging import judged, of_rule, written

SHARED = ("-shared", "-fPIC")
POW = "#include <math.h>\ndouble score(double x) { return pow(x, 2.5) + exp(x) + log(x); }\n"
STRTOL = "#include <stdlib.h>\nlong number(const char *text) { return strtol(text, 0, 10); }\n"
#: zig's <features.h> asks for __GLIBC__ before it is defined; glibc's own header does not.
LIKE_GLIBC = "-D__GLIBC__=2"
NO_REDIRECTION = """
#include <features.h>
#undef __GLIBC_USE_C2X_STRTOL
#define __GLIBC_USE_C2X_STRTOL 0
#undef __GLIBC_USE_C23_STRTOL
#define __GLIBC_USE_C23_STRTOL 0
"""


def hints(folder: Path, data: bytes, target: str = "2.17", rule: str = "symbol-version-too-new") -> dict[str, str]:
    found = of_rule(judged(written(folder, data), target), rule)
    return {finding.symbol or "": finding.hint or "" for finding in found}


def passes(folder: Path, data: bytes, target: str = "2.17") -> bool:
    return judged(written(folder, data), target).verdict == "pass"


@pytest.mark.parametrize(
    ("arch", "older"), [("x86_64", "GLIBC_2.2.5"), ("aarch64", "GLIBC_2.17"), ("i686", "GLIBC_2.0")]
)
def test_an_older_version_is_named_for_the_architecture_and_does(arch: str, older: str, tmp_path: Path) -> None:
    found = hints(tmp_path, compile_with_zig(POW, *SHARED, "-lm", arch=arch, glibc="2.29"))
    assert set(found) == {"pow", "exp", "log"}
    assert found["pow"].startswith(f"pow@{older} exists on {arch} and differs only in how it reports errors")
    lines = [re.search(r'__asm__\(".+"\)', hint)[0] for hint in found.values()]  # type: ignore[index]
    repaired = "".join(f"{line};\n" for line in lines) + POW
    # zig's stub of 2.29 has both versions, as a real glibc has.
    assert passes(tmp_path, compile_with_zig(repaired, *SHARED, "-lm", arch=arch, glibc="2.29"))


def test_riscv64_has_one_pow_only(tmp_path: Path) -> None:
    assert passes(tmp_path, compile_with_zig(POW, *SHARED, "-lm", arch="riscv64", glibc="2.29"), "2.27")


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "riscv64"])
def test_zig_is_a_remedy_that_holds(arch: str, tmp_path: Path) -> None:
    oldest = "2.27" if arch == "riscv64" else "2.17"
    source = "#include <sys/stat.h>\nint f(const char *p) { struct stat s; return stat(p, &s); }"
    found = hints(tmp_path, compile_with_zig(source, *SHARED, arch=arch, glibc="2.33"), oldest)
    assert f".{oldest}" in found["stat"]
    assert passes(tmp_path, compile_with_zig(source, *SHARED, arch=arch, glibc=oldest), oldest)


def test_symver_is_no_remedy_for_what_moved(tmp_path: Path) -> None:
    source = "int pthread_create(void); int go(void) { return pthread_create(); }"
    found = hints(tmp_path, compile_with_zig(source, *SHARED, glibc="2.34"))
    assert found["pthread_create"].startswith("glibc 2.34 moved libpthread")
    assert "symver" not in found["pthread_create"]
    stub = compile_with_zig("int pthread_create(void) { return 0; }", *SHARED, "-Wl,-soname,libc.so.6",
                            "-Wl,--version-script=v.map", name="libc.so.6",
                            beside={"v.map": b"GLIBC_2.2.5 { pthread_create; };"})  # fmt: skip
    asked = f'__asm__(".symver pthread_create,pthread_create@GLIBC_2.2.5");\n{source}'
    data = compile_with_zig(asked, *SHARED, "-nostdlib", "./libc.so.6", beside={"libc.so.6": stub})
    (finding,) = of_rule(judged(written(tmp_path, data), "2.17"), "symbol-missing")
    assert finding.hint is not None
    assert "glibc 2.17 has it in libpthread.so.0" in finding.hint
    assert "-lpthread" in finding.hint


def test_stat_by_its_old_name_is_there_on_every_glibc(tmp_path: Path) -> None:
    source = """
    #include <sys/stat.h>
    int __xstat(int, const char *, struct stat *);
    __asm__(".symver __xstat,__xstat@GLIBC_2.2.5");
    int size(const char *path) { struct stat s; return __xstat(1, path, &s) ? -1 : (int)s.st_size; }
    """
    assert passes(tmp_path, compile_with_gcc(source, *SHARED))


@pytest.mark.parametrize(
    ("flags", "redirected"),
    [
        (("-std=gnu17",), False),
        (("-std=gnu17", "-D_GNU_SOURCE"), True),
        (("-std=gnu23",), True),
        (("-std=gnu23", "-include", "off.h"), False),
        (("-std=gnu17", "-D_GNU_SOURCE", "-include", "off.h"), False),
    ],
)
def test_what_turns_strtol_into_the_new_one(flags: tuple[str, ...], redirected: bool, tmp_path: Path) -> None:  # noqa: FBT001
    data = compile_with_zig(
        STRTOL, *SHARED, LIKE_GLIBC, "-w", *flags, glibc="2.38", beside={"off.h": NO_REDIRECTION.encode()}
    )
    assert passes(tmp_path, data) != redirected
    if redirected:
        hint = hints(tmp_path, data)["__isoc23_strtol"]
        assert "_GNU_SOURCE" in hint
        assert "or compile C with -std=gnu17" in hint


def test_cxx_always_asks_for_the_new_strtol_and_symver_helps(tmp_path: Path) -> None:
    flags = (*SHARED, LIKE_GLIBC, "-w", "-std=c++17", "-nostdlib++")
    assert not passes(tmp_path, compile_with_zig(STRTOL, *flags, glibc="2.38", language="c++"))
    asked = f'__asm__(".symver __isoc23_strtol,strtol@GLIBC_2.2.5");\n{STRTOL}'
    assert passes(tmp_path, compile_with_zig(asked, *flags, glibc="2.38", language="c++"))


def test_an_archive_from_a_new_system_is_told(tmp_path: Path) -> None:
    source = "long __isoc23_strtol(const char *, char **, int); long f(void) { return __isoc23_strtol(0, 0, 10); }"
    hint = hints(tmp_path, compile_with_zig(source, *SHARED, glibc="2.31"), "2.31", "symbol-missing")["__isoc23_strtol"]
    assert "_GNU_SOURCE" in hint
    assert "the archives (.a)" in hint


def test_fcntl64_comes_with_large_files(tmp_path: Path) -> None:
    source = "#include <fcntl.h>\nint f(int d) { return fcntl(d, F_GETFD); }"
    large = compile_with_gcc(source, *SHARED, "-D_FILE_OFFSET_BITS=64")
    assert "leave -D_FILE_OFFSET_BITS=64 out" in hints(tmp_path, large)["fcntl64"]
    assert passes(tmp_path, compile_with_gcc(source, *SHARED, "-U_FILE_OFFSET_BITS"))
    asked = f'__asm__(".symver fcntl64,fcntl@GLIBC_2.2.5");\n{source}'
    assert passes(tmp_path, compile_with_gcc(asked, *SHARED, "-D_FILE_OFFSET_BITS=64"))


def test_wrapping_is_for_code_that_nobody_compiles(tmp_path: Path) -> None:
    wrapper = """
    __asm__(".symver old_pow,pow@GLIBC_2.2.5");
    double old_pow(double, double);
    double __wrap_pow(double x, double y) { return old_pow(x, y); }
    """
    source = "double pow(double, double); double f(double x) { return pow(x, 2.5); }" + wrapper
    assert passes(tmp_path, compile_with_gcc(source, *SHARED, "-Wl,--wrap=pow", "-lm"))


def test_vectors_of_mathematics_can_be_switched_off(tmp_path: Path) -> None:
    source = "#include <math.h>\nvoid f(double *a) { for (int i = 0; i < 4096; i++) a[i] = sin(a[i]); }"
    flags = (*SHARED, "-O3", "-ffast-math")
    data = compile_with_gcc(source, *flags, "-lm")
    found = hints(tmp_path, data)
    assert any(name.startswith("_ZGV") for name in found)
    assert all("-fno-tree-vectorize" in hint for hint in found.values())
    assert passes(tmp_path, compile_with_gcc(source, *flags, "-fno-tree-vectorize", "-lm"))


def test_checks_of_fortify_can_be_switched_off(tmp_path: Path) -> None:
    source = """
    #define _GNU_SOURCE
    #include <string.h>
    void f(char *p, int n) { char b[9]; explicit_bzero(b, n); *p = b[n]; }
    """
    data = compile_with_gcc(source, *SHARED, "-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2")
    assert set(hints(tmp_path, data)) == {"__explicit_bzero_chk"}
    plain = compile_with_gcc(source, *SHARED, "-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=0")
    assert set(hints(tmp_path, plain)) == {"explicit_bzero"}


def test_a_version_of_libstdcxx_is_told_by_its_gcc(tmp_path: Path) -> None:
    source = "#include <vector>\n#include <string>\nvoid f(std::vector<std::string> &v) { v.push_back({}); }"
    found = hints(tmp_path, compile_with_gxx(source, *SHARED, "-O0"), "manylinux2014")
    assert found
    assert all(re.search(r"GCC \d", hint) for hint in found.values())
    assert all(f"build in manylinux2014 ({DOCUMENTATION}/building.md)" in hint for hint in found.values())


def test_what_libstdcxx_brought_along_is_not_configured(tmp_path: Path) -> None:
    """Linked statically, libstdc++ of a new system asks for arc4random itself: no check of the project's finds it."""
    source = """
    extern "C" unsigned arc4random(void);
    namespace std { namespace {
    __attribute__((noinline)) unsigned __libc_arc4random(void *) { return arc4random() + 1; }
    } }
    extern "C" unsigned go(void) { return std::__libc_arc4random(0); }
    """
    flags = (*SHARED, "-w", "-nostdlib++")
    carried = hints(tmp_path, compile_with_zig(source, *flags, glibc="2.36", language="c++"))["arc4random"]
    assert "configure" not in carried
    assert carried.startswith(
        "libstdc++.a of the machine that linked asks for it (-static-libstdc++): build in manylinux2014"
    )
    own = source.replace("std", "mine")
    assert "configure" in hints(tmp_path, compile_with_zig(own, *flags, glibc="2.36", language="c++"))["arc4random"]


def test_sized_delete_can_be_switched_off(tmp_path: Path) -> None:
    source = "struct S { int a[9]; }; void f(S *s) { delete s; }"
    found = hints(tmp_path, compile_with_gxx(source, *SHARED), "manylinux2014")
    assert "-fno-sized-deallocation" in found["_ZdlPvm"]
    assert "_ZdlPvm" not in hints(
        tmp_path, compile_with_gxx(source, *SHARED, "-fno-sized-deallocation"), "manylinux2014"
    )


# --- what depends on the target, the binding and the site -------------------------------------------------------------


def target(arch: str, release: str) -> Target:
    return Target(release, "option", arch, "glibc", {"GLIBC": release})


def finding(symbol: str | None, version: str, **others: object) -> Finding:
    known = Finding("symbol-version-too-new", "error", "m.so", "…", symbol, version, "libc.so.6", "global", "2.17")
    return replace(known, **others)


def hint(one: Finding, arch: str = "x86_64", release: str = "2.17") -> str:
    return advised_finding(one, target(arch, release)).hint or ""


@pytest.mark.parametrize(
    ("arch", "release", "way"),
    [
        ("x86_64", "2.17", f"build in manylinux2014 ({DOCUMENTATION}/building.md)"),
        ("aarch64", "2.31", f"build in manylinux_2_28 ({DOCUMENTATION}/building.md)"),
        ("s390x", "2.17", "build in quay.io/pypa/manylinux2014_s390x"),
        ("armv7l", "2.17", "build with zig cc -target arm-linux-gnueabihf.2.17"),
        ("riscv64", "2.30", "build with zig cc -target riscv64-linux-gnu.2.30"),
        ("x86_64", "2.12", "build with zig cc -target x86_64-linux-gnu.2.12"),
    ],
)
def test_the_place_to_build_fits_architecture_and_target(arch: str, release: str, way: str) -> None:
    assert way in hint(finding("strlcpy", "GLIBC_2.38"), arch, release)


def test_one_way_is_told_once() -> None:
    for arch, release in (("x86_64", "2.12"), ("riscv64", "2.30")):
        assert hint(finding("stat", "GLIBC_2.33"), arch, release).count("zig cc") == 1
    known = hint(finding("stat", "GLIBC_2.33", sites=(Site("size", "size.c", 3),)))
    assert known.endswith("or link with zig cc -target x86_64-linux-gnu.2.17")


def test_the_linker_is_that_of_the_language() -> None:
    """Start files are in programs of every language; where nothing tells, both are named."""
    start = finding("__libc_start_main", "GLIBC_2.34", sites=(Site("_start"),))
    zig, cargo = "zig {} -target x86_64-linux-gnu.2.17", "cargo zigbuild --target x86_64-unknown-linux-gnu.2.17"

    def told(traces: Traces, one: Finding = start) -> str:
        return advised_finding(one, target("x86_64", "2.17"), traces).hint or ""

    assert told(Traces()).endswith(f"link with {zig.format('cc')} (Rust: {cargo})")
    assert told(Traces(("GCC: (GNU) 14.2.0",))).endswith(f"link with {zig.format('cc')}")
    assert told(Traces(("GCC: (GNU) 14.2.0",), ("libstdc++.so.6",))).endswith(f"link with {zig.format('c++')}")
    rust = told(Traces(("GCC: (GNU) 14.2.0", "rustc version 1.83.0")))
    assert rust.endswith(f"or by {cargo}")
    assert "zig c" not in rust.replace("cargo zig", "")
    cxx = finding("pthread_create", "GLIBC_2.34", sites=(Site("run(int)", "run.cc", 3),))
    assert told(Traces(), cxx).endswith(f"link with {zig.format('c++')}")


def test_cxx_is_built_by_zig_cxx_where_there_is_no_image() -> None:
    known = Target("2.30", "option", "riscv64", "glibc", {"GLIBC": "2.30", "GLIBCXX": "3.4.28"})
    symbol = "_ZSt28__throw_bad_array_new_lengthv"
    one = finding(symbol, "GLIBCXX_3.4.29", library="libstdc++.so.6", target="2.30")
    text = advised_finding(one, known).hint or ""
    assert "build with zig c++ -target riscv64-linux-gnu.2.30" in text
    assert text.count("zig") == 1


def test_what_others_share_stands_apart() -> None:
    """The remedy is a part of the hint behind the reason, so that a report can tell it once."""
    for one in (
        finding("pow", "GLIBC_2.29", library="libm.so.6", sites=(Site("f", "a.c", 3),)),
        finding("statx", "GLIBC_2.28", sites=(Site("f", "src/main.rs", 3),)),
        finding("_ZSt28__throw_bad_array_new_lengthv", "GLIBCXX_3.4.29", library="libstdc++.so.6"),
    ):
        known = advised_finding(one, target("x86_64", "2.17"))
        assert known.remedy is not None
        assert known.remedy.startswith("build in manylinux2014")
        why, ways = parts(known)
        assert why is not None
        assert ways[0] == known.remedy
        assert known.hint == f"{why}: {', or '.join(ways)}"


def test_nothing_written_the_tables_still_tell() -> None:
    assert hint(finding("eventfd", "GLIBC_2.7"), release="2.5").startswith("glibc has it since 2.7: build")
    there = hint(finding("regexec", "GLIBC_2.3.4"), release="2.17")
    assert there.startswith("GLIBC_2.3.4 of it exists on x86_64, in libc.so.6 of glibc 2.17")


def test_a_need_without_a_symbol() -> None:
    assert "left behind" in hint(finding(None, "GLIBC_2.26"))


def test_a_crate_that_is_known_is_told() -> None:
    site = Site("aws_lc_sys::rand", "src/rand.rs", 1, "aws_lc_sys")
    text = hint(finding("getentropy", "GLIBC_2.25", sites=(site,)))
    assert "rustls can use ring" in text
    c = Site("CRYPTO_sysrand", "/c/registry/src/x/aws-lc-sys-0.20.1/aws-lc/rand.c", 1, "aws-lc-sys")
    inlined = Site("mine::run", "src/main.rs", 1, "mine", in_repository=True, through="aws-lc-sys")
    for other in (c, inlined):
        assert hint(finding("getentropy", "GLIBC_2.25", sites=(other,))) == text
    assert "cargo zigbuild --target x86_64-unknown-linux-gnu.2.17" in text
    assert ".symver" not in text


def test_rust_gets_no_assembler() -> None:
    rust = Site("f", frames=(Frame("core::f64::powf", "/rustc/x/library/std/src/f64.rs", 3),))
    assert "cargo zigbuild" in hint(finding("pow", "GLIBC_2.29", library="libm.so.6", sites=(rust,)))
    assert ".symver" in hint(finding("pow", "GLIBC_2.29", library="libm.so.6", sites=(Site("f", "a.c", 3),)))


def test_rust_is_known_by_its_names_where_nothing_tells_of_files() -> None:
    spawn = finding("posix_spawnp", "GLIBC_2.15")
    rust, cxx = Site("<std::process::Command>::output", package="std"), Site("std::run(int)", package="std")
    assert ".symver" not in hint(replace(spawn, sites=(rust,)), release="2.12")
    assert ".symver" in hint(replace(spawn, sites=(cxx,)), release="2.12")


def test_rust_is_not_told_to_build_for_less_than_it_runs_on() -> None:
    rust = Site("f", "src/main.rs", 3, in_repository=True)
    text = hint(finding("posix_spawnp", "GLIBC_2.15", sites=(rust,)), release="2.12")
    assert text.endswith(": promise glibc 2.17, which Rust itself needs since 1.64, or build with Rust 1.63")
    assert hint(finding("statx", "GLIBC_2.28", sites=(rust,)), release="2.20").count("cargo zigbuild") == 1


def test_each_symbol_is_told_what_replaces_it() -> None:
    assert hint(finding("aligned_alloc", "GLIBC_2.16"), release="2.12").endswith("or call posix_memalign")
    assert hint(finding("timespec_get", "GLIBC_2.16"), release="2.12").endswith("or call clock_gettime")
    robust = finding("pthread_mutex_consistent", "GLIBC_2.12", library="libpthread.so.0")
    assert hint(robust, release="2.11").endswith("or call pthread_mutex_consistent_np")


def test_std_of_rust_is_not_the_namespace_of_cxx() -> None:
    weak = finding("statx", "GLIBC_2.28", binding="weak")
    rust = Site("std::sys::fs::try_statx", "library/std/src/sys/fs/unix.rs", 1, "std")
    assert "Rust's standard library" in hint(replace(weak, sites=(rust,)))
    assert "Rust" not in hint(replace(weak, sites=(Site("std::f", "a.cc", 1, "std"),)))


WEAK = "extern int {0}(void) __attribute__((weak)); int f_{0}(void) {{ return {0} ? {0}() : 0; }}"


def test_a_weak_need_can_be_taken_out_where_all_of_it_is_weak(tmp_path: Path) -> None:
    weak = WEAK.format("copy_file_range")
    flags = (*SHARED, "-w", "-fno-builtin", "-Wl,--no-as-needed")
    (text,) = hints(tmp_path, compile_with_gcc(weak, *flags)).values()
    assert "the loader refuses" in text
    assert f"build in manylinux2014 ({DOCUMENTATION}/building.md), or take the need out of a copy: " in text
    assert text.endswith(": glibc-guard fix PATH -o fixed/ --target 2.17")
    strong = f"{weak} int memfd_create(void); int g(void) {{ return memfd_create(); }}"
    found = hints(tmp_path, compile_with_gcc(strong, *flags))
    assert set(found) == {"copy_file_range", "memfd_create"}
    assert not any("glibc-guard fix" in text for text in found.values())


def test_a_weak_symbol_of_libstdcxx_cannot_be_taken_out() -> None:
    """Of its symbols there is no table, so that fix refuses it."""
    weak = finding("_ZdlPvm", "CXXABI_1.3.9", library="libstdc++.so.6", binding="weak")
    assert "glibc-guard fix" not in (advised_finding(weak, target("x86_64", "2.17"), fixable=True).hint or "")


@pytest.mark.parametrize(
    "family", [one for one in knowledge().families if one.kind != "mark"], ids=lambda one: one.name
)
def test_a_hint_fits_into_an_annotation(family: Family) -> None:
    name = next((glob for glob in family.symbols if "*" not in glob and "[" not in glob), None)
    if name is not None and family.version:
        text = hint(finding(name, family.version, library=None))
        assert 20 < len(text) < 300
        assert "{" not in text


def test_a_hint_of_the_rule_that_is_better_stays() -> None:
    assert hint(finding("f", "GLIBC_2.30", hint="as the rule says")) == "as the rule says"
    assert hint(Finding("loader-marker", "error", "m.so", "…", hint="link so")) == "link so"


def test_a_hostile_symbol_fills_in_nothing() -> None:
    text = hint(finding("{release}{older}", "GLIBC_2.30"))
    assert "{" not in text
    assert "no glibc that is known here has it" in text


def lines(group: Group) -> list[str]:
    return [line for _, line in Remedies([group]).own(group)]


def test_hints_that_differ_in_the_symbol_are_shown_once(tmp_path: Path) -> None:
    report = judged(written(tmp_path, compile_with_zig(POW, *SHARED, "-lm", glibc="2.29")), "2.17")
    (group,) = by_object(report.findings)[report.path]
    assert len(group.findings) == 3
    assert len({one.hint for one in group.findings}) == 3
    (text,) = lines(group)
    first, *others = [one.symbol or "" for one in group.findings]
    assert f".symver {first},{first}@" in text
    assert text.endswith(f"; and so for {', '.join(others)}")


def test_a_shared_hint_that_names_no_symbol_names_no_others() -> None:
    told = finding("dlopen", "GLIBC_2.34", hint="build elsewhere")
    ((group,),) = by_object((told, replace(told, symbol="dlsym"))).values()
    assert lines(group) == ["build elsewhere"]


def test_of_many_symbols_that_a_hint_is_for_some_are_named() -> None:
    names = [f"pow{number}" for number in range(9)]
    told = tuple(finding(name, "GLIBC_2.29", hint=f"ask for {name}@GLIBC_2.2.5") for name in names)
    ((group,),) = by_object(told).values()
    assert lines(group) == ["ask for pow0@GLIBC_2.2.5; and so for pow1, pow2, pow3, pow4, pow5 and 3 more"]


def test_forty_symbols_of_one_move_have_one_hint(tmp_path: Path) -> None:
    names = ["pthread_create", "pthread_join", "dlopen", "dlsym", "sem_init", "sem_post", "timer_create", "mq_open",
             "shm_open", "aio_read", "pthread_once", "openpty"]  # fmt: skip
    source = "".join(f"void {name}(void);" for name in names) + f"void *all[] = {{{', '.join(names)}}};"
    report = judged(written(tmp_path, compile_with_zig(source, *SHARED, "-w", "-fno-builtin", glibc="2.34")), "2.17")
    (group,) = by_object(report.findings)[report.path]
    assert len(group.findings) == len(names)
    assert len(lines(group)) == 1


def test_advice_on_ten_thousand_symbols_takes_no_time() -> None:
    """A large object built on too new a system asks for many; C++ names are the long ones."""
    with costs_less_than(10):
        for number in range(10_000):
            name = f"_ZNSt8somewhere{number}E"
            hint(finding(name, "GLIBCXX_3.4.30", library="libstdc++.so.6"))


def test_no_assembler_where_the_language_is_not_known() -> None:
    """A stripped program tells nothing by its names; rustc leaves its note, as all compilers do."""
    asked = finding("pow", "GLIBC_2.29", library="libm.so.6", sites=(Site("fn@0x1234"), Site("data@0x55")))

    def told(*comments: str) -> str:
        return advised_finding(asked, target("x86_64", "2.17"), Traces(comments)).hint or ""

    assert ".symver" in told("GCC: (GNU) 14.2.0")
    assert ".symver" not in told()
    for comments in (("rustc version 1.83.0",), ("GCC: (GNU) 14.2.0", "rustc version 1.83.0")):
        assert ".symver" not in told(*comments)
        assert "cargo zigbuild" in told(*comments)


def test_a_stripped_library_in_c_is_known_by_its_compiler(tmp_path: Path) -> None:
    assert ".symver" in hints(tmp_path, compile_with_zig(POW, *SHARED, "-lm", "-s", glibc="2.29"))["pow"]


def test_large_files_stay_where_an_architecture_needs_them(tmp_path: Path) -> None:
    source = "extern int fcntl64(int, int, ...); int lock(void) { return fcntl64(0, 1); }"
    for arch, expected in (("x86_64", True), ("aarch64", True), ("i686", False), ("armv7l", False)):
        hint = hints(tmp_path, compile_with_zig(source, *SHARED, arch=arch, glibc="2.28"))["fcntl64"]
        assert ("leave -D_FILE_OFFSET_BITS=64 out" in hint) == expected, hint
