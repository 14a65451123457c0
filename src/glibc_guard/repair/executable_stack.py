"""Takes back the wish for an executable stack, on request, where nothing in the object is known to need one.

The wish is the flag PF_X of PT_GNU_STACK. What really needs it is code that is written to the stack and run there:
gcc's trampolines for nested functions (``ix86_trampoline_init``, ``gcc/config/i386/i386.cc``), which on x86_64 end in
``jmp *%r11`` with a REX.W prefix, stored as an immediate; no compiler writes those bytes for an ordinary jump. That
nothing else runs code on the stack cannot be proven from the file; it is what the request says.
"""

from __future__ import annotations

import struct
from typing import Final

from glibc_guard.elf import ElfError
from glibc_guard.elf.properties import PF_X, PT_GNU_STACK
from glibc_guard.model import ElfObject
from glibc_guard.repair.anatomy import Anatomy
from glibc_guard.repair.changes import Change, Refusal, Repair, RepairError, change

RULE: Final = "executable-stack"
#: The last instruction of a trampoline, by architecture: ``jmp *%r11`` as gcc writes it.
TRAMPOLINES: Final = {"x86_64": b"\x49\xff\xe3"}


def without_executable_stack(data: bytes, facts: ElfObject) -> Repair | Refusal:
    """Return the repair after which the object does not ask for an executable stack, or why there is none."""
    try:
        changes = _changes(Anatomy(data), facts)
    except (RepairError, ElfError) as error:
        return Refusal(RULE, facts.path, str(error))
    message = (
        "an executable stack is not asked for any more, as requested: no trampoline of a nested function is in the "
        "code (that nothing else runs code on the stack is taken from your word)"
    )
    return Repair(RULE, facts.path, message, changes)


def _changes(anatomy: Anatomy, facts: ElfObject) -> tuple[Change, ...]:
    trampoline = TRAMPOLINES.get(facts.architecture)
    if trampoline is None:
        raise RepairError(
            f"what code on the stack looks like on {facts.architecture} is not known here, only on x86_64: link it "
            "again with -Wl,-z,noexecstack"
        )
    table = anatomy.header_offset
    size = anatomy.layout.program_header.size
    headers = [number for number, segment in enumerate(anatomy.header.segments) if segment.type == PT_GNU_STACK]
    if not headers:
        raise RepairError(
            "it has no PT_GNU_STACK header, which makes the stack executable by default, and there is no room for one: "
            "link it again with -Wl,-z,noexecstack"
        )
    for segment in anatomy.loads:
        found = anatomy.data.find(trampoline, segment.offset, segment.offset + segment.filesz)
        if found >= 0:
            raise RepairError(
                f"it may need it: the bytes at {found:#x} look like a trampoline that gcc makes for a nested function"
            )
    return tuple(
        change(
            anatomy.data,
            table + number * size + (4 if anatomy.layout.bits == 64 else 24),
            struct.pack(f"{anatomy.layout.order}I", anatomy.header.segments[number].flags & ~PF_X),
            "p_flags of PT_GNU_STACK: without PF_X",
        )
        for number in headers
    )
