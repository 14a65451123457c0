from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glibc_guard.artifacts.member import MAX_PASSES, WINDOW, ArtifactError, StreamedContent


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
    assert content.read(100, 5) == bytes(range(100, 105))
    assert len(passes) == 2


def test_the_number_of_passes_is_bounded() -> None:
    content = counted(3 * WINDOW, 1024 * 1024, [])
    for _ in range(MAX_PASSES - 1):
        content.read(3 * WINDOW - 5, 5)
        content.read(100, 5)
    content.read(3 * WINDOW - 5, 5)
    with pytest.raises(ArtifactError, match="more than 16 passes"):
        content.read(100, 5)


def test_a_range_longer_than_the_window_is_whole() -> None:
    passes: list[int] = []
    content = counted(3 * WINDOW, 64 * 1024, passes)
    assert len(content.read(1000, 3 * WINDOW)) == 3 * WINDOW - 1000
    assert len(passes) == 1
