"""What lies in an artifact, by every name that it answers to, and what its links lead to."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from msgspec import Struct

from glibc_guard.model import NOT_LOADED, Artifact
from glibc_guard.rules.coverage import carries_wheels
from glibc_guard.rules.linkage import installed

#: Files that mean something by being there: nobody copied them without their content.
MEANT_EMPTY: Final = (".py", ".pyi", ".typed", ".pth", ".txt", "/.gitkeep", "/.keep")
MAX_LINKS: Final = 40  # that are followed one after the other, as Linux does (MAXSYMLINKS)


class Packed(Struct, frozen=True, dict=True):
    """The members of one artifact."""

    artifact: Artifact

    @cached_property
    def links(self) -> dict[str, str]:
        """Each link, with the path that it leads to."""
        return dict(self.artifact.links)

    @cached_property
    def names(self) -> dict[str, str]:
        """Every name that a glob may match, with the member that it leads to; links are members here."""
        members = [*self.artifact.files, *self.links]
        if self.artifact.kind == "elf":
            return {posixpath.basename(path): path for path in members}
        names = {path: path for path in members}
        if self.artifact.kind == "wheel":
            for path in members:
                names.setdefault(installed(path), path)
        return names

    @cached_property
    def promised(self) -> dict[str, str]:
        """Those of ``names`` under which every installer puts the member.

        PEP 427 spreads NAME-VERSION.data alone, and so do uv and installer; pip spreads any folder that ends in .data.
        """
        names = self.names.items()
        return {name: path for name, path in names if name == path or path.split(".data/")[0] in self._distributions}

    def complaint(self, member: str) -> str | None:
        """Say what is wrong where ``member`` is there by name alone; None where there is something behind it."""
        target = self._target(member) if member in self.links else member
        through = "" if target == member else f"is a link to {target}, which "
        if target is None:
            return f"is a link to {self.links[member]}, which leads in a circle"
        if target in self.artifact.files:
            hollow = self.artifact.files[target] == 0 and not f"/{target}".endswith(MEANT_EMPTY)
            return f"{through}is there, but empty (0 bytes)" if hollow else None
        return None if self._is_folder(target) else f"{through}is not there"

    def through_links(self, glob: str) -> Iterator[str]:
        """Yield where ``glob`` leads to through each link to a folder at its beginning."""
        for path, target in self.links.items():
            if glob.startswith(f"{path}/"):
                yield f"{self._target(path) or target}{glob[len(path) :]}"

    @property
    def can_miss_members(self) -> bool:
        """Whether ``require`` speaks of this artifact.

        Not of a single ELF file, which holds nothing; not of what only carries wheels, which are judged themselves; not
        of a wheel that is the data of another; not of one that could not be read to its end, where nobody knows.
        """
        artifact = self.artifact
        if artifact.kind in {"elf", "unknown"} or artifact.inside_wheel:
            return False
        only_carries = carries_wheels(artifact) and all(item.kind in NOT_LOADED for item in artifact.objects)
        return not only_carries and all(entry.path is not None for entry in artifact.unread)

    @cached_property
    def _distributions(self) -> frozenset[str]:
        tops = (path.split("/")[0] for path in self.artifact.files)
        return frozenset(top.removesuffix(".dist-info") for top in tops if top.endswith(".dist-info"))

    def _is_folder(self, path: str) -> bool:
        return path == "." or any(member.startswith(f"{path}/") for member in self.artifact.files)

    def _target(self, path: str) -> str | None:
        """Return what ``path`` leads to when all links are followed; None where they lead in a circle."""
        for _ in range(MAX_LINKS):
            link = next((place for place in _upward(path) if place in self.links), None)
            if link is None:
                return path
            path = posixpath.normpath(self.links[link] + path[len(link) :])
        return None


def _upward(path: str) -> Iterator[str]:
    """Yield ``path`` and the folders that it lies in."""
    while path:
        yield path
        path = posixpath.dirname(path)
