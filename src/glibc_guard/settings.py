"""What a user can choose, in one frozen ``Settings``, wherever it was chosen."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from glibc_guard.limits import NAMES, Limits
from glibc_guard.model import Severity, Shard
from glibc_guard.urls import DOCUMENTATION

FailOn: TypeAlias = Literal["error", "warning", "never"]
FAIL_ON: Final[tuple[FailOn, ...]] = ("error", "warning", "never")
#: Rules that judge what was meant, and not what the loader refuses: only their severity can be chosen.
RULES_OF_INTENT: Final = frozenset({
    "floor-raised", "size-jump", "library-added", "object-gone", "object-added", "tag-changed",
    "missing-member", "forbidden-member", "member-too-large", "foreign-toolchain",
    "conflicting-openmp", "conflicting-blas", "conflicting-libstdcxx", "conflicting-unwinder", "conflicting-cuda",
    "conflicting-protobuf", "conflicting-malloc",
})  # fmt: skip
PYPI: Final = "pypi:"  # a baseline from a package index
RUN: Final = "run:"  # a baseline from a run of a workflow, which the Action fetches
SIZE_JUMP_RATIO: Final = 1.5
SIZE_JUMP_BYTES: Final = 1024 * 1024


class ConfigError(Exception):
    """A configuration that cannot be used; the message names the file, the key and what to write instead."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """Findings to set aside: every given field must match; all but ``reason`` and ``until`` are globs."""

    rule: str
    reason: str
    symbol: str | None = None
    object: str | None = None
    until: datetime.date | None = None  # the last day on which it applies

    def describe(self) -> str:
        """Name this entry as the user wrote it."""
        given = ((name, getattr(self, name)) for name in ("rule", "symbol", "object"))
        return ", ".join(f'{name} = "{value}"' for name, value in given if value is not None)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a user can choose about a check."""

    targets: tuple[str, ...] = ("auto",)
    fail_on: FailOn = "error"
    allow_empty: bool = False
    together: bool = False  # judge all artifacts as one process
    jobs: int | None = None  # threads; None for one a processor
    baseline: str | None = None  # a path, a JSON report, "pypi:NAME[==VERSION]", or "run:ARTIFACT" in the Action
    baseline_required: bool = False  # nothing compared is an error
    size_jump_ratio: float = SIZE_JUMP_RATIO  # a jump is a growth by more than this ratio …
    size_jump_bytes: int = SIZE_JUMP_BYTES  # … and by more than so many bytes
    require: tuple[str, ...] = ()  # globs of members that each artifact must hold
    forbid: tuple[str, ...] = ()  # globs of members, or of their folders, that none may hold
    max_size: tuple[tuple[str, int], ...] = ()  # glob of members, or of the artifact's name → bytes
    expect_toolchain: tuple[str, ...] = ()  # parts of compiler notes, of which each own object has one; * is any text
    severities: Mapping[str, Severity] = field(default_factory=dict)  # of RULES_OF_INTENT, where another was chosen
    explain: bool = True  # look for the places that use the symbols of findings
    debug_dirs: tuple[Path, ...] = ()  # folders in which split debug files are looked for
    path_prefixes: tuple[tuple[str, str], ...] = ()  # of files in debug information: as recorded → in the repository
    repository: Path | None = None  # its root; None where there is none
    limits: Limits = field(default_factory=Limits)  # on what an artifact may ask of the machine
    ignores: tuple[Ignore, ...] = ()
    shard: Shard | None = None  # of the paths
    source: Path | None = None  # the file that these settings were read from


def is_from_index(baseline: str) -> bool:
    """Tell whether ``baseline`` names a project on a package index, and no path."""
    return baseline[: len(PYPI)].lower() == PYPI


def is_from_run(baseline: str) -> bool:
    """Tell whether ``baseline`` names the report artifact of a workflow run, and no path."""
    return baseline.startswith(RUN)


def limit_name(text: str) -> str:
    """Return ``text`` if it is the name of a limit; raises ConfigError."""
    if text not in NAMES:
        (near,) = difflib.get_close_matches(text, NAMES, n=1, cutoff=0)
        raise ConfigError(f'there is no limit "{text}"; did you mean "{near}"? All are in {DOCUMENTATION}/security.md')
    return text


def member_glob(text: str) -> str:
    """Return ``text`` if some path inside an artifact can match it.

    Raises:
        ConfigError: none can, so that it would never find anything.
    """
    if text.startswith(("/", "./", "../")) or "/../" in text or "/./" in text or "//" in text or "\\" in text:
        raise ConfigError(f'"{text}" matches no member: write it relative to the artifact, like "pkg/_core*.so"')
    if text in {".", ".."} or text.endswith(("/.", "/..")):
        raise ConfigError(f'"{text}" matches no member: for all that is in a folder write "FOLDER/**"')
    if text.endswith("/"):
        raise ConfigError(f'"{text}" matches no member: for all that is in the folder write "{text}**"')
    if any(bracket in text for bracket in "[]{}"):
        raise ConfigError(
            f'"{text}": braces and brackets have no meaning here: write a glob for each, like "**/*.a" and "**/*.so"; '
            "? stands for one character, * for any number of them"
        )
    return text


def size_glob(text: str) -> str:
    """Return ``text`` if it can match a member, or the file name of an artifact; raises ConfigError."""
    name = text.rpartition("/")[2]
    if text.endswith(".whl") and text.removesuffix(name).strip("*/"):
        raise ConfigError(f'"{text}" bounds nothing: of a wheel only the file name counts, write "{name}"')
    return member_glob(text)


def toolchain_text(text: str) -> str:
    """Return ``text`` if some compiler note could be without it; raises ConfigError where it asks for nothing."""
    if not text.strip("* "):
        raise ConfigError(f'"{text}" accepts any toolchain: write a part of a compiler note, like "Red Hat *"')
    return text
