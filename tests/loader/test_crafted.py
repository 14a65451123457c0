"""Objects that no linker writes: what the rules say of them is what the real loader does with them."""

from __future__ import annotations

import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from building import compile_with_gcc, compile_with_zig, library
from glibc_guard.artifacts import Limits
from glibc_guard.model import Target
from glibc_guard.reading import Reader
from glibc_guard.rules import judge
from glibc_guard.settings import Settings
from loader.agreement import Agreement, compare, findings_of, read
from loader.debian_glibc import debian_glibc
from loader.judge import ask_loader
from loader.stub_glibc import stub_glibc
from unit.rules.crafting import (
    dynamic_entry,
    need_renamed,
    program_header,
    put,
    section,
    unversioned,
    weak_need,
    with_shared_page,
    with_short_first_segment,
    with_stack_flags,
    without_sections,
    wrong_hash,
)
from unit.rules.test_symbols import WEAK, with_symbol

pytestmark = pytest.mark.loader


def new() -> bytes:
    return library("reallocarray(0, 1, 2)", "pow(x, 2.5)", glibc="2.29")


def separate() -> bytes:
    source = "#define _GNU_SOURCE\n#include <stdlib.h>\nvoid *f(void *p) { return reallocarray(p, 3, 3); }"
    return compile_with_gcc(source, "-shared", "-fPIC", "-Wl,-z,separate-code")


CRAFTED: dict[str, Callable[[], bytes]] = {
    "honest": new,
    "no section headers": lambda: without_sections(new()),
    "vn_cnt is 0": lambda: put(new(), section(new(), ".gnu.version_r")["sh_offset"] + 2, "<H", 0),
    "DT_VERNEEDNUM is 0": lambda: put(new(), dynamic_entry(new(), 0x6FFFFFFF) + 8, "<Q", 0),
    "wrong hash": lambda: wrong_hash(new(), "GLIBC_2.26"),
    "private": lambda: with_symbol("__libc_early_init", "GLIBC_PRIVATE"),
    "version between releases": lambda: with_symbol("malloc", "GLIBC_2.16.7"),
    "symbol that is nowhere": lambda: with_symbol("no_such_function", "GLIBC_2.2.5"),
    "unversioned __isoc23_strtol": lambda: unversioned(
        with_symbol("__isoc23_strtol", "GLIBC_2.2.5"), "__isoc23_strtol"
    ),
    "weak symbol": lambda: compile_with_gcc(WEAK, "-shared", "-fPIC", "-nostartfiles"),
    "strong symbol of a weak need": lambda: weak_need(with_symbol("strlcpy", "GLIBC_2.38"), "GLIBC_2.38"),
    "weak symbol of a weak need": lambda: weak_need(with_symbol("future", "GLIBC_2.38", weak=True), "GLIBC_2.38"),
    "tables behind the first segment": lambda: with_short_first_segment(separate()),
    "segments in one page": lambda: with_shared_page(separate()),
    "symbol of another library": lambda: with_symbol("dlsym", "GLIBC_2.2.5"),
}


@pytest.mark.parametrize("release", ["2.17", "2.28", "2.31", "2.33"])
@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_objects(name: str, release: str, tmp_path: Path) -> None:
    path = tmp_path / "object"
    path.write_bytes(CRAFTED[name]())
    glibc = stub_glibc(release)
    agreement = Agreement()
    compare(read(path), glibc, ask_loader(path, glibc), agreement, stubs=True)
    assert agreement.unexplained == []


def test_the_loader_itself_of_a_real_glibc_judges_needs_on_it(tmp_path: Path) -> None:
    path = tmp_path / "object"
    source = "extern const long __rseq_offset; long f(void) { return __rseq_offset; }"
    path.write_bytes(compile_with_zig(source, "-shared", "-fPIC", glibc="2.35"))
    for suite in ("bullseye", "bookworm", "trixie"):
        glibc = debian_glibc(suite)
        agreement = Agreement()
        compare(read(path), glibc, ask_loader(path, glibc), agreement, stubs=False)
        assert agreement.unexplained == []
        assert bool(findings_of(read(path), glibc.release)) is (suite == "bullseye")


def test_packed_relocations(tmp_path: Path) -> None:
    source = "static int a, b; int *p[] = {&a, &b};\n#include <stdlib.h>\nvoid *f(void) { return malloc(1); }"
    marked = compile_with_gcc(source, "-shared", "-fPIC", "-Wl,-z,pack-relative-relocs")
    path = tmp_path / "object"
    for suite in ("bullseye", "bookworm", "trixie"):
        glibc = debian_glibc(suite)
        path.write_bytes(marked)
        agreement = Agreement()
        compare(read(path), glibc, ask_loader(path, glibc), agreement, stubs=False)
        assert agreement.unexplained == []
        path.write_bytes(need_renamed(marked, "GLIBC_ABI_DT_RELR", "GLIBC_2.2.5"))
        fatal = ask_loader(path, glibc).fatal or ""
        assert "DT_RELR without GLIBC_ABI_DT_RELR dependency" in fatal or suite == "bullseye", fatal
        assert "relr-without-marker" in {finding.rule for finding in findings_of(read(path), glibc.release)}


def test_the_alignment_that_a_segment_declares(tmp_path: Path) -> None:
    """Held against the page size until 2.34, and no longer looked at since."""
    data = library("malloc(1)", headers=("stdlib.h",))
    path = tmp_path / "object"
    path.write_bytes(put(data, program_header(data, "PT_LOAD") + 48, "<Q", 0x10))
    for suite, refused in (("bullseye", True), ("bookworm", False), ("trixie", False)):
        glibc = debian_glibc(suite)
        assert ("page-aligned" in (ask_loader(path, glibc).fatal or "")) is refused
        rules = {finding.rule for finding in findings_of(read(path), glibc.release)}
        assert ("page-alignment" in rules) is refused


@pytest.mark.parametrize(("suite", "accepted"), [("bookworm", True), ("trixie", False)])
def test_dlopen_of_an_executable_stack(suite: str, accepted: bool, tmp_path: Path) -> None:  # noqa: FBT001  # a table
    """A trace run starts the object as a program, so that this rule needs a witness that calls ``dlopen``."""
    source = """
    #include <dlfcn.h>
    #include <stdio.h>
    int main(int count, char **path) { puts(dlopen(path[1], RTLD_NOW) ? "loaded" : dlerror()); return count - 2; }
    """
    (tmp_path / "program").write_bytes(compile_with_zig(source, "-ldl", glibc="2.17"))
    (tmp_path / "object").write_bytes(with_stack_flags(library("malloc(1)"), 7))
    os.chmod(tmp_path / "program", 0o700)  # noqa: PTH101
    glibc = debian_glibc(suite)
    folders = ":".join(map(str, glibc.library_path))
    command = [str(glibc.loader), "--library-path", folders, str(tmp_path / "program"), str(tmp_path / "object")]
    answer = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    assert ("loaded" in answer) is accepted, answer
    rules = {finding.rule for finding in findings_of(read(tmp_path / "object"), "2.17")}
    assert "executable-stack" in rules


def test_a_vendored_libstdcxx_newer_than_the_systems(tmp_path: Path) -> None:
    """The library beside the object meets its needs, so that the system's own does not matter."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # only here

    from building import make_wheel  # noqa: PLC0415

    flags = ("-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libstdc++.so.6", "-Wl,--version-script=map")
    runtime = compile_with_gcc("int x(void) { return 1; }", *flags, beside={"map": b"GLIBCXX_3.4.99 { x; };"})
    module = compile_with_gcc(
        "int x(void); int f(void) { return x(); }",
        *("-shared", "-fPIC", "-nostdlib", "./libstdc++.so.6", "-Wl,-rpath,$ORIGIN/m.libs"),
        beside={"libstdc++.so.6": runtime},
    )
    wheel = make_wheel(tmp_path, {"m.so": module, "m.libs/libstdc++.so.6": runtime})
    with ThreadPoolExecutor(1) as pool:
        (artifact,) = Reader(Limits(), pool).read(str(wheel))
    target = Target("2.17", "option", "x86_64", "glibc", {"GLIBC": "2.17", "GLIBCXX": "3.4.19"})
    assert judge(artifact, (target,), Settings()) == ()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert ask_loader(tmp_path / "unpacked/m.so", stub_glibc("2.17")).loads
    (tmp_path / "unpacked/m.libs/libstdc++.so.6").unlink()
    assert not ask_loader(tmp_path / "unpacked/m.so", stub_glibc("2.17")).loads


@pytest.mark.parametrize("suite", ["bullseye", "bookworm", "trixie"])
@pytest.mark.parametrize("built_for", ["2.17", "2.29", "2.34", "2.38"])
def test_another_architecture_through_qemu(suite: str, built_for: str, tmp_path: Path) -> None:
    calls = ("pow(x, 2.5)", "dlopen(0, 1)", "pthread_create(0, 0, 0, 0)", "strtol(0, 0, 8)", "aligned_alloc(8, 8)")
    headers = ("stdlib.h", "math.h", "dlfcn.h", "pthread.h")
    path = tmp_path / "object"
    path.write_bytes(library(*calls, headers=headers, arch="aarch64", glibc=built_for))
    glibc = debian_glibc(suite, "arm64")
    verdict = ask_loader(path, glibc)
    agreement = Agreement()
    compare(read(path), glibc, verdict, agreement, stubs=False)
    assert agreement.unexplained == []
    assert verdict.loads is not any(finding.severity == "error" for finding in findings_of(read(path), glibc.release))
    assert verdict.loads or built_for != "2.17"
