"""Finds the members of an artifact, whatever holds them, and streams their bytes within bounds."""

from glibc_guard.artifacts.archive import ELF_MAGIC, OpenArtifact, open_artifact, reported
from glibc_guard.artifacts.fetched import Fetched
from glibc_guard.artifacts.member import CHANGED, ArtifactError, Content, Member, NestedWheel, identity, printable
from glibc_guard.artifacts.packings import START_BYTES, may_be_packed, packed
from glibc_guard.limits import Limits

__all__ = [
    "CHANGED",
    "ELF_MAGIC",
    "START_BYTES",
    "ArtifactError",
    "Content",
    "Fetched",
    "Limits",
    "Member",
    "NestedWheel",
    "OpenArtifact",
    "identity",
    "may_be_packed",
    "open_artifact",
    "packed",
    "printable",
    "reported",
]
