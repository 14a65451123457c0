"""What each reader starts from: small, real files that it can read to the end."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from building import compile_with_gcc, make_wheel
from fuzz.readers import SECTIONS, TEXT, joined
from glibc_guard.explain.debug_sections import ElfFile
from glibc_guard.guard import check
from glibc_guard.report import json
from glibc_guard.settings import Settings

#: Without what only makes the file larger: an object of two kilobytes.
SMALL: Final = (
    "-shared", "-fPIC", "-nostartfiles", "-s", "-w", "-fno-asynchronous-unwind-tables",
    "-Wl,-z,noseparate-code,-z,norelro,--build-id=none,-z,max-page-size=4096,-z,common-page-size=4096",
)  # fmt: skip
SOURCE: Final = """
void *reallocarray(void *, unsigned long, unsigned long);
double pow(double, double);
void *f(void) { return reallocarray(0, 1, 2); }
double g(double x) { return pow(x, 2); }
"""
DEBUGGED: Final = """
static inline __attribute__((always_inline)) int inner(int x) { return x * 3; }
int outer(int x) { return inner(x) + 1; }
"""
CONFIG: Final = b"""target = ["manylinux2014", "2.17"]
fail-on = "warning"
jobs = 2
size-jump-bytes = "1 MiB"
forbid = ["**/*.a"]
max-size = {"**/*.so" = "60 MB"}
limits = {members = 10, name-bytes = "4 KiB"}
severity = {floor-raised = "error"}
[[ignore]]
rule = "libc"
reason = "because"
until = 2027-03-01
"""


def small_objects() -> list[bytes]:
    """Shared objects with both kinds of hash table, and a program."""
    libraries = [compile_with_gcc(SOURCE, *SMALL, "-lm", f"-Wl,--hash-style={style}") for style in ("gnu", "sysv")]
    program = compile_with_gcc(
        f"{SOURCE} void _start(void) {{ f(); g(1); }}", *SMALL[2:], "-lm", "-pie", "-Wl,--hash-style=both"
    )
    return [*libraries, program]


def zips() -> list[bytes]:
    """Archives of every method, with a link, with data descriptors, and with large sizes in an extra field."""
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr("pkg/m.so", small_objects()[0])
            archive.writestr("pkg/data.txt", "text" * 20)
        found.append(file.getvalue())
    link = zipfile.ZipInfo("pkg/libm.so")
    link.external_attr = 0o120777 << 16
    described = _Unseekable()
    with zipfile.ZipFile(described, "w") as archive:
        archive.writestr(link, "m.so")
        with archive.open("pkg/large.bin", "w", force_zip64=True) as member:
            member.write(b"content")
    return [*found, described.written]


class _Unseekable(io.RawIOBase):
    """A pipe: what is written to one has sizes behind the data."""

    def __init__(self) -> None:
        self.written = b""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.written += bytes(data)
        return len(data)


def wheels() -> list[bytes]:
    """A wheel that pip would install."""
    with tempfile.TemporaryDirectory() as folder:
        return [make_wheel(Path(folder), {"pkg/__init__.py": b"", "pkg/m.so": small_objects()[0]}).read_bytes()]


def tars() -> list[bytes]:
    """Archives of each format, with links, a device and a pipe, plain and compressed."""
    plain = []
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=form) as archive:
            for name, kind, data in (
                ("pkg/m.so", tarfile.REGTYPE, b"\x7fELF" + bytes(60)),
                ("pkg/l.so", tarfile.SYMTYPE, b""),
                ("dev", tarfile.CHRTYPE, b""),
                ("fifo", tarfile.FIFOTYPE, b""),
                (f"{'n' * 120}\u00e4" if form != tarfile.USTAR_FORMAT else "short", tarfile.REGTYPE, b"x"),
            ):
                info = tarfile.TarInfo(name)
                info.type, info.size, info.linkname = kind, len(data), "m.so" if kind == tarfile.SYMTYPE else ""
                archive.addfile(info, io.BytesIO(data))
        plain.append(file.getvalue().rstrip(b"\0") + bytes(1024))
    return [*plain, gzip.compress(plain[0], mtime=0), bz2.compress(plain[1]), lzma.compress(plain[2])]


def debs() -> list[bytes]:
    """A package with a compressed and one with a plain data.tar."""
    found = []
    for name, data in (("data.tar.gz", tars()[3]), ("data.tar/", tars()[0][:3072])):
        members = {"debian-binary": b"2.0\n", "control.tar.gz": b"", name: data}
        ar = b"!<arch>\n"
        for member, content in members.items():
            ar += f"{member:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
            ar += content + b"\n" * (len(content) % 2)
        found.append(ar)
    return found


def notes() -> list[bytes]:
    """The note of a processor level and that of the start files of glibc."""
    level = struct.pack("<III4sIIII", 4, 16, 5, b"GNU\0", 0xC0008002, 4, 4, 0)
    start = struct.pack("<III4sIIII", 4, 16, 1, b"GNU\0", 0, 3, 2, 0)
    return [level, start, level + start, struct.pack(">III4sIIII", 4, 16, 1, b"GNU\0", 0, 3, 2, 0)]


def debug_sections() -> list[bytes]:
    """The debug sections of a library, in both versions of DWARF, with the code where the reader puts it."""
    found = []
    for version in (4, 5):
        data = compile_with_gcc(
            DEBUGGED,
            *(f"-gdwarf-{version}", "-O2", "-nostdlib", "-static", f"-Wl,-Ttext={TEXT:#x},-e,0,--build-id=none"),
        )
        elf = ElfFile(data)
        found.append(joined(bytes(elf.get(name)) for name in SECTIONS))
    return found


def metadata() -> list[bytes]:
    """A RECORD, a WHEEL file and a package that loads a library for all."""
    return [
        b'pkg/m.so,sha256=xYz_-,12\n"a,b.py",,\na-1.dist-info/RECORD,,\n',
        b"Wheel-Version: 1.0\nTag: cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64\n\nTag: py2.py3-none-any\n",
        b"ctypes.CDLL('libfoo.so', mode=ctypes.RTLD_GLOBAL)\n",
        b"import sys, os\nsys.setdlopenflags(os.RTLD_GLOBAL)\nfrom . import core as c, other\nsys.setdlopenflags(0)\n",
    ]


def reports() -> list[bytes]:
    """The report of a wheel that fails."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = make_wheel(Path(folder), {"pkg/m.so": small_objects()[0]})
        report = check([str(wheel)], Settings())
    (artifact,) = report.artifacts
    short = replace(artifact, path=wheel.name, runs_on=artifact.runs_on[:2], findings=artifact.findings[:2])
    return [json.render(replace(report, artifacts=(short,)))]


def anything() -> list[bytes]:
    """Something of each kind, and what is no artifact; an archive in an archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.tar.gz", tars()[3])
        archive.writestr("b.so", small_objects()[0])
    others = [b"MZ\x90\0" + bytes(60), b"\xcf\xfa\xed\xfe\x07", b"!<arch>\nx.o/", b"text\n", b"\xed\xab\xee\xdb\3"]
    return [*others, file.getvalue(), small_objects()[0], tars()[0], tars()[4], debs()[0]]


SEEDS: Final[Mapping[str, Callable[[], list[bytes]]]] = {
    "zip": zips,
    "wheel": wheels,
    "tar": tars,
    "deb": debs,
    "elf": small_objects,
    "notes": notes,
    "dwarf": debug_sections,
    "explain": small_objects,
    "metadata": metadata,
    "config": lambda: [CONFIG],
    "report": reports,
    "report structure": lambda: [b"", bytes(range(16))],
    "anything": anything,
}
