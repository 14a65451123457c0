"""An object that is read a second time, to be explained."""

from functools import partial

import pytest

from glibc_guard.artifacts import CHANGED, ArtifactError, Member
from glibc_guard.artifacts.member import MemoryFile, PlainContent
from glibc_guard.explain.object_file import Memory, ObjectFile

WAS = 1000  # bytes, when it was judged
ROOMS = {"held": WAS, "in a temporary file": WAS - 1}


def member(size: int) -> Member:
    return Member("a.so", WAS, partial(PlainContent, MemoryFile(b"x" * size)))


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS)
def test_what_stayed_as_it_was_is_served(room: int) -> None:
    with ObjectFile.of_member(member(WAS), Memory(room)) as file:
        assert bytes(file.data) == b"x" * WAS


@pytest.mark.parametrize("size", [0, WAS - 1, WAS + 1, 3 * 1024 * 1024])
def test_what_changed_since_it_was_judged_is_told(size: int) -> None:
    memory = Memory(WAS)
    with pytest.raises(ArtifactError, match=CHANGED.split(":")[0]):
        ObjectFile.of_member(member(size), memory)
    assert memory.take(WAS)


def test_what_is_held_is_given_back() -> None:
    memory = Memory(WAS)
    with ObjectFile.of_member(member(WAS), memory):
        assert not memory.take(1)
    assert memory.take(WAS)
    assert not memory.take(1)


def test_content_of_its_own_pieces_is_read_by_them() -> None:
    def refuse() -> PlainContent:
        raise AssertionError

    with ObjectFile.of_member(Member("a.so", WAS, refuse, pieces=lambda: iter([b"y"] * WAS)), Memory()) as file:
        assert bytes(file.data) == b"y" * WAS
