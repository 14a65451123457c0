"""Reads one ELF object as the dynamic loader reads it, into frozen facts."""

from glibc_guard.elf.allowance import Allowance
from glibc_guard.elf.errors import ElfError
from glibc_guard.elf.image import Bytes
from glibc_guard.elf.reader import read_object

__all__ = ["Allowance", "Bytes", "ElfError", "read_object"]
