from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator

import pytest

from glibc_guard.artifacts.digest import WORTH_A_THREAD, sha256
from glibc_guard.artifacts.inflating import INFLATE_ERRORS, PIECE_BYTES, crc32, inflated

CONTENTS = {
    "empty": b"",
    "text": b"all that the loader needs " * 9_000,
    "noise": os.urandom(300_000),
    "zeros": bytes(4 * PIECE_BYTES + 1),
}


def deflated(data: bytes, level: int = 6) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("step", [13, 511, 262_144])
@pytest.mark.parametrize("name", CONTENTS)
def test_yields_the_content_in_bounded_pieces(name: str, step: int, level: int) -> None:
    found = list(inflated(pieces(deflated(CONTENTS[name], level), step)))
    assert b"".join(found) == CONTENTS[name]
    assert all(0 < len(piece) <= PIECE_BYTES for piece in found)


@pytest.mark.parametrize("behind", [[b"rest"], [b"", b"rest"]])
def test_data_behind_the_end_of_the_stream(behind: list[bytes]) -> None:
    """A reader of streams would take them for the next member."""
    one = deflated(b"one")
    with pytest.raises(INFLATE_ERRORS, match="data behind the end"):
        list(inflated(iter([one + behind[0], *behind[1:]])))


@pytest.mark.parametrize(
    "stream", [b"\x07", b"\xff\xff\xff\xff", deflated(CONTENTS["text"])[:-40] + bytes(30) + b"\xff"]
)
def test_a_damaged_stream_is_an_error_or_too_short(stream: bytes) -> None:
    try:
        found = b"".join(inflated(iter([stream])))
    except INFLATE_ERRORS:
        return
    assert found != CONTENTS["text"]


def test_crc32_is_that_of_zlib() -> None:
    for data in CONTENTS.values():
        assert crc32(data, crc32(b"before", 0)) == zlib.crc32(data, zlib.crc32(b"before"))


def test_without_isal_zlib_serves() -> None:
    """The same module, imported where isal cannot be."""
    script = (
        "import sys; sys.modules['isal'] = None\n"
        "import zlib; from glibc_guard.artifacts import inflating\n"
        "assert inflating.crc32 is zlib.crc32 and inflating.INFLATE_ERRORS == (zlib.error,)\n"
        "stream = zlib.compress(bytes(5_000_000))[2:-4]\n"
        "for step in (1, 100, len(stream)):\n"
        "    found = [*inflating.inflated(stream[at : at + step] for at in range(0, len(stream), step))]\n"
        "    assert b''.join(found) == bytes(5_000_000) and max(map(len, found)) <= inflating.PIECE_BYTES\n"
        "try: [*inflating.inflated(iter([stream, b'x']))]\n"
        "except zlib.error: pass\n"
        "else: raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("size", [0, 1000, WORTH_A_THREAD, WORTH_A_THREAD + 12_345])
def test_a_digest_is_that_of_hashlib_on_whatever_thread(size: int) -> None:
    data = os.urandom(1000) * (size // 1000 + 1)
    with sha256(size) as digest:
        for piece in pieces(data[:size], 100_000):
            digest.update(piece)
        assert digest.digest() == hashlib.sha256(data[:size]).digest()
