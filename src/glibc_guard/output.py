"""Which report goes where, in which format; a file is either whole or not written."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from glibc_guard.model import Report

if TYPE_CHECKING:
    from glibc_guard.explain.symbol_page import SymbolPage
    from glibc_guard.repair import FixReport

FORMATS: Final = ("text", "json", "markdown", "sarif", "html", "svg", "badge")
FORMATS_WITHOUT_FINDINGS: Final = ("text", "json", "markdown")
STANDARD_OUTPUT: Final = "-"

#: Formats of which a module of `report` makes the whole file.
_MODULES: Final = {
    "json": "json",
    "markdown": "markdown",
    "sarif": "sarif",
    "html": "html",
    "svg": "svg",
    "badge": "badge",
    "markdown of changes": "changes_markdown",
}


class OutputError(Exception):
    """A report that cannot be written where it was asked for."""


def destinations(formats: Sequence[str], outputs: Sequence[str]) -> list[tuple[str, Path | None]]:
    """Pair each format with its file, in order; None is standard output, where the text goes by default.

    Raises:
        OutputError: there are more files than formats, or two reports for standard output.
    """
    formats = formats or ("text",)
    if len(outputs) > len(formats):
        raise OutputError(f"--output {outputs[len(formats)]} has no --format: give one for each")
    files = [None if name == STANDARD_OUTPUT else Path(name) for name in outputs]
    files += [None] * (len(formats) - len(files))
    if files.count(None) > 1:
        raise OutputError("two reports cannot share standard output: give each --format its --output FILE")
    return list(zip(formats, files, strict=True))


def refuse_overwriting(artifacts: Sequence[str], outputs: Sequence[Path], working_folder: Path) -> None:
    """Raise OutputError where a report would go over what is checked, or over another report."""
    # Not Path.resolve, to which a link that leads in a circle is an error before Python 3.13.
    checked = [Path(os.path.realpath(working_folder / path)) for path in artifacts]
    targets = [Path(os.path.realpath(working_folder / path)) for path in outputs]
    for path, target in zip(outputs, targets, strict=True):
        if any(target == one or (target.exists() and target.is_relative_to(one)) for one in checked):
            raise OutputError(f"{path}: is checked itself; write the report to another file")
        if targets.count(target) > 1:
            raise OutputError(f"{path}: is named twice; give each report a file of its own")


def render(report: Report, name: str, *, color: bool, width: int | None, quiet: bool = False) -> bytes:
    """Return the report in the format ``name``.

    One of FORMATS; or "needs" for what `show` prints, "text of changes" and "markdown of changes" for `diff`. As text a
    ``quiet`` one leaves out what passes.
    """
    # Imported where it is asked for: each format costs 30 ms or more.
    if name in _MODULES:
        rendered: str | bytes = import_module(f"glibc_guard.report.{_MODULES[name]}").render(report)
        return rendered if isinstance(rendered, bytes) else rendered.encode()
    if name == "text of changes":
        from glibc_guard.report import changes_text  # noqa: PLC0415

        return changes_text.render(report, color=color, width=width).encode()
    from glibc_guard.report import text  # noqa: PLC0415

    if name == "needs":
        return text.render_needs(report, color=color, width=width).encode()
    return text.render(report, color=color, width=width, failing_only=quiet).encode()


def render_page(page: SymbolPage, name: str, *, color: bool, width: int | None) -> bytes:
    """Return what `explain` prints, in one of FORMATS_WITHOUT_FINDINGS."""
    if name == "json":
        return msgspec.json.format(msgspec.json.encode(page), indent=1) + b"\n"
    if name == "markdown":
        from glibc_guard.report import symbol_page_markdown  # noqa: PLC0415  # lazy

        return symbol_page_markdown.render(page).encode()
    from glibc_guard.report import symbol_page_text  # noqa: PLC0415  # lazy

    return symbol_page_text.render(page, color=color, width=width).encode()


def render_fixes(report: FixReport, name: str, *, color: bool, width: int | None) -> bytes:
    """Return the report of ``fix`` as "text" or "json"."""
    if name == "json":
        from glibc_guard.report import json  # noqa: PLC0415  # lazy, as above

        return json.render(report)
    from glibc_guard.report import fixes_text  # noqa: PLC0415  # lazy, as above

    return fixes_text.render(report, color=color, width=width).encode()


def write(data: bytes, path: Path | None) -> None:
    """Write ``data`` to ``path`` at one stroke (aside, then renamed), or to standard output.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        if path is None:
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
            return
        if path.exists() and not path.is_file():  # /dev/stdout, a pipe: nothing to rename
            path.write_bytes(data)
            return
        _replace(path, data)
    except BrokenPipeError:  # the reader has seen enough: `glibc-guard check … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, AttributeError) as error:  # AttributeError: standard output is closed
        reason = getattr(error, "strerror", None) or "it is closed"
        raise OutputError(f"{path or 'standard output'}: cannot be written: {reason}") from error


def _replace(path: Path, data: bytes) -> None:
    with aside(path) as file:
        file.write(data)


@contextlib.contextmanager
def aside(path: Path) -> Iterator[BinaryIO]:
    """Give a file that takes the place of ``path`` where all goes well, and is gone where not; raises OSError."""
    import tempfile  # noqa: PLC0415  # lazy, costs 5 ms

    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # noqa: PTH101  # mkstemp gives a name, readable by the owner alone
        os.replace(name, path)  # noqa: PTH105
    except BaseException:  # a signal too
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108
        raise
