from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glibc_guard.report.neutral import markdown, markdown_code, plain
from glibc_guard.report.printer import printer_for
from glibc_guard.urls import DOCUMENTATION, page

HOSTILE = [
    "::error::forged",
    "  ::set-output name=verdict::pass",
    "a ::error::forged",
    "##[set-output name=verdict;]pass",
    "x##[error]forged",
    "line\n::error::forged",
    "line\r::error::forged",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "\u2028::error::forged",
    "\x00\x7f\x9b",
    "#\u200b#[error]",
    "\u1680\u3000\u00a0::error::forged",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_command_is_forged_in_a_log(text: str) -> None:
    shown = plain(text)
    assert "##[" not in shown
    assert not re.search(r"(^|\s)::", shown)
    assert shown.isprintable()


@given(st.text())
def test_what_is_shown_is_one_printable_line(text: str) -> None:
    for shown in (plain(text), markdown_code(text)):
        assert shown.isprintable()
        assert not re.search(r"(^|\s)::", shown.replace("`", ""))
        assert "##[" not in shown


def test_honest_names_stay_as_they_are() -> None:
    for name in ("ray/_raylet.so", "std::vector<int>::push_back(int&&)", "libfoo-1.2.so.3", "héhé", "日本"):
        assert plain(name) == name


def test_long_names_are_cut() -> None:
    assert len(plain("x" * 10_000)) == 1000
    assert plain("x" * 10_000).endswith("…")


def test_what_is_not_visible_is_made_visible() -> None:
    assert plain("a\x1bb\u202ec\U000e0001") == "a\\x1bb\\u202ec\\U000e0001"
    assert plain("a\u1680b\u3000c d") == "a\\u1680b\\u3000c d"  # spaces other than the one


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", "`a`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("", "`  `"),
        ("<img src=x>", "`<img src=x>`"),
        ("@octocat", "`@octocat`"),
    ],
)
def test_code_spans(text: str, expected: str) -> None:
    assert markdown_code(text) == expected


def test_a_pipe_does_not_end_a_cell() -> None:
    assert markdown_code("a|b", in_table=True) == "`a\\|b`"


def test_markdown_outside_code() -> None:
    assert markdown("[x](https://y) <b> *c* @me") == "\\[x\\]\\(https\\://y\\) \\<b\\> \\*c\\* @\u200bme"


@pytest.mark.parametrize(
    "text",
    [
        "é@octocat",
        "help@evil.com",
        "pow@GLIBC_2.29",
        "éGH-1",
        "gh-1",
        "org/repo#1",
        "a5c3785ed8d6a35868bc169f07e40e889087fd2e",
        "A5C3785",
        ":white_check_mark:",
        ":+1:",
        "::tada::",
    ],
)
def test_nothing_is_linked(text: str) -> None:
    shown = re.sub(r"\\(.)", r"\1", markdown(text))
    assert not re.search(r"@[^\u200b]|\bgh-\d|#\d|\b[0-9a-f]{7,40}\b|:[\w+-]+:", shown, re.ASCII | re.IGNORECASE)
    assert shown.replace("\u200b", "").replace(": :", "::") == text
    assert markdown_code(text) == f"`{text}`" or text.startswith("::")


@pytest.mark.parametrize("text", ["std::vector", "a b@", "faced by 12 mice: yes", "1234567x", "glibc 2.17: too old"])
def test_what_makes_no_link_is_left_alone(text: str) -> None:
    assert "\u200b" not in markdown(text).removesuffix("\u200b")


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("width", range(20, 40))
def test_no_wrapped_line_begins_with_a_command(width: int, *, color: bool) -> None:
    printer = printer_for(color=color, width=width)
    printer.block([(plain("lib/libthing.so\n::error file=a.py::forged and some more words"), "red")], 4)
    printer.columns([([("note", "")], [(plain("lib/libthing.so\n::error file=a.py::forged"), "")])], 2)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", printer.text()).splitlines()
    assert len(lines) > 2
    assert not [line for line in lines if line.lstrip().startswith("::")]


def test_a_page_of_our_own_is_a_link_and_nothing_else_is() -> None:
    building = page("building.md#by-hand")
    assert markdown(f"build there ({building}), or *not*") == f"build there \\(<{building}>\\), or \\*not\\*"
    for hostile in (f"{DOCUMENTATION}/../x.md", f"{DOCUMENTATION}.evil/x.md", "https://evil/a.md", f"{DOCUMENTATION}/"):
        assert "<" not in markdown(hostile)
    assert markdown(f"{building}\u202e>") == f"<{building}>\\\\u202e\\>"
