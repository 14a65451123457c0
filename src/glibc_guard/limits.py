"""Bounds on what an artifact may ask of the machine that reads it; each has a name, which its error tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

MEBIBYTE: Final = 1024 * 1024


def _bound(default: int, what: str, unit: str = "") -> Any:  # noqa: ANN401  # what dataclasses.field gives
    return field(default=default, metadata={"what": what, "unit": unit})


@dataclass(frozen=True, slots=True)
class Limits:
    """What an artifact may have at most; the defaults are far above what any real artifact has."""

    members: int = _bound(250_000, "files in one artifact, and in each archive inside it")
    nesting: int = _bound(1, "archives inside archives: how many levels deep they are opened")
    inflated_bytes: int = _bound(64 * 1024 * MEBIBYTE, "all members of one archive together, inflated", "bytes")
    compression_ratio: int = _bound(
        1_100, "how many times larger than the archive its members may be; nothing below 64 MiB counts", "to 1"
    )
    directory_bytes: int = _bound(64 * MEBIBYTE, "the directory of a zip archive", "bytes")
    header_bytes: int = _bound(4 * MEBIBYTE, "what a tar archive has between two members: headers, padding", "bytes")
    metadata_bytes: int = _bound(64 * MEBIBYTE, "RECORD and WHEEL of a wheel, each", "bytes")
    nested_archive_bytes: int = _bound(512 * MEBIBYTE, "an archive inside an archive, which is held in memory", "bytes")
    remote_bytes: int = _bound(
        8 * 1024 * MEBIBYTE, "a file on a server; what is fetched lies in a temporary file", "bytes"
    )
    sequential_object_bytes: int = _bound(
        1024 * MEBIBYTE, "an ELF object in a tar, where nothing can be read twice", "bytes"
    )
    retained_bytes: int = _bound(
        16 * MEBIBYTE,
        "of each ELF object that is being inflated, what is held; less costs passes, more costs memory",
        "bytes",
    )
    passes: int = _bound(16, "how often one ELF object is inflated, where its tables are far apart")
    name_bytes: int = _bound(65_536, "a path, or a name in an ELF object", "bytes")
    names_bytes: int = _bound(128 * MEBIBYTE, "all names in the ELF objects of one artifact", "bytes")
    symbols: int = _bound(1_000_000, "dynamic symbols in all ELF objects of one artifact")
    program_headers: int = _bound(4_096, "program headers of an ELF object")
    dynamic_entries: int = _bound(4_096, "entries of the dynamic segment of an ELF object")
    version_records: int = _bound(65_536, "records in the version chains of an ELF object")


#: As the user writes it → as it is called here.
NAMES: Final[Mapping[str, str]] = {item.name.replace("_", "-"): item.name for item in fields(Limits)}


def beyond(what: str, name: str, limit: int) -> str:
    """Return the message for what is ``beyond`` the limit called ``name`` here, and what can be done about it."""
    written = name.replace("_", "-")
    return f"{what}: the limit {written} is {limit}; if the file can be trusted, give --limit {written}=NUMBER"


def limited(given: Mapping[str, int], limits: Limits | None = None) -> Limits:
    """Return ``limits`` with those ``given``, by the names that users write, in place of theirs."""
    kept = limits or Limits()
    values = {item.name: getattr(kept, item.name) for item in fields(Limits)}
    return Limits(**{**values, **{NAMES[name]: value for name, value in given.items()}})
