"""What of the symbols that an object defines the loader comes to when it looks them up by their names."""

from __future__ import annotations

from collections.abc import Container, Sequence
from functools import cached_property
from itertools import compress

from msgspec import Struct

from glibc_guard.elf.hash_tables import HashTable


class Exports(Struct, frozen=True, dict=True):
    """The definitions of an object, and the table to find them by.

    To hash a name costs more than to read it, so that it is done for what is asked for: what the object itself uses,
    and what another relies on.
    """

    table: HashTable
    indexes: Sequence[int]
    names: Sequence[str]
    as_stored: Sequence[str]  # the same with a character for each byte
    hidden_versions: frozenset[int]  # indexes of those that no reference without a version gets

    def provides(self, name: str) -> bool:
        """Tell whether a look-up of ``name``, which is one of ``names``, finds it in one version or other."""
        return self._finds(self._places[name])

    def provides_unversioned(self, name: str) -> bool:
        """Tell the same of a look-up without a version."""
        return self._finds([place for place in self._places[name] if self.indexes[place] not in self.hidden_versions])

    def missed(self, indexes: Container[int]) -> list[int]:
        """Return which of the definitions among ``indexes`` are never found."""
        chosen = [index in indexes for index in self.indexes]
        return self.table.missed([*compress(self.indexes, chosen)], [*compress(self.as_stored, chosen)])

    def _finds(self, places: Sequence[int]) -> bool:
        names = [self.as_stored[place] for place in places]
        return len(self.table.missed([self.indexes[place] for place in places], names)) < len(places)

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        """Where among ``indexes`` each name is: once for each of its versions."""
        found: dict[str, list[int]] = {}
        for place, name in enumerate(self.names):
            found.setdefault(name, []).append(place)
        return found
