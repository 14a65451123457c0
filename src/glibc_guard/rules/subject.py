"""What a rule looks at: one object of an artifact, held against one target."""

from __future__ import annotations

from functools import cached_property

from msgspec import Struct

from glibc_guard.model import NOT_LOADED, Artifact, ElfObject, Target, VersionNeed
from glibc_guard.rules.linkage import Linkage
from glibc_guard.targets import glibc_symbols
from glibc_guard.targets.symbol_version import significant_numbers


class Subject(Struct, frozen=True, dict=True):
    """One object, the artifact that it lies in, the libraries beside it, and the target of its architecture."""

    object: ElfObject
    artifact: Artifact
    linkage: Linkage
    target: Target

    @property
    def loaded(self) -> bool:
        """Whether a dynamic loader ever maps the object."""
        return self.object.kind not in NOT_LOADED

    @cached_property
    def system_needs(self) -> tuple[VersionNeed, ...]:
        """The version needs that the system must meet: those on libraries that the artifact does not carry."""
        if not self.loaded:
            return ()
        return tuple(need for need in self.object.version_needs if not self.linkage.brings(self.object, need.library))

    @property
    def release(self) -> str | None:
        """The glibc release of the target; None for musl."""
        return self.target.ceilings.get("GLIBC") if self.target.libc == "glibc" else None

    @cached_property
    def symbols(self) -> glibc_symbols.SymbolTable:
        """What every glibc release defines on the target's architecture."""
        return glibc_symbols.load(self.target.arch)

    def before(self, release: str) -> bool:
        """Tell whether the target's glibc is older than ``release``."""
        return (significant_numbers(self.release or "0") or ()) < (significant_numbers(release) or ())

    @property
    def system(self) -> str:
        """The target in words: "glibc 2.17 (manylinux_2_17_x86_64)"."""
        if self.target.libc == "musl":
            return f"musl ({self.target.name})"
        return (
            f"glibc {self.release}"
            if self.target.name == self.release
            else f"glibc {self.release} ({self.target.name})"
        )
