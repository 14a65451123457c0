"""Compiles programs with debug information, and finds the instructions whose source lines are known beforehand."""

import hashlib
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from building import CACHE
from provisions import needed

#: Three levels of inlined calls around ``pow``; each line says what it is by the comment at its end.
C_SOURCE: Final = """\
double pow(double, double);
extern void *volatile sink;
#define INLINE static inline __attribute__((always_inline))
INLINE double innermost(double x) {
  return pow(x, 2.5); /* innermost */
}
INLINE double middle(double x) {
  x += 3;
  return innermost(x) + 1; /* middle */
}
INLINE double outer(double x) {
  return middle(x) + 2; /* outer */
}
__attribute__((noinline)) double top(double x) {
  x *= 7;
  return outer(x) * 3; /* top */
}
"""
RUST_SOURCE: Final = """\
extern "C" { fn pow(x: f64, y: f64) -> f64; }
#[inline(always)]
fn innermost(x: f64) -> f64 {
    unsafe { pow(x, 2.5) } /* innermost */
}
#[inline(always)]
fn middle(x: f64) -> f64 {
    innermost(x) + 1.0 /* middle */
}
#[inline(always)]
fn outer(x: f64) -> f64 {
    middle(x) + 2.0 /* outer */
}
#[no_mangle]
#[inline(never)]
pub extern "C" fn top(x: f64) -> f64 {
    outer(x * 7.0) * 3.0 /* top */
}
"""


def compiler(name: str) -> list[str]:
    """Return the command of a compiler: gcc, g++, clang, clang++, rustc, zig, or zig-ARCHITECTURE."""
    if name.startswith("zig"):
        architecture = name.partition("-")[2] or "x86_64"
        target = f"{architecture}-linux-gnu{'eabihf' if architecture == 'arm' else ''}"
        return [sys.executable, "-m", "ziglang", "cc", "-target", target]
    packages = {"rustc": "https://rustup.rs", "clang++": "apt-get install clang"}
    return [needed(name, packages.get(name, f"apt-get install {name}"))]


def build(folder: Path, name: str, flags: Sequence[str], *, source: str | None = None, file: str = "src/a.c") -> Path:
    """Compile ``source`` as the library ``folder/out.so``; what it was compiled to is kept for the next time.

    The file ``built-in`` beside it names the folder that it was compiled in.
    """
    source = source or (RUST_SOURCE if name == "rustc" else C_SOURCE)
    command = compiler(name)
    identity = version("ziglang") if name.startswith("zig") else _identity(command)
    key = hashlib.sha256(repr([name, flags, source, file, identity]).encode()).hexdigest()
    kept = CACHE / "debug" / key
    if not kept.exists():
        with tempfile.TemporaryDirectory() as place:
            work = Path(place) / "project"
            (work / file).parent.mkdir(parents=True)
            (work / file).write_text(source)
            shared = (
                ["--crate-type=cdylib", "-o", "out.so"] if name == "rustc" else ["-shared", "-fPIC", "-o", "out.so"]
            )
            full = [*command, *shared, *flags, file, *([] if name == "rustc" else ["-lm"])]
            done = subprocess.run(full, cwd=work, check=False, capture_output=True, text=True)
            assert done.returncode == 0, f"{' '.join(full)}\n{done.stderr}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            aside = kept.with_suffix(f".{os.getpid()}")
            shutil.copytree(work, aside)
            (aside / "built-in").write_text(str(work))
            if not kept.exists():
                aside.rename(kept)
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    return folder / "out.so"


def _identity(command: Sequence[str]) -> str:
    done = subprocess.run([*command, "--version"], check=True, capture_output=True, text=True)
    return done.stdout


def built_in(folder: Path) -> str:
    """Return the folder that the compiler worked in."""
    return (folder / "built-in").read_text()


def line_of(mark: str, source: str = C_SOURCE) -> int:
    """Return the number of the line that ends with the comment ``mark``."""
    return next(number for number, line in enumerate(source.splitlines(), 1) if f"/* {mark} */" in line)


def call_in(path: Path, function: str) -> int:
    """Return the address of the last call in ``function``, that of ``pow``, as llvm-objdump sees it."""
    objdump = needed("llvm-objdump", "apt-get install llvm")
    text = subprocess.run(
        [objdump, "-d", "--no-show-raw-insn", path], check=True, capture_output=True, text=True
    ).stdout
    body = text.split(f"<{function}>:\n", 1)[1].split("\n\n", 1)[0]
    found = re.findall(r"^ *([0-9a-f]+):\s+(?:callq?|calll|blx?|blr\s+x\d+|brasl|auipc\s+ra)\b", body, re.MULTILINE)
    assert found, body
    return int(found[-1], 16)


def symbolized(path: Path, addresses: Sequence[int]) -> dict[int, list[tuple[str | None, int | None]]]:
    """Return file and line of each address and of all that it was inlined into, as LLVM tells them."""
    tool = needed("llvm-symbolizer", "apt-get install llvm")
    command = [tool, "-e", str(path), "--output-style=LLVM", "--inlines", "--functions=linkage"]
    text = subprocess.run(
        command, input="\n".join(map(hex, addresses)), check=True, capture_output=True, text=True
    ).stdout
    answers = {}
    for address, block in zip(addresses, text.strip().split("\n\n"), strict=True):
        places = [line.rsplit(":", 2)[:2] for line in block.splitlines()[1::2]]
        answers[address] = [_place(file, int(line)) for file, line in places]
    return answers


def _place(file: str, line: int) -> tuple[str | None, int | None]:
    return (None, None) if file.startswith("?") or not line else (posixpath.normpath(file), line)
