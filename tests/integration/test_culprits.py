"""From a finding to the source line: every compiler, linkage and form of debug information names the same places."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from glibc_guard.guard import check
from glibc_guard.model import Finding
from glibc_guard.settings import Settings
from provisions import needed
from unit.explain.using import FUNCTIONS, build, compiler, lines_of

SHARED = ("-shared", "-fPIC")
PIE, FIXED = ("-fPIE", "-pie"), ("-fno-pie", "-no-pie")
NO_PLT = ("-fno-plt",)


@dataclass(frozen=True, slots=True)
class Case:
    """One way to build; ``debug`` says what becomes of the debug information: "inside", "split", "none", "stripped"."""

    compiler: str
    optimisation: str
    dwarf: str
    linkage: tuple[str, ...]
    debug: str = "inside"
    arch: str = "x86_64"

    def __str__(self) -> str:
        return " ".join([self.compiler, self.arch, self.optimisation, self.dwarf, *self.linkage, self.debug])


CASES = [
    *(
        Case("gcc", optimisation, f"-gdwarf-{version}", (*linkage, *plt))
        for optimisation in ("-O0", "-O1", "-O2", "-O3")
        for version in (4, 5)
        for linkage in (SHARED, PIE, FIXED)
        for plt in ((), NO_PLT)
    ),
    *(Case("gcc", "-O2", "-gdwarf-5", (*linkage, "-flto")) for linkage in (SHARED, PIE)),
    *(Case("gcc", "-O2", "-gdwarf-5", (*SHARED, "-gz=zlib")) for _ in range(1)),
    *(
        Case("gcc", "-O2", f"-gdwarf-{version}", linkage, debug)
        for version in (4, 5)
        for linkage in (SHARED, PIE, FIXED)
        for debug in ("split", "stripped")
    ),
    *(Case("gcc", "-O2", "-g0", linkage, debug) for linkage in (SHARED, PIE, FIXED) for debug in ("none",)),
    *(
        Case("zig", optimisation, f"-gdwarf-{version}", linkage, arch=arch)
        for arch in ("x86_64", "aarch64")
        for optimisation, version in (("-O0", 4), ("-O1", 5), ("-O2", 5), ("-O2", 4), ("-O3", 5))
        for linkage in (SHARED, PIE)
    ),
    *(Case("zig", "-O2", "-gdwarf-5", (*SHARED, *NO_PLT), arch=arch) for arch in ("x86_64", "aarch64")),
    *(Case("zig", "-O2", "-gdwarf-5", FIXED, arch=arch) for arch in ("x86_64", "aarch64")),
]


def findings(path: Path, **chosen: object) -> dict[str, Finding]:
    settings = Settings(targets=("2.17",), repository=path.parent, **chosen)  # type: ignore[arg-type]
    (artifact,) = check([str(path)], settings).artifacts
    assert not any("glibc-guard itself failed" in note for note in artifact.notes), artifact.notes
    return {one.symbol: one for one in artifact.findings if one.symbol in FUNCTIONS}


def without_debug_information(path: Path) -> Path:
    """Move it to a folder of debug files by the build-id of the object, as distributions do; return the folder."""
    notes = subprocess.run(["readelf", "-n", path], check=True, capture_output=True, text=True).stdout
    identity = notes.partition("Build ID: ")[2].split()[0]
    folder = path.parent / "debug"
    kept = folder / ".build-id" / identity[:2] / f"{identity[2:]}.debug"
    kept.parent.mkdir(parents=True)
    subprocess.run(["objcopy", "--only-keep-debug", path, kept], check=True)
    subprocess.run(["strip", path], check=True)
    return folder


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("displacement", [-0x10, -0xE, -0xD, 0x0F, 0x40, 0x48, 0x4C, 0x66], ids=hex)
def test_a_prefix_is_not_taken_from_the_line_before(displacement: int, tmp_path: Path) -> None:
    """The instruction before the call ends with a byte that could be the beginning of it: lock, rep, REX and others."""
    (tmp_path / "score.c").write_text("\n" * 12)
    (tmp_path / "score.s").write_text(ASSEMBLY.format(displacement=displacement))
    gcc = [*compiler("gcc"), "-shared", "-g", "score.s", "-o", "score.so", "-lm"]
    subprocess.run(gcc, check=True, cwd=tmp_path)
    (site,) = findings(tmp_path / "score.so")["pow"].sites
    assert (site.function, site.file, site.line) == ("score", "score.c", 11)


ASSEMBLY = """
    .text
    .globl score
    .type score, @function
    .file 1 "score.c"
score:
    .loc 1 10
    lea {displacement}(%rbp), %rdi
    .loc 1 11
    call *pow@GOTPCREL(%rip)
    .loc 1 12
    ret
    .size score, .-score
    .section .note.GNU-stack, "", @progbits
"""


@pytest.mark.parametrize("compiled_with", ["gcc", "clang"])
@pytest.mark.parametrize("lines", [2, 100])
def test_a_file_of_another_project_is_not_annotated(lines: int, compiled_with: str, tmp_path: Path) -> None:
    """It is called as one of the repository, and was removed after it was compiled."""
    root, gone = tmp_path / "mine", tmp_path / "gone"
    for folder in (root, gone):
        (folder / "src").mkdir(parents=True)
    (root / "src" / "random.c").write_text("\n" * lines)
    (root / "src" / "app.c").write_text("double foo(double);\ndouble app(double x) { return foo(x); }\n")
    (gone / "src" / "random.c").write_text(
        "double pow(double, double);\n" * 8 + "double foo(double x) { return pow(x, x); }"
    )
    command = [*compiler(compiled_with), "-g", "-O2", "-fPIC", "-fno-builtin"]
    subprocess.run([*command, "-c", gone / "src" / "random.c", "-o", "random.o"], check=True, cwd=root)
    shutil.rmtree(gone)
    subprocess.run([*command, "-shared", "random.o", "src/app.c", "-o", "app.so", "-lm"], check=True, cwd=root)
    (site,) = findings(root / "app.so")["pow"].sites
    assert (site.function, site.file, site.line) == ("foo", str(gone / "src" / "random.c"), 9)
    assert not site.in_repository


HOISTED = """
double pow(double, double);
double sum(const double *values, int count)
{
    double found = 0;
    for (int n = 0; n < count; n++)
        found +=
            pow(values[n], 1.5); /* pow */
    return found;
}
"""


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        (("gcc", "x86_64"), ("-fno-plt",)),
        (("zig", "x86_64"), ("-fno-plt",)),
        (("zig", "aarch64"), ("-fno-plt",)),
        (("zig", "i686"), ("-fno-plt",)),
    ],
    ids=str,
)
@pytest.mark.parametrize("optimisation", ["-O1", "-O2", "-O3"])
def test_an_address_that_is_kept_in_a_register_is_used_where_it_is_called(
    optimisation: str, command: tuple[str, str], flags: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "sum.c").write_text(HOISTED)
    full = [
        *compiler(*command),
        "-g",
        optimisation,
        "-fPIC",
        "-fno-builtin",
        *flags,
        "-shared",
        "sum.c",
        "-o",
        "sum.so",
    ]
    subprocess.run([*full, "-lm"], check=True, cwd=tmp_path)
    line = next(number for number, text in enumerate(HOISTED.splitlines(), 1) if "/* pow */" in text)
    finding = findings(tmp_path / "sum.so")["pow"]
    assert [(site.function, site.file, site.line) for site in finding.sites] == [("sum", "sum.c", line)]


WEAK_IN_A_LOOP = """
extern int gettid(void) __attribute__((weak));
long work(long *one, int count)
{
    long found = 0;
    for (int n = 0; n < count; n++) {
        if (gettid) found += gettid(); /* gettid */
        for (int k = 10; k < 31; k++) found += one[k] * one[k - 1];
    }
    return found;
}
"""


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "i686"])
@pytest.mark.parametrize("linkage", [PIE, FIXED], ids=["PIE", "fixed"])
def test_a_place_of_no_line_is_not_told_beside_one_in_the_same_function(
    linkage: tuple[str, ...], arch: str, tmp_path: Path
) -> None:
    """What was taken out of the loop belongs to no line, or to that of the loop."""
    (tmp_path / "work.c").write_text(WEAK_IN_A_LOOP + "int main(void) { long one[40]; return work(one, 3); }\n")
    full = [*compiler("zig", arch), "-g", "-O2", "-fno-inline", *linkage, "work.c", "-o", "work"]
    subprocess.run(full, check=True, cwd=tmp_path)
    finding = findings(tmp_path / "work")["gettid"]
    assert [(site.function, site.line) for site in finding.sites] == [("work", 7)]


def test_what_is_in_the_repository_is_looked_at_first(tmp_path: Path) -> None:
    """However many uses there are before it, in the source of others."""
    root, others = tmp_path / "mine", tmp_path / "others"
    for folder in (root / "src", others):
        folder.mkdir(parents=True)
    functions = "".join(f"double other{n}(double x) {{ return pow(x, {n}); }}\n" for n in range(200))
    (others / "all.c").write_text(f"double pow(double, double);\n{functions}")
    (root / "src" / "own.c").write_text("double pow(double, double);\ndouble own(double x) { return pow(x, 3) + 1; }\n")
    full = [
        *compiler("gcc"),
        "-shared",
        "-fPIC",
        "-g",
        "-fno-builtin",
        str(others / "all.c"),
        "src/own.c",
        "-o",
        "own.so",
    ]
    subprocess.run([*full, "-lm"], check=True, cwd=root)
    finding = findings(root / "own.so")["pow"]
    assert (finding.sites[0].file, finding.sites[0].line, finding.uses) == ("src/own.c", 2, 201)
    (artifact,) = check([str(root / "own.so")], Settings(targets=("2.17",), repository=root)).artifacts
    assert [note for note in artifact.notes if "more than 128 places" in note]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_function_and_line_of_every_place(case: Case, tmp_path: Path) -> None:
    needed("objcopy", "apt-get install binutils")
    flags = (case.optimisation, case.dwarf, *case.linkage, "-Wl,--build-id")
    path = build(tmp_path, compiler(case.compiler, case.arch), *flags)
    folders: tuple[Path, ...] = ()
    if case.debug == "split":
        folders = (without_debug_information(path),)
    elif case.debug == "stripped":
        subprocess.run(["strip", path], check=True)
    lines_are_known = case.debug in {"inside", "split"}
    found = findings(path, debug_dirs=folders)
    assert set(found) >= {"pow", "reallocarray", "gettid"}
    for symbol, finding in found.items():
        assert finding.sites, symbol
        functions = {site.function or "" for site in finding.sites}
        if case.debug == "stripped":  # a library still has the names of what it exports
            assert all(name in FUNCTIONS[symbol] or name.startswith(("fn@0x", "data@0x")) for name in functions)
        elif symbol != "log" or case.debug != "split":  # the names of data went with the debug information
            assert functions <= FUNCTIONS[symbol], symbol
        in_code = [site for site in finding.sites if symbol != "log"]
        assert bool(in_code) == (symbol != "log")
        if lines_are_known:
            assert {(site.file, site.in_repository) for site in in_code} <= {("src/using.c", True)}
            assert {site.line for site in in_code} <= lines_of(symbol)
            assert symbol == "gettid" or {site.line for site in in_code} == lines_of(symbol)
        else:
            assert {(site.file, site.line) for site in finding.sites} == {(None, None)}
