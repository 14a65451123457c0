"""The sites of one object: addresses that use a symbol, with the function, the crate and the source line of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from glibc_guard.artifacts import Member
from glibc_guard.explain.call_sites import Places, call_sites
from glibc_guard.explain.debug_files import DebugFiles
from glibc_guard.explain.demangle import demangled, package_of
from glibc_guard.explain.functions import Functions
from glibc_guard.explain.loads import Loads
from glibc_guard.explain.object_file import LoadedObject, ObjectFile
from glibc_guard.explain.references import Wanted
from glibc_guard.explain.repository_paths import RepositoryPaths, crate_of, site_of
from glibc_guard.explain.source_lines import SourceLines
from glibc_guard.model import Site
from glibc_guard.settings import Settings

MOST_SITES: Final = 10  # that a finding names
MOST_LOOKED_AT: Final = 128  # addresses of a symbol whose source line is looked up


class Found(Struct, frozen=True):
    """The places of one symbol."""

    sites: tuple[Site, ...]  # the first of the different ones, those in the repository before all others
    uses: int  # all places


class ObjectSites(Struct, frozen=True):
    """The places of all wanted symbols in one object, and what a reader should know of the search."""

    found: Mapping[Wanted, Found]
    remarks: tuple[str, ...]


def sites_in(file: ObjectFile, member: Member, wanted: frozenset[Wanted], settings: Settings) -> ObjectSites:
    """Return where the object in ``file`` uses each of ``wanted``; raises ElfError."""
    loaded = LoadedObject.of(file, settings.limits)
    locator = _Locator(loaded, member, settings)
    found = call_sites(loaded, locator.functions, wanted)
    loads = Loads(loaded, locator.functions, {slot for places in found.values() for slot in places.slots})
    sites = {one: _found(places, locator, loads) for one, places in found.items() if places.code or places.data}
    return ObjectSites(sites, locator.remarks)


def _found(places: Places, locator: _Locator, loads: Loads) -> Found:
    looked_at = _sample(sorted(places.code), locator)
    # The function is the same: only where there are lines it is worth to follow.
    used = dict.fromkeys(
        use for address in looked_at for use in (sorted(loads.used_at(address)) if locator.has_lines else (address,))
    )
    in_code = (locator.site(address) for address in used)
    in_data = (locator.data_site(address) for address in sorted(places.data)[:MOST_LOOKED_AT])
    # Without lines no site goes before another: more of them need not be named.
    different = _different(chain(in_code, in_data), None if locator.has_lines else MOST_SITES)
    lines_of = {site.function for site in different if site.line is not None}
    telling = (site for site in different if site.line is not None or site.function not in lines_of)
    sites = sorted(telling, key=lambda site: (not site.in_repository, site.line is None))
    return Found(tuple(sites[:MOST_SITES]), len(places.code) + len(places.data))


def _different(sites: Iterable[Site], most: int | None) -> list[Site]:
    """Return the first ``most`` different ones, all where it is None; no more than those are looked at."""
    found: dict[Site, None] = {}
    for site in sites:
        found.setdefault(site)
        if len(found) == most:
            break
    return [*found]


def _sample(addresses: Sequence[int], locator: _Locator) -> list[int]:
    """Return some of ``addresses``: those in sources of the repository, then the first in every function, and so on."""
    if len(addresses) <= MOST_LOOKED_AT:
        return [*addresses]
    locator.is_cut = True
    own, others = dict[int, list[int]](), dict[int, list[int]]()
    for address in addresses:
        by_function = own if locator.has_lines and locator.is_own(address) else others
        by_function.setdefault(locator.functions.start_of(address), []).append(address)
        if len(others if not locator.has_lines else own) == MOST_LOOKED_AT:
            break  # one in each of these comes before all others
    in_turn: Iterable[int | None] = chain.from_iterable(
        chain(zip_longest(*own.values()), zip_longest(*others.values()))
    )
    return [address for address in in_turn if address is not None][:MOST_LOOKED_AT]


class _Locator:
    """What tells of an address of one object where it is in the source."""

    def __init__(self, loaded: LoadedObject, member: Member, settings: Settings) -> None:
        self.functions = Functions(loaded)
        self._companions = DebugFiles(settings.debug_dirs, member.file)
        self._lines = SourceLines(loaded.file.data, member.path, self._companions, self._demangled)
        self._paths = RepositoryPaths(settings.repository or Path.cwd(), settings.path_prefixes, self._lines)
        self._packages: dict[str, str | None] = {}  # of functions by their names as they are shown
        self._path = member.path
        self.is_cut = False  # whether a symbol has more places than were looked at

    @property
    def remarks(self) -> tuple[str, ...]:
        cut = (
            f"{self._path}: of symbols with more than {MOST_LOOKED_AT} places so many were looked up in the debug"
            " information, those in files of the repository first"
        )
        remarks = (*self._companions.remarks, *self._lines.remarks)
        return (*remarks, cut) if self.is_cut and self.has_lines else remarks

    @property
    def has_lines(self) -> bool:
        """Whether there is any information on lines."""
        return self._lines.is_here

    def is_own(self, address: int) -> bool:
        """Tell whether the unit around ``address`` is named by a file of the repository."""
        source = self._lines.source_at(address)
        return source is not None and self._paths.find(source) is not None

    def site(self, address: int) -> Site:
        """Return the site of an instruction."""
        site = site_of(self._function(address), self._lines.frames(address), self._paths)
        package = self._packages.get(site.function or "") or crate_of(site.file)
        return replace(site, function=site.function or self._nameless(address), package=package)

    def data_site(self, address: int) -> Site:
        """Return the site of a pointer in data: a table of functions, a variable."""
        name = self.functions.data_at(address)
        if name is None:
            return Site(function=f"data@{address:#x}")
        return Site(function=f"{demangled(name)} (data)", package=package_of(name))

    def _function(self, address: int) -> str | None:
        function = self.functions.at(address)
        return None if function is None or function.name is None else self._demangled(function.name)

    def _nameless(self, address: int) -> str:
        function = self.functions.at(address)
        return f"code@{address:#x}" if function is None else f"fn@{function.start:#x}"

    def _demangled(self, name: str) -> str:
        shown = demangled(name)
        self._packages.setdefault(shown, package_of(name))
        return shown
