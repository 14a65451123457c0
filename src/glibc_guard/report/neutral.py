"""Makes text that came from an artifact harmless where it is printed: logs, terminals, workflow commands, Markdown."""

from __future__ import annotations

import re
from itertools import chain, zip_longest
from typing import Final

from glibc_guard.urls import OWN_PAGE

LONGEST: Final = 1000  # characters of one name; a C++ name may be long, a hostile one longer
MARKDOWN_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:$])")


#: What GitHub makes links and pictures of in the rendered text, where escapes are gone: mentions and mail addresses,
#: issues (#1, GH-1), commits, emoji (:name:). It goes by ASCII: a letter of another script begins no word. An
#: invisible space is put behind these, and into what may name a commit.
REFERENCE: Final = re.compile(r"@|\#(?=\d)|\bgh-(?=\d)|:(?=[\w+-]+:)", re.ASCII | re.IGNORECASE)
COMMIT: Final = re.compile(r"(?<![0-9a-z])[0-9a-f]{7,40}(?![0-9a-z])", re.IGNORECASE)
SHORT: Final = re.compile(r"[0-9A-Fa-f]{1,6}")  # too short to name a commit


def plain(text: str, longest: int = LONGEST) -> str:
    """Return ``text`` as one printable line that no job log takes for a workflow command.

    The runner obeys ``::command::`` at the start of a line, after white space too, and ``##[command]`` anywhere in it
    (actions/runner, ActionCommand.cs).
    """
    shown = text if text.isprintable() else "".join(_visible(character) for character in text)
    if len(shown) > longest:
        shown = f"{shown[: longest - 1]}…"
    shown = re.sub(r"(?<![^\s])::", ": :", shown)
    return shown.replace("##[", "## [")


def markdown(text: str, longest: int = LONGEST) -> str:
    """Return ``text`` for GitHub's Markdown outside code: no markup, HTML, mention or reference comes of it.

    Nor does a link, but to a page of our own documentation.
    """
    pieces = OWN_PAGE.split(plain(text, longest))
    links = [f"<{address}>" for address in OWN_PAGE.findall(plain(text, longest))]
    return "".join(chain.from_iterable(zip_longest(map(_escaped, pieces), links, fillvalue="")))


def _escaped(text: str) -> str:
    shown = REFERENCE.sub("\\g<0>\u200b", text)
    shown = COMMIT.sub(lambda match: "\u200b".join(SHORT.findall(match[0])), shown)
    return MARKDOWN_SPECIAL.sub(r"\\\1", shown)


def markdown_code(text: str, longest: int = LONGEST, *, in_table: bool = False) -> str:
    """Return ``text`` as a Markdown code span."""
    shown = plain(text, longest)
    fence = "`" * (max((len(run) for run in re.findall(r"`+", shown)), default=0) + 1)
    space = " " if shown.startswith(("`", " ")) or shown.endswith(("`", " ")) or not shown else ""
    if in_table:
        shown = shown.replace("|", "\\|")
    return f"{fence}{space}{shown}{space}{fence}"


def _visible(character: str) -> str:
    # Not printable are all control, format (bidirectional marks, zero-width), surrogate, private and unassigned
    # characters, line separators, and every space but the ordinary one.
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
