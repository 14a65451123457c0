"""What is decoded of x86_64, held against a disassembler, and what ends the search for a comparison."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from building import compile_with_gcc
from debug_building import needed
from glibc_guard.repair.x86_instructions import decoded, is_compared

SOURCE = """
#include <stdio.h>
#include <string.h>
struct entry { char name[40]; double weight; long count; struct entry *next; void (*visit)(struct entry *); };
double visit(struct entry *one, unsigned char kind, short depth) {
    double sum = 0; int found = 0;
    for (struct entry *at = one; at; at = at->next) {
        if (kind > 3 && at->count == 0) continue;
        if (at->visit) at->visit(at);
        at->count += depth * 70000L; at->name[kind] ^= 0x41; at->weight *= kind ? 2.5 : at->count;
        sum += at->weight; found |= at->count < -5 && !memcmp(at->name, "root", 4);
        switch (kind) { case 1: depth++; break; case 2: depth <<= 3; break; case 9: puts(at->name); break; }
    }
    return found ? sum : -sum;
}
"""
RAX, RBX, R12 = 0, 3, 12


@pytest.mark.parametrize("flags", ["-O0", "-O2", "-O3 -march=x86-64-v2", "-Os -fcf-protection=full"])
def test_lengths_and_comparisons(flags: str, tmp_path: Path) -> None:
    path = tmp_path / "object.so"
    path.write_bytes(compile_with_gcc(SOURCE, "-shared", "-fPIC", "-fno-plt", *flags.split()))
    tool = needed("objdump", "apt-get install binutils")
    text = subprocess.run([tool, "-dw", "-j.text", path], check=True, capture_output=True, text=True).stdout
    code, known, told = memoryview(path.read_bytes()), 0, 0
    for line in re.finditer(r"^ *([0-9a-f]+):\t((?:[0-9a-f]{2} )+) *\t(\S+) *(.*)$", text, re.MULTILINE):
        at, size, name, operands = int(line[1], 16), len(line[2].split()), line[3], line[4]
        instruction = decoded(code, at)  # .text lies in the file where it is mapped
        told += 1
        if instruction is None:
            continue
        known += 1
        target = int(operands.split()[0], 16) if name == "jmp" else at + size
        assert instruction.end == target, line[0]
        zero = name == "test" and len({*operands.split(",")}) == 1 and operands.startswith("%r")
        small = name == "cmp" and re.fullmatch(r"\$0x[01],%r\w+", operands) is not None
        wide = re.search(r"%r(?:\d+[dwb]|\d+[dwb],)", operands) is None
        assert (instruction.compares is not None) == ((zero or small) and wide), line[0]
    assert known > 0.6 * told > 30


@pytest.mark.parametrize(
    ("code", "register", "expected"),
    [
        ("48 85 c0", RAX, True),  # test %rax,%rax
        ("48 85 db", RAX, False),
        ("85 c0", RAX, False),  # test %eax,%eax
        ("48 83 f8 00", RAX, True),  # cmp $0,%rax
        ("48 83 f8 05", RAX, False),
        ("4d 85 e4", R12, True),
        ("55 31 db 48 89 45 f8 48 85 c0", RAX, True),  # push, xor, mov to the stack
        ("48 89 d8 48 85 c0", RAX, False),  # mov %rbx,%rax
        ("b8 01 00 00 00 48 85 c0", RAX, False),  # mov $1,%eax
        ("0f 94 c4 48 85 c0", RAX, False),  # sete %ah
        ("58 48 85 c0", RAX, False),  # pop %rax
        ("ff d0 48 85 c0", RAX, False),  # call *%rax
        ("ff d3 48 85 db", RBX, False),  # call *%rbx
        ("e8 00 00 00 00 48 85 c0", RAX, False),
        ("e8 00 00 00 00 48 85 db", RBX, True),  # a register that calls keep
        ("ff 15 00 00 00 00 48 85 db", RBX, True),
        ("eb 02 0f 0b 48 85 c0", RAX, True),  # jmp over ud2
        ("eb fe", RAX, False),  # jmp to itself
        ("e9 00 00 00 80 48 85 c0", RAX, False),  # jmp out of the code
        ("eb 80 48 85 c0", RAX, False),
        ("74 10 48 85 c0", RAX, True),  # je
        ("0f 0b 48 85 c0", RAX, False),  # ud2
        ("c3 48 85 c0", RAX, False),
        ("48 85", RAX, False),
        ("e9 00", RAX, False),
        ("", RAX, False),
    ],
)
def test_what_comes_before_the_comparison(code: str, register: int, *, expected: bool) -> None:
    assert is_compared(memoryview(bytes.fromhex(code)), 0, register) == expected
