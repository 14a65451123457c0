"""Any glibc release as the linker sees it: libraries that define its symbols and contain nothing.

``zig cc -target x86_64-linux-gnu.2.17`` makes such stubs for its own use, from the lists in the ziglang package (about
15 s a release, kept). They are linked once more here: zig gives each of them the version nodes of all releases, while
the real libraries have only those that a symbol carries.

Exact up to 2.33. Later, the old versions of symbols that moved into libc at 2.34 are missing from the lists: ask a real
one (`debian_glibc`). Missing in any release: GLIBC_PRIVATE, the ``GLIBC_ABI_*`` markers, symbols without a default
version (the newest one is always made the default), and libmvec, libcrypt, libanl, libnsl, libnss_*: these are taken
from the host.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from building import CACHE
from loader.judge import Glibc
from provisions import kept, unavailable

RELEASES: Final = ("2.17", "2.24", "2.28", "2.31", "2.33")
HOST_LOADER: Final = Path("/lib64/ld-linux-x86-64.so.2")

#: The assembler text of zig's libc refers to a symbol of the program, which a second link cannot do.
_PROGRAM_SYMBOL: Final = ".globl _IO_stdin_used\n.quad _IO_stdin_used\n"


def stub_glibc(release: str) -> Glibc:
    """The x86_64 stubs of ``release``, to be asked through the host's own loader."""
    if platform.machine() != "x86_64" or not HOST_LOADER.exists():
        unavailable(f"{HOST_LOADER} is not there: the stubs need an x86_64 host with glibc")
    try:
        ziglang = importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        unavailable("ziglang is not installed: pip install ziglang")
    folder = CACHE / "stubs" / f"x86_64-{release}-ziglang-{ziglang}"
    stubs = kept(folder, lambda work: _build(release, work))
    return Glibc(f"glibc {release} (symbols only)", release, HOST_LOADER, (stubs,))


def _build(release: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="glibc-guard-zig.") as cache:
        source = Path(cache) / "empty.c"
        source.write_text("int main(void) { return 0; }\n", encoding="ascii")
        target = f"x86_64-linux-gnu.{release}"
        zig_cc(cache, "-target", target, str(source), "-o", str(Path(cache) / "empty"))
        (found,) = (path.parent for path in Path(cache).glob("o/*/libc.so.6"))
        for library in sorted(found.glob("lib*.so.*")):
            if library.name.startswith("libld."):
                continue
            name = library.name.removeprefix("lib").split(".")[0]
            text = (found / f"{name}.s").read_text(encoding="ascii").replace(_PROGRAM_SYMBOL, "")
            versions = sorted(set(re.findall(r"@(GLIBC_[0-9.]+)", text)), key=_number)
            (Path(cache) / "stub.s").write_text(text, encoding="ascii")
            (Path(cache) / "stub.map").write_text(
                "".join(f"{version} {{ }};\n" for version in versions), encoding="ascii"
            )
            zig_cc(
                cache,
                *("-target", target, "-nostdlib", "-shared", f"-Wl,-soname,{library.name}"),
                *(f"-Wl,--version-script={cache}/stub.map", f"{cache}/stub.s", "-o", str(folder / library.name)),
            )


def zig_cc(cache: str, *arguments: str) -> None:
    """Run ``zig cc`` with its cache in the folder ``cache``."""
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    command = [sys.executable, "-m", "ziglang", "cc", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.removeprefix("GLIBC_").split("."))
