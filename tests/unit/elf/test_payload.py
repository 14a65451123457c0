"""What a one-file program carries is not judged, and so is told."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from building import compile_with_gcc, compile_with_zig, library, make_wheel
from glibc_guard.artifacts.member import MemoryFile, PlainContent, StreamedContent
from glibc_guard.elf import ElfError, read_object
from glibc_guard.guard import check
from glibc_guard.settings import Settings

PROGRAM = "int main(void) { return 0; }"
ARCHITECTURES = ("x86_64", "aarch64", "s390x")


def payload(data: bytes) -> str | None:
    return read_object("tool", len(data), PlainContent(MemoryFile(data))).payload


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def pyinstaller(kinds: bytes, *, length: int | None = None) -> bytes:
    """An archive of PyInstaller's with an empty entry of each of ``kinds``: table of contents, then cookie."""
    content = b"\x78\xda" + bytes(100)
    table = b"".join(
        struct.pack("!IIIIBc", 18 + 14, 0, 0, 0, 1, bytes([kind])) + b"libz.so.1\0\0\0\0\0" for kind in kinds
    )
    size = len(content) + len(table) + 88
    cookie = b"MEI\014\013\012\013\016"
    named = b"libpython3.11.so.1.0"
    return content + table + struct.pack("!8sIIII64s", cookie, length or size, len(content), len(table), 311, named)


def with_section(data: bytes, name: str, content: bytes, folder: Path) -> bytes:
    program, file, out = (folder / part for part in ("program", "content", "out"))
    program.write_bytes(data)
    file.write_bytes(content)
    subprocess.run(["objcopy", "--add-section", f"{name}={file}", program, out], check=True)
    return out.read_bytes()


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize(
    ("behind", "named"),
    [
        (b"hsqs" + bytes(92), "a squashfs image"),
        (b"DWARFS\2\5" + bytes(92), "a DwarFS image"),
        (zipped("lib.so", b"x" * 300), "a zip archive"),
        (gzip.compress(b"x" * 300), "compressed data"),
        (bz2.compress(b"x" * 300), "compressed data"),
        (lzma.compress(b"x" * 300), "compressed data"),
        (b"\x28\xb5\x2f\xfd" + bytes(92), "compressed data"),
        (b"KAY\x28\xb5\x2f\xfd" + bytes(92), "Nuitka's"),
        (bytes(3000) + b"hsqs" + bytes(92), "a squashfs image"),  # aligned
        (b"any header\n" + bytes(3 << 20) + b"\x7fELF" + bytes(60), "an ELF object"),
    ],
)
def test_what_lies_behind_the_end_of_a_program(arch: str, behind: bytes, named: str) -> None:
    told = payload(compile_with_zig(PROGRAM, "-s", arch=arch) + behind)
    assert told is not None
    assert named in told


@pytest.mark.parametrize("cut", range(5))
def test_an_object_between_two_pieces_is_found(cut: int) -> None:
    program = compile_with_zig(PROGRAM, "-s")
    assert payload(program + b"x" * ((1 << 20) - cut) + b"\x7fELF" + bytes(60))


@pytest.mark.parametrize("name", ["tool", "tool.so"])
def test_a_static_program_and_a_library_carry_things_as_well(name: str) -> None:
    data = compile_with_zig(PROGRAM, "-static", "-s", glibc=None) if name == "tool" else library("abs(1)")
    assert payload(data) is None
    assert payload(data + b"hsqs" + bytes(92))


@pytest.mark.parametrize(
    "make",
    [
        lambda: compile_with_gcc(PROGRAM, "-g"),
        lambda: compile_with_gcc(PROGRAM, "-g", "-gz"),
        lambda: compile_with_gcc(PROGRAM) + bytes(9000),  # padding
        lambda: compile_with_gcc(PROGRAM) + b"\x30\x82\x01\x00" + bytes(range(256)) + b"~Module signature appended~\n",
        lambda: compile_with_gcc(PROGRAM) + b"\n",
        lambda: compile_with_gcc('const char *data = "\\x7f" "ELF" "hsqs"; int main(void) { return !data; }'),
    ],
    ids=["debug", "compressed debug", "padding", "signature", "line", "data"],
)
def test_what_is_no_payload(make: Callable[[], bytes]) -> None:
    assert payload(make()) is None


def test_sections_that_tools_add_are_no_payload(tmp_path: Path) -> None:
    program = compile_with_gcc(PROGRAM, "-g")
    minidebug = lzma.compress(program)
    for name in (".gnu_debugdata", ".note.package"):
        assert payload(with_section(program, name, minidebug, tmp_path)) is None


@pytest.mark.parametrize("place", ["section", "end"])
def test_an_archive_of_pyinstaller(place: str, tmp_path: Path) -> None:
    def carrying(archive: bytes) -> str | None:
        program = compile_with_gcc(PROGRAM, "-s")
        return payload(with_section(program, "pydata", archive, tmp_path) if place == "section" else program + archive)

    assert carrying(pyinstaller(b"msbbz")) == "2 binaries in an archive of PyInstaller's"
    assert carrying(pyinstaller(b"msz")) is None  # made with --onedir: the libraries are files beside it
    for damaged in (pyinstaller(b"msz", length=1 << 31), pyinstaller(b"msz").replace(b"\0\0\0 \0", b"\0\0\0\1\0")):
        assert carrying(damaged) == "an archive of PyInstaller's with a damaged table"


def test_a_section_that_is_only_called_so(tmp_path: Path) -> None:
    assert payload(with_section(compile_with_gcc(PROGRAM), "pydata", b"0123456789", tmp_path)) is None


def test_it_is_found_in_a_stream_as_well(tmp_path: Path) -> None:
    for data in (
        with_section(compile_with_gcc(PROGRAM, "-s"), "pydata", bytes(9 << 20) + pyinstaller(b"b"), tmp_path),
        compile_with_gcc(PROGRAM, "-s") + bytes(9 << 20) + b"hsqs" + bytes(92),
    ):
        pieces = [data[start : start + 100_000] for start in range(0, len(data), 100_000)]
        content = StreamedContent(lambda pieces=pieces: iter(pieces), 1 << 20)  # type: ignore[misc]
        assert read_object("tool", len(data), content).payload


def test_a_section_that_claims_more_than_the_file_hides_nothing() -> None:
    program = bytearray(compile_with_gcc(PROGRAM))
    (table,) = struct.unpack_from("<Q", program, 0x28)
    (count,) = struct.unpack_from("<H", program, 0x3C)
    struct.pack_into("<Q", program, table + 64 * (count - 1) + 0x20, 1 << 40)  # sh_size of the last
    assert payload(bytes(program) + b"hsqs" + bytes(92))


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("behind", [b"", b"J", b"J" * 100_000], ids=["nothing", "a byte", "many"])
@pytest.mark.parametrize("after", [b"", bytes(512)], ids=["end", "padding"])
def test_a_zip_archive_is_found_from_the_end(arch: str, behind: bytes, after: bytes) -> None:
    program = compile_with_zig(PROGRAM, "-s", arch=arch)
    assert payload(program + behind + zipped("lib.so", b"x" * 300) + after)


def test_a_section_that_reaches_over_a_zip_archive_hides_nothing() -> None:
    program = compile_with_gcc(PROGRAM)
    archive = zipped("lib.so", b"x" * 300)
    (table,) = struct.unpack_from("<Q", program, 0x28)
    (count,) = struct.unpack_from("<H", program, 0x3C)
    data = bytearray(program + b"J" + archive)
    last = table + 64 * (count - 1)
    (offset,) = struct.unpack_from("<Q", data, last + 0x18)
    struct.pack_into("<Q", data, last + 0x20, len(data) - offset)  # sh_size
    assert payload(bytes(data)) == "a zip archive at its end"


def test_two_sections_of_pyinstaller_are_told_and_cost_no_time(tmp_path: Path) -> None:
    once = with_section(compile_with_gcc(PROGRAM, "-s"), "pydata", pyinstaller(b"msz"), tmp_path)
    twice = with_section(once, "pydata2", pyinstaller(b"b"), tmp_path).replace(b"pydata2", b"pydata\0")
    assert payload(once) is None
    assert payload(twice) == "several archives of PyInstaller's, which makes one"


def test_a_table_of_more_entries_than_any_is_damaged() -> None:
    program = compile_with_gcc(PROGRAM, "-s")
    assert payload(program + pyinstaller(b"s" * 100_000)) is None
    assert payload(program + pyinstaller(b"s" * 100_001)) == "an archive of PyInstaller's with a damaged table"


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_program_that_upx_packed_only_looks_static(arch: str) -> None:
    """Behind its program headers it has checksum and magic (``struct l_info``), and no dynamic segment."""
    program = bytearray(compile_with_zig("void _start(void) {}", "-static", "-nostdlib", "-s", arch=arch, glibc=None))
    assert payload(bytes(program)) is None
    (count,) = struct.unpack_from("<H" if arch != "s390x" else ">H", program, 0x38)
    end = 0x40 + 0x38 * count
    program[end + 4 : end + 8] = b"UPX!"
    assert payload(bytes(program)) == "the program itself, packed by UPX (upx -d unpacks it)"


def test_the_mark_of_an_appimage_is_told_by_its_name() -> None:
    """Its runtime has ``AI`` where the loader refuses a library for it, but the kernel takes a program."""
    program = bytearray(compile_with_zig(PROGRAM, "-s"))
    program[8:11] = b"AI\2"
    with pytest.raises(ElfError, match=r"an AppImage.* --appimage-extract"):
        payload(bytes(program) + b"hsqs" + bytes(92))


def test_it_makes_the_object_unreadable_and_the_rest_is_judged(tmp_path: Path) -> None:
    tool = library("pow(x, 2.5)", glibc="2.29") + b"hsqs" + bytes(92)
    for path in (make_wheel(tmp_path, {"m/tool.so": tool}), tmp_path / "tool"):
        if path.name == "tool":
            path.write_bytes(tool)
        report = check([str(path)], Settings(targets=("2.17",)))
        assert report.verdict == "unreadable"
        rules = {finding.rule: finding for finding in report.artifacts[0].findings}
        assert {"unreadable", "symbol-version-too-new"} <= set(rules)
        assert rules["unreadable"].message == (
            "carries what was not judged: 96 bytes behind its end, a squashfs image; check what it was packed from"
        )
