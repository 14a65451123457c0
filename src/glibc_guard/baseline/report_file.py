"""A JSON report of an earlier run as a baseline: hostile input like any other file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from glibc_guard.baseline.errors import BaselineError
from glibc_guard.model import SCHEMA_VERSION, Report

MAXIMUM: Final = 128 * 1024 * 1024  # bytes; a report of 3,000 objects has about five million


class Head(msgspec.Struct):
    """What every schema has."""

    schema_version: int
    tool: dict[str, Any]


def is_report(path: Path) -> bool:
    """Tell whether the file looks like JSON, which no artifact does: by its first character, or by its name."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError:  # told where it is read as an artifact
        return False
    return start.startswith((b"{", b"[")) or path.suffix == ".json"


def read_report(path: Path) -> Report:
    """Return the report in ``path``.

    Raises:
        BaselineError: the file cannot be read, or is no report that this version understands.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAXIMUM + 1)
    except OSError as error:
        raise BaselineError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > MAXIMUM:
        raise BaselineError(f"{path}: larger than {MAXIMUM // 1024 // 1024} MiB: that is no report of glibc-guard")
    try:
        head = msgspec.json.decode(data, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BaselineError(f"{path}: no JSON report of glibc-guard: {error}") from error
    if head.tool.get("name") != "glibc-guard":
        raise BaselineError(f"{path}: no JSON report of glibc-guard: another tool wrote it")
    if head.schema_version > SCHEMA_VERSION:
        raise BaselineError(
            f"{path}: a report of schema {head.schema_version}, and this glibc-guard knows schema {SCHEMA_VERSION}: "
            "update glibc-guard, or write the report again with this one"
        )
    try:
        return msgspec.json.decode(data, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BaselineError(f"{path}: a damaged JSON report: {error}") from error
