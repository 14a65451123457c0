"""The sites of one object: addresses that use a symbol, with the function, the crate and the source line of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import Final

from glibc_guard.artifacts import Member
from glibc_guard.explain.call_sites import Places, call_sites
from glibc_guard.explain.demangle import demangled, package_of
from glibc_guard.explain.functions import Functions
from glibc_guard.explain.object_file import LoadedObject, ObjectFile
from glibc_guard.explain.references import Wanted
from glibc_guard.model import Site
from glibc_guard.settings import Settings

MOST_SITES: Final = 10  # that a finding names
MOST_LOOKED_AT: Final = 128  # addresses of a symbol whose source line is looked up
#: Where cargo unpacks the crates of a registry, and what it checks out.
CRATE_FOLDER: Final = re.compile(r"/(?:registry/src|git/checkouts)/[^/]+/([A-Za-z][\w-]*?)-\d[^/]*/")


@dataclass(frozen=True, slots=True)
class Found:
    """The places of one symbol."""

    sites: tuple[Site, ...]  # the first of the different ones, those in the repository before all others
    uses: int  # all places


def sites_in(file: ObjectFile, member: Member, wanted: frozenset[Wanted], settings: Settings) -> dict[Wanted, Found]:
    """Return where the object in ``file`` uses each of ``wanted``; raises ElfError."""
    loaded = LoadedObject.of(file)
    locator = _Locator(loaded, Functions(loaded), member, settings)
    found = call_sites(loaded, locator.functions, wanted)
    return {one: _found(places, locator) for one, places in found.items() if places.code or places.data}


def _found(places: Places, locator: _Locator) -> Found:
    in_code = (locator.site(address) for address in _sample(sorted(places.code), locator.functions))
    in_data = (locator.data_site(address) for address in sorted(places.data)[:MOST_LOOKED_AT])
    different = dict.fromkeys(chain(in_code, in_data))
    sites = sorted(different, key=lambda site: (not site.in_repository, site.line is None))
    return Found(tuple(sites[:MOST_SITES]), len(places.code) + len(places.data))


def _sample(addresses: Sequence[int], functions: Functions) -> list[int]:
    """Return some of ``addresses``: the first in every function, then the second in every function, …"""
    if len(addresses) <= MOST_LOOKED_AT:
        return [*addresses]
    by_function: dict[int, list[int]] = {}
    for address in addresses:
        function = functions.at(address)
        by_function.setdefault(address if function is None else function.start, []).append(address)
    in_turn: Iterable[int | None] = chain.from_iterable(zip_longest(*by_function.values()))
    return [address for address in in_turn if address is not None][:MOST_LOOKED_AT]


class _Locator:
    """What tells of an address of one object where it is in the source."""

    def __init__(self, loaded: LoadedObject, functions: Functions, member: Member, settings: Settings) -> None:
        self.functions = functions

    def site(self, address: int) -> Site:
        """Return the site of an instruction."""
        function = self.functions.at(address)
        if function is None:
            return Site(function=f"code@{address:#x}")
        if function.name is None:
            return Site(function=f"fn@{function.start:#x}")
        return Site(function=demangled(function.name), package=package_of(function.name))

    def data_site(self, address: int) -> Site:
        """Return the site of a pointer in data."""
        name = self.functions.data_at(address)
        if name is None:
            return Site(function=f"data@{address:#x}")
        return Site(function=f"{demangled(name)} (data)", package=package_of(name))
