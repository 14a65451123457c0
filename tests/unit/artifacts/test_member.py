from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from glibc_guard.artifacts.member import StreamedContent


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


def test_reading_forwards_takes_one_pass() -> None:
    passes: list[int] = []

    def pieces() -> Iterator[bytes]:
        passes.append(1)
        yield from (bytes([number]) * 10 for number in range(20))

    content = StreamedContent(pieces, retained=25)
    assert content.read(100, 20) == b"\x0a" * 10 + b"\x0b" * 10
    assert content.read(0, 25) == b"\x00" * 10 + b"\x01" * 10 + b"\x02" * 5
    assert content.read(115, 10) == b"\x0b" * 5 + b"\x0c" * 5
    content.verify()
    assert len(passes) == 1
    assert content.read(30, 5) == b"\x03" * 5
    assert len(passes) == 2
