"""From a finding to the source line: every compiler, linkage and form of debug information names the same places."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from debug_building import needed
from glibc_guard.guard import check
from glibc_guard.model import Finding
from glibc_guard.settings import Settings
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
    (tmp_path / "score.c").touch()
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
