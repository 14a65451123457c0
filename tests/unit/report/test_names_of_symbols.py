"""Names of C++ are shown as they were written, and few of them; those of C as they are, and all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from building import compile_with_zig
from glibc_guard.github.annotations import Repository, annotate
from glibc_guard.model import ArtifactReport, Report, Tool
from glibc_guard.repair import FixReport
from glibc_guard.report import fixes_text, html, markdown, overview, sarif, text
from glibc_guard.report.spelling import LONGEST_SPELLED, MANGLED_SHOWN, brief, readable, spelled
from provisions import needs_demangler
from unit.rules.judging import judged, of_rule, written

WALL = "".join(f"void very_long_name_of_mine_{number}(const char *, unsigned long);" for number in range(9))
CALLS = "".join(f"very_long_name_of_mine_{number}(0, 0);" for number in range(9))


def wall(language: str) -> bytes:
    """Nine symbols of one version that no older libstdc++ has."""
    name = "libstdc++.so.6"
    stub = compile_with_zig(
        WALL.replace(";", " {}"), "-shared", "-fPIC", "-nostdlib++", f"-Wl,-soname,{name}",
        "-Wl,--version-script=v.map", name=name, language=language,
        beside={"v.map": b"GLIBCXX_3.4.30 { *; };"},
    )  # fmt: skip
    return compile_with_zig(
        f"{WALL} void go(void) {{ {CALLS} }}", "-shared", "-fPIC", "-nostdlib++", "-xnone", f"./{name}",
        beside={name: stub}, language=language,
    )  # fmt: skip


def whole(report: ArtifactReport) -> Report:
    return Report(Tool("glibc-guard", "0"), "fail", (report,))


@needs_demangler
def test_names_of_cxx_are_few_and_spelled(tmp_path: Path) -> None:
    report = judged(written(tmp_path, wall("c++")), "manylinux2014")
    assert len(of_rule(report, "symbol-version-too-new")) == 9
    printed = text.render(whole(report), color=False, width=None)
    summary = markdown.render(whole(report))
    for shown in (printed, summary):
        line = next(line for line in shown.splitlines() if "error" in line and "GLIBCXX" in line)
        line = line.partition("<br>")[0]  # Markdown has the places in the same line
        assert line.count("(char const*, unsigned long)") == MANGLED_SHOWN
        assert "_Z" not in line
        assert "and 4 symbols more" in line


@needs_demangler
def test_no_report_for_people_shows_a_mangled_name(tmp_path: Path) -> None:
    report = judged(written(tmp_path, wall("c++")), "manylinux2014")
    everything = whole(report)
    place = Repository(lambda _: None, "setup.py")
    annotations = annotate(everything, place, more="the log")
    fixed = FixReport(Tool("glibc-guard", "0"), "m.so", None, True, "not fixed", (), (), report.findings)  # noqa: FBT003
    shown = {
        "html": html.render(everything),
        "overview": overview.render(everything, limit=65_535),
        "annotations": "".join(f"{one.title}{one.message}" for one in annotations),
        "fix": fixes_text.render(fixed, color=False, width=None),
    }
    for name, text_of_it in shown.items():
        assert "very_long_name_of_mine_0(char const*" in text_of_it, name
        assert "_Z" not in text_of_it.replace("\\_", "_"), name
    assert "and 4 more" in shown["html"]
    assert "and 4 symbols more" in shown["fix"]


@needs_demangler
def test_sarif_shows_the_readable_name_and_keeps_the_other(tmp_path: Path) -> None:
    report = judged(written(tmp_path, wall("c++")), "manylinux2014")
    results = json.loads(sarif.render(whole(report)))["runs"][0]["results"]
    assert len(results) == 9
    for result in results:
        assert "_Z" not in result["message"]["text"]
        assert "very\\_long" not in result["message"]["text"]
        assert "(char const*, unsigned long)" in result["message"]["text"]
        assert result["properties"]["symbol"].startswith("_Z24very_long_name_of_mine_")


@needs_demangler
@pytest.mark.parametrize(
    ("symbol", "shown"),
    [
        ("_ZNKSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE4findEcm", "std::__cxx11::string::find(…)"),
        ("_ZNSt6vectorIiSaIiEE5clearEv", "std::vector<int>::clear()"),
        ("_ZlsRSoRK1A", "operator<<(…)"),
        ("_ZN1AclEi", "A::operator()(…)"),
        ("_ZTV1A", "vtable for A"),
        ("memcpy", "memcpy"),
    ],
)
def test_in_lists_names_are_brief(symbol: str, shown: str) -> None:
    assert brief(symbol) == shown


@needs_demangler
def test_names_in_a_text_are_spelled() -> None:
    assert readable("asks for _ZNSs5clearEv@GLIBCXX_3.4, _Znwm. End") == (
        "asks for std::string::clear()@GLIBCXX_3.4, operator new(unsigned long). End"
    )
    assert readable("GLIBC_2.17 of x_Znwm") == "GLIBC_2.17 of x_Znwm"


def test_names_of_c_are_all_there_as_they_are(tmp_path: Path) -> None:
    report = judged(written(tmp_path, wall("c")), "manylinux2014")
    printed = text.render(whole(report), color=False, width=None)
    line = next(line for line in printed.splitlines() if "error" in line and "GLIBCXX" in line)
    assert ", ".join(f"very_long_name_of_mine_{number}" for number in range(9)) in line


@needs_demangler
def test_a_long_name_is_cut() -> None:
    assert spelled("_ZSt28__throw_bad_array_new_lengthv") == "std::__throw_bad_array_new_length()"
    long = spelled(f"_ZN{''.join(f'9namespace{n}'[:10] for n in range(40))}E")
    assert len(long) <= LONGEST_SPELLED
    assert spelled("x" * 300) == "x" * 300
