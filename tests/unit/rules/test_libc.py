from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from building import compile_with_gcc, compile_with_zig, library, make_wheel
from glibc_guard.model import Finding
from provisions import unavailable
from unit.rules.judging import judged, of_rule, rules_of, written

ARCHITECTURES = ("x86_64", "aarch64", "s390x")
SHARED = ("-shared", "-fPIC", "-s", "-Wl,-z,max-page-size=65536")
HELLO = '#include <stdio.h>\nint hello(void) { return puts("hello"); }'
PROGRAM = HELLO + "\nint main(void) { return hello(); }"

#: What keeps libc.a out of a shared object on x86_64 is its allocator, which is in the local-exec TLS model, and its
#: start code, which wants symbols that only a program has. With one's own allocator and these it links.
ALLOCATOR = """
#include <stdio.h>
#include <string.h>
static char pool[1 << 16]; static unsigned long used;
void *malloc(unsigned long n) { void *p = pool + used; used += (n + 15) & ~15ul; return p; }
void free(void *p) { (void)p; }
void *calloc(unsigned long n, unsigned long m) { return malloc(n * m); }
void *realloc(void *p, unsigned long n) { void *q = malloc(n); return p ? memcpy(q, p, n) : q; }
__attribute__((visibility("hidden"))) void _start(void) {}
__attribute__((visibility("hidden"))) int main(void) { return 0; }
__attribute__((visibility("hidden"))) void _init(void) {}
__attribute__((visibility("hidden"))) void _fini(void) {}
int hello(void) { return puts("hello from the second glibc"); }
"""
ABSENT = ("fini_array_start", "fini_array_end", "init_array_start", "init_array_end", "preinit_array_start",
          "preinit_array_end", "rela_iplt_start", "rela_iplt_end")  # fmt: skip


def module_with_glibc_inside(*flags: str) -> bytes:
    if platform.machine() != "x86_64":
        pytest.skip("libc.a of another architecture links otherwise")
    defined = [f"-Wl,--defsym,__{name}=0" for name in ABSENT]
    archives = ("-Wl,--start-group", "-l:libc.a", "-l:libgcc.a", "-l:libgcc_eh.a", "-Wl,--end-group")
    try:
        return compile_with_gcc(
            ALLOCATOR, "-shared", "-fPIC", "-nostdlib", "-w", *archives, *defined, "-Wl,-Bsymbolic", *flags
        )
    except AssertionError as error:  # most linkers refuse most releases, which is as well
        pytest.skip(f"the libc.a of this machine does not link into a library: {str(error)[-300:]}")


def findings(wheel: Path) -> list[tuple[str, str, str | None]]:
    return [(finding.rule, finding.severity, finding.object) for finding in judged(wheel).findings]


def static_glibc(folder: Path, data: bytes, name: str = "object.so") -> list[Finding]:
    return of_rule(judged(written(folder, data, name), "2.17"), "static-glibc")


# --- glibc inside -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [(), ("-s",)])
def test_a_module_with_glibc_inside(tmp_path: Path, flags: tuple[str, ...]) -> None:
    data = module_with_glibc_inside(*flags)
    (finding,) = static_glibc(tmp_path, data)
    assert finding.severity == "error"
    assert finding.message.startswith("has glibc linked statically, and joins a process that has one: a second glibc")


def test_what_a_second_glibc_prints_never_appears(tmp_path: Path) -> None:
    """What the message says, asked of the real loader: the buffer of the second stdio is flushed by nobody."""
    path = written(tmp_path, module_with_glibc_inside(), "m.so")
    code = f"import ctypes; print(ctypes.CDLL({str(path)!r}).hello() >= 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize(
    "sign",
    [
        '__attribute__((section("__libc_IO_vtables"), used)) int table[4] = {1};',
        '__attribute__((section("__libc_atexit"), used)) int table[4] = {1};',
        "int _IO_2_1_stdout_[56];",
        "extern char _nl_current_LC_ALL_used __attribute__((weak)); void *f(void) { return &_nl_current_LC_ALL_used; }",
    ],
)
def test_the_signs_of_glibc(tmp_path: Path, arch: str, sign: str) -> None:
    data = compile_with_zig(f"{sign}\n{HELLO}", *SHARED, arch=arch)
    assert [finding.severity for finding in static_glibc(tmp_path, data)] == ["error"]
    part_of_glibc = compile_with_zig(f"{sign}\n{HELLO}", *SHARED, "-Wl,-soname,libc.so.6", arch=arch)
    assert static_glibc(tmp_path, part_of_glibc) == []


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_ordinary_libraries_have_no_glibc_inside(tmp_path: Path, arch: str) -> None:
    for source, flags in (
        (HELLO, ()),
        ("int f(int x) { return x; }", ("-nostdlib",)),
        (
            "void *memcpy(void *a, void *b, unsigned long n) { return a; } void *__libc_malloc(long n) { return 0; }",
            ("-nostdlib",),
        ),
        ("#include <stdio.h>\nFILE *f(void) { return stdout; }", ()),
    ):
        assert static_glibc(tmp_path, compile_with_zig(source, *SHARED, *flags, "-w", arch=arch)) == []


def test_the_libraries_of_this_machine_have_no_glibc_inside() -> None:
    folder = Path("/usr/lib") / f"{platform.machine()}-linux-gnu"
    libraries = [path for path in sorted(folder.glob("lib*.so.*")) if not path.is_symlink()] if folder.is_dir() else []
    if not libraries:
        unavailable(f"there is no library in {folder}: this machine keeps them elsewhere")
    for path in libraries[:150]:
        found = {finding.rule for finding in judged(path, "2.41").findings}
        assert not found & {"static-glibc", "mixed-libc"}, path


def test_a_program_is_warned_of_and_no_module(tmp_path: Path) -> None:
    program = compile_with_gcc(PROGRAM, "-static-pie")
    assert [finding.severity for finding in static_glibc(tmp_path, program, "hello")] == ["warning"]
    (finding,) = static_glibc(tmp_path, program, "hello.so")
    assert finding.severity == "error"
    assert "dlopen refuses to load a program" in finding.message
    path = tmp_path / "hello.so"
    refused = subprocess.run(
        [sys.executable, "-c", f"import ctypes; ctypes.CDLL({str(path)!r})"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "cannot dynamically load position-independent executable" in refused.stderr


# --- musl beside glibc ------------------------------------------------------------------------------------------------


def musl(arch: str = "x86_64") -> bytes:
    return compile_with_zig(HELLO, *SHARED, arch=arch, glibc=None)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_musl_module_among_those_of_glibc(tmp_path: Path, arch: str) -> None:
    files = {"a/b.so": library("malloc(1)", arch=arch), "a/musl.so": musl(arch)}
    tag = f"cp312-cp312-manylinux_2_17_{arch}"
    found = [
        finding for finding in judged(make_wheel(tmp_path, files, tag=tag)).findings if finding.object == "a/musl.so"
    ]
    assert [(finding.rule, finding.severity) for finding in found] == [("mixed-libc", "error")]
    assert found[0].message == (
        "is built for musl (needs libc.so) among objects for glibc, such as a/b.so: one process cannot have both"
    )


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_glibc_module_among_those_of_musl(tmp_path: Path, arch: str) -> None:
    files = {"a/b.so": library("malloc(1)", arch=arch), "a/musl.so": musl(arch)}
    wheel = make_wheel(tmp_path, files, tag=f"cp312-cp312-musllinux_1_2_{arch}")
    found = [finding for finding in judged(wheel).findings if finding.severity == "error"]
    assert [(finding.rule, finding.object) for finding in found] == [("mixed-libc", "a/b.so")]
    assert "is built for glibc (needs libc.so.6) among objects for musl, such as a/musl.so" in found[0].message


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_wheel_of_the_other_libc_alone_is_not_mixed(tmp_path: Path, arch: str) -> None:
    of_musl = make_wheel(tmp_path, {"a/musl.so": musl(arch)}, tag=f"cp312-cp312-manylinux_2_17_{arch}")
    assert findings(of_musl) == [("library-not-allowed", "error", "a/musl.so")]
    module = {"a/b.so": library("malloc(1)", arch=arch)}
    of_glibc = make_wheel(tmp_path, module, tag=f"cp312-cp312-musllinux_1_2_{arch}")
    assert [entry for entry in findings(of_glibc) if entry[2]] == [("symbol-version-too-new", "error", "a/b.so")]


def test_static_programs_of_musl_are_no_matter(tmp_path: Path) -> None:
    program = compile_with_zig(PROGRAM, "-static", "-s", glibc=None)
    assert findings(make_wheel(tmp_path, {"a/b.so": library("malloc(1)"), "a/tool": program})) == []


def test_a_program_of_musl_is_one_finding(tmp_path: Path) -> None:
    program = compile_with_zig(PROGRAM, "-dynamic", "-s", glibc=None)
    files = {"a/b.so": library("malloc(1)"), "a/tool": program}
    (finding,) = judged(make_wheel(tmp_path, files)).findings
    assert (finding.rule, finding.severity, finding.object) == ("wrong-interpreter", "error", "a/tool")
    assert finding.message.startswith("is a program for musl: asks for the loader /lib/ld-musl-x86_64.so.1")
    assert "--set-interpreter" not in (finding.hint or "")


def test_a_program_that_brings_the_loader_of_musl(tmp_path: Path) -> None:
    program = compile_with_zig(PROGRAM, "-dynamic", "-s", glibc=None)
    loader = compile_with_zig("int f(void) { return 1; }", *SHARED, "-nostdlib", "-Wl,-soname,libc.so", glibc=None)
    files = {
        "a/b.so": library("malloc(1)"),
        "a/tool": program,
        "a/lib/ld-musl-x86_64.so.1": loader,
        "a/lib/libm.so": musl(),
    }
    found = judged(make_wheel(tmp_path, files)).findings
    assert [(one.rule, one.severity, one.object) for one in found if one.object == "a/tool"] == [
        ("wrong-interpreter", "warning", "a/tool")
    ]
    assert "the artifact carries a/lib/ld-musl-x86_64.so.1, through which it has to be started" in found[-1].message
    assert not [one for one in found if one.rule == "mixed-libc"]


def test_a_carried_musl_comes_into_the_process_of_the_modules(tmp_path: Path) -> None:
    loader = compile_with_zig(
        "int puts(void) { return 1; }", *SHARED, "-nostdlib", "-fno-builtin", "-Wl,-soname,libc.so", glibc=None
    )
    module = compile_with_zig(HELLO, *SHARED, "-Wl,-rpath,$ORIGIN/lib", glibc=None)
    files = {"a/b.so": library("malloc(1)"), "a/musl.so": module, "a/lib/libc.so": loader}
    assert ("mixed-libc", "error", "a/musl.so") in findings(make_wheel(tmp_path, files))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_musl_inside_a_module(tmp_path: Path, arch: str) -> None:
    source = "int vfprintf(void) { return 1; } int fwrite(void) { return 1; } int puts(void) { return 1; }"
    inside = compile_with_zig(source, *SHARED, "-nostdlib", "-fno-builtin", "-w", arch=arch)
    tag = f"cp312-cp312-manylinux_2_17_{arch}"
    (finding,) = judged(make_wheel(tmp_path, {"a/m.so": inside}, tag=tag)).findings
    assert (finding.rule, finding.severity) == ("mixed-libc", "error")
    assert "a C library of its own linked in" in finding.message
    interceptor = compile_with_zig(
        f"#include <stdlib.h>\n{source}\nvoid *g(void) {{ return malloc(1); }}",
        *SHARED,
        "-fno-builtin",
        "-w",
        arch=arch,
    )
    assert ("mixed-libc", "error") not in rules_of(tmp_path, interceptor, "2.17")
