"""What a user can choose, in one frozen ``Settings``, wherever it was chosen."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

from msgspec import Struct, field

from glibc_guard.limits import NAMES, Limits
from glibc_guard.model import SEVERITIES, Severity, Shard
from glibc_guard.urls import page

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


class Ignore(Struct, frozen=True):
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


class Settings(Struct, frozen=True):
    """Everything that a user can choose about a check.

    Raises:
        ConfigError: a value that a check would take for something else, or for nothing.
    """

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
    digests: bool = True  # take the SHA-256 of artifacts, which reports in JSON tell
    explain: bool = True  # look for the places that use the symbols of findings
    debug_dirs: tuple[Path, ...] = ()  # folders in which split debug files are looked for
    path_prefixes: tuple[tuple[str, str], ...] = ()  # of files in debug information: as recorded → in the repository
    repository: Path | None = None  # its root; None where there is none
    limits: Limits = field(default_factory=Limits)  # on what an artifact may ask of the machine
    ignores: tuple[Ignore, ...] = ()
    shard: Shard | None = None  # of the paths
    source: Path | None = None  # the file that these settings were read from

    def __post_init__(self) -> None:
        """Refuse what type checkers refuse: a gate that is misunderstood passes without a word."""
        for names, fits, wanted in _FIELDS:
            for name in names.split():
                value = getattr(self, name)
                if not fits(value):
                    raise ConfigError(f"{name} is {value!r:.200}: write {wanted}")
        for glob in (*self.require, *self.forbid):
            member_glob(glob)
        for glob, _ in self.max_size:
            size_glob(glob)
        for text in self.expect_toolchain:
            toolchain_text(text)
        for rule, severity in self.severities.items():
            rule_of_intent(rule)
            if severity not in SEVERITIES:
                raise ConfigError(f"severities: {severity!r} of {rule!r} is none of {', '.join(SEVERITIES)}")


def _is_list(value: object, each: Callable[[object], bool]) -> bool:
    return isinstance(value, (tuple, list)) and all(map(each, value))  # of a string each letter is one too


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object, least: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= least


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and _is_number(value, least)


def _is_bound(value: object) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2 and _is_text(value[0]) and _is_whole(value[1], 0)


#: Fields, what their values must be, and what to write instead.
_FIELDS: Final[tuple[tuple[str, Callable[[object], bool], str], ...]] = (
    ("fail_on", lambda value: value in FAIL_ON, '"error", "warning" or "never"'),
    (
        "targets require forbid expect_toolchain",
        lambda value: _is_list(value, _is_text),
        'a tuple of strings, like ("this",)',
    ),
    (
        "allow_empty together baseline_required digests explain",
        lambda value: isinstance(value, bool),
        "True or False",
    ),
    ("jobs", lambda value: value is None or _is_whole(value, 1), "a number of threads, or None for one a processor"),
    ("baseline", lambda value: value is None or _is_text(value), 'a string, like "dist/old.whl" or "pypi:NAME"'),
    ("size_jump_ratio", lambda value: _is_number(value, 1), "a number, 1 or more"),
    ("size_jump_bytes", lambda value: _is_whole(value, 0), "a number of bytes"),
    (
        "max_size",
        lambda value: _is_list(value, _is_bound),
        'a tuple of globs with bytes, like (("*.whl", 60_000_000),)',
    ),
    ("severities", lambda value: isinstance(value, Mapping), 'a mapping, like {"floor-raised": "error"}'),
    ("debug_dirs", lambda value: _is_list(value, lambda one: isinstance(one, Path)), "a tuple of pathlib.Path"),
    ("ignores", lambda value: _is_list(value, lambda one: isinstance(one, Ignore)), "a tuple of Ignore"),
    ("limits", lambda value: isinstance(value, Limits), "Limits(…)"),
    ("shard", lambda value: value is None or isinstance(value, Shard), "Shard(INDEX, COUNT)"),
)


def is_from_index(baseline: str) -> bool:
    """Tell whether ``baseline`` names a project on a package index, and no path."""
    return baseline[: len(PYPI)].lower() == PYPI


def is_from_run(baseline: str) -> bool:
    """Tell whether ``baseline`` names the report artifact of a workflow run, and no path."""
    return baseline.startswith(RUN)


def limit_name(text: str) -> str:
    """Return ``text`` if it is the name of a limit; raises ConfigError."""
    if text not in NAMES:
        raise ConfigError(
            f'there is no limit "{text}"; did you mean "{_nearest(text, NAMES)}"? All are in {page("security.md")}'
        )
    return text


def rule_of_intent(text: str) -> str:
    """Return ``text`` if it is a rule whose severity can be chosen; raises ConfigError."""
    if text not in RULES_OF_INTENT:
        raise ConfigError(
            f'"{text}" is no rule whose severity can be chosen; did you mean "{_nearest(text, RULES_OF_INTENT)}"? '
            "(What the loader refuses stays an error: set it aside with an ignore.)"
        )
    return text


def _nearest(text: str, names: Iterable[str]) -> str:
    import difflib  # noqa: PLC0415  # lazy: for two messages only

    return difflib.get_close_matches(text, sorted(names), n=1, cutoff=0)[0]


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
