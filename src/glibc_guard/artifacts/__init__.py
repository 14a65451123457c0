"""Finds the members of an artifact, whatever holds them, and streams their bytes within bounds."""

from glibc_guard.artifacts.archive import ELF_MAGIC, OpenArtifact, open_artifact
from glibc_guard.artifacts.member import ArtifactError, Content, Member, NestedWheel, printable
from glibc_guard.limits import Limits

__all__ = [
    "ELF_MAGIC",
    "ArtifactError",
    "Content",
    "Limits",
    "Member",
    "NestedWheel",
    "OpenArtifact",
    "open_artifact",
    "printable",
]
