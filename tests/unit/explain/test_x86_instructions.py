"""Lengths and written registers of instructions beside what objdump says, on real libraries."""

import re
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest

from building import compile_with_zig
from glibc_guard.explain.x86_instructions import decode
from provisions import needed

NAMES = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")
REGISTERS = {f"{letter}{name}": number for number, name in enumerate(NAMES) for letter in ("e", "r")}
REGISTERS |= {name: number for number, name in enumerate(NAMES)}
REGISTERS |= {f"{name[0]}{half}": number for number, name in enumerate(NAMES[:4]) for half in "lh"}
REGISTERS |= {f"{name}l": number for number, name in enumerate(NAMES[4:], 4)}
REGISTERS |= {f"r{number}{width}": number for number in range(8, 16) for width in ("", "d", "w", "b")}
#: What has a register last in AT&T syntax and does not write it, or has no register there that it writes.
READS = re.compile(
    r"(cmp|test|bt[wlq]? |v?u?comis|v?p?test|push|call|j|nop|ret|ud|mul|imul[lq]? +%\w+$|i?div|out|xchg +%ax,%ax)"
)
SOURCE = """
#include <math.h>
#include <string.h>
double work(double *a, float *b, long *c, unsigned char *d, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += a[i] * b[n - i] + (double)c[i] / (d[i] + 1);
        c[i] = (c[i] << (d[i] & 31)) ^ (c[i] * 12345) ^ (c[i] % 77);
        switch (d[i]) {
        case 1: b[i] = sqrtf(b[i]); break;
        case 2: memmove(a, c, n); break;
        case 3: c[i] = __builtin_popcountl(c[i]) + __builtin_ctzl(c[i] | 1) + __builtin_bswap32(c[i]); break;
        case 4: sum = c[i] > 5 ? fabs(sum) : -sum; break;
        case 7: __atomic_fetch_add(&c[i], 3, __ATOMIC_SEQ_CST); __sync_bool_compare_and_swap(&c[i], 3, 4); break;
        }
    }
    return sum;
}
"""


@lru_cache(maxsize=1)
def disassembled(path: Path) -> list[tuple[bytes, str]]:
    command = [needed("objdump", "apt-get install binutils"), "-d", "--insn-width=16", str(path)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = re.findall(r"^ +[0-9a-f]+:\t((?:[0-9a-f]{2} )+)\s*\t?(.*)$", text, re.MULTILINE)
    return [(bytes.fromhex(code), words) for code, words in lines if "(bad)" not in words]


@pytest.mark.parametrize("arch", ["x86_64", "i686"])
@pytest.mark.parametrize(
    "flags", [("-O0",), ("-O3",), ("-O3", "-mavx2", "-mbmi2", "-mfma"), ("-O3", "-mavx512f")], ids=str
)
def test_length_and_written_registers(arch: str, flags: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "work.so"
    path.write_bytes(compile_with_zig(SOURCE, "-shared", "-fPIC", "-fno-sanitize=undefined", *flags, arch=arch))
    instructions = disassembled(path)
    assert len(instructions) > 100
    for code, words in instructions:
        found = decode(code + b"\x90" * 16, 0, wide=arch == "x86_64")
        assert found is not None, words
        assert found.size == len(code), words
        body = re.sub(r"^(?:lock|rep\w*|notrack|data16|cs|ds)\s+", "", re.split("[#<]", words)[0].strip())
        last = re.search(r"%(\w+)$", body)
        if last and last[1] in REGISTERS and not READS.match(body):
            assert found.writes >> REGISTERS[last[1]] & 1, words


@pytest.mark.parametrize(
    ("code", "wide", "writes"),
    [
        ("4d89c5", True, {13}),  # mov %r8,%r13
        ("89c7", False, {7}),  # mov %eax,%edi, not %ebx
        ("88c7", False, {3, 7}),  # mov %al,%bh
        ("f7e1", True, {0, 2}),  # mul %ecx
        ("f6c101", True, set()),  # test $1,%cl
        ("87cb", False, {1, 3}),  # xchg
        ("4189d8", True, {8}),
        ("43", False, {3}),  # inc %ebx
        ("f3a4", True, {0, 1, 6, 7}),  # rep movsb
        ("0f a2", True, set(range(16))),  # cpuid: any
        ("c4e2fbf6c1", True, {0, 1}),  # mulx: both
        ("ff d0", True, set()),
        ("c9", True, {4, 5}),
    ],
)
def test_registers_written(code: str, wide: bool, writes: set[int]) -> None:  # noqa: FBT001  # a parameter
    found = decode(bytes.fromhex(code) + bytes(16), 0, wide=wide)
    assert found is not None
    assert {register for register in range(16) if found.writes >> register & 1} == writes


@pytest.mark.parametrize("code", ["", "48", "0f", "e8 00 00", "66" * 20 + "90", "c5", "62 f1", "8b", "8b 84"])
def test_what_ends_too_early(code: str) -> None:
    assert decode(bytes.fromhex(code), 0, wide=True) is None


def test_what_there_is_not_in_64_bits() -> None:
    assert decode(b"\x06", 0, wide=True) is None
    assert decode(b"\x67\x8b\x44\x24\x08", 0, wide=False) is None  # addresses of 16 bits
