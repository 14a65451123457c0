"""An object that is read a second time, to be explained."""

from functools import partial

import pytest

from glibc_guard.artifacts import CHANGED, ArtifactError, Member
from glibc_guard.artifacts.member import MemoryFile, PlainContent
from glibc_guard.explain.object_file import Memory, ObjectFile

WAS = 1000  # bytes, when it was judged


def member(size: int) -> Member:
    return Member("a.so", WAS, partial(PlainContent, MemoryFile(b"x" * size)))


def test_what_stayed_as_it_was_is_held() -> None:
    with ObjectFile.of_member(member(WAS), Memory()) as file:
        assert bytes(file.data) == b"x" * WAS


@pytest.mark.parametrize("size", [0, WAS - 1, WAS + 1, 3 * 1024 * 1024])
def test_what_changed_since_it_was_judged_is_told(size: int) -> None:
    with pytest.raises(ArtifactError, match=CHANGED.split(":")[0]):
        ObjectFile.of_member(member(size), Memory())
