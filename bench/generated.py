"""Generates what no index offers: wheels around objects of any size, and folders of any number of objects."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, TypeAlias

Filling: TypeAlias = Literal["sparse", "half"]  # zeros alone; half of it noise that no compressor makes smaller
BLOCK: Final = 1024 * 1024  # bytes; also what the hole is a multiple of, as the page size of every system divides it
SOURCE: Final = '#include <stdio.h>\nint answer = 42; int ask(void) { return printf("%d", answer); }\n'
HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")  # Elf64_Ehdr
PT_LOAD: Final = 1


def small_object(folder: Path) -> Path:
    """Build a shared object with gcc; the same one where it lies there already."""
    built = folder / "libsmall.so"
    if not built.is_file():
        source = folder / "small.c"
        source.write_text(SOURCE, encoding="utf-8")
        compiler = shutil.which("gcc")
        if compiler is None:
            raise SystemExit("gcc is not installed: apt-get install gcc libc6-dev")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", built, source], check=True)
    return built


def large_object(small: bytes, size: int, filling: Filling) -> Iterator[bytes]:
    """Yield ``small``, a 64-bit little-endian object, with a hole before its last segment: ``size`` bytes and a few.

    Addresses stay as they are, and offsets behind the hole grow by it, so that it loads as before. The dynamic segment
    lies behind the hole and the symbol table before it, as in the large objects of real wheels.
    """
    data = bytearray(small)
    hole = size // BLOCK * BLOCK
    fields = list(HEADER.unpack_from(data))
    segments, sections, program_headers, section_headers = fields[5], fields[6], fields[10], fields[12]
    loads = [segments + 56 * index for index in range(program_headers)]
    place = max(
        struct.unpack_from("<Q", data, at + 8)[0] for at in loads if struct.unpack_from("<I", data, at)[0] == PT_LOAD
    )
    headers = [*(at + 8 for at in loads), *(sections + 64 * index + 24 for index in range(section_headers))]
    for at in headers:
        (offset,) = struct.unpack_from("<Q", data, at)
        if offset >= place:
            struct.pack_into("<Q", data, at, offset + hole)
    fields[6] += hole
    HEADER.pack_into(data, 0, *fields)
    yield bytes(data[:place])
    noise = random.Random(1)  # noqa: S311  # the same bytes each time
    for _ in range(hole // BLOCK):
        yield bytes(BLOCK) if filling == "sparse" else noise.randbytes(BLOCK // 2) + bytes(BLOCK // 2)
    yield bytes(data[place:])


def wheel_with(folder: Path, size: int, filling: Filling) -> Path:
    """Write a wheel around one object of ``size`` bytes; the same one where it lies there already."""
    wheel = folder / f"large_{filling}_{size // 1_000_000}-1.0-py3-none-manylinux_2_17_x86_64.whl"
    if wheel.is_file():
        return wheel
    aside = wheel.with_suffix(".part")
    digest = hashlib.sha256()
    written = 0
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        info = zipfile.ZipInfo("large/liblarge.so")
        info.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(info, "w", force_zip64=True) as member:
            for piece in large_object(small_object(folder).read_bytes(), size, filling):
                member.write(piece)
                digest.update(piece)
                written += len(piece)
        name = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
        inside = wheel.name.rpartition("-1.0")[0] + "-1.0.dist-info"
        archive.writestr(f"{inside}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-manylinux_2_17_x86_64\n")
        archive.writestr(f"{inside}/METADATA", "Metadata-Version: 2.1\nName: large\nVersion: 1.0\n")
        archive.writestr(f"{inside}/RECORD", f"large/liblarge.so,sha256={name},{written}\n")
    aside.replace(wheel)
    return wheel


def folder_with(folder: Path, count: int) -> Path:
    """Make a folder of ``count`` objects, links to one file; the same one where it lies there already."""
    made = folder / f"objects-{count}"
    if not made.is_dir():
        aside = folder / f"objects-{count}.part"
        small = small_object(folder)
        for index in range(count):
            package = aside / f"package{index // 100:03}"
            package.mkdir(parents=True, exist_ok=True)
            os.link(small, package / f"libobject{index}.so")
        aside.replace(made)
    return made
