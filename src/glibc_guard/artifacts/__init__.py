"""Finds the members of an artifact, whatever holds them, and streams their bytes within bounds."""

from glibc_guard.artifacts.archive import ELF_MAGIC, OpenArtifact, open_artifact, reported
from glibc_guard.artifacts.limits import Limits
from glibc_guard.artifacts.member import ArtifactError, Content, Member, NestedWheel, printable
from glibc_guard.artifacts.packings import START_BYTES, packed

__all__ = [
    "ELF_MAGIC",
    "START_BYTES",
    "ArtifactError",
    "Content",
    "Limits",
    "Member",
    "NestedWheel",
    "OpenArtifact",
    "open_artifact",
    "packed",
    "printable",
    "reported",
]
