"""What must hold of every object: a newer target forgives more, and sections decide nothing."""

from __future__ import annotations

import io
import struct
from functools import lru_cache
from pathlib import Path

from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from building import compile_with_gcc, library
from glibc_guard.model import Artifact, ElfObject, Finding, Target
from glibc_guard.rules import judge
from glibc_guard.settings import Settings
from glibc_guard.targets import glibc_symbols
from unit.elf.test_reader import host_objects, read
from unit.rules.crafting import without_sections

RELEASES = glibc_symbols.load("x86_64").releases
VERSION_RULES = {"symbol-version-too-new", "loader-marker", "weak-version-need"}
CALLS = ("reallocarray(0, 1, 2)", "pow(x, 2.5)", "malloc(1)", "secure_getenv(0)", "aligned_alloc(8, 8)", "exp2(x)")


def findings(item: ElfObject, release: str) -> tuple[Finding, ...]:
    target = Target(release, "option", "x86_64", "glibc", {"GLIBC": release})
    return judge(Artifact("object", "elf", 1, None, 1, (item,)), (target,), Settings(allow_empty=True))


@lru_cache(maxsize=1)
def objects() -> tuple[ElfObject, ...]:
    built = [library(*CALLS[:count], glibc="2.29") for count in range(1, len(CALLS) + 1)]
    return tuple(read(data) for data in [*built, *(path.read_bytes() for path in host_objects())])


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_newer_target_never_fails_what_an_older_one_passes(data: st.DataObject) -> None:
    item = data.draw(st.sampled_from(objects()))
    older, newer = sorted(data.draw(st.lists(st.sampled_from(range(len(RELEASES))), min_size=2, max_size=2)))

    def complaints(position: int) -> set[tuple[str | None, ...]]:
        found = findings(item, RELEASES[position])
        return {(f.symbol, f.version, f.library) for f in found if f.rule in VERSION_RULES}

    assert complaints(newer) <= complaints(older)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_renaming_reordering_and_stripping_sections_changes_no_verdict(data: st.DataObject) -> None:
    content = data.draw(st.sampled_from(sample()))
    release = data.draw(st.sampled_from(RELEASES))
    expected = findings(read(content), release)
    elf = ELFFile(io.BytesIO(content))
    start, size, count = elf["e_shoff"], elf["e_shentsize"], elf["e_shnum"]
    order = data.draw(st.permutations(range(count)))
    names = data.draw(st.lists(st.integers(0, 2**32 - 1), min_size=count, max_size=count))
    headers = [content[start + size * number : start + size * (number + 1)] for number in order]
    renamed = [struct.pack("<I", name) + header[4:] for name, header in zip(names, headers, strict=True)]
    changed = content[:start] + b"".join(renamed) + content[start + size * count :]
    assert findings(read(changed), release) == expected
    assert findings(read(without_sections(content)), release) == expected


@lru_cache(maxsize=1)
def sample() -> tuple[bytes, ...]:
    program = compile_with_gcc('#include <stdio.h>\nint main(void) { return puts(""); }')
    return (library(*CALLS, glibc="2.29"), program, Path("/bin/ls").read_bytes())
