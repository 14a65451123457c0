"""How the structures of each ELF class and byte order are laid out (gABI)."""

from __future__ import annotations

import struct
import sys
from array import array
from typing import Final

from msgspec import Struct

ELFCLASS32, ELFCLASS64 = 1, 2
ELFDATA2LSB, ELFDATA2MSB = 1, 2


class Layout(Struct, frozen=True):
    """How the structures of one class and byte order are laid out."""

    order: str  # "<" or ">"
    bits: int
    header: struct.Struct  # Elf_Ehdr from e_type on
    program_header: struct.Struct
    dynamic: struct.Struct
    symbol: struct.Struct
    word: int  # bytes of an address
    hash_word: int  # bytes of an entry of DT_HASH


def _layout(bits: int, order: str) -> Layout:
    wide = bits == 64
    return Layout(
        order=order,
        bits=bits,
        header=struct.Struct(f"{order}HHI{'QQQ' if wide else 'III'}IHHHHHH"),
        program_header=struct.Struct(f"{order}{'IIQQQQQQ' if wide else 'IIIIIIII'}"),
        dynamic=struct.Struct(f"{order}{'qQ' if wide else 'iI'}"),
        symbol=struct.Struct(f"{order}{'IBBHQQ' if wide else 'IIIBBH'}"),
        word=bits // 8,
        hash_word=8 if wide and order == ">" else 4,  # s390x alone has 64-bit entries (its psABI supplement)
    )


LAYOUTS: Final = {
    (cls, data): _layout(bits, order)
    for cls, bits in ((ELFCLASS32, 32), (ELFCLASS64, 64))
    for data, order in ((ELFDATA2LSB, "<"), (ELFDATA2MSB, ">"))
}


def as_integers(code: str, raw: bytes, order: str) -> array[int]:
    """Decode ``raw`` as integers of the type ``code`` of ``array``, in the byte order of the object."""
    values = array(code, raw)
    if not is_native(order):
        values.byteswap()
    return values


def is_native(order: str) -> bool:
    """Tell whether ``order`` is the byte order of this machine."""
    return (order == "<") == (sys.byteorder == "little")
