"""The lines of a report for people: the same words for a file as on a terminal, wrapped and coloured there alone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from glibc_guard.report.neutral import plain
from glibc_guard.report.printer import Printer, printer_for
from glibc_guard.report.terminal import Terminal

WIDE = 200  # columns: nothing here is as long


def head(printer: Printer) -> None:
    printer.line("FAIL", "bold red", "  sample.whl")
    printer.line("FAIL", "bold red")
    printer.line("", "", "two objects", indent=2)


def paragraphs(printer: Printer) -> None:
    printer.block([("error ", "red"), ("GLIBC_2.29 ", "bold"), ("[literal] :smile:", ""), ("  [rule]", "dim red")], 4)
    printer.blank()
    printer.block([("a  b ", "")], 0)
    printer.block([("", "")], 2)


def table(printer: Printer) -> None:
    rows = [("needs", "2.17 → 2.29"), ("libraries  ", ""), ("", "libm.so.6")]
    printer.columns([([(label, "dim")], [(value[:3], "green"), (value[3:], "")]) for label, value in rows], 2)


def wide_letters(printer: Printer) -> None:
    names = ("lib/名前.so", "lib/x.so", "e\u0301.so", "→", "👩‍👩‍👧.so")
    printer.columns([([(name, "")], [("1 KiB", "dim")], [(name, "")]) for name in names], 4)


def commands(printer: Printer) -> None:
    printer.block([("::error", "red"), ("::forged", "")], 4)
    printer.columns([([("::error", "")], [("::stays", "")])], 2)


@pytest.mark.parametrize("write", [head, paragraphs, table, wide_letters, commands])
@pytest.mark.parametrize(("color", "width"), [(False, WIDE), (True, WIDE), (True, None)])
def test_a_file_has_the_words_of_a_terminal(
    write: Callable[[Printer], None], width: int | None, *, color: bool
) -> None:
    printers = [printer_for(color=False, width=None), printer_for(color=color, width=width)]
    for printer in printers:
        write(printer)
    assert [isinstance(printer, Terminal) for printer in printers] == [False, True]
    without, shown = (printer.text() for printer in printers)
    assert ("\x1b[" in shown) == color
    uncolored = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in shown.splitlines()]
    assert without.splitlines() == uncolored


def test_the_words_of_a_file() -> None:
    printer = printer_for(color=False, width=None)
    for write in (head, paragraphs, table, commands):
        write(printer)
    assert printer.text().splitlines() == [
        "FAIL  sample.whl",
        "FAIL",
        "  two objects",
        "    error GLIBC_2.29 [literal] :smile:  [rule]",
        "",
        "a  b",
        "  needs        2.17 → 2.29",
        "  libraries",
        "               libm.so.6",
        "    : :error::forged",
        "  : :error  ::stays",
    ]


def test_a_line_of_a_file_is_never_wrapped() -> None:
    printer = printer_for(color=False, width=None)
    names = ", ".join(f"symbol_{number}" for number in range(20_000))
    printer.block([("used by: ", "dim"), (names, "")], 6)
    printer.columns([([("gone", "")], [(plain(names, 300_000), "")])], 2)
    assert printer.text() == f"      used by: {names}\n  gone  {names}\n"


def test_lines_that_go_on_stand_further_in() -> None:
    printer = printer_for(color=False, width=20)
    printer.block([("used by: ", "dim"), ("one two three four", "")], 4)
    assert printer.text() == "    used by: one\n      two three four\n"


def test_the_last_column_is_wrapped_within_itself() -> None:
    printer = printer_for(color=False, width=20)
    printer.columns([([("1.", "")], [("one two three four", "")])], 4)
    assert printer.text() == "    1.  one two\n        three four\n"


def test_each_span_has_its_own_style_alone() -> None:
    printer = printer_for(color=True, width=80)
    printer.block([("error ", "bold red"), ("all", ""), ("  [rule]", "dim red")], 0)
    red, own, dim = re.findall(r"\x1b\[([0-9;]+)m[^\x1b\n]", printer.text())
    assert (set(red.split(";")), own, set(dim.split(";"))) == ({"1", "31"}, "39", {"2", "31"})
