"""Call sites beside what a disassembler says: every one found, none that is none, the address of the instruction."""

import subprocess
from pathlib import Path

import pytest

from building import compile_with_zig
from glibc_guard.elf import read_object
from glibc_guard.explain.call_sites import call_sites
from glibc_guard.explain.functions import Functions
from glibc_guard.explain.object_file import LoadedObject, ObjectFile
from glibc_guard.explain.references import Wanted
from unit.explain.disassembly import uses
from unit.explain.using import FUNCTIONS, build, compiler

SHARED = ("-shared", "-fPIC")
LINKAGES = {
    "shared": SHARED,
    "shared, bound at once": (*SHARED, "-Wl,-z,now", "-Wl,-z,relro"),
    "shared, lazy": (*SHARED, "-Wl,-z,lazy"),
    "shared, no PLT": (*SHARED, "-fno-plt"),
    "PIE": ("-fPIE", "-pie"),
    "PIE, no PLT": ("-fPIE", "-pie", "-fno-plt"),
    "fixed": ("-fno-pie", "-no-pie"),
    "fixed, no PLT": ("-fno-pie", "-no-pie", "-fno-plt"),
    "IBT": (*SHARED, "-fcf-protection=full", "-Wl,-z,ibtplt"),
    "IBT, PIE, lazy": ("-fPIE", "-pie", "-fcf-protection=full", "-Wl,-z,ibtplt,-z,lazy"),
    "old style text": (*SHARED, "-Wl,-z,noseparate-code"),
}
CALL_AND_TABLE = """
int pthread_create();
int (*volatile table[])() = {0, pthread_create};
int caller(int x) { return pthread_create(x) + 1; }
"""


def found(path: Path) -> dict[str, tuple[set[int], set[int]]]:
    with ObjectFile(path.read_bytes()) as file:
        loaded = LoadedObject.of(file)
        asked = {
            symbol.name: Wanted(symbol.name, symbol.version)
            for symbol in read_object(str(path), path.stat().st_size, file).undefined
            if symbol.name in FUNCTIONS
        }
        places = call_sites(loaded, Functions(loaded), frozenset(asked.values()))
        return {
            name: (places[one].code, places[one].data) if one in places else (set(), set())
            for name, one in asked.items()
        }


def agree(path: Path, arch: str = "x86_64") -> None:
    for symbol, (code, data) in found(path).items():
        instructions = uses(path, symbol, arch)
        assert len(code) == len(instructions)
        assert all(any(address in one for address in code) for one in instructions), symbol
        assert bool(data) == (symbol == "log")
        assert code or data, symbol


@pytest.mark.parametrize("optimisation", ["-O0", "-O2", "-O3"])
@pytest.mark.parametrize("linkage", LINKAGES)
def test_gcc(linkage: str, optimisation: str, tmp_path: Path) -> None:
    agree(build(tmp_path, compiler("gcc"), optimisation, *LINKAGES[linkage]))


@pytest.mark.parametrize("optimisation", ["-O0", "-O2"])
@pytest.mark.parametrize("linkage", ["shared", "shared, no PLT", "PIE", "fixed"])
def test_clang_and_lld(linkage: str, optimisation: str, tmp_path: Path) -> None:
    agree(build(tmp_path, compiler("zig"), optimisation, *LINKAGES[linkage]))


@pytest.mark.parametrize("optimisation", ["-O0", "-O2"])
@pytest.mark.parametrize("linkage", ["shared", "shared, no PLT", "PIE", "fixed"])
def test_aarch64(linkage: str, optimisation: str, tmp_path: Path) -> None:
    path = build(tmp_path, compiler("zig", "aarch64"), optimisation, *LINKAGES[linkage])
    agree(path, "aarch64")


@pytest.mark.parametrize("optimisation", ["-O0", "-O1", "-O2"])
@pytest.mark.parametrize("linkage", ["shared", "shared, no PLT", "PIE", "fixed"])
def test_i686(linkage: str, optimisation: str, tmp_path: Path) -> None:
    agree(build(tmp_path, compiler("zig", "i686"), optimisation, *LINKAGES[linkage]), "i686")


@pytest.mark.parametrize("arch", ["armv7l", "ppc64le", "s390x", "riscv64", "loongarch64"])
def test_data_on_other_processors(arch: str, tmp_path: Path) -> None:
    """A relocation tells of the table; that ``caller`` calls as well is in no relocation, and is not claimed."""
    path = tmp_path / "object.so"
    path.write_bytes(compile_with_zig(CALL_AND_TABLE, *SHARED, "-fno-builtin", "-w", arch=arch, glibc="2.34"))
    with ObjectFile(path.read_bytes()) as file:
        loaded = LoadedObject.of(file)
        (symbol,) = (
            one for one in read_object(str(path), path.stat().st_size, file).undefined if one.name == "pthread_create"
        )
        wanted = Wanted(symbol.name, symbol.version)
        functions = Functions(loaded)
        places = call_sites(loaded, functions, frozenset({wanted}))[wanted]
        assert not places.code
        assert [functions.data_at(address) for address in places.data] == ["table"]


@pytest.mark.parametrize("linkage", LINKAGES)
def test_the_same_without_symbols_and_section_headers(linkage: str, tmp_path: Path) -> None:
    path = build(tmp_path, compiler("gcc"), "-O2", *LINKAGES[linkage])
    before = found(path)
    subprocess.run(["strip", path], check=True)
    data = bytearray(path.read_bytes())
    data[0x28:0x30] = bytes(8)  # e_shoff
    data[0x3C:0x40] = bytes(4)  # e_shnum, e_shstrndx
    path.write_bytes(data)
    assert found(path) == before


#: Fields of structures as far from their beginning as slots are from the table, and calls through every slot.
FIELDS = """
double pow(double, double), hypot(double, double), fmod(double, double);
double exp(double), log(double), exp2(double), sin(double), cos(double), tan(double);
struct Large { char before[4]; int field[400]; };
int unrelated(struct Large *one, struct Large *other)
{
    int sum = 0;
    %s
    return sum;
}
double (*pointer(int which))(double, double) { return which ? pow : hypot; }
double one(double x)
{
    return pow(x, x) + exp(x) + log(x) + exp2(x) + hypot(x, x) + fmod(x, x) + sin(x) + cos(x) + tan(x);
}
"""


@pytest.mark.parametrize("name", ["gcc", "zig"])
@pytest.mark.parametrize("flags", [(), ("-fno-plt",)], ids=["PLT", "no PLT"])
def test_fields_of_structures_are_no_slots_of_i686(name: str, flags: tuple[str, ...], tmp_path: Path) -> None:
    reads = " ".join(f"sum += one->field[{n}] * other->field[{n + 1}];" for n in range(398))
    source, compiled, path = (tmp_path / f"fields.{ending}" for ending in ("c", "o", "so"))
    source.write_text(FIELDS % reads)
    zig = compiler("zig", "i686")
    command = zig if name == "zig" else [*compiler("gcc"), "-m32"]
    subprocess.run([*command, "-c", "-fPIC", *flags, "-O1", "-fno-builtin", source, "-o", compiled], check=True)
    subprocess.run([*zig, "-shared", compiled, "-o", path, "-lm"], check=True)
    with ObjectFile(path.read_bytes()) as file:
        loaded = LoadedObject.of(file)
        functions = Functions(loaded)
        undefined = read_object(str(path), path.stat().st_size, file).undefined
        asked = {one.name: Wanted(one.name, one.version) for one in undefined if one.library == "libm.so.6"}
        places = call_sites(loaded, functions, frozenset(asked.values()))
        assert {"pow", "exp", "hypot", "tan"} <= set(asked)
        for symbol, one in asked.items():
            where = [functions.at(address) for address in sorted(places[one].code)]
            assert "one" in {found.name for found in where if found is not None}, symbol
            assert {found.name for found in where if found is not None} <= {"one", "pointer"}, symbol
            instructions = uses_in(path, symbol)
            assert len(places[one].code) == len(instructions), symbol
            assert all(any(address in use for address in places[one].code) for use in instructions), symbol


def uses_in(path: Path, symbol: str) -> set[range]:
    """Return what a disassembler tells of ``symbol`` in the functions that do use it."""
    with ObjectFile(path.read_bytes()) as file:
        functions = Functions(LoadedObject.of(file))
        found = uses(path, symbol, "i686")
        return {one for one in found if (at := functions.at(one.start)) and at.name in {"one", "pointer"}}
