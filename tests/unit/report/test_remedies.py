"""What several groups of findings share is told once; what is of one alone stays with it."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from glibc_guard.model import ArtifactReport, Coverage, Finding, Report, Tool
from glibc_guard.report import html, markdown, overview, text
from glibc_guard.report.grouping import Group, by_object, summary_line
from glibc_guard.report.remedies import SHARED_SHOWN, Remedies, parts
from measured import costs_less_than
from provisions import needs_demangler

BUILD = "build in manylinux2014"
STATIC = f"{BUILD}, whose gcc links what is newer statically"


def finding(symbol: str, version: str, why: str, remedy: str = BUILD, instead: str | None = None) -> Finding:
    hint = f"{why}: {remedy}" + (f", or {instead}" if instead else "")
    return Finding(
        "symbol-version-too-new", "error", "m.so", "…", symbol, version, "libc.so.6", "global", hint=hint, remedy=remedy
    )


POW = finding("pow", "GLIBC_2.29", "it was changed", instead='write __asm__(".symver pow,pow@GLIBC_2.2.5")')
STAT = finding("stat", "GLIBC_2.33", "it was linked in", instead="link with zig cc")
OPEN = finding("dlopen", "GLIBC_2.34", "it moved", instead="link with zig cc")
STRING = finding("_ZNSt3fooEv", "GLIBCXX_3.4.29", "GCC 11", STATIC)


def groups(*findings: Finding) -> list[Group]:
    return [group for found in by_object(findings).values() for group in found]


def told(*findings: Finding) -> tuple[list[str], list[list[tuple[str, str]]]]:
    found = groups(*findings)
    remedies = Remedies(found)
    own = [[(str(label), line) for label, line in remedies.own(group)] for group in found]
    return [f"{one.head}: {one.text}" for one in remedies.shared], own


def test_one_group_keeps_its_hint() -> None:
    assert told(POW) == ([], [[("fix", POW.hint)]])


def test_a_common_remedy_is_told_once_and_reasons_stay() -> None:
    shared, own = told(POW, STAT)
    assert shared == [f"fix for all: {BUILD}"]
    assert own == [
        [("why", "it was changed"), ("fix", 'write __asm__(".symver pow,pow@GLIBC_2.2.5")')],
        [("why", "it was linked in"), ("fix", "link with zig cc")],
    ]


def test_what_some_share_names_their_versions() -> None:
    shared, own = told(POW, STAT, OPEN)
    assert shared == [f"fix for all: {BUILD}", "fix for GLIBC_2.33, GLIBC_2.34: link with zig cc"]
    assert own[1:] == [[("why", "it was linked in")], [("why", "it moved")]]


def test_what_says_more_stands_for_both() -> None:
    assert told(POW, STRING)[0] == [f"fix for all: {STATIC}"]


def test_a_reason_of_several_is_told_once_too() -> None:
    weak = [finding(name, f"GLIBC_2.3{number}", "the code copes") for number, name in enumerate("abc")]
    shared, own = told(*weak, POW)
    assert shared[0] == "why for GLIBC_2.30, GLIBC_2.31, GLIBC_2.32: the code copes"
    assert own[:3] == [[], [], []]


def test_what_holds_for_some_symbols_of_a_group_stays_there() -> None:
    same = finding("dlsym", "GLIBC_2.34", "it moved")
    shared, own = told(OPEN, same, STAT)
    assert shared == [f"fix for all: {BUILD}"]
    assert own[0] == [("why", "it moved"), ("fix", "dlopen: link with zig cc")]


def test_where_a_line_is_not_for_is_shorter() -> None:
    names = [finding(f"f{number}", "GLIBC_2.34", "it moved") for number in range(9)]
    own = told(*names, finding("start", "GLIBC_2.34", "it begins"), POW)[1]
    assert own[0] == [("why", "all but start: it moved"), ("why", "start: it begins")]


def test_a_remedy_that_is_no_part_of_the_hint_is_none() -> None:
    """A report may come from anybody."""
    for hint in ("build there", f"{BUILD} and elsewhere", f"why: {BUILD} and elsewhere"):
        odd = Finding("unreadable", "error", "m.so", "…", hint=hint, remedy=BUILD)
        assert parts(odd) == (None, (hint,))


def test_every_report_tells_it_once() -> None:
    report = whole(POW, STAT, STRING)
    shown = (
        text.render(report, color=False, width=None),
        markdown.render(report),
        overview.render(report, limit=65_535).partition("<details>")[0],
        html.render(report),
    )
    for one in shown:
        assert one.count("links what is newer statically") == 1
        assert one.count("manylinux2014") == 1
        assert "it was changed" in one
        assert sys.version_info < (3, 11) or "_ZNSt3foo" not in one.replace(r"\_", "_")


@needs_demangler
def test_what_is_shared_spells_names_out() -> None:
    hint = "_ZN3foo3barEv came with GCC 12"
    found = [Finding("symbol-missing", "error", name, "…", "f", "GLIBCXX_3.4.30", hint=hint) for name in ("a", "b")]
    shared, own = told(*found)
    assert shared == ["fix for all: foo::bar() came with GCC 12"]
    assert own == [[], []]
    report = whole(*found)
    for one in (text.render(report, color=False, width=None), markdown.render(report), html.render(report)):
        assert one.replace("\\", "").count("foo::bar() came with GCC 12") == 1


def pairs(number: int) -> list[Finding]:
    """Return findings of as many objects, of which each two share a reason and a way out of their own."""
    hints = [f"why {at // 2} {'x' * 60}: {BUILD}, or leave it {at // 2}" for at in range(number)]
    return [
        Finding("symbol-missing", "error", f"o{at}", "…", "f", "GLIBC_2.30", hint=hint, remedy=BUILD)
        for at, hint in enumerate(hints)
    ]


def test_what_is_shared_beyond_the_most_common_stays_with_its_groups() -> None:
    shared, own = told(*pairs(40))
    assert len(shared) == SHARED_SHOWN
    assert f"fix for all: {BUILD}" in shared
    for at, lines in enumerate(own):
        everything = " ".join([*shared, *(line for _, line in lines)])
        assert f"why {at // 2} x" in everything
        assert f"leave it {at // 2}" in everything
    assert own[-1] == [("why", f"why 19 {'x' * 60}"), ("fix", "leave it 19")]


def test_many_shared_lines_leave_room_for_what_to_fix() -> None:
    shown = overview.render(whole(*pairs(4000)), limit=65_535).partition("<details>")[0]
    assert "What to fix" in shown
    assert "3,995 more: see the details" in shown


def test_what_to_fix_is_cut_between_its_lines() -> None:
    report = whole(*pairs(40))
    shown = overview.render(report, limit=1500)
    assert "What to fix" in shown
    assert markdown.CUT in shown


def hinted(at: int) -> Finding:
    return Finding("symbol-version-too-new", "error", "m.so", "…", f"s{at}", "GLIBC_2.30", hint=f"hint {at * 7}")


def explained(at: int) -> Finding:
    return finding(f"s{at}", "GLIBC_2.30", f"why {at}", f"build in {at}", f"leave {at}")


def of_an_object(at: int) -> Finding:
    return Finding("symbol-missing", "error", f"o{at}", "…", "f", "GLIBC_2.30", hint=f"why {at // 2}: {BUILD}")


@pytest.mark.parametrize("made", [hinted, explained, of_an_object])
def test_a_hostile_report_of_many_findings_takes_no_time(made: Callable[[int], Finding]) -> None:
    report = whole(*map(made, range(50_000)))
    with costs_less_than(5):
        overview.render(report, limit=65_535)


def test_findings_are_counted_as_they_are_shown() -> None:
    assert summary_line(whole(POW, STAT).artifacts) == "1 of 1 artifact failed (2 errors)"
    more = finding("exp", "GLIBC_2.29", "it was changed")
    warning = Finding("private-symbol", "warning", "m.so", "…")
    report = whole(POW, more, STAT, warning)
    assert summary_line(report.artifacts) == "1 of 1 artifact failed (2 errors with 3 symbols, 1 warning)"
    assert "2 errors with 3 symbols" in markdown.render(report)


def whole(*findings: Finding) -> Report:
    artifact = ArtifactReport("m.so", "elf", 1, None, "fail", (), {}, (), None, Coverage(1, 1, 0), (), tuple(findings))
    return Report(Tool("glibc-guard", "0"), "fail", (artifact,))
