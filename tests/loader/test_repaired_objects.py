"""What ``fix`` makes: the real loader refuses the object before and accepts it after, and it does what it did."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Final

import pytest

from bench.fetch_wheels import listed
from building import compile_with_gcc, compile_with_zig
from glibc_guard.fixing import Request, fix
from glibc_guard.guard import check
from glibc_guard.repair import FixReport
from glibc_guard.settings import Settings
from loader.debian_glibc import debian_glibc
from loader.judge import Glibc, ask_loader
from loader.stub_glibc import stub_glibc
from provisions import fetched, needed

pytestmark = pytest.mark.loader

#: Tells of each function whether it is there; the thread's destructor runs through one of them where it is.
PROGRAM: Final = r"""
#include <stdio.h>
extern void *__dso_handle;
extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *) __attribute__((weak));
extern int gettid(void) __attribute__((weak));
extern int mallinfo2(void) __attribute__((weak));
static void end(void *text) { puts(text); fflush(stdout); }
int main(void) {
    printf("tid %s, mallinfo2 %s\n", gettid && gettid() > 0 ? "yes" : "no", mallinfo2 ? "yes" : "no");
    fflush(stdout);
    if (__cxa_thread_atexit_impl) __cxa_thread_atexit_impl(end, "ended", &__dso_handle);
    return 0;
}
"""
RUST: Final = """
use std::cell::RefCell;
struct Last(u32);
impl Drop for Last { fn drop(&mut self) { println!("dropped {}", self.0); } }
thread_local! { static LAST: RefCell<Last> = RefCell::new(Last(0)); }
fn main() {
    std::thread::spawn(|| LAST.with(|last| last.borrow_mut().0 = 7)).join().unwrap();
    println!("{}", std::fs::metadata("/").unwrap().is_dir());
}
"""
CRYPTOGRAPHY: Final = r"cryptography-5\d.*-cp311-abi3-manylinux_2_28_x86_64\.whl"
#: rustc's linker for glibc 2.28. zig has no libgcc_s, and its own libunwind instead.
LINKER: Final = """\
#!/bin/bash
arguments=()
for one in "$@"; do [ "$one" = -lgcc_s ] || arguments+=("$one"); done
exec {python} -m ziglang cc -target x86_64-linux-gnu.2.28 "${{arguments[@]}}" -lunwind
"""


def fixed(path: Path, target: str) -> tuple[Path, FixReport]:
    out = path.with_name(f"fixed-{path.name}")
    report = fix(Request(str(path), str(out)), Settings(targets=(target,)))
    return out, report


def program(folder: Path, release: str = "2.33", arch: str = "x86_64") -> Path:
    path = folder / "program"
    path.write_bytes(compile_with_zig(PROGRAM, arch=arch, glibc=release))
    path.chmod(0o755)
    return path


def output(path: Path, glibc: Glibc | None = None) -> str:
    """Run a program, on this machine or with another glibc, and return what it prints, complaints included."""
    command = [str(path)]
    if glibc is not None:
        folders = ":".join(map(str, glibc.library_path))
        command = [*filter(None, [glibc.emulator]), str(glibc.loader), "--library-path", folders, *command]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("release", "missing"),
    [
        ("2.17", {"GLIBC_2.18", "GLIBC_2.30", "GLIBC_2.33"}),
        ("2.28", {"GLIBC_2.30", "GLIBC_2.33"}),
        ("2.31", {"GLIBC_2.33"}),
    ],
)
def test_refused_before_and_accepted_after(release: str, missing: set[str], tmp_path: Path) -> None:
    path = program(tmp_path)
    before = ask_loader(path, stub_glibc(release))
    assert {version for _, version in before.missing_versions} == missing
    after, report = fixed(path, release)
    assert {repair.version for repair in report.repairs} == missing
    assert report.remaining == ()
    for tried in (release, "2.33"):
        verdict = ask_loader(after, stub_glibc(tried))
        assert verdict.loads, verdict.lines
    assert output(after) == output(path) == "tid yes, mallinfo2 yes\nended\n"


@pytest.mark.parametrize(
    ("suite", "said"), [("bullseye", "no"), ("bookworm", "yes"), ("trixie", "yes"), ("sid", "yes")]
)
def test_it_runs_on_every_debian(suite: str, said: str, tmp_path: Path) -> None:
    path = program(tmp_path)
    glibc = debian_glibc(suite)
    refused = "version `GLIBC_2.33' not found" in output(path, glibc)
    assert refused == (said == "no")
    after, _ = fixed(path, "2.17")
    assert output(after, glibc) == f"tid yes, mallinfo2 {said}\nended\n"


@pytest.mark.parametrize(("suite", "said"), [("bullseye", "no"), ("trixie", "yes")])
def test_it_runs_on_aarch64(suite: str, said: str, tmp_path: Path) -> None:
    path = program(tmp_path, arch="aarch64")
    glibc = debian_glibc(suite, "arm64")
    assert ("version `GLIBC_2.33' not found" in output(path, glibc)) == (said == "no")
    after, _ = fixed(path, "2.17")
    assert output(after, glibc) == f"tid yes, mallinfo2 {said}\nended\n"


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("flags", ["-O0", "-O2", "-O2 -fno-plt", "-O3 -flto", "-O2 -Wl,-z,now", "-O2 -Wl,-z,lazy"])
def test_libraries_of_other_compilers(compiler: str, flags: str, tmp_path: Path) -> None:
    """GNU ld marks no version need as weak. ``_Fork`` came with 2.34, so that 2.31 is too old for the library."""
    source = """
    extern int _Fork(void) __attribute__((weak));
    extern int gettid(void) __attribute__((weak));
    extern int puts(const char *);
    int answer(void) { puts("asked"); return (_Fork != 0) + 2 * (gettid && gettid() > 0); }
    """
    (tmp_path / "source.c").write_text(source)
    path = tmp_path / "library.so"
    command = [
        needed(compiler, f"apt-get install {compiler}"),
        "-shared",
        "-fPIC",
        *flags.split(),
        "-o",
        str(path),
        "source.c",
    ]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert ask_loader(path, stub_glibc("2.17")).missing_versions == {
        ("libc.so.6", "GLIBC_2.30"),
        ("libc.so.6", "GLIBC_2.34"),
    }
    assert ask_loader(path, stub_glibc("2.31")).missing_versions == {("libc.so.6", "GLIBC_2.34")}
    after, report = fixed(path, "2.17")
    assert report.outcome == "fixed"
    assert ask_loader(after, stub_glibc("2.17")).loads
    assert ask_loader(after, stub_glibc("2.31")).loads
    assert answer(path) == answer(after) == "asked\n3\n"


def answer(path: Path) -> str:
    code = f"import ctypes, sys; answer = ctypes.CDLL({str(path)!r}).answer(); print(answer)"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    return "".join(sorted(done.stdout.splitlines(keepends=True), reverse=True))


def test_the_only_version_need_of_all(tmp_path: Path) -> None:
    source = "extern int _Fork(void) __attribute__((weak)); int answer(void) { return _Fork ? 3 : 4; }"
    path = tmp_path / "library.so"
    path.write_bytes(compile_with_gcc(source, "-shared", "-fPIC", "-nostartfiles", "-Wl,--no-as-needed"))
    assert not ask_loader(path, stub_glibc("2.31")).loads
    after, _ = fixed(path, "2.17")
    assert ask_loader(after, stub_glibc("2.31")).loads
    assert answer(path) == answer(after) == "3\n"


def test_a_version_symbol_table_without_versions_crashes_the_loader(tmp_path: Path) -> None:
    """Why DT_VERSYM goes with the last version need: the loader reads an array of versions that it never made."""
    source = "extern int _Fork(void) __attribute__((weak)); int answer(void) { return _Fork ? 3 : 4; }"
    data = compile_with_gcc(source, "-shared", "-fPIC", "-nostartfiles", "-Wl,--no-as-needed")
    path = tmp_path / "library.so"
    for tag in (0x6FFFFFFE, 0x6FFFFFFF):  # DT_VERNEED, DT_VERNEEDNUM
        data = data.replace(tag.to_bytes(8, "little"), (0x60000001).to_bytes(8, "little"))
    path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", f"import ctypes; ctypes.CDLL({str(path)!r}, 2)"], check=False, capture_output=True
    )
    assert done.returncode < 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [("-fplt", "only called and never compared with 0"), ("-fno-plt", "no code is found that compares it with 0")],
)
def test_what_is_called_without_a_look_would_crash(flags: str, said: str, tmp_path: Path) -> None:
    """Why a weak symbol that is only called is refused."""
    source = "extern int mallinfo2(void) __attribute__((weak)); int main(void) { return mallinfo2() == 1; }"
    path = tmp_path / "program"
    path.write_bytes(compile_with_zig(source, flags, glibc="2.33"))
    path.chmod(0o755)
    after, report = fixed(path, "2.17")
    assert not after.exists()
    assert said in report.refusals[0].reason


def test_a_program_in_rust(tmp_path: Path) -> None:
    """The story of a Rust program that one weak symbol of its thread-local destructors kept from CentOS 7."""
    rustc = needed("rustc", "https://rustup.rs")
    (tmp_path / "main.rs").write_text(textwrap.dedent(RUST))
    linker = tmp_path / "zig-cc"
    linker.write_text(LINKER.format(python=sys.executable))
    linker.chmod(0o755)
    flags = ["-O", "-C", f"linker={linker}", "-C", "linker-flavor=gcc", "-o", "program"]
    subprocess.run([rustc, *flags, "main.rs"], cwd=tmp_path, check=True, capture_output=True)
    path = tmp_path / "program"
    refused = {version for _, version in ask_loader(path, stub_glibc("2.17")).missing_versions}
    assert "GLIBC_2.18" in refused
    after, report = fixed(path, "2.17")
    assert report.outcome == "fixed"
    assert "__cxa_thread_atexit_impl" in {symbol for repair in report.repairs for symbol in repair.symbols}
    assert ask_loader(after, stub_glibc("2.17")).loads
    assert output(after) == output(path) == "dropped 7\ntrue\n"
    assert output(after, debian_glibc("bullseye")) == "dropped 7\ntrue\n"


def test_a_wheel_of_rust_and_openssl_that_everybody_uses(tmp_path: Path) -> None:
    """cryptography for glibc 2.28 asks for nothing newer than 2.17 but by weak symbols; OpenSSL and Rust do without."""
    wheel = fetched(next(one for one in listed() if re.fullmatch(CRYPTOGRAPHY, one.file)))
    report = fix(Request(str(wheel), f"{tmp_path}/fixed/"), Settings(targets=("2.17",)))
    assert report.outcome == "fixed"
    symbols = {symbol for repair in report.repairs for symbol in repair.symbols}
    assert {"__cxa_thread_atexit_impl", "getrandom", "getentropy", "statx"} <= symbols
    assert report.output is not None
    assert check([report.output], Settings(targets=("2.17",))).verdict == "pass"
    site = tmp_path / "site"
    install = ["-m", "uv", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(site), report.output]
    subprocess.run([sys.executable, *install], check=True)
    (module,) = site.rglob("_rust*.so")
    before = ask_loader(original(wheel, tmp_path), stub_glibc("2.17"))
    assert {version for _, version in before.missing_versions} == {"GLIBC_2.18", "GLIBC_2.25", "GLIBC_2.28"}
    after = ask_loader(module, stub_glibc("2.17"))
    assert (after.missing_versions, after.fatal) == (frozenset(), None)
    assert {symbol for symbol, _ in after.missing_symbols if not re.match(r"_?Py", symbol)} == set()
    code = "from cryptography.hazmat.bindings._rust import openssl; print(openssl.openssl_version_text())"
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert done.stdout.startswith("OpenSSL ")


def original(wheel: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "zipfile", "-e", str(wheel), str(folder / "original")]
    subprocess.run(command, check=True)
    (module,) = (folder / "original").rglob("_rust*.so")
    return module
