"""Debug information that lies in other files: each is made with the tools that distributions use."""

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from debug_building import build, call_in
from glibc_guard.explain.debug_files import DebugFiles, build_id, read
from glibc_guard.explain.source_lines import SourceLines
from provisions import needed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FLAGS = ("-O2", "-g", "-Wl,--build-id")
WITHOUT_ID = ("-O2", "-g", "-Wl,--build-id=none")
FOUR = ["innermost", "middle", "outer", "top"]


def objcopy(*arguments: str | Path) -> None:
    subprocess.run([needed("objcopy", "apt-get install binutils"), *arguments], check=True)


def split_off(path: Path, debug: Path) -> int:
    """Move the debug information of ``path`` to ``debug``; return an address with inlined calls."""
    address = call_in(path, "top")
    debug.parent.mkdir(parents=True, exist_ok=True)
    objcopy("--only-keep-debug", path, debug)
    objcopy("--strip-all", path)
    return address


def functions(path: Path, address: int, companions: DebugFiles) -> list[str | None]:
    source = SourceLines(path.read_bytes(), f"pkg/{path.name}", companions)
    frames = source.frames(address)
    assert source.is_here == bool(frames)
    return [frame.function for frame in frames]


def by_id(path: Path, folder: Path) -> Path:
    elf = read(path)
    assert elf is not None
    identity = build_id(elf)
    assert identity is not None
    return folder / ".build-id" / identity.hex()[:2] / f"{identity.hex()[2:]}.debug"


@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_by_build_id_in_the_tree_of_distributions(tmp_path: Path, name: str) -> None:
    path = build(tmp_path / "a", name, FLAGS)
    folder = tmp_path / "debug"
    address = split_off(path, by_id(path, folder))
    assert functions(path, address, DebugFiles()) == []
    assert functions(path, address, DebugFiles([folder])) == FOUR


def test_by_build_id_under_any_name(tmp_path: Path) -> None:
    path = build(tmp_path / "a", "gcc", FLAGS)
    address = split_off(path, tmp_path / "debug" / "deep" / "whatever.bin")
    assert functions(path, address, DebugFiles([tmp_path / "empty", tmp_path / "debug"])) == FOUR


def test_a_file_in_the_tree_with_another_build_id_is_refused(tmp_path: Path) -> None:
    path, other = build(tmp_path / "a", "gcc", FLAGS), build(tmp_path / "b", "gcc", ("-O1", *FLAGS[1:]))
    place = by_id(path, tmp_path / "debug")
    address = split_off(path, tmp_path / "elsewhere")
    split_off(other, place)
    companions = DebugFiles([tmp_path / "debug"])
    assert functions(path, address, companions) == []
    assert companions.remarks == (f"{place} is not used: its build-id is not that which its name tells",)


@pytest.mark.parametrize("in_tree", [True, False])
def test_another_program_with_the_same_build_id_is_refused(tmp_path: Path, in_tree: bool) -> None:  # noqa: FBT001
    """A build-id may be fixed: ``--build-id=0x…`` gives every build the same."""
    fixed = ("-g", "-Wl,--build-id=0x0123456789abcdef")
    path, other = build(tmp_path / "a", "gcc", ("-O2", *fixed)), build(tmp_path / "b", "gcc", ("-O0", *fixed))
    place = by_id(other, tmp_path / "debug") if in_tree else tmp_path / "debug" / "other.debug"
    address = split_off(path, tmp_path / "elsewhere")
    split_off(other, place)
    companions = DebugFiles([tmp_path / "debug"])
    assert functions(path, address, companions) == []
    assert companions.remarks == (f"{place} is not used: its build-id is that of the object, its code lies elsewhere",)
    assert functions(path, address, DebugFiles([tmp_path / "elsewhere"])) == []  # a file is no folder
    (tmp_path / "right").mkdir()
    shutil.copy(tmp_path / "elsewhere", tmp_path / "right" / "own.debug")
    assert functions(path, address, DebugFiles([tmp_path / "debug", tmp_path / "right"])) == FOUR


@pytest.mark.parametrize("place", ["a/out.debug", "a/.debug/out.debug", "debug/out.debug", "debug/usr/lib/out.debug"])
@pytest.mark.parametrize("flags", [FLAGS, WITHOUT_ID], ids=["id", "no-id"])
def test_by_the_link(tmp_path: Path, place: str, flags: tuple[str, ...]) -> None:
    path = build(tmp_path / "a", "gcc", flags)
    address = split_off(path, tmp_path / place)
    objcopy(f"--add-gnu-debuglink={tmp_path / place}", path)
    (tmp_path / "debug").mkdir(exist_ok=True)
    assert functions(path, address, DebugFiles([tmp_path / "debug"], path)) == FOUR
    assert functions(path, address, DebugFiles([tmp_path / "debug"], path.parent)) == FOUR


def test_a_linked_file_with_another_checksum_is_refused(tmp_path: Path) -> None:
    path = build(tmp_path / "a", "gcc", WITHOUT_ID)
    debug = tmp_path / "a" / "out.debug"
    address = split_off(path, debug)
    objcopy(f"--add-gnu-debuglink={debug}", path)
    debug.write_bytes(debug.read_bytes() + b"\0")
    companions = DebugFiles((), path)
    assert functions(path, address, companions) == []
    assert companions.remarks == (f"{debug} is not used for pkg/out.so: its CRC is not that of .gnu_debuglink",)


@pytest.mark.parametrize("flags", [FLAGS, WITHOUT_ID], ids=["id", "no-id"])
def test_a_twin_that_was_not_stripped(tmp_path: Path, flags: tuple[str, ...]) -> None:
    path = build(tmp_path / "a", "gcc", flags)
    address = call_in(path, "top")
    (tmp_path / "target").mkdir()
    shutil.copy(path, tmp_path / "target")
    subprocess.run(["strip", path], check=True)
    assert functions(path, address, DebugFiles([tmp_path / "target"])) == FOUR


def test_a_twin_with_other_code_is_refused(tmp_path: Path) -> None:
    path, other = build(tmp_path / "a", "gcc", WITHOUT_ID), build(tmp_path / "target", "gcc", ("-O1", *WITHOUT_ID[1:]))
    address = call_in(path, "top")
    subprocess.run(["strip", path], check=True)
    companions = DebugFiles([tmp_path / "target"])
    assert functions(path, address, companions) == []
    assert companions.remarks == (f"{other} is not used for pkg/out.so: its code is another",)


def test_what_is_no_debug_information_is_passed_over(tmp_path: Path) -> None:
    path = build(tmp_path / "a", "gcc", WITHOUT_ID)
    address = call_in(path, "top")
    subprocess.run(["strip", path], check=True)
    folder = tmp_path / "debug"
    folder.mkdir()
    (folder / "out.so").write_bytes(b"\x7fELF" + bytes(10))
    (folder / "loop").symlink_to(folder)
    (folder / "gone").symlink_to(folder / "nothing")
    (folder / "empty").touch()
    companions = DebugFiles([folder, tmp_path / "missing"], path)
    assert functions(path, address, companions) == []


@pytest.mark.parametrize("flag", ["-gdwarf-4", "-gdwarf-5"])
@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_split_units(tmp_path: Path, name: str, flag: str) -> None:
    path, split = split_build(tmp_path, name, flag)
    address = call_in(path, "top")
    split.rename(tmp_path / "dwo" / split.name)
    assert functions(path, address, DebugFiles([tmp_path / "dwo"])) == FOUR
    assert len(functions(path, address, DebugFiles())) == 1  # the lines are in the object itself


@pytest.mark.parametrize("flag", ["-gdwarf-4", "-gdwarf-5"])
def test_split_units_in_a_package(tmp_path: Path, flag: str) -> None:
    # Of clang alone: llvm-dwp does not end on what gcc writes, and the dwp of binutils knows no DWARF 5.
    path, split = split_build(tmp_path, "clang", flag)
    address = call_in(path, "top")
    tool = needed("llvm-dwp", "apt-get install llvm")
    subprocess.run([tool, split, "-o", tmp_path / "dwo" / "out.so.dwp"], check=True)
    split.unlink()
    assert functions(path, address, DebugFiles([tmp_path / "dwo"])) == FOUR
    assert len(functions(path, address, DebugFiles())) == 1


def split_build(folder: Path, name: str, flag: str) -> tuple[Path, Path]:
    path = build(folder / "a", name, ("-O2", flag, "-gsplit-dwarf"))
    (folder / "dwo").mkdir()
    (found,) = (folder / "a").rglob("*.dwo")
    return path, found


def test_a_split_unit_of_another_build_is_refused(tmp_path: Path) -> None:
    path = build(tmp_path / "a", "gcc", ("-O2", "-g", "-gsplit-dwarf"))
    build(tmp_path / "b", "gcc", ("-O1", "-g", "-gsplit-dwarf"))
    address = call_in(path, "top")
    companions = DebugFiles([tmp_path / "b"])
    assert len(functions(path, address, companions)) == 1
    assert [remark.rpartition(" ")[0] for remark in companions.remarks] == [
        f"{tmp_path / 'b' / 'out.so-a.dwo'} is not used: it is of another"
    ]


@pytest.mark.parametrize("style", ["zlib", "zlib-gnu"])
def test_compressed_afterwards(tmp_path: Path, style: str) -> None:
    path = build(tmp_path / "a", "gcc", FLAGS)
    address = call_in(path, "top")
    objcopy(f"--compress-debug-sections={style}", path)
    assert functions(path, address, DebugFiles()) == FOUR


def test_compressed_with_zstd(tmp_path: Path) -> None:
    path = build(tmp_path / "a", "gcc", FLAGS)
    address = call_in(path, "top")
    path.write_bytes(compressed_with_zstd(path.read_bytes()))
    assert functions(path, address, DebugFiles()) == FOUR


def compressed_with_zstd(data: bytes) -> bytes:
    """Compress the debug sections of a 64-bit object as the gABI has it: tools that can are newer than many systems."""
    result = bytearray(data)
    table, size, count = struct.unpack_from("<Q", data, 40)[0], *struct.unpack_from("<HH", data, 58)
    for entry in range(table, table + count * size, size):
        kind, flags = struct.unpack_from("<IQ", data, entry + 4)
        offset, length = struct.unpack_from("<QQ", data, entry + 24)
        if kind == 1 and not flags & 2 and length > 64:  # SHT_PROGBITS without SHF_ALLOC: what debuggers read
            content = struct.pack("<IIQQ", 2, 0, length, 1) + zstd.compress(data[offset : offset + length])
            struct.pack_into("<Q", result, entry + 8, flags | 0x800)  # SHF_COMPRESSED
            struct.pack_into("<QQ", result, entry + 24, len(result), len(content))
            result += content
    return bytes(result)


def test_strings_moved_to_another_file_by_dwz_are_unknown(tmp_path: Path) -> None:
    dwz = needed("dwz", "apt-get install dwz")
    one, two = build(tmp_path / "a", "gcc", FLAGS), build(tmp_path / "b", "gcc", ("-O3", *FLAGS[1:]))
    address = call_in(one, "top")
    subprocess.run([dwz, "-m", tmp_path / "common", one, two], check=True)
    source = SourceLines(one.read_bytes(), "out.so", DebugFiles())
    frames = source.frames(address)
    assert [frame.line for frame in frames] == [5, 9, 12, 16]
    assert all(frame.function in {None, name} for frame, name in zip(frames, FOUR, strict=True))


CUT_SHORT = """
import os, sys
from pathlib import Path
from glibc_guard.explain.debug_files import read
found = read(Path(sys.argv[1]))
os.truncate(sys.argv[1], 64)
print(sum(bytes(found.data)[-100:]), len(found.data))
"""


@pytest.mark.parametrize("size", [1_000_000, 9_000_000])
def test_a_file_that_is_cut_short_while_it_is_looked_at(tmp_path: Path, size: int) -> None:
    """Were it mapped itself, the process would die of SIGBUS."""
    path = build(tmp_path, "gcc", FLAGS)
    path.write_bytes(path.read_bytes().ljust(size - 1, b"\0") + b"\7")
    done = subprocess.run([sys.executable, "-c", CUT_SHORT, path], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["7", str(size)]
    assert read(path) is None
    assert read(tmp_path / "nothing") is None
