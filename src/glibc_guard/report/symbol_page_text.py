"""The page of a symbol for people, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from glibc_guard.explain.history import Appearance
from glibc_guard.explain.symbol_page import Additions, Distributions, OnTarget, SymbolPage, Versions
from glibc_guard.report.neutral import plain
from glibc_guard.report.printer import Printer, printer_for

SHOWN: Final = 60  # names of a list


def render(page: SymbolPage, *, color: bool, width: int | None) -> str:
    """Return the page; ``width`` in columns, None where lines must not be wrapped."""
    printer = printer_for(color=color, width=width)
    printer.line(title(page), "bold")
    for story in page.stories:
        printer.blank()
        at = f" ({story.version})" if story.version and story.version != page.version else ""
        printer.line(f"{story.title}{at}", "bold", indent=2)
        printer.block([(story.what, "")], 2)
        if story.differs:
            printer.block([(f"The older version {story.differs}.", "")], 2)
    for versions in page.versions:
        _versions(printer, versions, page.version)
    for additions in page.additions:
        _additions(printer, additions)
    if page.targets:
        printer.blank()
        for target in page.targets:
            _labelled(printer, *on_target(page, target))
    for distributions in page.distributions:
        _distributions(printer, distributions)
    _list(printer, "what to do, the best first", page.remedies, numbered=True)
    _list(printer, "sources", page.sources, numbered=False)
    return printer.text()


def title(page: SymbolPage) -> str:
    """Return what the page is about: "pow@GLIBC_2.29"."""
    name = "@".join(plain(part) for part in (page.symbol, page.version) if part)
    return f"{name}, of GCC {page.gcc} and later" if page.gcc else name


def appearance(one: Appearance) -> str:
    """Return where and how long a version is: "libpthread.so.0 since glibc 2.12, until 2.33"."""
    text = f"{one.library} since glibc {one.since}"
    if one.until:
        text += f", gone in {one.until}"
    return f"{text}, for old programs only since {one.hidden}" if one.hidden else text


def on_target(page: SymbolPage, target: OnTarget) -> tuple[str, str]:
    """Return the target, and what it has, in words."""
    name = f"glibc {target.glibc}" if target.target == target.glibc else f"{target.target} (glibc {target.glibc})"
    if target.has_it:
        return name, "has it"
    others = f", but {', '.join(target.versions)}" if page.version and target.versions else ""
    return name, f"has it not{others}"


def shortened(names: Sequence[str], longest: int) -> str:
    """Return the names, the first of them where there are many."""
    more = f" and {len(names) - longest:,} more" if len(names) > longest else ""
    return ", ".join(names[:longest]) + more


def _versions(printer: Printer, versions: Versions, version: str | None) -> None:
    printer.blank()
    printer.line(", ".join(versions.architectures), "bold", indent=2)
    if not versions.appearances:
        printer.line("not there in any release", indent=4)
        return
    rows = [
        ([(one.version, "bold" if one.version == version else "")], [(appearance(one), "")])
        for one in versions.appearances
    ]
    printer.columns(rows, 4)


def _additions(printer: Printer, additions: Additions) -> None:
    kinds = (
        ("new", additions.new),
        ("a new version of an older function", additions.changed),
        ("moved here from another library", additions.moved),
    )
    printer.blank()
    for label, names in kinds:
        if names:
            _labelled(printer, f"{label} ({len(names)}, {additions.arch})", shortened(names, SHOWN))


def _distributions(printer: Printer, distributions: Distributions) -> None:
    printer.blank()
    _labelled(printer, f"distributions that have it ({distributions.arch})", ", ".join(distributions.having) or "none")
    if distributions.lacking:
        _labelled(printer, "distributions that do not", ", ".join(distributions.lacking))


def _labelled(printer: Printer, label: str, text: str) -> None:
    printer.block([(f"{label}: ", "dim"), (text, "")], 2)


def _list(printer: Printer, heading: str, texts: Sequence[str], *, numbered: bool) -> None:
    if texts:
        printer.blank()
        printer.line(heading, "bold", indent=2)
        marks = [f"{number}." if numbered else "-" for number, _ in enumerate(texts, 1)]
        printer.columns([([(mark, "")], [(plain(text), "")]) for mark, text in zip(marks, texts, strict=True)], 4)
