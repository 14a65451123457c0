"""What the knowledge table claims is held against the symbol tables of every architecture, and against libstdc++."""

from __future__ import annotations

import re
import shutil
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from glibc_guard.explain.knowledge import FILE, Family, families_of, filled, gcc_of, image, knowledge, numbers
from glibc_guard.explain.symbol_page import kind_of
from glibc_guard.targets import distros, glibc, glibc_symbols, tables
from glibc_guard.targets.glibc import ARCHITECTURES
from glibc_guard.urls import DOCUMENTATION
from provisions import unavailable
from scripts.update_advice import document

ROOT = Path(__file__).parents[3]
FAMILIES = {family.name: family for family in knowledge().families}
OF_GLIBC = [family for family in FAMILIES.values() if family.kind in {"new", "changed", "moved"}]
WITH_A_VERSION = [family for family in OF_GLIBC if family.version]
PLACEHOLDERS = {"symbol", "plain", "former", "formerly", "older", "release", "arch", "image", "zig", "rust", "linker"}


def members(family: Family, arch: str) -> list[str]:
    return [name for name in glibc_symbols.load(arch).symbols() if family.concerns(name)]


def is_younger(arch: str, version: str) -> bool:
    """Tell whether the architecture began with that release or later, and has all at its first version."""
    return numbers(version.removeprefix("GLIBC_")) <= glibc.FIRST_RELEASES[arch]


def claim_holds(family: Family, arch: str) -> bool:
    """Every member came, changed or moved with the version; a glob may hold others, which have no such version."""
    kinds = {kind_of(name, family.version or "", arch) for name in members(family, arch)}
    if any("*" in glob for glob in family.symbols):
        kinds -= {None}
    return kinds == {family.kind}


def test_names_are_unique() -> None:
    assert len(FAMILIES) == len(knowledge().families)
    assert len(FAMILIES) > 100


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_an_entry_can_be_read(family: Family) -> None:
    for text in family.remedies:
        assert text in knowledge().remedies or " " in text, text
    bound = (one.remedy for one in family.bound)
    texts = (*family.remedies, *bound, family.what, family.reason or "", family.instead or "", family.differs or "")
    for text in texts:
        assert set(re.findall(r"\{([a-z_]+)\}", knowledge().remedies.get(text, text))) <= PLACEHOLDERS
    assert not (family.reason or "").endswith(".")
    assert family.what.endswith(".")
    assert (family.kind == "changed") == (family.differs is not None) or family.formerly
    assert set(family.except_) <= set(ARCHITECTURES)
    for one in family.bound:
        assert all(any(fnmatchcase(name, glob) for name in family.symbols) for glob in one.symbols), one
    for text in (*family.remedies, family.instead or "", *(one.remedy for one in family.bound)):
        # A weak declaration asks for the version too.
        assert not re.search("declare it weak", text, re.IGNORECASE)
    assert family.symbols or family.kind == "mark"


@pytest.mark.parametrize("source", sorted({source for one in FAMILIES.values() for source in one.sources}))
def test_a_source_names_a_page_of_ours_that_is_there(source: str) -> None:
    assert not source.startswith("docs/"), "who installed the package has no such folder"
    if source.startswith(DOCUMENTATION):
        assert (ROOT / "docs" / source.removeprefix(f"{DOCUMENTATION}/")).is_file()


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("family", WITH_A_VERSION, ids=lambda family: family.name)
def test_the_tables_say_the_same(family: Family, arch: str) -> None:
    if is_younger(arch, family.version or "") or not members(family, arch):
        assert arch not in family.except_
        return
    assert claim_holds(family, arch) == (arch not in family.except_), {
        name: glibc_symbols.load(arch).versions_of(name) for name in members(family, arch)[:5]
    }


@pytest.mark.parametrize("family", OF_GLIBC, ids=lambda family: family.name)
def test_no_glob_is_idle(family: Family) -> None:
    names = {name for arch in ARCHITECTURES for name in glibc_symbols.load(arch).symbols()}
    for glob in family.symbols:
        assert any(fnmatchcase(name, glob) for name in names), glob


@pytest.mark.parametrize("arch", ["x86_64", "i686", "aarch64", "s390x", "riscv64"])
def test_everything_that_moved_is_told(arch: str) -> None:
    for name in glibc_symbols.load(arch).symbols():
        if kind_of(name, "GLIBC_2.34", arch) == "moved":
            assert FAMILIES["moved-into-libc"].concerns(name) or FAMILIES["resolver"].concerns(name), name


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_everything_since_2_18_is_told(arch: str) -> None:
    """A rare symbol may be missing from the table; of those that 2.17 lacks, none is."""
    untold = set()
    for name in glibc_symbols.load(arch).symbols():
        for version in glibc_symbols.load(arch).versions_of(name):
            if version.startswith("GLIBC_") and not is_younger(arch, version) and numbers(version[6:]) >= (2, 18):
                families = [one for one in families_of(name, version) if one.kind != "runtime"]
                untold |= set() if families else {f"{name}@{version}"}
    assert not untold


def test_marks_are_those_of_the_loader_rule() -> None:
    marks = {family.version for family in FAMILIES.values() if family.kind == "mark"}
    assert marks == {marker.version for marker in glibc_symbols.extra().markers} | {"GLIBC_PRIVATE"}


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_a_symver_leads_to_the_same_library(arch: str) -> None:
    for family in OF_GLIBC:
        if family.may_use_symver(arch) and not is_younger(arch, family.version or "") and arch not in family.except_:
            for name in members(family, arch):
                former = glibc_symbols.load(arch).versions_of(family.former_name(name))
                assert former, name


def test_releases_of_gcc_agree_with_the_distributions() -> None:
    """Of each GCC that a distribution has, the newest version came with it or before, and the next one after it."""
    for release, runtime in tables.distributions().compiler_runtimes.items():
        for namespace, newest in (("GLIBCXX", runtime.glibcxx), ("CXXABI", runtime.cxxabi)):
            came = gcc_of(f"{namespace}_{newest}")
            assert came is not None, (release, newest)
            assert numbers(came) <= numbers(release)
            head, _, last = newest.rpartition(".")
            after = gcc_of(f"{namespace}_{head}.{int(last) + 1}")
            assert after is None or numbers(after) > numbers(release), (release, newest)


def test_libgcc_is_named_after_gcc() -> None:
    assert gcc_of("GCC_7.0.0") == "7"
    assert gcc_of("GCC_4.8.0") == "4.8"
    assert gcc_of("GLIBC_2.17") is None


def library(name: str) -> Path:
    found = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout
    path = Path(found.strip())
    if not path.is_absolute():
        unavailable(f"{name} is not installed: apt-get install g++")
    return path


@pytest.mark.parametrize("name", ["libstdc++.so.6", "libgcc_s.so.1"])
def test_what_is_said_of_the_compilers_libraries_is_so(name: str) -> None:
    assert shutil.which("nm")
    listed = subprocess.run(["nm", "-D", "--defined-only", library(name)], capture_output=True, text=True, check=True)
    defined = re.findall(r"([^\s@]+)@@?(\S+)$", listed.stdout, re.MULTILINE)
    newest: dict[str, tuple[int, ...]] = {}
    for _, version in defined:
        namespace, _, number = version.partition("_")
        newest[namespace] = max(newest.get(namespace, ()), numbers(number))
    told = 0
    for family in FAMILIES.values():
        namespace, _, number = (family.version or "").partition("_")
        if family.kind != "runtime" or namespace not in newest or numbers(number) > newest[namespace]:
            continue
        found = {version for symbol, version in defined if any(fnmatchcase(symbol, glob) for glob in family.symbols)}
        assert family.version in found, (family.name, found)
        told += 1
    assert told


def test_images_are_no_newer_than_asked_for() -> None:
    assert image("2.17", "x86_64").name == "manylinux2014"  # type: ignore[union-attr]
    assert image("2.31", "aarch64").name == "manylinux_2_28"  # type: ignore[union-attr]
    assert image("2.31", "armv7l").name == "manylinux_2_31"  # type: ignore[union-attr]
    assert image("2.12", "x86_64") is None
    assert image("2.41", "loongarch64") is None
    for one in knowledge().images:
        assert f"manylinux_{one.release.replace('.', '_')}" == distros_name(one.name)


def distros_name(name: str) -> str:
    return "manylinux_2_17" if name == "manylinux2014" else name


def test_only_known_words_are_filled_in() -> None:
    assert filled("a {symbol} {other} {x", {"symbol": "{release}", "release": "no"}) == "a {release} {other} {x"


def test_no_distribution_is_without_its_runtime() -> None:
    assert all("GCC" in entry.ceilings[arch] for entry in distros.distributions() for arch in entry.architectures)


def test_the_shipped_table_is_in_step_with_its_source() -> None:
    assert FILE.read_bytes() == document(), "run scripts/update_advice.py (or make data)"
