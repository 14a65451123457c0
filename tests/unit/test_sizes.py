from __future__ import annotations

import pytest

from glibc_guard.sizes import is_binary, size_in_bytes, size_in_words


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("60 MB", 60_000_000),
        ("60MB", 60_000_000),
        ("60 MiB", 62_914_560),
        ("1.5 GB", 1_500_000_000),
        ("512 kB", 512_000),
        ("512 KiB", 524_288),
        ("4096", 4096),
        ("4096 B", 4096),
        (" 2 gib ", 2_147_483_648),
    ],
)
def test_sizes_as_people_write_them(text: str, size: int) -> None:
    assert size_in_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "MB", "60 mo", "-1 MB", "0", "0.1", "1e3", "60 MBB", "60 Mb/s", "\u0661 MB", "9" * 40]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match='write "60 MB", "60 MiB" or a number of bytes'):
        size_in_bytes(text)


def test_sizes_in_words() -> None:
    assert [size_in_words(size) for size in (1, 999, 1000, 154_960_000, 2_500_000_000_000)] == [
        "1 byte", "999 bytes", "1.0 kB", "155.0 MB", "2.5 TB",
    ]  # fmt: skip
    assert size_in_words(62_914_560, binary=True) == "60.0 MiB"
    assert size_in_words(1_024, binary=True) == "1.0 KiB"
    assert (is_binary(62_914_560), is_binary(60_000_000), is_binary(1)) == (True, False, False)
