"""An object that is read a second time, to be explained."""

import errno
import os
import sys
from collections.abc import Iterator
from functools import partial

import pytest

from glibc_guard.artifacts import CHANGED, ArtifactError, Content, Member
from glibc_guard.artifacts.member import MemoryFile, PlainContent
from glibc_guard.explain import object_file
from glibc_guard.explain.object_file import Memory, ObjectFile

WAS = 1000  # bytes, when it was judged
ROOMS = {"held": WAS, "in a temporary file": WAS - 1}


def unopened() -> Content:
    """Fail: the pieces are asked for."""
    raise AssertionError


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


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS)
@pytest.mark.parametrize("size", [0, 1, 9, 10_000])
def test_what_is_made_ahead_on_another_thread_is_the_same(
    room: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_file, "WORTH_A_THREAD", 1)
    content = [bytes([number % 251]) for number in range(size)]
    wanted = Member("a.so", WAS, unopened, pieces=lambda: iter([b"x" * (WAS - 3), b"y", b"zz"]))
    with ObjectFile.of_member(wanted, Memory(room)) as file:
        assert bytes(file.data) == b"x" * (WAS - 3) + b"yzz"
    other = Member("a.so", WAS, unopened, pieces=lambda: iter(content))
    with pytest.raises(ArtifactError, match=CHANGED.split(":")[0]):
        ObjectFile.of_member(other, Memory(room))


def test_what_cannot_be_made_ahead_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged() -> Iterator[bytes]:
        yield b"x" * (WAS - 1)
        raise ArtifactError("bad checksum")

    monkeypatch.setattr(object_file, "WORTH_A_THREAD", 1)
    memory = Memory(WAS)
    with pytest.raises(ArtifactError, match="bad checksum"):
        ObjectFile.of_member(Member("a.so", WAS, unopened, pieces=damaged), memory)
    assert memory.take(WAS)


@pytest.mark.skipif(sys.platform != "linux", reason="there are no files in memory elsewhere")
def test_where_there_are_no_files_in_memory_a_temporary_one_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> int:
        raise OSError(errno.ENOSYS, "no such call")

    monkeypatch.setattr(os, "memfd_create", refuse)
    with ObjectFile.of_member(member(WAS), Memory()) as file:
        assert bytes(file.data) == b"x" * WAS


def test_what_is_held_is_given_back() -> None:
    memory = Memory(WAS)
    with ObjectFile.of_member(member(WAS), memory):
        assert not memory.take(1)
    assert memory.take(WAS)
    assert not memory.take(1)


def test_content_of_its_own_pieces_is_read_by_them() -> None:
    with ObjectFile.of_member(Member("a.so", WAS, unopened, pieces=lambda: iter([b"y"] * WAS)), Memory()) as file:
        assert bytes(file.data) == b"y" * WAS
