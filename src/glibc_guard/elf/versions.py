"""Walks version requirements and definitions by their links, as ``elf/dl-version.c`` does: no count is believed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from glibc_guard.elf.dynamic import Dynamic
from glibc_guard.elf.errors import ElfError
from glibc_guard.elf.image import Image
from glibc_guard.limits import Limits, beyond
from glibc_guard.model import VersionDefinition, VersionNeed

DT_VERDEF, DT_VERNEED = 0x6FFFFFFC, 0x6FFFFFFE
VER_FLG_BASE, VER_FLG_WEAK = 0x1, 0x2
INDEX_MASK: Final = 0x7FFF  # bit 15 hides a definition

# Elf32 and Elf64 share these layouts.
VERNEED, VERNAUX, VERDEF, VERDAUX = "HHIII", "IHHII", "HHHHIII", "II"


def read_needs(image: Image, dynamic: Dynamic, order: str) -> tuple[VersionNeed, ...]:
    """Return every version that the object requires, in the order in which the loader checks them."""
    start = dynamic.get(DT_VERNEED)
    if start is None:
        return ()
    needs: list[VersionNeed] = []
    for address, (version, _, file, aux, _) in chain(image, start, order + VERNEED, link=4):
        if version != 1:
            raise ElfError(f"unsupported version {version} of Verneed record: the loader refuses it")
        library = dynamic.string(image, file)
        for _, (name_hash, flags, other, name, _) in chain(image, address + aux, order + VERNAUX, link=4):
            weak = bool(flags & VER_FLG_WEAK)
            wanted = dynamic.string(image, name)
            matches = elf_hash(wanted.encode("utf-8")) == name_hash
            needs.append(VersionNeed(library, wanted, name_hash, matches, weak, other & INDEX_MASK))
            _check_bound(len(needs), image.allowance.limits)
    return tuple(needs)


def read_definitions(image: Image, dynamic: Dynamic, order: str) -> tuple[VersionDefinition, ...]:
    """Return every version that the object defines."""
    start = dynamic.get(DT_VERDEF)
    if start is None:
        return ()
    definitions: list[VersionDefinition] = []
    auxiliary = struct.Struct(order + VERDAUX)
    for address, (_, flags, index, _, name_hash, aux, _) in chain(image, start, order + VERDEF, link=6):
        name, _ = auxiliary.unpack(image.read(address + aux, auxiliary.size))
        base = bool(flags & VER_FLG_BASE)
        definitions.append(VersionDefinition(dynamic.string(image, name), name_hash, index & INDEX_MASK, base))
    return tuple(definitions)


def elf_hash(name: bytes) -> int:
    """Return the hash that the gABI defines for symbol and version names."""
    value = 0
    for byte in name:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high & 0xFFFFFFFF
    return value


def chain(image: Image, address: int, record: str, link: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield address and fields of each record; field number ``link`` is the distance to the next, 0 at the end."""
    layout = struct.Struct(record)
    limits = image.allowance.limits
    for _ in range(limits.version_records):
        fields = layout.unpack(image.read(address, layout.size))
        yield address, fields
        if fields[link] == 0:
            return
        address += fields[link]
    _check_bound(limits.version_records + 1, limits)


def _check_bound(count: int, limits: Limits) -> None:
    # An index has 15 bits; more records than that can only be a trap.
    if count > limits.version_records:
        raise ElfError(beyond("a chain of version records does not end", "version_records", limits.version_records))
