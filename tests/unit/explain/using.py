"""A program that uses symbols of glibc in every way, and what it is known to do where."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from glibc_guard.targets.glibc_symbols import ZIG_TARGETS
from provisions import needed

#: A comment names the symbols that the code of its line uses.
SOURCE: Final = """
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#define KEPT __attribute__((noinline, used))
extern int gettid(void) __attribute__((weak));
KEPT double direct(double x)
{
    double y = x * 2;
    return pow(y, 2.5) + 1; /* pow */
}
KEPT double last(double x, double y)
{
    return pow(y, x); /* pow */
}
KEPT double maybe(double x, double y)
{
    if (x > 0)
        return pow(x, y); /* pow */
    return 0;
}
KEPT int pointer(void **where)
{
    *where = (void *)reallocarray; /* reallocarray */
    return 1;
}
KEPT int weak(void)
{
    if (!gettid) /* gettid */
        return -1;
    return gettid() + 1; /* gettid */
}
static inline double inlined(double x)
{
    return exp(x) * 3; /* exp */
}
KEPT double outer(double x)
{
    return inlined(x + 1) + 2;
}
double (*table[])(double) = {log, 0};
"""
#: Symbol → the functions that use it, outermost ones; of data the name of the table.
FUNCTIONS: Final = {
    "pow": {"direct", "last", "maybe"},
    "reallocarray": {"pointer"},
    "gettid": {"weak"},
    "exp": {"outer", "inlined"},
    "log": {"table (data)"},
}
MAIN: Final = """
int main(void)
{
    void *where;
    return weak() + (int)(direct(1) + last(1, 2) + maybe(2, 3) + outer(1)) + pointer(&where) + !table[0];
}
"""


def lines_of(symbol: str) -> set[int]:
    """Return the lines of SOURCE that use ``symbol``."""
    return {number for number, line in enumerate(SOURCE.splitlines(), 1) if re.search(rf"/\* {symbol} \*/", line)}


def compiler(name: str, arch: str = "x86_64") -> list[str]:
    """Return the command of a compiler: "gcc", "clang", or "zig" (which is clang) for a glibc of 2.34."""
    if name == "zig":
        return [
            sys.executable,
            "-m",
            "ziglang",
            "cc",
            "-target",
            f"{ZIG_TARGETS[arch]}.2.34",
            "-fno-sanitize=undefined",
        ]
    return [needed(name, f"apt-get install {name}")]


def build(folder: Path, command: Sequence[str], *flags: str, name: str = "using") -> Path:
    """Compile SOURCE into ``folder``, whose file ``src/using.c`` it is; a program unless ``-shared`` is given."""
    (folder / "src").mkdir(exist_ok=True)
    text = SOURCE if "-shared" in flags else SOURCE + MAIN
    (folder / "src" / "using.c").write_text(text)
    full = [*command, "-w", "-fno-builtin", *flags, "src/using.c", "-o", name, "-lm"]
    done = subprocess.run(full, cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(full)}\n{done.stderr}"
    return folder / name
