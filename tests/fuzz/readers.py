"""Each reader of hostile input, as a function of bytes: it returns, or raises the error class of its room; no other."""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import json
import os
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from glibc_guard.artifacts import START_BYTES, ArtifactError, Limits, Member, packed
from glibc_guard.artifacts.archive import open_file
from glibc_guard.artifacts.deb import deb_members
from glibc_guard.artifacts.member import MemoryFile, PlainContent
from glibc_guard.artifacts.tar_archive import decompressed, tar_members
from glibc_guard.artifacts.wheel import Record, loaded_globally, tags_in
from glibc_guard.artifacts.zip_archive import zip_members
from glibc_guard.baseline.errors import BaselineError
from glibc_guard.baseline.report_file import parsed
from glibc_guard.config_file import read_settings
from glibc_guard.elf import ElfError, read_object
from glibc_guard.elf.image import Image, ProgramHeader
from glibc_guard.elf.properties import PT_GNU_PROPERTY, PT_LOAD, PT_NOTE, has_glibc_start_files, isa_level
from glibc_guard.explain.debug_files import DebugFiles
from glibc_guard.explain.object_file import ObjectFile
from glibc_guard.explain.object_sites import sites_in
from glibc_guard.explain.references import Wanted
from glibc_guard.explain.source_lines import SourceLines
from glibc_guard.github import untrusted
from glibc_guard.github.untrusted import UntrustedError
from glibc_guard.settings import ConfigError, Settings

LIMITS: Final = Limits()
MOST_READ: Final = 4 * 1024 * 1024  # bytes of all members of one input
SECTIONS: Final = (
    "info", "abbrev", "line", "str", "line_str", "ranges", "rnglists", "addr", "str_offsets", "aranges",
)  # fmt: skip
TEXT: Final = 0x1000  # where the code of the object lies that debug information is put into


@dataclass(frozen=True, slots=True)
class Reader:
    """What is fuzzed, and how large its input may become."""

    read: Callable[[bytes], object]
    largest: int = 4096  # bytes


def _through(members: Iterable[Member]) -> None:
    left = MOST_READ
    for member in members:
        if left < 0:
            return
        with contextlib.suppress(ArtifactError), contextlib.closing(member.open()) as content:
            left -= min(member.size, MOST_READ)
            packed(content.read(0, START_BYTES), content, min(member.size, MOST_READ))
            content.read(max(0, min(member.size, MOST_READ) - 16), 16)
            if member.size < MOST_READ:
                content.verify()


def read_zip(data: bytes) -> None:
    """Read every member of a zip archive."""
    with contextlib.suppress(ArtifactError):
        _through(zip_members(MemoryFile(data), LIMITS))


def read_tar(data: bytes) -> None:
    """Read every member of a tar archive, compressed or not."""
    with contextlib.suppress(ArtifactError):
        _through(tar_members(decompressed(io.BytesIO(data), data[:8]), LIMITS, len(data)))


def read_deb(data: bytes) -> None:
    """Read every member of a Debian package."""
    with contextlib.suppress(ArtifactError):
        _through(deb_members(MemoryFile(data), LIMITS))


def read_elf(data: bytes) -> None:
    """Read an ELF object."""
    with contextlib.suppress(ElfError):
        read_object("m.so", len(data), PlainContent(MemoryFile(data)))


def read_notes(data: bytes) -> None:
    """Read a segment of notes."""
    segments = tuple(
        ProgramHeader(kind, 4, 0, 0, len(data), len(data), align)
        for kind, align in ((PT_LOAD, 4096), (PT_NOTE, 4), (PT_GNU_PROPERTY, 8))
    )
    image = Image(PlainContent(MemoryFile(data)), segments)
    for order, bits in (("<", 64), (">", 32)):
        isa_level(image, segments, order, bits)
        has_glibc_start_files(image, segments, order)


def read_dwarf(data: bytes) -> None:
    """Look for the lines of three addresses; the input is the debug sections, each behind its size."""
    lines = SourceLines(with_debug_sections(split(data)), "m.so", DebugFiles())
    for address in (TEXT, TEXT + 0x10, TEXT + 0xFF):
        lines.frames(address)


def split(data: bytes) -> list[bytes]:
    """Return what lies behind each of the 16-bit sizes in ``data``, for as many sections as there are."""
    parts, offset = [], 0
    for _ in SECTIONS:
        size = int.from_bytes(data[offset : offset + 2], "little")
        parts.append(data[offset + 2 : offset + 2 + size])
        offset += 2 + size
    return parts


def joined(parts: Iterable[bytes]) -> bytes:
    """Return what `split` takes apart."""
    return b"".join(len(part).to_bytes(2, "little") + part for part in parts)


@functools.cache
def _names() -> tuple[bytes, tuple[int, ...]]:
    table, offsets = b"\0", []
    for name in (*(f".debug_{name}" for name in SECTIONS), ".shstrtab"):
        offsets.append(len(table))
        table += name.encode() + b"\0"
    return table, tuple(offsets)


def with_debug_sections(parts: Iterable[bytes]) -> bytes:
    """Return an object for x86_64 with 256 bytes of code at TEXT and these debug sections."""
    table, offsets = _names()
    body, headers = b"", [bytes(64)]
    for offset, content in zip(offsets, (*parts, table), strict=True):
        headers.append(struct.pack("<IIQQQQIIQQ", offset, 1, 0, 0, 120 + len(body), len(content), 0, 0, 1, 0))
        body += content
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 120 + len(body), 0, 64, 56, 1, 64, len(headers), len(headers) - 1
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, TEXT, TEXT, 0x100, 0x100, 0x1000)
    return ident + header + segment + body + b"".join(headers)


@functools.cache
def _folder() -> Path:
    """A folder for what is only read from a path; in memory where the system has a place for that."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  # no secret, and a random name
    return Path(tempfile.mkdtemp(prefix="glibc-guard-fuzz-", dir=place))


def read_config(data: bytes) -> None:
    """Read a configuration file."""
    path = _folder() / "glibc-guard.toml"
    path.write_bytes(data)
    with contextlib.suppress(ConfigError):
        read_settings(path)


def read_report(data: bytes) -> None:
    """Read a JSON report, as the baseline and as `publish` do."""
    with contextlib.suppress(BaselineError):
        parsed(data, "report.json")


def read_code(data: bytes) -> None:
    """Look for the code that uses the symbols of an object, and for the names of its functions."""
    wanted = frozenset({Wanted("reallocarray", "GLIBC_2.26"), Wanted(None, "GLIBC_2.29")})
    with contextlib.suppress(ElfError), ObjectFile(data) as file:
        sites_in(file, Member("m.so", len(data), lambda: PlainContent(MemoryFile(data))), wanted, Settings())


MOST_NODES: Final = 2000  # of a report that is put together
#: What a report may say in any place, in the eyes of somebody who forges one.
VALUES: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 2**63, 2**64, 1.5, "", "2.99", "GLIBC_2.99", "\n::error::x", "<script>", "x" * 300, [], {}, [[]],
)  # fmt: skip


def read_edited_report(data: bytes) -> None:
    """Read a JSON report of a stranger in which some values are others, or gone."""
    document = json.loads(_report())
    for place, value in zip(*[iter(data)] * 2, strict=False):
        nodes = list(_nodes(document))
        if len(nodes) > MOST_NODES:
            break
        container, key = nodes[place * 7 % len(nodes)]
        if value < len(VALUES):
            container[key] = copy.deepcopy(VALUES[value])
        elif value == len(VALUES):
            del container[key]
        else:
            container[key] = copy.deepcopy(nodes[value * 5 % len(nodes)][0])
    path = _folder() / "report.json"
    path.write_text(json.dumps(document))
    with contextlib.suppress(UntrustedError):
        untrusted.read(path)


@functools.cache
def _report() -> bytes:
    from fuzz.seeds import reports  # noqa: PLC0415  # which imports this module

    return reports()[0]


def _nodes(document: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401  # any JSON
    waiting = [document]
    while waiting:
        container = waiting.pop()
        for key, value in [*(container.items() if isinstance(container, dict) else enumerate(container))]:
            yield container, key
            if isinstance(value, (dict, list)):
                waiting.append(value)


def read_metadata(data: bytes) -> None:
    """Read RECORD and WHEEL of a wheel, and the start of a package."""

    member = Member("a-1.dist-info/RECORD", len(data), lambda: PlainContent(MemoryFile(data)))
    with contextlib.suppress(ArtifactError):
        Record().load([member])
    with contextlib.suppress(ArtifactError):
        tags_in(data)
    loaded_globally([data])


def read_anything(data: bytes) -> None:
    """Read a file of any kind by its content, as `check` does: programs of other systems, texts, nested archives."""
    with contextlib.suppress(ArtifactError):
        _through(open_file("artifact", MemoryFile(data), LIMITS).members())


def read_wheel(data: bytes) -> None:
    """Read a wheel with its RECORD."""
    name = "sample-1.0-cp312-cp312-manylinux_2_17_x86_64.whl"
    with contextlib.suppress(ArtifactError):
        _through(open_file(name, MemoryFile(data), LIMITS).members())


READERS: Final = {
    "zip": Reader(read_zip),
    "wheel": Reader(read_wheel),
    "tar": Reader(read_tar, 24 * 1024),
    "deb": Reader(read_deb),
    "elf": Reader(read_elf),
    "notes": Reader(read_notes, 512),
    "dwarf": Reader(read_dwarf),
    "explain": Reader(read_code, 8192),
    "metadata": Reader(read_metadata, 1024),
    "config": Reader(read_config, 512),
    "report": Reader(read_report, 8192),
    "report structure": Reader(read_edited_report, 16),
    "anything": Reader(read_anything, 24 * 1024),
}
