"""Inflates raw deflate streams (RFC 1951) within bounds, and counts their CRC-32.

By ISA-L where its binding is installed, which takes less than half of the time of zlib; else by zlib.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, Protocol

#: Bytes of one piece at most. One byte of deflate yields up to 1,032, so that without it 64 KiB could become 66 MB.
PIECE_BYTES: Final = 2 * 1024 * 1024


class Inflater(Protocol):
    """What inflates one stream, given piece by piece."""

    @property
    def eof(self) -> bool:
        """Whether the stream is at its end."""

    @property
    def needs_input(self) -> bool:
        """Whether all that can be made of the pieces so far was returned."""

    @property
    def unused_data(self) -> bytes:
        """What was given behind the end of the stream."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return at most so many bytes; ``data`` is empty where more of the same input is wanted."""


class _ZlibInflater:
    """zlib in that shape."""

    def __init__(self) -> None:
        """Begin a stream."""
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflater.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        produced = self._inflater.decompress(self._inflater.unconsumed_tail + data, max_length)
        # Where it stops for the bound, there may be more even of input that is used up.
        self.needs_input = len(produced) < max_length and not self._inflater.unconsumed_tail
        return produced


try:
    from isal import igzip_lib, isal_zlib

    _inflater: Callable[[], Inflater] = partial(igzip_lib.IgzipDecompressor, igzip_lib.DECOMP_DEFLATE)
    _crc32: Callable[[bytes, int], int] = isal_zlib.crc32
    _errors: tuple[type[Exception], ...] = (zlib.error, igzip_lib.error)  # type: ignore[assignment]  # a wrong stub
except ImportError:  # no wheel of it for this processor or system
    _inflater, _crc32, _errors = _ZlibInflater, zlib.crc32, (zlib.error,)

crc32: Final = _crc32
INFLATE_ERRORS: Final = _errors


def inflated(compressed: Iterator[bytes]) -> Iterator[bytes]:
    """Inflate what ``compressed`` yields.

    Raises:
        one of INFLATE_ERRORS: the stream is damaged, or ends before what ``compressed`` yields does. One that is cut
            off is not noticed: compare the size.
    """
    inflater = _inflater()
    for piece in compressed:
        produced = inflater.decompress(piece, PIECE_BYTES)
        while produced:
            yield produced
            done = inflater.needs_input or inflater.eof
            produced = b"" if done else inflater.decompress(b"", PIECE_BYTES)
        if inflater.eof:
            if inflater.unused_data or next(compressed, b""):
                raise zlib.error("data behind the end of the compressed stream")
            return
