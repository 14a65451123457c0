"""The page of a symbol as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from glibc_guard.explain.symbol_page import Additions, SymbolPage, Versions
from glibc_guard.report.neutral import markdown, markdown_code
from glibc_guard.report.symbol_page_text import appearance, on_target, shortened, title

SHOWN: Final = 200  # names of a list


def render(page: SymbolPage) -> str:
    """Return the page."""
    return "\n".join(_lines(page)) + "\n"


def _lines(page: SymbolPage) -> Iterator[str]:
    yield f"### {markdown_code(title(page))}"
    for story in page.stories:
        yield from ("", f"**{markdown(story.title)}**", "", markdown(story.what))
        if story.differs:
            yield markdown(f"The older version {story.differs}.")
    if page.versions:
        yield from ("", "| architectures | version | where |", "|---|---|---|")
        yield from (row for versions in page.versions for row in _rows(versions))
    for additions in page.additions:
        yield from _additions(additions)
    for target in page.targets:
        yield from ("", f"{': '.join(map(markdown, on_target(page, target)))}.")
    for distributions in page.distributions:
        having, lacking = (
            markdown(", ".join(names) or "none") for names in (distributions.having, distributions.lacking)
        )
        yield from ("", f"Distributions that have it ({markdown(distributions.arch)}): {having}.", "")
        yield f"Distributions that do not: {lacking}."
    yield from _list("What to do, the best first:", page.remedies, "1.")
    yield from _list("Sources:", page.sources, "-")


def _rows(versions: Versions) -> Iterator[str]:
    names = markdown(", ".join(versions.architectures))
    for one in versions.appearances:
        yield f"| {names} | {markdown_code(one.version, in_table=True)} | {markdown(appearance(one))} |"
    if not versions.appearances:
        yield f"| {names} | - | not there in any release |"


def _additions(additions: Additions) -> Iterator[str]:
    kinds = {"New": additions.new, "New versions": additions.changed, "Moved here": additions.moved}
    for label, symbols in kinds.items():
        if symbols:
            yield from ("", f"{label} on {additions.arch} ({len(symbols)}): {markdown(shortened(symbols, SHOWN))}.")


def _list(heading: str, texts: Sequence[str], bullet: str) -> Iterator[str]:
    if texts:
        yield from ("", heading, "")
        yield from (f"{bullet} {markdown(text)}" for text in texts)
