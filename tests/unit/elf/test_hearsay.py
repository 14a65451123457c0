from __future__ import annotations

import io
import random
import struct
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from building import compile_with_gcc, compile_with_zig
from glibc_guard.artifacts.member import MemoryFile, PlainContent, StreamedContent
from glibc_guard.elf import read_object
from glibc_guard.targets.glibc_symbols import ZIG_TARGETS
from measured import costs_less_than
from provisions import unavailable
from unit.elf.test_reader import read
from unit.rules.crafting import section

SOURCE = "int f(int x) { return x + 1; }"
SHARED = ("-shared", "-fPIC")
RED_HAT = "GCC: (GNU) 10.2.1 20210130 (Red Hat 10.2.1-11)"
NOTED = f'__asm__(".ident \\"{RED_HAT}\\"");\n{SOURCE}'


def folders_by_pyelftools(data: bytes) -> set[str]:
    units = ELFFile(io.BytesIO(data)).get_dwarf_info(relocate_dwarf_sections=False).iter_CUs()
    found = (unit.get_top_DIE().attributes.get("DW_AT_comp_dir") for unit in units)
    return {attribute.value.decode() for attribute in found if attribute is not None}


@pytest.mark.parametrize("arch", ZIG_TARGETS)
def test_compiler_notes(arch: str) -> None:
    found = read(compile_with_zig(NOTED, *SHARED, arch=arch)).comments
    assert RED_HAT in found
    assert any(note.startswith("clang version") for note in found)


def test_notes_of_a_static_program() -> None:
    program = "int main(void) { return 0; }"
    assert any("GCC: (" in note for note in read(compile_with_gcc(program, "-static")).comments)
    assert read(compile_with_zig(program, "-static", glibc=None)).comments


def test_notes_are_bounded() -> None:
    notes = "".join(f'__asm__(".ident \\"note {number} {"x" * 300}\\"");\n' for number in range(40))
    found = read(compile_with_zig(notes + SOURCE, *SHARED)).comments
    assert len(found) <= 16
    assert max(map(len, found)) == 200


@pytest.mark.parametrize("dwarf", ["-gdwarf-4", "-gdwarf-5", "-gdwarf-5 -gdwarf64"])
@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "s390x", "i686"])
def test_build_folders_by_clang(arch: str, dwarf: str) -> None:
    if arch == "i686":  # clang has no 64-bit DWARF there
        dwarf = dwarf.replace("-gdwarf64", "")
    data = compile_with_zig(SOURCE, *SHARED, *dwarf.split(), "-fdebug-compilation-dir=/home/me/src/pkg", arch=arch)
    assert read(data).build_folders == ("/home/me/src/pkg",)
    assert folders_by_pyelftools(data) == {"/home/me/src/pkg"}


@pytest.mark.parametrize(
    "flags", ["-gdwarf-2", "-gdwarf-3", "-gdwarf-4", "-gdwarf-5", "-g -gz=zlib", "-g -gz=zlib-gnu"]
)
def test_build_folders_by_gcc(flags: str) -> None:
    data = compile_with_gcc(SOURCE, *SHARED, *flags.split(), "-ffile-prefix-map=/=/project/")
    (folder,) = read(data).build_folders
    assert folder.startswith("/project/")
    assert "zlib-gnu" in flags or folders_by_pyelftools(data) == {folder}  # pyelftools knows only the newer form


def test_build_folders_compressed_by_zstd(tmp_path: Path) -> None:
    data = compile_with_gcc(SOURCE, *SHARED, "-g", "-ffile-prefix-map=/=/project/" + "x" * 200 + "/")
    (tmp_path / "plain.so").write_bytes(data)
    command = ["objcopy", "--compress-debug-sections=zstd", str(tmp_path / "plain.so"), str(tmp_path / "packed.so")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        unavailable(f"this objcopy does not know zstd: {done.stderr}")
    packed = (tmp_path / "packed.so").read_bytes()
    assert packed != data
    assert read(packed).build_folders == read(data).build_folders != ()


@pytest.mark.parametrize("attributes", [0, 400])
def test_hostile_abbreviations_cost_little(tmp_path: Path, attributes: int) -> None:
    """A table of a mebibyte, and 64 units that ask for an abbreviation which is not in it."""
    entry = b"\x01\x11\x00" + b"\x03\x19" * attributes + b"\x00\x00"
    (tmp_path / "abbrev").write_bytes(entry * ((1024 * 1024 - 4) // len(entry)) + b"\0")
    (tmp_path / "info").write_bytes((struct.pack("<IHIB", 8, 4, 0, 8) + b"\x02") * 64)
    (tmp_path / "plain.so").write_bytes(compile_with_zig(SOURCE, *SHARED, "-s"))
    sections = [f"--add-section=.debug_{name}={tmp_path / name}" for name in ("abbrev", "info")]
    command = ["objcopy", *sections, str(tmp_path / "plain.so"), str(tmp_path / "crafted.so")]
    subprocess.run(command, check=True)
    data = (tmp_path / "crafted.so").read_bytes()
    with costs_less_than(5):
        assert read(data).build_folders == ()


def test_the_folders_of_many_units(tmp_path: Path) -> None:
    unit = "int f{0}(int x) {{ struct s{0} {{ int a; }} s = {{x}}; return s.a; }}\n"
    units = "".join(unit.format(number) for number in range(50))
    for number in range(40):
        (tmp_path / f"{number}.c").write_text(units.replace("int f", f"int f{number}_"))
        folder = f"-fdebug-prefix-map={tmp_path}=/project/{number}"
        command = ["cc", "-g", "-fPIC", "-c", folder, f"{number}.c", "-o", f"{number}.o"]
        subprocess.run(command, check=True, cwd=tmp_path)
    subprocess.run(["cc", "-shared", "-o", "all.so", *(f"{n}.o" for n in range(40))], check=True, cwd=tmp_path)
    assert read((tmp_path / "all.so").read_bytes()).build_folders == tuple(f"/project/{number}" for number in range(8))


def test_search_paths_are_build_folders_too() -> None:
    data = compile_with_zig(SOURCE, *SHARED, "-s", "-Wl,-rpath,$ORIGIN/lib:/home/me/lib:lib")
    assert read(data).build_folders == ("/home/me/lib",)


def test_stripped_objects_tell_nothing_and_are_read() -> None:
    data = compile_with_gcc(SOURCE, *SHARED, "-g", "-s")
    assert read(data).build_folders == ()
    assert read(data).comments  # strip leaves them


def test_sections_of_glibc() -> None:
    mark = '__attribute__((section("__libc_IO_vtables"), used)) int table[4] = {1};\n'
    assert read(compile_with_zig(mark + SOURCE, *SHARED, arch="aarch64")).glibc_sections
    assert not read(compile_with_zig(SOURCE, *SHARED, arch="aarch64")).glibc_sections
    assert read(compile_with_gcc('#include <stdio.h>\nint main(void) { return puts(""); }', "-static")).kind == "static"


def test_damaged_hearsay_never_makes_an_object_unreadable() -> None:
    data = compile_with_gcc(SOURCE, *SHARED, "-g")
    expected = read(data)
    chance = random.Random(4)  # noqa: S311  # no secret
    for name in (".debug_info", ".debug_abbrev", ".debug_line_str", ".comment"):
        place = section(data, name)
        for _ in range(60):
            copy = bytearray(data)
            start = place["sh_offset"]
            for _ in range(6):
                copy[chance.randrange(start, start + place["sh_size"])] = chance.randrange(256)
            found = read(bytes(copy))
            assert (found.needed, found.defined, found.kind) == (expected.needed, expected.defined, expected.kind)


def test_a_damaged_section_table_never_makes_an_object_unreadable() -> None:
    data = compile_with_gcc(SOURCE, *SHARED, "-g")
    start = int.from_bytes(data[0x28:0x30], "little")
    chance = random.Random(5)  # noqa: S311  # no secret
    for _ in range(300):
        copy = bytearray(data)
        for _ in range(8):
            copy[chance.randrange(start, len(data))] = chance.randrange(256)
        assert read(bytes(copy)).defined == read(data).defined


def streamed(data: bytes, passes: list[int], retained: int = 4096) -> StreamedContent:
    def pieces():  # type: ignore[no-untyped-def]  # noqa: ANN202
        passes.append(1)
        yield from (data[offset : offset + 64 * 1024] for offset in range(0, len(data), 64 * 1024))

    return StreamedContent(pieces, retained)


def test_hearsay_costs_no_second_pass() -> None:
    """The symbol table that lies behind the notes is larger than what a stream keeps."""
    table = "".join(f"static int local_{number}_{'y' * 300}(void) {{ return {number}; }}\n" for number in range(15_000))
    users = "".join(f"local_{number}_{'y' * 300}," for number in range(15_000))
    source = f"{table}static int (*const all[])(void) = {{ {users} }};\nint f(int x) {{ return all[x](); }}"
    data = compile_with_gcc(source, *SHARED, "-O0")
    notes = section(data, ".comment")
    assert len(data) - notes["sh_offset"] > 4 * 1024 * 1024
    without = compile_with_gcc(SOURCE, *SHARED)
    passes: list[int] = []
    content = streamed(data, passes)
    found = read_object("object", len(data), content)
    content.verify()
    assert found.comments == read(data).comments == read(without).comments != ()
    plain: list[int] = []
    bare = streamed(data[: notes["sh_offset"]] + bytes(len(data) - notes["sh_offset"]), plain)
    assert read_object("object", len(data), bare).comments == ()
    bare.verify()
    assert len(passes) == len(plain)


def test_notes_behind_a_large_segment() -> None:
    data = compile_with_gcc(SOURCE + f"\nconst char filler[{6 * 1024 * 1024}] = {{1}};", *SHARED, "-g")
    content = PlainContent(MemoryFile(data))
    assert content.at_hand(0, 10)
    assert read_object("object", len(data), content).build_folders != ()
    passes: list[int] = []
    assert read_object("object", len(data), streamed(data, passes)).comments == read(data).comments
