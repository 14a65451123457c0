"""The tables answer what glibc's own symbol lists say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from glibc_guard.targets import glibc, glibc_symbols
from glibc_guard.targets.glibc_symbols import SymbolTableError
from measured import costs_less_than

PROJECT = Path(__file__).parents[3]
X86_64 = glibc_symbols.load("x86_64")


@pytest.mark.parametrize(
    ("architecture", "first"),
    [
        ("x86_64", "2.5"),
        ("i686", "2.5"),
        ("aarch64", "2.17"),
        ("armv7l", "2.5"),
        ("ppc64le", "2.17"),
        ("s390x", "2.5"),
        ("riscv64", "2.27"),
        ("loongarch64", "2.36"),
    ],
)
def test_releases_begin_with_the_architecture_and_have_no_gap(architecture: str, first: str) -> None:
    found = glibc_symbols.load(architecture).releases
    start = int(first.split(".")[1])
    assert found == tuple(f"2.{minor}" for minor in range(start, start + len(found)))
    assert "2.44" in found


def test_every_architecture_has_a_table_with_its_loader() -> None:
    for architecture in glibc.ARCHITECTURES:
        table = glibc_symbols.load(architecture)
        assert table.architecture == architecture
        assert table.libraries[0] == "libc.so.6"
        assert glibc_symbols.LOADERS[architecture] in table.libraries


@pytest.mark.parametrize(
    ("library", "symbol", "version", "release", "there"),
    [
        ("libc.so.6", "reallocarray", "GLIBC_2.26", "2.25", False),
        ("libc.so.6", "reallocarray", "GLIBC_2.26", "2.26", True),
        ("libm.so.6", "pow", "GLIBC_2.29", "2.28", False),
        ("libm.so.6", "pow", "GLIBC_2.29", "2.29", True),
        ("libm.so.6", "pow", "GLIBC_2.2.5", "2.44", True),
        ("libc.so.6", "memcpy", "GLIBC_2.14", "2.12", False),
        ("libpthread.so.0", "pthread_create", "GLIBC_2.2.5", "2.33", True),
        ("libpthread.so.0", "pthread_create", "GLIBC_2.2.5", "2.34", False),
        ("libc.so.6", "pthread_create", "GLIBC_2.2.5", "2.33", False),
        ("libc.so.6", "pthread_create", "GLIBC_2.2.5", "2.34", True),
        ("libc.so.6", "pthread_create", "GLIBC_2.34", "2.34", True),
        ("librt.so.1", "clock_gettime", "GLIBC_2.2.5", "2.30", True),
        ("libc.so.6", "clock_gettime", "GLIBC_2.2.5", "2.31", True),
        ("ld-linux-x86-64.so.2", "malloc", "GLIBC_2.2.5", "2.31", True),
        ("ld-linux-x86-64.so.2", "malloc", "GLIBC_2.2.5", "2.32", False),
        ("ld-linux-x86-64.so.2", "__rseq_offset", "GLIBC_2.35", "2.35", True),
        ("libc.so.6", "malloc_get_state", "GLIBC_2.2.5", "2.33", True),
        ("libc.so.6", "malloc_get_state", "GLIBC_2.2.5", "2.34", False),
        ("libanl.so.1", "getaddrinfo_a", "GLIBC_2.2.5", "2.17", True),
        ("libc.so.6", "getaddrinfo_a", "GLIBC_2.2.5", "2.34", True),
        ("libc.so.6", "no_such_function", "GLIBC_2.2.5", "2.17", False),
    ],
)
def test_defined(library: str, symbol: str, version: str, release: str, there: bool) -> None:  # noqa: FBT001 - a table
    assert (library in X86_64.providers(symbol, version, release)) is there


def test_the_same_function_has_another_first_version_on_each_architecture() -> None:
    first = {name: next(iter(glibc_symbols.load(name).versions_of("memcpy"))) for name in glibc.ARCHITECTURES}
    assert first == {
        "x86_64": "GLIBC_2.2.5",
        "i686": "GLIBC_2.0",
        "aarch64": "GLIBC_2.17",
        "armv7l": "GLIBC_2.4",
        "ppc64le": "GLIBC_2.17",
        "s390x": "GLIBC_2.2",
        "riscv64": "GLIBC_2.27",
        "loongarch64": "GLIBC_2.36",
    }


def test_providers_name_every_library_and_libc_first() -> None:
    assert X86_64.providers("malloc", "GLIBC_2.2.5", "2.28") == ("libc.so.6", "ld-linux-x86-64.so.2")
    assert X86_64.providers("malloc", "GLIBC_2.2.5", "2.36") == ("libc.so.6",)
    assert X86_64.providers("dlopen", "GLIBC_2.2.5", "2.31") == ("libdl.so.2",)
    assert X86_64.providers("dlopen", "GLIBC_2.34", "2.31") == ()


def test_versions_of_gives_the_first_release_and_where_it_was_then() -> None:
    assert X86_64.versions_of("pthread_create") == {
        "GLIBC_2.2.5": ("2.5", "libpthread.so.0"),
        "GLIBC_2.34": ("2.34", "libc.so.6"),
    }
    assert X86_64.versions_of("no_such_function") == {}


@pytest.mark.parametrize(
    ("symbol", "release", "libraries"),
    [
        ("__isoc23_strtol", "2.37", ()),
        ("__isoc23_strtol", "2.38", ("libc.so.6",)),
        ("memcpy", "2.5", ("libc.so.6",)),
        ("xdr_void", "2.36", ("libc.so.6",)),  # hidden since 2.32, at the oldest node of libc: still found
        ("xdr_quad_t", "2.31", ("libc.so.6",)),
        ("xdr_quad_t", "2.36", ()),  # hidden since 2.32, at a later node: not found
        ("__exp_finite", "2.30", ("libm.so.6",)),
        ("__exp_finite", "2.31", ()),
        ("pthread_mutex_lock", "2.31", ("libc.so.6", "libpthread.so.0")),
        ("no_such_function", "2.36", ()),
    ],
)
def test_provides_unversioned(symbol: str, release: str, libraries: tuple[str, ...]) -> None:
    assert X86_64.provides_unversioned(symbol, release) == libraries


def test_nodes_grow_and_stay_when_the_symbols_have_moved() -> None:
    assert "GLIBC_2.29" not in X86_64.nodes("libm.so.6", "2.28")
    assert "GLIBC_2.29" in X86_64.nodes("libm.so.6", "2.29")
    assert X86_64.nodes("libdl.so.2", "2.44") == {"GLIBC_2.2.5", "GLIBC_2.3.3", "GLIBC_2.3.4"}
    assert "GLIBC_2.34" not in X86_64.nodes("libpthread.so.0", "2.36")
    assert X86_64.nodes("libz.so.1", "2.36") == frozenset()


def test_nodes_know_the_loader_markers() -> None:
    marker = "GLIBC_ABI_DT_RELR"
    for architecture in glibc.ARCHITECTURES:
        assert marker in glibc_symbols.load(architecture).nodes("libc.so.6", "2.36")
    assert marker not in X86_64.nodes("libc.so.6", "2.35")
    assert "GLIBC_ABI_DT_X86_64_PLT" in X86_64.nodes("libc.so.6", "2.43")
    assert "GLIBC_ABI_DT_X86_64_PLT" not in glibc_symbols.load("aarch64").nodes("libc.so.6", "2.44")
    backported = {entry.version: entry.backported_to for entry in glibc_symbols.extra().markers}
    assert backported["GLIBC_ABI_GNU2_TLS"] == "2.38"
    assert backported[marker] is None


@pytest.mark.parametrize(
    ("library", "by_number"),
    [
        ("libmvec.so.1", True),
        ("libcrypt.so.1", True),
        ("libnss_files.so.2", True),
        ("libc.so.6", False),
        ("libanl.so.1", False),
        ("libstdc++.so.6", False),
    ],
)
def test_judged_by_number(library: str, by_number: bool) -> None:  # noqa: FBT001 - a table
    assert glibc_symbols.judged_by_number(library) is by_number


@pytest.mark.parametrize("release", ["2.4", "2.45", "2.17.1", "newest"])
def test_a_release_outside_the_table_is_an_error(release: str) -> None:
    with pytest.raises(SymbolTableError, match=r"2\.5 to 2\.44"):
        X86_64.nodes("libc.so.6", release)
    with pytest.raises(SymbolTableError, match=r"2\.5 to 2\.44"):
        X86_64.providers("memcpy", "GLIBC_2.2.5", release)


@pytest.mark.parametrize("architecture", ["mips", "", "../x86_64"])
def test_an_unknown_architecture_is_an_error(architecture: str) -> None:
    with pytest.raises(SymbolTableError, match="no glibc symbol table"):
        glibc_symbols.load(architecture)


def test_a_damaged_table_is_an_error() -> None:
    good = glibc_symbols.pack("architecture x86_64\n")
    assert glibc_symbols.unpack(good, "good") == "architecture x86_64\n"
    with pytest.raises(SymbolTableError, match="bad is damaged"):
        glibc_symbols.unpack(good[:-1], "bad")
    with pytest.raises(SymbolTableError, match="bad is damaged"):
        glibc_symbols.unpack(good[:-1] + bytes([good[-1] ^ 1]), "bad")
    with pytest.raises(SymbolTableError, match="no symbol table of this version"):
        glibc_symbols.unpack(good.replace(b"symbols 2", b"symbols 1"), "bad")


def test_one_architecture_is_read_quickly_and_all_of_them_are_small() -> None:
    folder = PROJECT / "src" / "glibc_guard" / "data" / "glibc_symbols"
    files = sorted(folder.iterdir())
    assert [file.stem for file in files] == sorted(glibc.ARCHITECTURES)
    assert sum(file.stat().st_size for file in files) < 250_000
    script = (
        "import time; from glibc_guard.targets import glibc_symbols\n"
        "start = time.process_time(); glibc_symbols.load('x86_64'); print(time.process_time() - start)"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    seconds = min(
        float(subprocess.check_output([sys.executable, "-c", script], env=environment, text=True)) for _ in range(3)
    )
    assert seconds < 0.03


def test_ten_thousand_questions_take_no_time() -> None:
    with costs_less_than(2):
        for _ in range(10_000):
            assert X86_64.providers("memcpy", "GLIBC_2.14", "2.17")


def test_the_tables_are_what_the_script_makes_of_the_installed_ziglang() -> None:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    script = PROJECT / "scripts" / "update_glibc_symbols.py"
    done = subprocess.run(
        [sys.executable, script, "--check"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
