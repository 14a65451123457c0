"""The JSON report, schema 1, and back: the dataclasses of ``model.py`` are its shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from glibc_guard.model import Report

if TYPE_CHECKING:
    from glibc_guard.repair import FixReport


def render(report: Report | FixReport) -> bytes:
    """Return ``report`` as UTF-8 JSON, indented, with a line feed at the end.

    It may be printed in a job, whose runner obeys ``##[command]`` anywhere in a line; JSON has that in texts alone.
    """
    written = msgspec.json.format(msgspec.json.encode(report, order="deterministic"), indent=2) + b"\n"
    return written.replace(b"##[", b"#\\u0023[")


def schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the report."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "glibc-guard report, schema 1",
        **msgspec.json.schema(Report),
    }
