"""What a rule looks at: one object of an artifact, held against one target."""

from __future__ import annotations

from dataclasses import dataclass

from glibc_guard.model import ElfObject, Target, VersionNeed
from glibc_guard.rules.floor import system_needs


@dataclass(frozen=True, slots=True)
class Subject:
    """One object, the target of its architecture, and the names of the libraries that lie beside it."""

    object: ElfObject
    target: Target
    carried: frozenset[str]

    @property
    def system_needs(self) -> tuple[VersionNeed, ...]:
        """The version needs that the system must meet."""
        return system_needs(self.object, self.carried)

    @property
    def system(self) -> str:
        """The target in words: "glibc 2.17 (manylinux_2_17_x86_64)"."""
        glibc = self.target.ceilings.get("GLIBC")
        if self.target.libc == "musl":
            return f"musl ({self.target.name})"
        return f"glibc {glibc}" if self.target.name == glibc else f"glibc {glibc} ({self.target.name})"
