"""Bounds on what an artifact may ask of the machine that reads it; each has a name, which its error tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

MEBIBYTE: Final = 1024 * 1024


def _of(what: str, unit: str = "") -> Meta:
    return Meta(description=what, extra={"unit": unit})


class Limits(Struct, frozen=True):
    """What an artifact may have at most; the defaults are far above what any real artifact has."""

    members: Annotated[int, _of("files in one artifact, and in each archive inside it")] = 250_000
    nesting: Annotated[int, _of("archives inside archives: how many levels deep they are opened")] = 1
    inflated_bytes: Annotated[int, _of("all members of one archive together, inflated", "bytes")] = 64 * 1024 * MEBIBYTE
    compression_ratio: Annotated[
        int, _of("how many times larger than the archive its members may be; nothing below 64 MiB counts", "to 1")
    ] = 1_100
    directory_bytes: Annotated[int, _of("the directory of a zip archive", "bytes")] = 64 * MEBIBYTE
    header_bytes: Annotated[int, _of("what a tar archive has between two members: headers, padding", "bytes")] = (
        4 * MEBIBYTE
    )
    metadata_bytes: Annotated[int, _of("RECORD and WHEEL of a wheel, each", "bytes")] = 64 * MEBIBYTE
    nested_archive_bytes: Annotated[int, _of("an archive inside an archive, which is held in memory", "bytes")] = (
        512 * MEBIBYTE
    )
    remote_bytes: Annotated[int, _of("a file on a server; what is fetched lies in a temporary file", "bytes")] = (
        8 * 1024 * MEBIBYTE
    )
    sequential_object_bytes: Annotated[int, _of("an ELF object in a tar, where nothing can be read twice", "bytes")] = (
        1024 * MEBIBYTE
    )
    retained_bytes: Annotated[
        int,
        _of("of each ELF object that is being inflated, what is held; less costs passes, more costs memory", "bytes"),
    ] = 16 * MEBIBYTE
    passes: Annotated[int, _of("how often one ELF object is inflated, where its tables are far apart")] = 16
    name_bytes: Annotated[int, _of("a path, or a name in an ELF object", "bytes")] = 65_536
    names_bytes: Annotated[int, _of("all names in the ELF objects of one artifact", "bytes")] = 128 * MEBIBYTE
    symbols: Annotated[int, _of("dynamic symbols in all ELF objects of one artifact")] = 1_000_000
    program_headers: Annotated[int, _of("program headers of an ELF object")] = 4_096
    dynamic_entries: Annotated[int, _of("entries of the dynamic segment of an ELF object")] = 4_096
    version_records: Annotated[int, _of("records in the version chains of an ELF object")] = 65_536


#: As the user writes it → as it is called here.
NAMES: Final[Mapping[str, str]] = {name.replace("_", "-"): name for name in Limits.__struct_fields__}


def beyond(what: str, name: str, limit: int) -> str:
    """Return the message for what is ``beyond`` the limit called ``name`` here, and what can be done about it."""
    written = name.replace("_", "-")
    return f"{what}: the limit {written} is {limit}; if the file can be trusted, give --limit {written}=NUMBER"


def limited(given: Mapping[str, int], limits: Limits | None = None) -> Limits:
    """Return ``limits`` with those ``given``, by the names that users write, in place of theirs."""
    return replace(limits or Limits(), **{NAMES[name]: value for name, value in given.items()})
