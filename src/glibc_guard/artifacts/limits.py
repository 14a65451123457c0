"""Bounds on what an artifact may ask of the machine that reads it."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound is named in the error that it causes, so that a user knows which one to raise."""

    members: int = 1_000_000  # files in one artifact, nested archives included
    inflated_bytes: int = 64 * 1024 * MEBIBYTE  # all members of one artifact together, as declared
    nested_archive_bytes: int = 512 * MEBIBYTE  # an archive inside an archive is held in memory
    remote_bytes: int = 8 * 1024 * MEBIBYTE  # of one file on a server; what is fetched lies in a temporary file
    sequential_object_bytes: int = 1024 * MEBIBYTE  # an ELF object in a tar is held in memory
    retained_bytes: int = (
        16 * MEBIBYTE
    )  # of each ELF member that is being inflated; more costs memory, less costs passes
