"""Reads and validates ``glibc-guard.toml`` and the ``[tool.glibc-guard]`` table of ``pyproject.toml``."""

from __future__ import annotations

import datetime
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from glibc_guard.limits import Limits, limited
from glibc_guard.model import Severity
from glibc_guard.settings import (
    SIZE_JUMP_BYTES,
    SIZE_JUMP_RATIO,
    ConfigError,
    FailOn,
    Ignore,
    Settings,
    is_from_index,
    is_from_run,
    limit_name,
    meant,
    member_glob,
    rule_of_intent,
    size_glob,
    toolchain_text,
)
from glibc_guard.sizes import size_in_bytes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Text = Annotated[str, msgspec.Meta(min_length=1, pattern=r"\S")]
Bytes = Annotated[int, msgspec.Meta(ge=1)]


LONGEST: Final = 1024 * 1024  # bytes of a file

#: What each key takes, in the words of the documentation.
WANTED: Final = {
    "target": 'a name, like "manylinux2014", or a list of them',
    "fail-on": '"error", "warning" or "never"',
    "allow-empty": "true or false",
    "together": "true or false",
    "jobs": "a number of threads, 1 or more",
    "baseline": 'a path or "pypi:NAME"',
    "baseline-required": "true or false",
    "size-jump-ratio": "a number, 1 or more",
    "size-jump-bytes": '"1 MB", "1 MiB" or a number of bytes',
    "require": 'a list of globs, like ["pkg/_core*.so"]',
    "forbid": 'a list of globs, like ["**/*.a"]',
    "max-size": '"60 MB", "60 MiB" or a number of bytes for each glob, as in "**/*.so" = "60 MB"',
    "expect-toolchain": 'a list of parts of compiler notes, like ["Red Hat *"]',
    "limits": 'a number, 1 or more, or "2 GiB" for one in bytes, for each limit, as in nested-archive-bytes = "2 GiB"',
    "severity": '"error", "warning" or "note" for each rule, as in floor-raised = "error" (an ignore sets aside)',
    "explain": "true or false",
    "debug-dir": 'a list of folders, like ["debug"]',
    "path-prefix": 'a folder of the repository for each folder of the build, as in "/build/src" = "src"',
    "ignore": "[[ignore]] with a rule and a reason",
    "rule": "the name of a rule",
    "reason": "why these findings are no fault",
    "symbol": "a glob",
    "object": "a glob",
    "until": "a date without quotes, like 2027-03-01",
}
KINDS: Final = {  # of TOML, as msgspec calls them
    "bool": "true or false", "str": "a text", "int": "a number", "float": "a number", "array": "a list",
    "object": "a table", "date": "a date", "datetime": "a date",
}  # fmt: skip


class IgnoreTable(msgspec.Struct, forbid_unknown_fields=True):
    """``[[ignore]]``."""

    rule: Text
    reason: Text
    symbol: Text | None = None
    object: Text | None = None
    until: datetime.date | None = None


class Table(msgspec.Struct, rename="kebab", forbid_unknown_fields=True):
    """The whole configuration; the keys are those of the command line and of the Action."""

    target: Text | Annotated[list[Text], msgspec.Meta(min_length=1)] = "auto"
    fail_on: FailOn = "error"
    allow_empty: bool = False
    together: bool = False
    jobs: Annotated[int, msgspec.Meta(ge=1)] | None = None
    baseline: Text | None = None
    baseline_required: bool = False
    size_jump_ratio: Annotated[float, msgspec.Meta(ge=1)] = SIZE_JUMP_RATIO
    size_jump_bytes: Annotated[int, msgspec.Meta(ge=0)] | Text = SIZE_JUMP_BYTES
    require: list[Text] = []
    forbid: list[Text] = []
    max_size: dict[Text, Bytes | Text] = {}
    expect_toolchain: list[Text] = []
    limits: dict[Text, Bytes | Text] = {}
    severity: dict[str, Severity] = {}
    explain: bool = True
    debug_dir: list[Text] = []  # no text besides: with a second such union msgspec 0.22 crashes when Python ends
    path_prefix: dict[Text, str] = {}
    ignore: list[IgnoreTable] = []


def read_settings(path: Path) -> Settings | None:
    """Return the settings in ``path``, or None if it is a ``pyproject.toml`` without a table of ours.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or holds what is not understood.
    """
    try:
        document: Any = tomllib.loads(_text(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    if path.name == "pyproject.toml":
        tool = document.get("tool")
        document = tool.get("glibc-guard") if isinstance(tool, dict) else None
        if document is None:
            return None
    return _settings(document, path)


def _text(path: Path) -> str:
    """Return what is in the file; raises ConfigError where that is more than anybody writes, or has no end."""
    with path.open("rb") as file:
        data = file.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise ConfigError(f"{path}: larger than {LONGEST // 1024} KiB, so it is no configuration: is the path right?")
    return data.decode("utf-8").replace("\r\n", "\n")


def _settings(document: Any, path: Path) -> Settings:  # noqa: ANN401  # any TOML value
    _refuse_unknown_keys(document, Table, path, "")
    if isinstance(document, dict) and isinstance(document.get("ignore"), list):
        for number, entry in enumerate(document["ignore"], 1):
            _refuse_unknown_keys(entry, IgnoreTable, path, f"ignore {number}: ")
    try:
        table = msgspec.convert(document, Table)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_complaint(document, error)}") from error
    return Settings(
        targets=(table.target,) if isinstance(table.target, str) else tuple(table.target),
        fail_on=table.fail_on,
        allow_empty=table.allow_empty,
        together=table.together,
        jobs=table.jobs,
        baseline=_baseline(table.baseline, path),
        baseline_required=table.baseline_required,
        size_jump_ratio=table.size_jump_ratio,
        size_jump_bytes=_bytes(table.size_jump_bytes, path, "size-jump-bytes"),
        require=_each(table.require, path, "require", member_glob),
        forbid=_each(table.forbid, path, "forbid", member_glob),
        max_size=tuple(
            zip(
                _each(table.max_size, path, "max-size", size_glob),
                (_bytes(limit, path, "max-size") for limit in table.max_size.values()),
                strict=True,
            )
        ),
        expect_toolchain=_each(table.expect_toolchain, path, "expect-toolchain", toolchain_text),
        limits=_limits(table.limits, path),
        severities=_severities(table.severity, path),
        explain=table.explain,
        debug_dirs=tuple(Path(_beside(name, path, "debug-dir")) for name in table.debug_dir),
        path_prefixes=tuple(table.path_prefix.items()),
        ignores=tuple(Ignore(**msgspec.structs.asdict(entry)) for entry in table.ignore),
        source=path,
    )


def _complaint(document: Any, error: msgspec.ValidationError) -> str:  # noqa: ANN401  # any TOML value
    """Name the first entry that is wrong, and what it could be; msgspec speaks of types."""
    for key, value in document.items() if isinstance(document, dict) else ():
        for where, alone in _alone(key, value):
            wrong = _refused({key: alone})
            if wrong is not None:
                field = re.search(r"\.(\w+)`$", wrong)
                name = field[1] if field and isinstance(alone, list) else key
                return f"{where}{'' if name == key else f': {name}'}: write {WANTED[name]}{_given(wrong)}"
    return str(error).replace("`$.", "`").replace("`$`", "the configuration")


def _refused(document: dict[str, Any]) -> str | None:
    try:
        msgspec.convert(document, Table)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _alone(key: str, value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Yield each entry of a list or a table with its name, as if there were no other."""
    if isinstance(value, dict) and value:
        yield from ((f"{key}: {name}", {name: one}) for name, one in value.items())
    elif isinstance(value, list) and value:
        yield from ((f"{key} {number}", [one]) for number, one in enumerate(value, 1))
    else:
        yield key, value


def _given(complaint: str) -> str:
    """Return what msgspec quotes of the file, in brackets."""
    missing = re.search(r"missing required field `(\w+)`", complaint)
    if missing is not None:
        return f" ({missing[1]} is missing)"
    value = re.search(r"Invalid enum value (.+?)(?: - at|$)", complaint)
    kind = re.search(r", got `(\w+)`", complaint)
    return f" (not {value[1]})" if value else f" (not {KINDS.get(kind[1], kind[1])})" if kind else ""


def _baseline(given: str | None, path: Path) -> str | None:
    if given is None or is_from_index(given) or is_from_run(given):
        return given
    return _beside(given, path, "baseline")


def _beside(given: str, path: Path, key: str) -> str:
    """Return a path that is relative to the folder of the configuration file, or begins with "~"."""
    if "\0" in given:
        raise ConfigError(f"{path}: {key}: a path holds no NUL character")
    return str(path.parent / os.path.expanduser(given))  # noqa: PTH111  # Path.expanduser fails where there is no home


def _limits(given: dict[str, int | str], path: Path) -> Limits:
    names = _each(given, path, "limits", limit_name)
    values = zip(names, given.values(), strict=True)
    return limited({name: _bytes(value, path, f"limits: {name}") for name, value in values})


def _severities(chosen: dict[str, Severity], path: Path) -> dict[str, Severity]:
    _each(chosen, path, "severity", rule_of_intent)
    return chosen


def _each(texts: Iterable[str], path: Path, key: str, accepted: Callable[[str], str]) -> tuple[str, ...]:
    try:
        return tuple(map(accepted, texts))
    except ConfigError as error:
        raise ConfigError(f"{path}: {key}: {error}") from error


def _bytes(size: int | str, path: Path, key: str) -> int:
    try:
        return size if isinstance(size, int) else size_in_bytes(size)
    except ValueError as error:
        raise ConfigError(f"{path}: {key}: {error}") from error


def _refuse_unknown_keys(table: Any, known: type[msgspec.Struct], path: Path, where: str) -> None:  # noqa: ANN401
    # msgspec refuses them too, but cannot name the key that was meant.
    names = known.__struct_encode_fields__
    for key in table if isinstance(table, dict) else ():
        if key not in names:
            raise ConfigError(f'{path}: {where}unknown key "{key}"; {meant(str(key), names)}')
