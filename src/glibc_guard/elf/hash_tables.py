"""The hash table by which the loader finds a symbol of an object: what it does not lead to is not there."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from typing import Final, TypeAlias

from msgspec import Struct

from glibc_guard.elf.dynamic import Dynamic
from glibc_guard.elf.errors import ElfError
from glibc_guard.elf.gnu_hash import gnu_hashes
from glibc_guard.elf.image import Image
from glibc_guard.elf.layout import Layout, as_integers
from glibc_guard.elf.versions import elf_hash

DT_HASH, DT_GNU_HASH = 4, 0x6FFFFEF5
CHAIN_STEP: Final = 256
HASH_BITS: Final = 32
SHORT: Final = 64  # symbols of a bucket; linkers make buckets of a few
ENDS: Final = 1  # bit 0 of a hash in the chain
LOWEST_BIT: Final = bytes([0, 1] * 128)


class GnuHashTable(Struct, frozen=True, dict=True):
    """DT_GNU_HASH: the symbols from ``first`` on, those of a bucket one after the other."""

    first: int
    shift: int  # between the two bits of a symbol in the bloom filter
    word_bits: int  # of the bloom filter
    bloom: array[int]
    buckets: Sequence[int]  # the index of the first symbol of each; 0: none
    chain: array[int]  # the hash of each symbol, but for bit 0: that ends the bucket

    @property
    def count(self) -> int:
        """How many symbols the table knows of: those that it leads to, and all before them."""
        return self.first + len(self.chain)

    @property
    def found(self) -> range:
        """The indexes that the table may lead to."""
        return range(self.first, self.count)

    def missed(self, indexes: Sequence[int], names: Sequence[str]) -> list[int]:
        """Return which of the symbols ``indexes`` a look-up by its own name does not come to (``do_lookup_x``)."""
        if not self.buckets or not self.bloom:
            return [*indexes]
        first, chain, buckets, modulus, ends = self.first, self.chain, self.buckets, len(self.buckets), self._ends
        bloom, bits, mask, shift = (
            self._bloom_bits,
            self.word_bits - 1,
            self.word_bits * len(self.bloom) - 1,
            self.shift,
        )
        words = mask & ~bits
        # Written for speed: what fails here, as very long buckets do, is looked at once more.
        suspects = [
            (index, value)
            for index, value in zip(indexes, gnu_hashes(names), strict=True)
            if chain[index - first] ^ value > 1
            or not bloom[value & mask]
            or not bloom[value & words | value >> shift & bits]
            or (
                (start := buckets[value % modulus]) != index
                and (
                    start > index
                    or index - start > SHORT
                    or start < first
                    or ENDS in ends[start - first : index - first]
                )
            )
        ]
        return [index for index, value in suspects if not self._leads(index, value)]

    def _leads(self, index: int, value: int) -> bool:
        """Tell whether a look-up by this hash comes to the symbol."""
        bit = value % (self.word_bits * len(self.bloom))
        other = bit - bit % self.word_bits + (value >> self.shift) % self.word_bits
        start = self.buckets[value % len(self.buckets)]
        return (
            self.chain[index - self.first] ^ value <= 1
            and bool(self._bloom_bits[bit] and self._bloom_bits[other])
            and 0 < start <= index
            and start >= self.first
            and self._end_behind(start) >= index
        )

    def _end_behind(self, start: int) -> int:
        """Return the last symbol of the bucket that begins with ``start``."""
        return self._lasts[bisect_left(self._lasts, start)]

    @cached_property
    def _lasts(self) -> list[int]:
        """The last symbol of each bucket."""
        return [index for index, word in enumerate(self.chain, self.first) if word & 1]

    @cached_property
    def _ends(self) -> bytes:
        """For each symbol ``ENDS`` where it is the last of its bucket."""
        column = self.chain.tobytes()[0 if sys.byteorder == "little" else 3 :: 4]
        return column.translate(LOWEST_BIT)

    @cached_property
    def _bloom_bits(self) -> bytes:
        """A byte for each bit of the bloom filter."""
        words = array(self.bloom.typecode, self.bloom)
        if sys.byteorder == "big":
            words.byteswap()
        value = int.from_bytes(words.tobytes(), "little")
        return f"{value:0{self.word_bits * len(words)}b}"[::-1].encode().translate(LOWEST_BIT)


class SysvHashTable(Struct, frozen=True):
    """DT_HASH: a list of symbols for each bucket."""

    buckets: int
    bucket_of: Sequence[int]  # of each symbol, the bucket whose list it is in; -1: none

    @property
    def count(self) -> int:
        """How many symbols the table knows of."""
        return len(self.bucket_of)

    @property
    def found(self) -> range:
        """The indexes that the table may lead to."""
        return range(self.count)

    def missed(self, indexes: Sequence[int], names: Sequence[str]) -> list[int]:
        """Return which of the symbols ``indexes`` a look-up by its own name does not come to (``do_lookup_x``)."""
        return [
            index
            for index, name in zip(indexes, names, strict=True)
            if not self.buckets or self.bucket_of[index] != elf_hash(name.encode("latin-1")) % self.buckets
        ]


HashTable: TypeAlias = GnuHashTable | SysvHashTable


def read_hash_table(image: Image, dynamic: Dynamic, layout: Layout) -> HashTable:
    """Return the table that the loader takes, one that leads to nothing where there is none.

    Raises:
        ElfError: a loader refuses the table, or might never come to its end.
    """
    if (table := dynamic.get(DT_GNU_HASH)) is not None:  # DT_HASH beside it is not looked at (_dl_setup_hash)
        return _gnu_hash_table(image, table, layout)
    table = dynamic.get(DT_HASH)
    return SysvHashTable(0, ()) if table is None else _sysv_hash_table(image, table, layout)


def _gnu_hash_table(image: Image, table: int, layout: Layout) -> GnuHashTable:
    order = layout.order
    buckets, first, words, shift = as_integers("I", image.read(table, 16), order)
    if max(buckets, words) > image.allowance.limits.symbols:
        raise ElfError("a count in the GNU hash table lies")
    if words & (words - 1) or shift >= HASH_BITS:
        raise ElfError("the bloom filter of the GNU hash table is damaged: the loader stops there")
    bloom_table = table + 16
    bucket_table = bloom_table + words * layout.word
    chain_table = bucket_table + 4 * buckets
    bloom = as_integers("I" if layout.word == 4 else "Q", image.read(bloom_table, words * layout.word), order)
    starts = as_integers("I", image.read(bucket_table, 4 * buckets), order)
    last = max(starts, default=0)
    chain = array("I")
    if last >= first:  # else nothing is defined here
        end = _chain_end(image, chain_table + 4 * (last - first), layout)
        chain = as_integers("I", image.read(chain_table, 4 * (last - first + end)), order)
    return GnuHashTable(first, shift, 8 * layout.word, bloom, starts, chain)


def _chain_end(image: Image, address: int, layout: Layout) -> int:
    """Return how many symbols the bucket has whose chain begins at ``address``."""
    count = 0
    while count < image.allowance.limits.symbols and (available := image.mapped_after(address) // 4):
        for word in as_integers("I", image.read(address, 4 * min(available, CHAIN_STEP)), layout.order):
            count += 1
            address += 4
            if word & 1:
                return count
    raise ElfError("a chain of the GNU hash table does not end")


def _sysv_hash_table(image: Image, table: int, layout: Layout) -> SysvHashTable:
    code, size = "I" if layout.hash_word == 4 else "Q", layout.hash_word
    bucket_count, count = as_integers(code, image.read(table, 2 * size), layout.order)
    if max(bucket_count, count) > image.allowance.limits.symbols:
        raise ElfError("a count in the hash table lies")
    words = as_integers(code, image.read(table + 2 * size, (bucket_count + count) * size), layout.order)
    buckets, chain = words[:bucket_count], words[bucket_count:]
    bucket_of = [-1] * count
    for bucket, first in enumerate(buckets):
        index = first
        while index:
            if index >= count or bucket_of[index] >= 0:
                raise ElfError("the chains of the hash table lead into each other, or out of it")
            bucket_of[index] = bucket
            index = chain[index]
    return SysvHashTable(bucket_count, bucket_of)
