"""The JSON report, schema 1, and back: the structs of ``model.py`` are its shape."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from glibc_guard.model import ArtifactReport, Report

if TYPE_CHECKING:
    from glibc_guard.repair import FixReport


def render(report: Report | FixReport) -> bytes:
    """Return ``report`` as UTF-8 JSON, indented, with a line feed at the end.

    It may be printed in a job, whose runner obeys ``##[command]`` anywhere in a line; JSON has that in texts alone.
    """
    return _written(report) + b"\n"


def around(report: Report) -> tuple[bytes, bytes]:
    """Return what stands before the artifacts and behind them; with `one_artifact` it makes what `render` makes."""
    before, _, behind = _written(replace(report, artifacts=())).partition(b'"artifacts": []')
    return before + b'"artifacts": [', b"\n  ]" + behind + b"\n"


def one_artifact(artifact: ArtifactReport, *, first: bool) -> bytes:
    """Return ``artifact`` as it stands in the report, with what parts it from the one before."""
    written = _written(artifact).replace(b"\n", b"\n    ")  # JSON has line feeds between tokens alone
    return (b"\n    " if first else b",\n    ") + written


def _written(part: Report | ArtifactReport | FixReport) -> bytes:
    written = msgspec.json.format(msgspec.json.encode(part, order="deterministic"), indent=2)
    return written.replace(b"##[", b"#\\u0023[")


def schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the report."""
    of_report = msgspec.json.schema(Report)
    for definition in of_report["$defs"].values():
        # A docstring, whose indent Python 3.13 takes away and the older ones keep.
        definition["description"] = inspect.cleandoc(definition["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "glibc-guard report, schema 1",
        **of_report,
    }
