"""Programs of cargo: the function, the line and the crate of every use, however much was optimised and stripped."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from building import CACHE
from debug_building import line_of, symbolized
from glibc_guard.guard import check
from glibc_guard.model import Finding, Site
from glibc_guard.settings import Settings
from provisions import needed, needs_demangler, unavailable
from unit.explain.disassembly import uses

PROJECT: Final = Path(__file__).parent / "rust_program"
SOURCE: Final = (PROJECT / "src" / "main.rs").read_text()
KEPT: Final = CACHE / "rust-program"
#: Symbol → the package that asks for it, beside what others ask.
CRATES: Final = {
    "dlopen": "libloading",
    "dlclose": "libloading",
    "stat64": "std",
    "pthread_key_create": "libmimalloc-sys",
}
NO_NETWORK: Final = (
    "Could not resolve host",
    "download of config.json failed",
    "failed to download",
    "Couldn't connect",
)


@dataclass(frozen=True, slots=True)
class Program:
    """A profile of Cargo.toml, and flags for rustc in which {folder} is that of the project."""

    profile: str
    flags: str = ""

    def __str__(self) -> str:
        return f"{self.profile} {self.flags}".strip()


WITH_LINES: Final = (
    Program("dev"),
    Program("lines"),
    Program("full"),
    Program("lto"),
    Program("split"),
    Program("full", "-Cdwarf-version=5 --remap-path-prefix={folder}=/io"),
    Program("full", "-Crelocation-model=static"),
)


def built(program: Program) -> Path:
    """Build ``program`` in a folder that is kept for the next time; crates come from the registry, once."""
    rustc = subprocess.run([needed("rustc", "https://rustup.rs"), "-vV"], check=True, capture_output=True).stdout
    sources = [PROJECT / name for name in ("Cargo.toml", "Cargo.lock", "src/main.rs")]
    identity = b"".join([rustc, repr(program).encode(), *(source.read_bytes() for source in sources)])
    folder = KEPT / hashlib.sha256(identity).hexdigest()[:16]
    kept = folder / "rust-program"
    if not kept.exists():
        shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
        flags = program.flags.format(folder=folder)
        target = KEPT / f"target-{hashlib.sha256(program.flags.encode()).hexdigest()[:8]}"
        command = [needed("cargo", "https://rustup.rs"), "build", "--locked", "--quiet", "--profile", program.profile]
        environment = {**os.environ, "CARGO_TARGET_DIR": str(target), "RUSTFLAGS": flags, "CARGO_TERM_COLOR": "never"}
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, env=environment)
        if any(words in done.stderr for words in NO_NETWORK):
            unavailable(f"the registry of crates cannot be reached: {done.stderr}")
        assert done.returncode == 0, done.stderr
        result = target / ("debug" if program.profile == "dev" else program.profile)
        for path in result.glob("rust-program.dwp"):
            shutil.copy(path, folder)
        shutil.copy(result / "rust-program", folder / "unfinished")
        (folder / "unfinished").rename(kept)
    return kept


def findings(path: Path) -> dict[str, Finding]:
    settings = Settings(targets=("2.17",), repository=path.parent)
    (artifact,) = check([str(path)], settings).artifacts
    assert not any("glibc-guard itself failed" in note for note in artifact.notes), artifact.notes
    return {one.symbol or "": one for one in artifact.findings}


def crates(finding: Finding) -> set[str | None]:
    return {name for site in finding.sites for name in (site.package, site.through)}


@needs_demangler
@pytest.mark.parametrize("program", WITH_LINES, ids=str)
def test_function_line_and_crate(program: Program) -> None:
    path = built(program)
    found = findings(path)
    thread, power = line_of("gettid", SOURCE), line_of("pow", SOURCE)
    own = [site for site in found["gettid"].sites if site.in_repository]
    assert [(site.file, site.line) for site in own] == [("src/main.rs", thread)]
    # A table of lines alone has the short name of what was inlined.
    assert own[0].package == ("rust_program" if program.profile != "lines" else None)
    (site,) = found["pow"].sites
    assert (site.file, site.line, site.in_repository) == ("src/main.rs", power, True)
    assert (site.function or "").endswith("::power")
    for symbol, crate in CRATES.items():
        assert crate in crates(found[symbol]), symbol
    hint = found["dlopen"].hint or ""
    assert "cargo zigbuild" in hint
    assert ".symver" not in hint


@pytest.mark.parametrize("program", [one for one in WITH_LINES if one.profile not in {"dev", "split"}], ids=str)
def test_never_another_line_than_llvm_symbolizer_tells(program: Program) -> None:
    """Both begin at the instructions that a disassembler names; every site must be one that they lead to."""
    path = built(program)
    found = findings(path)
    for symbol in ("gettid", "pow", "dlopen", "fstat64", "pthread_key_create"):
        addresses = sorted(instruction.start for instruction in uses(path, symbol))
        lines = {place for levels in symbolized(path, addresses).values() for place in levels} if addresses else set()
        for site in found[symbol].sites:
            told = _recorded(site, Path("/io") if "=/io" in program.flags else path.parent)
            assert told in lines, (symbol, site)


def _recorded(site: Site, folder: Path) -> tuple[str | None, int | None]:
    """Return the site's place as debug information has it."""
    ends = [
        frame.file for frame in site.frames if frame.line == site.line and (frame.file or "").endswith(site.file or "")
    ]
    inside = str(folder / (site.file or "")) if site.in_repository else site.file
    return (ends[0] if ends else inside), site.line


@needs_demangler
def test_the_crate_is_known_by_its_symbols_alone() -> None:
    found = findings(built(Program("symbols")))
    assert {site.line for finding in found.values() for site in finding.sites} == {None}
    assert {site.function for site in found["pow"].sites} == {"rust_program::nested::Of<T>::power"}
    assert "rust_program" in crates(found["pow"])
    assert "libloading" in crates(found["dlclose"])
    assert crates(found["stat64"]) == {"std", None}
    assert {site.function for site in found["pthread_key_create"].sites} >= {"_mi_prim_thread_init_auto_done"}


def test_of_a_stripped_program_only_addresses_are_told() -> None:
    for symbol, finding in findings(built(Program("stripped"))).items():
        assert finding.sites, symbol
        assert all((site.function or "").startswith(("fn@0x", "data@0x")) for site in finding.sites), symbol
        assert {(site.file, site.line, site.package) for site in finding.sites} == {(None, None, None)}
