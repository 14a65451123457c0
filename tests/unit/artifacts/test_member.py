from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glibc_guard.artifacts import Limits
from glibc_guard.artifacts.member import WINDOW, ArtifactError, StreamedContent


@given(
    data=st.binary(max_size=300),
    step=st.integers(1, 50),
    retained=st.integers(0, 350),
    requests=st.lists(st.tuples(st.integers(0, 320), st.integers(0, 320)), max_size=8),
)
def test_any_order_of_reads_gives_the_right_bytes(
    data: bytes, step: int, retained: int, requests: list[tuple[int, int]]
) -> None:
    def pieces() -> Iterator[bytes]:
        for offset in range(0, len(data), step):
            yield data[offset : offset + step]

    content = StreamedContent(pieces, retained)
    for offset, size in requests:
        assert content.read(offset, size) == data[offset : offset + size]


def counted(size: int, step: int, passes: list[int]) -> StreamedContent:
    data = bytes(number % 251 for number in range(size))

    def pieces() -> Iterator[bytes]:
        passes.append(1)
        yield from (data[offset : offset + step] for offset in range(0, size, step))

    return StreamedContent(pieces, retained=25)


def test_reading_forwards_and_back_within_the_window_takes_one_pass() -> None:
    passes: list[int] = []
    content = counted(3 * WINDOW, 64 * 1024, passes)
    assert content.read(2 * WINDOW, 5) == bytes((2 * WINDOW + number) % 251 for number in range(5))
    assert content.read(0, 25) == bytes(range(25))
    assert content.read(2 * WINDOW - 100_000, 3) == bytes((2 * WINDOW - 100_000 + number) % 251 for number in range(3))
    content.verify()
    assert len(passes) == 1


def test_reading_back_behind_the_window_takes_another_pass() -> None:
    passes: list[int] = []
    content = counted(3 * WINDOW, 64 * 1024, passes)
    content.verify()
    assert content.read(100, 5) == bytes(range(100, 105))  # in the first piece, which is retained
    assert len(passes) == 1
    assert content.read(100_000, 5) == bytes((100_000 + number) % 251 for number in range(5))
    assert len(passes) == 2


def test_the_number_of_passes_is_bounded() -> None:
    content = counted(3 * WINDOW, 1024 * 1024, [])
    for _ in range(Limits().passes - 1):
        content.read(3 * WINDOW - 5, 5)
        content.read(2_000_000, 5)
    content.read(3 * WINDOW - 5, 5)
    with pytest.raises(ArtifactError, match="the limit passes is 16"):
        content.read(2_000_000, 5)


def test_a_range_longer_than_the_window_is_whole() -> None:
    passes: list[int] = []
    content = counted(3 * WINDOW, 64 * 1024, passes)
    assert len(content.read(1000, 3 * WINDOW)) == 3 * WINDOW - 1000
    assert len(passes) == 1


def test_what_is_kept_is_at_hand_behind_the_window() -> None:
    passes: list[int] = []
    content = counted(3 * WINDOW, 64 * 1024, passes)
    content.read(0, 10)
    content.keep(100_000, 500)  # across two pieces, which are 64 KiB each
    content.keep(130_900, 500)
    content.verify()
    assert content.at_hand(100_100, 300)
    assert content.at_hand(130_900, 500)
    assert content.at_hand(5, 20)
    assert content.at_hand(3 * WINDOW - 10, 10)
    assert not content.at_hand(200_000, 1)
    assert not content.at_hand(100_100, 500)
    for offset, size in ((100_100, 300), (130_900, 500)):
        expected = bytes((offset + number) % 251 for number in range(size))
        assert content.read(offset, size) == expected
    assert len(passes) == 1


def test_what_has_passed_is_not_kept_any_more() -> None:
    passes: list[int] = []
    content = counted(3 * WINDOW, 64 * 1024, passes)
    content.verify()
    content.keep(100_000, 500)
    assert not content.at_hand(100_000, 500)
    assert content.read(100_000, 5) == bytes((100_000 + number) % 251 for number in range(5))
    assert len(passes) == 2


@given(
    data=st.binary(min_size=50, max_size=300),
    step=st.integers(1, 50),
    kept=st.lists(st.tuples(st.integers(0, 320), st.integers(0, 60)), max_size=4),
    requests=st.lists(st.tuples(st.integers(0, 320), st.integers(0, 320)), max_size=8),
)
def test_keeping_changes_no_byte(
    data: bytes, step: int, kept: list[tuple[int, int]], requests: list[tuple[int, int]]
) -> None:
    def pieces() -> Iterator[bytes]:
        for offset in range(0, len(data), step):
            yield data[offset : offset + step]

    content = StreamedContent(pieces, 20)
    for offset, size in kept:
        content.keep(offset, size)
    for offset, size in requests:
        content.at_hand(offset, size)
        assert content.read(offset, size) == data[offset : offset + size]
