"""Inflates raw deflate streams (RFC 1951) within bounds, and counts their CRC-32.

By ISA-L where its binding is installed, which takes less than half of the time of zlib; else by zlib.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Final

try:
    from isal import isal_zlib

    _decompressor, _crc32 = isal_zlib.decompressobj, isal_zlib.crc32
    _errors: tuple[type[Exception], ...] = (zlib.error, isal_zlib.error)  # type: ignore[assignment]  # a wrong stub
except ImportError:  # no wheel of it for this processor or system
    _decompressor, _crc32, _errors = zlib.decompressobj, zlib.crc32, (zlib.error,)  # type: ignore[assignment]

crc32: Final[Callable[[bytes, int], int]] = _crc32
INFLATE_ERRORS: Final[tuple[type[Exception], ...]] = _errors
#: Bytes of one piece at most. One byte of deflate yields up to 1,032, so that without it 64 KiB could become 66 MB.
PIECE_BYTES: Final = 2 * 1024 * 1024


def inflated(compressed: Iterator[bytes]) -> Iterator[bytes]:
    """Inflate what ``compressed`` yields; give it small pieces, since what is left over of one is copied.

    Raises:
        one of INFLATE_ERRORS: the stream is damaged, or ends before what ``compressed`` yields does. One that is cut
            off is not noticed: compare the size.
    """
    inflater = _decompressor(-zlib.MAX_WBITS)
    for piece in compressed:
        yield inflater.decompress(piece, PIECE_BYTES)
        while inflater.unconsumed_tail and not inflater.eof:
            yield inflater.decompress(inflater.unconsumed_tail, PIECE_BYTES)
        if inflater.eof:
            if inflater.unused_data or next(compressed, b""):
                raise zlib.error("data behind the end of the compressed stream")
            return
    yield inflater.flush()
