import random
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from debug_building import C_SOURCE, RUST_SOURCE, build, built_in, call_in, line_of, symbolized
from glibc_guard.explain.debug_files import DebugFiles
from glibc_guard.explain.source_lines import SourceLines
from glibc_guard.model import Frame

LEVELS = ("innermost", "middle", "outer", "top")

OPTIMISATIONS = ("-O0", "-O1", "-O2", "-O3", "-Os")
COMBINATIONS = [
    *(
        (name, (optimisation, f"-gdwarf-{dwarf}"))
        for name in ("gcc", "clang", "zig")
        for dwarf in (4, 5)
        for optimisation in OPTIMISATIONS
    ),
    *(
        ("zig-aarch64", (optimisation, f"-gdwarf-{dwarf}"))
        for dwarf in (4, 5)
        for optimisation in ("-O0", "-O2", "-O3")
    ),
    *(("aarch64-linux-gnu-gcc", (optimisation, "-g")) for optimisation in ("-O0", "-O2")),
    *(("g++", (optimisation, "-xc++", "-g", "-fpermissive", "-w")) for optimisation in ("-O0", "-O2")),
    ("gcc", ("-O2", "-gdwarf-2")),
    ("gcc", ("-O2", "-gdwarf-3")),
    ("gcc", ("-O2", "-gdwarf-5", "-gdwarf64")),
    ("gcc", ("-O2", "-g", "-flto")),
    ("gcc", ("-O2", "-g", "-flto", "-ffat-lto-objects")),
    ("gcc", ("-O2", "-g", "-fno-plt")),
    ("gcc", ("-O2", "-g", "-gz=zlib")),
    ("gcc", ("-O2", "-g", "-gz=zlib-gnu")),
    *(("zig-x86", ("-O2", f"-gdwarf-{dwarf}")) for dwarf in (4, 5)),
    ("zig-arm", ("-O2", "-g")),
    ("zig-powerpc64le", ("-O2", "-g")),
    ("gcc", ("-O2", "-g", "-ffunction-sections", "-Wl,--gc-sections")),
    ("gcc", ("-O2", "-gdwarf-4", "-fdebug-types-section")),
    ("gcc", ("-O2", "-g", "-gno-column-info")),
    ("gcc", ("-O2", "-g1")),
    ("gcc", ("-O2", "-g3")),
    ("gcc", ("-O2", "-g", "-gsplit-dwarf")),
    ("gcc", ("-O2", "-gsplit-dwarf", "-gdwarf-4")),
    ("clang", ("-O2", "-g", "-gz")),
    ("clang", ("-O2", "-gmlt")),
    ("clang", ("-O2", "-g", "-ffunction-sections", "-Wl,--gc-sections")),
    ("clang", ("-O2", "-g", "-gsplit-dwarf")),
    ("clang", ("-O2", "-g", "-gsplit-dwarf", "-fsplit-dwarf-inlining")),
    ("clang", ("-O2", "-gdwarf-4", "-gsplit-dwarf")),
    ("zig", ("-O2", "-g", "-flto")),
    ("zig", ("-O2", "-g", "-ffunction-sections", "-Wl,--gc-sections")),
    ("zig-aarch64", ("-O2", "-g", "-fno-plt")),
    ("zig-s390x", ("-O2", "-g")),
]


def lines(path: Path, *folders: Path) -> SourceLines:
    return SourceLines(path.read_bytes(), path.name, DebugFiles(folders, path))


def expected(folder: str, source: str, file: str) -> list[tuple[str, str, int]]:
    return [(level, f"{folder}/{file}", line_of(level, source)) for level in LEVELS]


def found(frames: Sequence[Frame]) -> list[tuple[str | None, str | None, int | None]]:
    """Return the frames with the bare names of functions: those of Rust are mangled here."""
    return [(_bare(frame.function), frame.file, frame.line) for frame in frames]


def _bare(function: str | None) -> str | None:
    return next((level for level in LEVELS if function and f"{len(level)}{level}" in function), function)


@pytest.mark.parametrize(
    ("name", "flags"), COMBINATIONS, ids=lambda value: value if isinstance(value, str) else "".join(value)
)
def test_the_place_of_a_call_and_its_three_inlined_levels(tmp_path: Path, name: str, flags: tuple[str, ...]) -> None:
    path = build(tmp_path, name, flags)
    source = lines(path, tmp_path)
    assert source.is_here
    function = "_Z3topd" if name == "g++" else "top"
    got = found(source.frames(call_in(path, function)))
    assert got == expected(built_in(tmp_path), C_SOURCE, "src/a.c")


@pytest.mark.parametrize("optimisation", ["0", "1", "3", "s"])
@pytest.mark.parametrize("debug", ["line-tables-only", "limited", "full"])
@pytest.mark.parametrize("dwarf", [(), ("-Cdwarf-version=5",)], ids=["4", "5"])
def test_rust(tmp_path: Path, optimisation: str, debug: str, dwarf: tuple[str, ...]) -> None:
    flags = [f"-Copt-level={optimisation}", f"-Cdebuginfo={debug}", "-Clink-arg=-lm"]
    path = build(tmp_path, "rustc", [*flags, *(("-Cdwarf-version=5",) if dwarf else ())], file="src/lib.rs")
    got = found(lines(path).frames(call_in(path, "top")))
    assert got == expected(built_in(tmp_path), RUST_SOURCE, "src/lib.rs")


def test_rust_with_lto_is_one_great_unit(tmp_path: Path) -> None:
    flags = ["-Copt-level=3", "-Cdebuginfo=full", "-Clto=fat", "-Ccodegen-units=1", "-Clink-arg=-lm"]
    path = build(tmp_path, "rustc", flags, file="src/lib.rs")
    assert found(lines(path).frames(call_in(path, "top"))) == expected(built_in(tmp_path), RUST_SOURCE, "src/lib.rs")


@pytest.mark.parametrize(("name", "dwarf"), [("gcc", 5), ("gcc", 4), ("clang", 5), ("clang", 4)])
def test_a_folder_that_a_reproducible_build_renamed(tmp_path: Path, name: str, dwarf: int) -> None:
    root = tempfile.gettempdir()
    path = build(tmp_path, name, ("-O2", f"-gdwarf-{dwarf}", f"-fdebug-prefix-map={root}=/io"))
    folder = built_in(tmp_path).replace(root, "/io", 1)
    assert found(lines(path).frames(call_in(path, "top"))) == expected(folder, C_SOURCE, "src/a.c")


def test_the_name_of_a_function_is_demangled_by_what_is_handed_in(tmp_path: Path) -> None:
    path = build(tmp_path, "clang++", ("-O2", "-xc++", "-g", "-w"))
    source = SourceLines(path.read_bytes(), path.name, DebugFiles(), demangle=lambda name: f"<{name}>")
    frames = source.frames(call_in(path, "_Z3topd"))
    assert [frame.function for frame in frames] == ["<_ZL9innermostd>", "<_ZL6middled>", "<_ZL5outerd>", "<_Z3topd>"]


@pytest.mark.parametrize("name", ["gcc", "clang", "zig-aarch64"])
def test_nothing_is_told_of_what_is_no_code(tmp_path: Path, name: str) -> None:
    source = lines(build(tmp_path, name, ("-O2", "-g")))
    assert not source.frames(0)
    assert not source.frames(1)
    assert not source.frames(1 << 63)
    assert not source.frames((1 << 64) - 1)
    assert not source.frames(-1)


def test_nothing_is_told_without_debug_information(tmp_path: Path) -> None:
    path = build(tmp_path, "gcc", ("-O2", "-g0"))
    source = lines(path)
    assert not source.is_here
    assert source.frames(call_in(path, "top")) == ()


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\x7fELF" + bytes(200), bytes(1000)])
def test_nothing_is_told_of_what_is_no_object(data: bytes) -> None:
    source = SourceLines(data, "x", DebugFiles())
    assert not source.is_here
    assert source.frames(4096) == ()


def test_code_without_a_line_of_its_own_is_unknown_but_for_the_call(tmp_path: Path) -> None:
    """``.loc 1 0`` is what compilers write for code that no line of the source stands for."""
    text = 'void g(void);\nvoid top(void) {\n g();\n __asm__ volatile(".loc 1 0\\n.globl nowhere\\nnowhere: nop");\n}\n'
    path = build(tmp_path, "clang", ("-O1", "-gdwarf-4"), source=text)
    nm = subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout
    address = next(int(line.split()[0], 16) for line in nm.splitlines() if line.endswith(" nowhere"))
    assert lines(path).frames(address) == (Frame("top"),)


def test_dropped_functions_do_not_cover_the_code_of_others(tmp_path: Path) -> None:
    """The linker leaves the debug information of what it drops, at address 0."""
    dropped = "".join(f"double dropped_{number}(double x) {{ return x * {number}; }}\n" for number in range(300))
    flags = (
        "-O2",
        "-gdwarf-4",
        "-fvisibility=hidden",
        "-ffunction-sections",
        "-Wl,--gc-sections",
        "-Wl,-z,noseparate-code",
    )
    top = C_SOURCE.replace("double top(", '__attribute__((visibility("default"))) double top(')
    for name in ("gcc", "clang"):
        path = build(tmp_path / name, name, flags, source=top + dropped)
        frames = lines(path).frames(call_in(path, "top"))
        assert [frame.function for frame in frames] == list(LEVELS)
        source = lines(path)
        for address in range(0x2, 0x1000):
            assert not any("dropped" in (frame.function or "") for frame in source.frames(address))


def test_what_costs_too_much_is_unknown_and_said(tmp_path: Path) -> None:
    path = build(tmp_path, "gcc", ("-O2", "-g"))
    address = call_in(path, "top")
    source = SourceLines(path.read_bytes(), "out.so", DebugFiles(), work=10)
    assert source.frames(address) == ()
    assert source.remarks == (
        "out.so: its debug information is too large to be followed to the end: some lines are unknown",
    )
    some = SourceLines(path.read_bytes(), "out.so", DebugFiles(), work=5000)  # enough for the lines alone
    assert [(frame.function, frame.line) for frame in some.frames(address)] == [(None, line_of("innermost"))]
    assert some.remarks
    assert not lines(path).remarks


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("g++", ("-O2", "-gdwarf-4", "-xc++")),
        ("g++", ("-O2", "-gdwarf-5", "-xc++")),
        ("g++", ("-O3", "-g", "-flto", "-xc++")),
        ("clang++", ("-O2", "-gdwarf-5", "-xc++")),
        ("clang++", ("-O2", "-gdwarf-4", "-xc++", "-ffunction-sections", "-Wl,--gc-sections")),
    ],
)
def test_all_code_of_a_program_in_cplusplus_as_llvm_symbolizer_sees_it(
    tmp_path: Path, name: str, flags: tuple[str, ...]
) -> None:
    path = build(tmp_path, name, flags, source=CPLUSPLUS)
    source = lines(path)
    addresses = random.Random(1).sample(range(*_text(path)), 400)  # noqa: S311  # the same each time
    told = {address: [(frame.file, frame.line) for frame in source.frames(address)] for address in addresses}
    oracle = symbolized(path, addresses)
    wrong = {hex(at): (told[at], oracle[at]) for at in addresses if told[at] and told[at] != oracle[at]}
    assert not wrong
    known = [at for at in addresses if any(line for _, line in oracle[at])]
    assert sum(bool(told[at]) for at in known) >= 0.99 * len(known) > 300


CPLUSPLUS = """\
#include <map>
#include <string>
#include <vector>
#include <algorithm>
double pow(double, double);
std::map<std::string, std::vector<double>> table;
void add(const std::string &key, double value) {
  table[key + "!"].push_back(value);
  std::sort(table[key].begin(), table[key].end(), [](double a, double b) { return a * 2 < b; });
}
"""


def _text(path: Path) -> tuple[int, int]:
    listing = subprocess.run(["readelf", "-SW", path], check=True, capture_output=True, text=True).stdout
    fields = next(line for line in listing.splitlines() if " .text " in line).split("]")[1].split()
    return int(fields[2], 16), int(fields[2], 16) + int(fields[4], 16)
