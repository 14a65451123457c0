"""The wish for an executable stack is taken back on request, but not from code that makes trampolines."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from building import compile_with_gcc, compile_with_zig
from glibc_guard.repair.changes import Refusal, Repair, applied
from glibc_guard.repair.executable_stack import without_executable_stack
from unit.repair.objects import complaints, facts_of
from unit.rules.crafting import program_header, put

PLAIN = "double half(double x) { return x / 2; }"
NESTED = """
#include <stdlib.h>
void sort(int *values, size_t count, int sign) {
    int compare(const void *a, const void *b) { return sign * (*(const int *)a - *(const int *)b); }
    qsort(values, count, sizeof *values, compare);
}
"""


def outcome(data: bytes) -> Repair | Refusal:
    return without_executable_stack(data, facts_of(data))


def test_only_the_flag_changes(tmp_path: Path) -> None:
    data = compile_with_gcc(PLAIN, "-shared", "-fPIC", "-z", "execstack")
    found = outcome(data)
    assert isinstance(found, Repair)
    (change,) = found.changes
    assert (change.before, change.after) == ("07000000", "06000000")
    after = applied(data, found.changes)
    assert facts_of(after) == replace(facts_of(data), executable_stack=False)
    assert complaints(tmp_path, after) == set()


@pytest.mark.parametrize(
    "flags",
    [
        "-O0",
        "-O1",
        "-O2",
        "-O3",
        "-Os",
        "-O2 -fcf-protection",
        "-O2 -mcmodel=large",
        "-O3 -march=x86-64-v3",
        "-O2 -flto",
    ],
)
def test_a_trampoline_is_found(flags: str) -> None:
    data = compile_with_gcc(NESTED, "-shared", "-fPIC", *flags.split())
    assert facts_of(data).executable_stack
    found = outcome(data)
    assert isinstance(found, Refusal)
    assert "look like a trampoline that gcc makes for a nested function" in found.reason


def test_a_program_with_a_nested_function() -> None:
    source = NESTED + "int main(void) { int values[] = {3, 1, 2}; sort(values, 3, 1); return values[0]; }"
    found = outcome(compile_with_gcc(source, "-no-pie", "-fno-pic"))
    assert isinstance(found, Refusal)


def test_without_a_header_there_is_no_room_for_one() -> None:
    data = compile_with_gcc(PLAIN, "-shared", "-fPIC")
    bare = put(data, program_header(data, "PT_GNU_STACK"), "<I", 0)  # PT_NULL
    assert facts_of(bare).executable_stack
    found = outcome(bare)
    assert isinstance(found, Refusal)
    assert "no PT_GNU_STACK header" in found.reason


@pytest.mark.parametrize("arch", ["aarch64", "i686", "s390x"])
def test_on_other_architectures_trampolines_are_not_known(arch: str) -> None:
    found = outcome(compile_with_zig(PLAIN, "-shared", "-fPIC", arch=arch))
    assert isinstance(found, Refusal)
    assert f"what code on the stack looks like on {arch} is not known" in found.reason
