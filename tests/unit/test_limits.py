"""Every bound: what lies at it is read, what lies beyond it is unread, and the message names it."""

from __future__ import annotations

import io
import math
import re
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, get_type_hints

import msgspec.structs
import pytest
from elftools.elf.elffile import ELFFile

from building import compile_with_gcc, library, make_wheel, zipped
from glibc_guard.artifacts import ArtifactError
from glibc_guard.artifacts.member import WINDOW, StreamedContent
from glibc_guard.config import load
from glibc_guard.limits import MEBIBYTE, NAMES, Limits, limited
from glibc_guard.reading import Reader
from glibc_guard.settings import ConfigError
from unit.rules.crafting import section

OBJECT: Final = library("reallocarray(0, 1, 2)", "pow(x, 2.5)", glibc="2.29")
DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "security.md"


@dataclass(frozen=True)
class Case:
    """An artifact, the lowest value of the limit that lets it pass, and a value that does not."""

    name: str
    data: Callable[[], bytes]
    enough: int
    too_little: int | None = None


def tarred(files: dict[str, bytes], headers: dict[str, str] | None = None) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers or {}) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


@cache
def zeros() -> bytes:
    return zipped({"zeros.bin": bytes(65 * MEBIBYTE)})


def with_name(length: int) -> bytes:
    """A library whose first needed library has so long a name."""
    shared = ("-shared", "-fPIC", "-nostdlib")
    needed = compile_with_gcc("void f(void) {}", *shared, f"-Wl,-soname,{'n' * length}")
    return compile_with_gcc("void f(void); void g(void) { f(); }", *shared, "./n.so", beside={"n.so": needed})


def needs() -> int:
    """How many versions OBJECT needs."""
    table = section(OBJECT, ".gnu.version_r")
    versions = table.iter_versions()  # type: ignore[attr-defined]
    return len([version for _, wanted in versions for version in wanted])


def dynamic_entries() -> int:
    dynamic = section(OBJECT, ".dynamic")
    return [tag.entry.d_tag for tag in dynamic.iter_tags()].index("DT_NULL")  # type: ignore[attr-defined]


def symbols() -> int:
    return int(section(OBJECT, ".dynsym").num_symbols())  # type: ignore[attr-defined]


FILES: Final = {"a/m.so": OBJECT, "b.txt": b"text", "c.txt": b""}
DIRECTORY: Final = sum(46 + len(name) for name in FILES)
INNER: Final = zipped(FILES)
CASES: Final = [
    Case("members", lambda: zipped(FILES), 3),
    Case("members", lambda: tarred(FILES), 3),
    Case("nesting", lambda: zipped({"b.zip": zipped({"c.zip": INNER})}), 2),
    Case("inflated-bytes", lambda: zipped(FILES), len(OBJECT) + 4),
    Case("inflated-bytes", lambda: tarred(FILES), len(OBJECT) + 4),
    Case("compression-ratio", zeros, math.ceil(65 * MEBIBYTE / len(zeros()))),
    Case("directory-bytes", lambda: zipped(FILES), DIRECTORY),
    Case(
        "header-bytes",
        lambda: tarred(FILES, {"comment": "x" * 5 * MEBIBYTE}),
        6 * MEBIBYTE,
        3 * MEBIBYTE,  # what is read ahead of a header is a piece of a mebibyte
    ),
    Case("nested-archive-bytes", lambda: zipped({"b.zip": INNER}), len(INNER)),
    Case("sequential-object-bytes", lambda: tarred(FILES), len(OBJECT)),
    Case("name-bytes", lambda: zipped({"pkg/" + "n" * 96: b""}), 100),
    Case("name-bytes", lambda: tarred({"pkg/" + "n" * 96: b""}), 100),
    Case("name-bytes", lambda: with_name(100), 100),
    Case("name-bytes", lambda: with_name(9000), 9000),
    Case("symbols", lambda: OBJECT, symbols()),
    Case("symbols", lambda: zipped({"a.so": OBJECT, "b.so": OBJECT}), 2 * symbols()),
    Case("program-headers", lambda: OBJECT, ELFFile(io.BytesIO(OBJECT)).num_segments()),
    Case("dynamic-entries", lambda: OBJECT, dynamic_entries()),
    Case("version-records", lambda: OBJECT, needs()),
]
#: Below; and of a server in artifacts/test_remote.py.
OTHERWISE: Final = {"metadata-bytes", "names-bytes", "retained-bytes", "passes", "remote-bytes"}


def reasons(path: Path, limits: Limits) -> list[str]:
    """Why something in the file at ``path`` was not read."""
    with ThreadPoolExecutor(1) as pool:
        return [entry.reason for artifact in Reader(limits, pool).read(str(path)) for entry in artifact.unread]


def told(name: str, value: int) -> str:
    return f"the limit {name} is {value}; if the file can be trusted, give --limit {name}=NUMBER"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_at_the_bound_and_beyond(tmp_path: Path, case: Case) -> None:
    path = tmp_path / "artifact"
    path.write_bytes(case.data())
    assert reasons(path, limited({case.name: case.enough})) == []
    too_little = case.enough - 1 if case.too_little is None else case.too_little
    found = reasons(path, limited({case.name: too_little}))
    assert any(told(case.name, too_little) in reason for reason in found), found


def test_metadata_of_a_wheel(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"pkg/m.so": OBJECT, **{f"pkg/{number}.txt": b"" for number in range(20)}})
    with zipfile.ZipFile(wheel) as archive:
        size = archive.getinfo("sample-1.0.dist-info/RECORD").file_size
    assert reasons(wheel, Limits(metadata_bytes=size)) == []
    (reason,) = reasons(wheel, Limits(metadata_bytes=size - 1))
    assert "RECORD of" in reason
    assert told("metadata-bytes", size - 1) in reason


def test_names_of_all_objects_together(tmp_path: Path) -> None:
    one, two = tmp_path / "one.zip", tmp_path / "two.zip"
    one.write_bytes(zipped({"a.so": OBJECT}))
    two.write_bytes(zipped({"a.so": OBJECT, "b.so": OBJECT}))
    enough = next(size for size in range(1, 10_000) if not reasons(one, Limits(names_bytes=size)))
    names = [symbol.name for symbol in section(OBJECT, ".dynsym").iter_symbols()]  # type: ignore[attr-defined]
    assert enough >= len("".join(names))
    assert reasons(two, Limits(names_bytes=2 * enough)) == []
    (reason,) = reasons(two, Limits(names_bytes=2 * enough - 1))
    assert told("names-bytes", 2 * enough - 1) in reason


def test_passes_over_an_object() -> None:
    def read_back_and_forth(passes: int) -> None:
        def pieces() -> Iterator[bytes]:
            yield from (bytes(MEBIBYTE) for _ in range(3 * WINDOW // MEBIBYTE))

        content = StreamedContent(pieces, retained=10, passes=passes)
        for _ in range(3):  # each goes back once
            content.read(3 * WINDOW - 5, 5)
            content.read(2 * MEBIBYTE, 5)

    read_back_and_forth(4)
    with pytest.raises(ArtifactError, match=told("passes", 3)):
        read_back_and_forth(3)


def test_what_is_retained_changes_no_result(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"a.so": OBJECT}))
    with ThreadPoolExecutor(1) as pool:
        assert Reader(Limits(retained_bytes=1), pool).read(str(path)) == Reader(Limits(), pool).read(str(path))


def test_each_limit_is_tested_and_documented() -> None:
    assert {case.name for case in CASES} | OTHERWISE == set(NAMES)
    rows = re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \| ([^|]+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    default = Limits()
    wanted = []
    for name, hint in get_type_hints(Limits, include_extras=True).items():
        value, about = getattr(default, name), hint.__metadata__[0]
        unit = about.extra["unit"]
        shown = f"{value // MEBIBYTE:,} MiB" if unit == "bytes" and value >= MEBIBYTE else f"{value:,} {unit}".strip()
        wanted.append((name.replace("_", "-"), shown, about.description))
    assert [row for row in rows if row[0] in NAMES] == wanted


def test_each_limit_is_configured_by_its_name(tmp_path: Path) -> None:
    names = "\n".join(f"{name} = {number}" for number, name in enumerate(NAMES, 7))
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.glibc-guard.limits]\n{names}\ninflated-bytes = "2 GiB"\n'.replace("inflated-bytes = 9\n", "")
    )
    found = load(None, tmp_path).limits
    expected = {field: number for number, field in enumerate(NAMES.values(), 7)} | {"inflated_bytes": 2 * 1024**3}
    assert msgspec.structs.asdict(found) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("memebrs = 3", 'there is no limit "memebrs"; did you mean "members"'),
        ("members = 0", "limits: members"),
        ("members = -1", "limits: members"),
        ('members = "many"', "limits: members"),
        ("members = 1.5", "limits"),
    ],
)
def test_limits_that_are_none(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "glibc-guard.toml").write_text(f"[limits]\n{line}\n")
    with pytest.raises(ConfigError, match=re.escape(message)):
        load(None, tmp_path)


def test_a_version_chain_that_goes_on(tmp_path: Path) -> None:
    """Records that overlap the next make a chain of any length in a small file; links that lead back lead nowhere."""
    table = section(OBJECT, ".gnu.version_r")["sh_offset"]
    path = tmp_path / "m.so"
    for link, message in ((0xFFFFFFF0, "nothing is mapped"), (0, None)):
        data = bytearray(OBJECT)
        struct.pack_into("<I", data, table + 12, link)  # vn_next
        path.write_bytes(data)
        found = reasons(path, Limits())
        assert (message in found[0]) if message else found == []
