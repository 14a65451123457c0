"""The instructions of x86_64 and i686 that use a slot of the global offset table, or the PLT stub in front of it.

An instruction is told by the address of its opcode: a byte before that may be a prefix of it, or the end of the
instruction before (``lea -0x10(%rbp),%rdi`` ends with what is ``lock`` as a prefix), whose source line may be another.

Intel's Software Developer's Manual, volume 2, for the encodings; the x86-64 and i386 psABIs for the PLT.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator
from typing import Final

from msgspec import Struct

from glibc_guard.explain.functions import Functions
from glibc_guard.explain.windows import Opcodes, byte_class, displacements

INTEGER: Final = struct.Struct("<i")
MASK: Final = 0xFFFFFFFF
CALL, JUMP, CONDITIONAL_JUMPS = 0xE8, 0xE9, range(0x80, 0x90)
BRANCHES: Final = Opcodes(byte_class([CALL, JUMP, *CONDITIONAL_JUMPS]), (rb"\xe8", rb"\xe9", rb"\x0f[\x80-\x8f]"))
#: ModRM with mod 00 and r/m 101: the operand is at a displacement from the next instruction (i686: at an address).
MEMORY_OPERAND: Final = byte_class(range(0x05, 0x40, 8))
MEMORY_OPERANDS: Final = Opcodes(MEMORY_OPERAND, (MEMORY_OPERAND,))
JUMP_INDIRECT, EXTENDED = 0xFF, 0x0F
BYTE_IMMEDIATE: Final = frozenset({0x80, 0x83, 0xC0, 0xC1, 0xC6, 0x6B})
LONG_IMMEDIATE: Final = frozenset({0x81, 0xC7, 0x69})
TEST_BYTE, TEST_LONG = 0xF6, 0xF7  # with an immediate where the extension of the opcode is 0 or 1
EXTENDED_BYTE_IMMEDIATE: Final = frozenset({0x70, 0x71, 0x72, 0x73, 0xA4, 0xAC, 0xBA, 0xC2, 0xC4, 0xC5, 0xC6})
BYTES_OF_IMMEDIATE: Final = (1, 2, 4)
#: What stands before the jump in a stub of a PLT: nothing, endbr, endbr and the index of the relocation (mold).
BEFORE_JUMP: Final = (
    re.compile(rb"\xf3\x0f\x1e[\xfa\xfb]\x41\xbb....\Z", re.DOTALL),
    re.compile(rb"\xf3\x0f\x1e[\xfa\xfb]\xf2?\Z"),
    re.compile(rb"\xf2\Z"),
)
#: What stands behind it: push and jump to the first stub; or padding of one kind or another.
BEHIND_JUMP: Final = re.compile(
    rb"\x68....\xe9|\x66\x90|\x0f\x1f[\x40\x44\x80]|\x66\x0f\x1f|\x90|\xcc\xcc|\x66\x2e\x0f\x1f|\Z|\xf3\x0f\x1e",
    re.DOTALL,
)
#: The first stub of a PLT: it pushes the address of the link map, or is like all others.
PLT_START: Final = re.compile(rb"(?:\xf3\x0f\x1e[\xfa\xfb](?:\x41\xbb....)?\xf2?)?\xff[\x25\x35\xa3\xb3]", re.DOTALL)
STUB_ALIGNMENT: Final = 8  # bytes
#: An instruction before a 32-bit constant: mov, push, cmp, or an operand at an absolute address.
BEFORE_CONSTANT: Final = re.compile(
    rb"(?:[\xb8-\xbf]|[\x68\x3d]|.[\x04\x0c\x14\x1c\x24\x2c\x34\x3c]\x25|[\xc7\x81][\xc0-\xff]|"
    rb"\xc7[\x00-\x03\x06\x07]|\xc7[\x40-\x47].|\xc7\x44\x24.|\xc7\x04\x24|[\xa1\xa3])\Z",
    re.DOTALL,
)
#: … an operand at an address, on i686 …
BEFORE_ADDRESS: Final = re.compile(rb"." + MEMORY_OPERAND + rb"\Z", re.DOTALL)
#: … or one at a displacement from a register, which on i686 holds the address of the global offset table.
BEFORE_DISPLACEMENT: Final = re.compile(
    rb"[\x03\x0b\x2b\x33\x39\x3b\x83\x85\x8b\xff][\x80-\x83\x85-\x8b\x8d-\x93\x95-\x9b\x9d-\xa3\xa5-\xab\xad-\xb3\xb5-\xbb\xbd-\xbf]\Z"
)


class Code(Struct, frozen=True):
    """One executable segment."""

    base: int  # address of its first byte
    view: memoryview

    def integer(self, offset: int) -> int:
        """Return the signed 32-bit integer at ``offset``."""
        value: int = INTEGER.unpack_from(self.view, offset)[0]
        return value

    def before(self, offset: int, size: int = 12) -> bytes:
        """Return the bytes that end at ``offset``."""
        return bytes(self.view[max(0, offset - size) : offset])

    def behind(self, offset: int, size: int = 8) -> bytes:
        """Return the bytes that begin at ``offset``."""
        return bytes(self.view[offset : offset + size])


def memory_operands(code: Code, targets: Collection[int]) -> Iterator[tuple[int, int, int]]:
    """Yield address, offset of the displacement, and target of each instruction with an operand there (x86_64)."""
    near = {target - size for target in targets for size in (0, *BYTES_OF_IMMEDIATE)}
    for at in displacements(code.view, code.base, near, MEMORY_OPERANDS):
        if at >= 2 and (target := code.base + at + 4 + code.integer(at) + _immediate(code, at)) in targets:
            yield code.base + at - 2, at, target


def branches(code: Code, targets: Collection[int]) -> Iterator[tuple[int, int]]:
    """Yield address and target of each call or jump to a target."""
    for at in displacements(code.view, code.base, targets, BRANCHES):
        if at >= 1 and code.view[at - 1] in {CALL, JUMP}:
            yield code.base + at - 1, code.base + at + 4 + code.integer(at)
        elif at >= 2 and code.view[at - 2] == EXTENDED:
            yield code.base + at - 2, code.base + at + 4 + code.integer(at)


def constants(code: Code, values: Collection[int], before: re.Pattern[bytes]) -> Iterator[tuple[int, int, int]]:
    """Yield the address of the instruction, and offset and value, where one of ``values`` is a 32-bit operand."""
    for value in values:
        for match in re.finditer(re.escape(struct.pack("<I", value & MASK)), code.view):
            opening = before.search(code.before(match.start(), 4))
            if opening is not None:
                yield code.base + match.start() - len(opening[0]), match.start(), value


def stub_around(code: Code, jump: int, functions: Functions) -> int | None:
    """Return the address of the PLT stub whose indirect jump begins at the offset ``jump``; None where it is none.

    A function that ends in a jump to another one looks alike. But it has a name, or unwind information of its own.
    """
    before = code.before(jump)
    matches = (pattern.search(before) for pattern in BEFORE_JUMP)
    begin = next((jump - len(match[0]) for match in matches if match), jump)
    if not BEHIND_JUMP.match(code.behind(jump + 6)) or (code.base + begin) % 4:
        return None
    if functions.is_named(code.base + jump):
        return None
    extent = functions.extent(code.base + jump)
    if extent is not None and not _is_plt(code, *extent):
        return None
    return code.base + begin


def _is_plt(code: Code, start: int, end: int) -> bool:
    """Tell whether unwind information is of a whole PLT: made of stubs of one size, and beginning with one."""
    return (end - start) % STUB_ALIGNMENT == 0 and PLT_START.match(code.behind(start - code.base, 16)) is not None


def is_jump_by_table(code: Code, displacement: int) -> bool:
    """Tell whether what has the ``displacement`` is ``jmp *…(%ebx)``: how stubs of a PLT on i686 jump."""
    return code.before(displacement, 2) == b"\xff\xa3"


def is_jump(code: Code, displacement: int) -> bool:
    """Tell whether what has the ``displacement`` is ``jmp *…``."""
    return (
        displacement >= 2 and code.view[displacement - 2] == JUMP_INDIRECT and code.view[displacement - 1] >> 3 & 7 == 4
    )


def _immediate(code: Code, displacement: int) -> int:
    """Return how many bytes of an immediate follow the displacement."""
    opcode, extended = code.view[displacement - 2], displacement >= 3 and code.view[displacement - 3] == EXTENDED
    if extended:
        return 1 if opcode in EXTENDED_BYTE_IMMEDIATE else 0
    extension = code.view[displacement - 1] >> 3 & 7
    if opcode in BYTE_IMMEDIATE or (opcode == TEST_BYTE and extension < 2):
        return 1
    if opcode in LONG_IMMEDIATE or (opcode == TEST_LONG and extension < 2):
        return 2 if 0x66 in code.before(displacement - 2, 2) else 4
    return 0
