"""What shows that a register of x86_64 is compared with 0, and what ends the search."""

from __future__ import annotations

import pytest

from glibc_guard.explain.x86 import Code
from glibc_guard.repair.comparisons import is_compared

RAX, RBX, R12 = 0, 3, 12


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
    assert is_compared(Code(0, memoryview(bytes.fromhex(code))), 0, register) == expected
