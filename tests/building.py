"""Builds real ELF objects for any glibc release and architecture, and packs them into real wheels and archives."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from glibc_guard.targets.glibc_symbols import ZIG_TARGETS
from provisions import needed

#: The oldest glibc that zig can link for on these.
OLDEST: Final = {"ppc64le": "2.19", "riscv64": "2.27", "loongarch64": "2.36"}
CACHE: Final = Path(os.environ.get("GLIBC_GUARD_CACHE") or Path.home() / ".cache" / "glibc-guard")


def compile_with_zig(
    source: str,
    *flags: str,
    arch: str = "x86_64",
    glibc: str | None = "2.17",
    name: str = "object",
    beside: Mapping[str, bytes] | None = None,
    language: str | None = None,
) -> bytes:
    """Compile and link ``source`` for one glibc release (None: musl), with the files ``beside`` it at hand.

    ``language`` is that of the source where it is not C ("c++", without its library).

    Results are kept outside the checkout, since a first build for a release takes seconds.
    """
    if glibc is not None:
        glibc = max(glibc, OLDEST.get(arch, glibc), key=lambda release: tuple(map(int, release.split("."))))
    triple = f"{ZIG_TARGETS[arch]}.{glibc}" if glibc else ZIG_TARGETS[arch].replace("gnu", "musl")
    command = [sys.executable, "-m", "ziglang", "cc", "-target", triple, "-O1"]
    command += ["-x", language] if language else []
    return _cached(command, flags, {"source.c": source.encode(), **(beside or {})}, name, version("ziglang"))


def compile_with_gcc(
    source: str, *flags: str, name: str = "object", beside: Mapping[str, bytes] | None = None
) -> bytes:
    """Compile and link ``source`` with the compiler and the glibc of this machine."""
    compiler = shutil.which(os.environ.get("CC") or "cc")
    assert compiler is not None, "a C compiler is needed: apt-get install gcc libc6-dev"
    identity = subprocess.run([compiler, "-v"], check=True, capture_output=True, text=True).stderr
    return _cached([compiler, "-O1"], flags, {"source.c": source.encode(), **(beside or {})}, name, identity)


def compile_with_gxx(source: str, *flags: str, name: str = "object") -> bytes:
    """Compile and link C++ with the compiler, the libstdc++ and the glibc of this machine."""
    compiler = needed(os.environ.get("CXX") or "g++", "apt-get install g++")
    identity = subprocess.run([compiler, "-v"], check=True, capture_output=True, text=True).stderr
    return _cached([compiler, "-xc++", "-O1"], flags, {"source.c": source.encode()}, name, identity)


def library(
    *calls: str, arch: str = "x86_64", glibc: str = "2.17", headers: Sequence[str] = ("stdlib.h", "math.h")
) -> bytes:
    """Return a shared library with a function for each of ``calls``, C expressions: ``reallocarray(0, 1, 2)``."""
    lines = ["#define _GNU_SOURCE", *(f"#include <{header}>" for header in headers)]
    lines += [
        f"void *call_{number}(double x) {{ return (void *)(long)({call}); }}" for number, call in enumerate(calls)
    ]
    return compile_with_zig("\n".join(lines), "-shared", "-fPIC", "-s", "-w", "-lm", arch=arch, glibc=glibc)


def needs_libstdcxx(version: str, *flags: str) -> bytes:
    """Return a module that asks libstdc++.so.6 for a symbol of ``version`` ("GLIBCXX_3.4.29"); no C++ is needed."""
    shared = ("-shared", "-fPIC", "-nostdlib")
    stub = compile_with_gcc(
        "void later(void) {}",
        *(*shared, "-Wl,-soname,libstdc++.so.6", "-Wl,--version-script=map"),
        beside={"map": f"{version} {{ later; }};".encode()},
    )
    source = "void later(void); void f(void) { later(); }"
    return compile_with_gcc(source, *shared, "./libstdc++.so.6", *flags, beside={"libstdc++.so.6": stub})


def _cached(
    command: Sequence[str], flags: Sequence[str], files: Mapping[str, bytes], name: str, identity: str
) -> bytes:
    key = hashlib.sha256(repr([command[1:], flags, sorted(files.items()), name, identity]).encode()).hexdigest()
    kept = CACHE / "objects" / key
    if not kept.exists():
        with tempfile.TemporaryDirectory() as folder:
            for path, data in files.items():
                Path(folder, path).write_bytes(data)
            full = [*command, "-o", name, next(iter(files)), *flags]
            done = subprocess.run(full, cwd=folder, check=False, capture_output=True, text=True)
            assert done.returncode == 0, f"{' '.join(full)}\n{done.stderr}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            aside = kept.with_suffix(f".{os.getpid()}")
            aside.write_bytes(Path(folder, name).read_bytes())
            aside.replace(kept)
    return kept.read_bytes()


def make_wheel(
    folder: Path,
    files: Mapping[str, bytes],
    *,
    tag: str = "cp312-cp312-manylinux_2_17_x86_64",
    name: str = "sample",
    metadata_tags: Sequence[str] | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
    version: str = "1.0",
) -> Path:
    """Write a wheel that pip would install, with WHEEL, METADATA and a correct RECORD."""
    info = f"{name}-{version}.dist-info"
    interpreters, abis, platforms = tag.split("-")
    tags = metadata_tags or [
        f"{i}-{a}-{p}" for i in interpreters.split(".") for a in abis.split(".") for p in platforms.split(".")
    ]
    wheel = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\n" + "".join(f"Tag: {one}\n" for one in tags)
    members = {
        **files,
        f"{info}/WHEEL": wheel.encode(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
    }
    record = io.StringIO()
    rows = [(path, _record_hash(data), len(data)) for path, data in members.items()]
    csv.writer(record, lineterminator="\n").writerows([*rows, (f"{info}/RECORD", "", "")])
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for member, data in {**members, f"{info}/RECORD": record.getvalue().encode()}.items():
            archive.writestr(member, data)
    return path


def zipped(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive of ``files``."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def _record_hash(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
