"""Globs for paths inside artifacts and for symbol names: ``*`` and ``?`` within a folder, ``**`` across folders."""

from __future__ import annotations

import functools
import re
from typing import Final

from msgspec import Struct

WILDCARDS: Final = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
TOKENS: Final = re.compile(r"(\*\*/|\*\*|\*|\?)")
#: Ways to share out a text between the wildcards that a regular expression may try: beyond that, step by step.
FEW_WAYS: Final = 100_000
SHORT, FEW_FOLDERS = 128, 8  # a path whose folders are quickly tried one by one


def glob_matches(pattern: str, text: str) -> bool:
    """Tell whether the whole of ``text`` matches ``pattern``."""
    expression, wildcards = _compiled(pattern)
    if len(text) ** wildcards <= FEW_WAYS:
        return expression.fullmatch(text) is not None
    return _Steps.of(pattern).match(text, folders=False)


def glob_matches_within(pattern: str, path: str) -> bool:
    """Tell whether ``path``, or one of the folders that it lies in, matches ``pattern``."""
    if len(path) > SHORT or path.count("/") > FEW_FOLDERS:
        return _Steps.of(pattern).match(path, folders=True)
    folders = (path[: place.start()] for place in re.finditer("/", path))
    return glob_matches(pattern, path) or any(glob_matches(pattern, folder) for folder in folders)


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> tuple[re.Pattern[str], int]:
    parts = TOKENS.split(pattern)
    expression = re.compile("".join(WILDCARDS.get(part) or re.escape(part) for part in parts), re.DOTALL)
    return expression, sum(part.startswith("*") for part in parts)


class _Steps(Struct, frozen=True):
    """A pattern as an automaton whose states are the bits of one number: each character costs one step.

    A regular expression tries each way to share out the text between several wildcards, and the names are a stranger's.
    """

    goes_on: dict[str, int]  # character → states that it leads on from, to the next one
    any_character: int  # states that "?" leads on from
    stays: int  # states of "*": any character within a folder leads back to them
    stays_across: int  # those of "**"
    skips: int  # states that the next one is reached from without a character
    skips_two: int  # "**/" stands for nothing as well
    end: int

    @classmethod
    @functools.lru_cache(maxsize=1024)
    def of(cls, pattern: str) -> _Steps:
        """Build it."""
        goes_on: dict[str, int] = {}
        any_character = stays = stays_across = skips = skips_two = 0
        state = 1
        for part in TOKENS.split(pattern):
            if part == "**/":  # or nothing, or any text and a slash
                skips, skips_two = skips | state, skips_two | state
                state <<= 1
                stays_across |= state
                goes_on["/"] = goes_on.get("/", 0) | state
                state <<= 1
            elif part in {"*", "**"}:
                stays |= state if part == "*" else 0
                stays_across |= state if part == "**" else 0
                skips |= state
                state <<= 1
            elif part == "?":
                any_character |= state
                state <<= 1
            else:
                for character in part:
                    goes_on[character] = goes_on.get(character, 0) | state
                    state <<= 1
        return cls(goes_on, any_character, stays, stays_across, skips, skips_two, state)

    def match(self, text: str, *, folders: bool) -> bool:
        """Tell whether all of ``text`` leads to the end; with ``folders`` also what stands before a slash."""
        states = self._skipped(1)
        for character in text:
            inside = character != "/"
            if folders and not inside and states & self.end:
                return True
            leads_on = self.goes_on.get(character, 0) | (self.any_character if inside else 0)
            remains = self.stays_across | (self.stays if inside else 0)
            states = self._skipped((states & leads_on) << 1 | states & remains)
            if not states:
                return False
        return bool(states & self.end)

    def _skipped(self, states: int) -> int:
        """Return ``states`` with all that are reached from them without a character."""
        while True:
            more = states | (states & self.skips) << 1 | (states & self.skips_two) << 2
            if more == states:
                return states
            states = more
