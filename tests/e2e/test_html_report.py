"""The HTML report in a real browser: Debian's Chromium without a screen, looked at by Playwright's core and by axe."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from building import compile_with_gcc, library, make_wheel
from debug_building import build
from e2e.browser import look
from glibc_guard.guard import check
from glibc_guard.report import html
from glibc_guard.settings import Settings

pytestmark = pytest.mark.e2e

HOSTILE: Final = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)><style>*{display:none}"
NEW: Final = library("pow(x, 2.5)", "reallocarray(0, 1, 2)", glibc="2.29")
OLD: Final = library("malloc(1)", glibc="2.17")
#: What is shown of the table of findings, row by row.
ROWS: Final = "[...document.querySelectorAll('.findings tbody tr')].filter((row) => row.checkVisibility())"


def write(folder: Path, *artifacts: Path, targets: tuple[str, ...] = ("auto",)) -> Path:
    page = folder / "report.html"
    page.write_text(html.render(check([str(path) for path in artifacts], Settings(targets=targets))), encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports of several kinds: what passes, fails, cannot be read, has source lines, is hostile, is many."""

    def folder(name: str) -> Path:
        return tmp_path_factory.mktemp(name)

    tag = "cp312-cp312-manylinux2014_x86_64"
    passing = make_wheel(folder("passing"), {"pkg/old.so": OLD}, tag=tag)
    failing = make_wheel(folder("failing"), {"pkg/new.so": NEW, "pkg/old.so": OLD, "pkg/cut.so": NEW[:99]}, tag=tag)
    strange = compile_with_gcc("int x;", "-shared", "-fPIC", f"-Wl,-soname,{HOSTILE.replace(',', '')}")
    files = {f"{HOSTILE.replace('/', '_')}/m.so": NEW, "s.so": strange}
    hostile = make_wheel(folder("hostile"), files, tag=tag)
    source = "#include <math.h>\ndouble score(double x) {\n  return pow(x, 2.5);\n}\n"
    sites = build(folder("sites"), "gcc", ["-O1", "-g"], source=source)
    many = [
        make_wheel(folder("many"), {f"pkg/{n}.so": NEW if n % 7 else OLD}, tag=tag, name=f"p{n}") for n in range(40)
    ]
    return {
        "passing": write(passing.parent, passing),
        "failing": write(failing.parent, failing),
        "hostile": write(hostile.parent, hostile),
        "sites": write(sites.parent, sites, targets=("2.17",)),
        "many": write(many[0].parent.parent, *many),
        "nothing": write(folder("nothing"), make_wheel(folder("pure"), {"m.py": b""}, tag="py3-none-any")),
    }


KINDS: Final = ("passing", "failing", "hostile", "sites", "many", "nothing")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_no_other_host_is_asked(pages: dict[str, Path], kind: str, scheme: str) -> None:
    opened = ("evaluate", "document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    seen = look(pages[kind], opened, ("axe", None), scheme=scheme)
    found = seen.results[-1]
    assert found["violations"] == []
    assert found["passes"] > 15
    # What axe cannot decide is the contrast of what lies under something else, as the marks of the picture do.
    assert {rule for rule, *_ in found["incomplete"]} <= {"color-contrast"}
    assert seen.requests == [pages[kind].as_uri()]
    assert seen.messages == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_is_no_wider_than_the_window(pages: dict[str, Path], kind: str, width: int) -> None:
    opened = ("evaluate", "document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    wide = ("evaluate", "document.documentElement.scrollWidth")
    assert look(pages[kind], opened, wide, width=width).results[-1] == width


def test_it_is_whole_without_scripts(pages: dict[str, Path]) -> None:
    (text,) = look(pages["failing"], ("evaluate", "document.body.innerText"), script=False).results
    assert "Could not be judged" in text
    assert "GLIBC_2.29 of libm.so.6" in text
    assert "Fix:" in text
    assert "Filter" not in text  # controls that would do nothing are not shown


def test_function_source_line_and_remedy_are_shown(pages: dict[str, Path]) -> None:
    (text,) = look(pages["sites"], ("evaluate", "document.querySelector('.findings').innerText")).results
    assert "used by score at" in text
    assert "a.c:3" in text
    assert "Fix: pow@GLIBC_2.2.5 exists on x86_64" in text


def test_what_the_verdict_is_can_be_seen_without_scrolling(pages: dict[str, Path]) -> None:
    box = "(({ top, bottom }) => [top, bottom])(document.querySelector('{}').getBoundingClientRect())"
    for selector in ("h1 .verdict", ".lead", ".matrix"):
        ((top, bottom),) = look(pages["failing"], ("evaluate", box.replace("{}", selector)), height=700).results
        assert 0 <= top < bottom < 500, selector


def test_only_what_was_promised_is_red(pages: dict[str, Path]) -> None:
    colors = "[...document.querySelectorAll('.matrix td.no')].map((cell) => getComputedStyle(cell).backgroundColor)"
    (red,) = look(pages["failing"], ("evaluate", colors)).results
    assert set(red) == {"rgb(207, 34, 46)"}
    (none,) = look(pages["passing"], ("evaluate", colors)).results
    assert none == []


def test_filter_and_sort(pages: dict[str, Path]) -> None:
    rows = ("evaluate", f"{ROWS}.map((row) => row.innerText)")
    order = ("evaluate", f"{ROWS}.map((row) => row.cells[1].innerText)")
    seen = look(
        pages["failing"],
        rows,
        ("fill", {"selector": ".controls input[type=search]", "text": "libm POW"}),
        rows,
        ("evaluate", "document.querySelector('.controls output').innerText"),
        ("fill", {"selector": ".controls input[type=search]", "text": ""}),
        ("click", ".controls input[value=error]"),
        rows,
        ("click", ".controls input[value=error]"),
        ("click", ".findings th:nth-child(2) button"),
        order,
        ("click", ".findings th:nth-child(2) button"),
        order,
        ("evaluate", "document.querySelector('.findings th:nth-child(2)').getAttribute('aria-sort')"),
    )
    everything, filtered, said, no_errors, up, down, direction = (
        result for result in seen.results if result is not None
    )
    assert len(everything) > 3
    assert len(filtered) == 1
    assert "pow" in filtered[0]
    assert said == f"1 of {len(everything)} rows"
    assert len(no_errors) < len(everything)
    assert up == sorted(up, key=str.lower)
    assert down == up[::-1]
    assert direction == "descending"


def test_everything_is_reached_by_the_keyboard(pages: dict[str, Path]) -> None:
    name = (
        "evaluate",
        "(({ tagName, type, textContent }) => [tagName, type ?? '', textContent.trim()])(document.activeElement)",
    )
    steps: list[tuple[str, object]] = []
    for _ in range(25):
        steps += [("press", "Tab"), name]
    reached = [tuple(found) for found in look(pages["failing"], *steps).results[1::2]]
    kinds = [(tag, kind) for tag, kind, _ in reached]
    assert ("INPUT", "search") in kinds
    assert kinds.count(("INPUT", "checkbox")) >= 3
    assert [text for tag, kind, text in reached if (tag, kind) == ("BUTTON", "button")][:4] == [
        "severity",
        "object",
        "what, where and the way out",
        "rule",
    ]
    assert "SUMMARY" in [tag for tag, _ in kinds]
    opens = look(
        pages["failing"],
        ("evaluate", "document.querySelector('details.object summary').focus()"),
        ("press", "Enter"),
        ("evaluate", "document.querySelector('details.object').open"),
        ("evaluate", "document.querySelector('.findings th:nth-child(4) button').focus()"),
        ("press", "Space"),
        ("evaluate", "document.querySelector('.findings th:nth-child(4)').getAttribute('aria-sort')"),
    ).results
    assert (opens[2], opens[5]) == (True, "ascending")
    focus = "getComputedStyle(document.activeElement).outlineStyle"
    assert look(pages["failing"], ("press", "Tab"), ("evaluate", focus)).results[1] == "solid"


def test_what_an_artifact_says_stays_text(pages: dict[str, Path]) -> None:
    counts = "['script', 'img', 'style'].map((name) => document.querySelectorAll(name).length)"
    seen = look(pages["hostile"], ("evaluate", counts), ("evaluate", "document.body.innerText"))
    assert seen.results[0] == [1, 0, 1]
    assert "<script>alert(1)" in seen.results[1]
    assert (seen.dialogs, seen.messages) == ([], [])


def test_the_colors_follow_the_system(pages: dict[str, Path]) -> None:
    ground = ("evaluate", "getComputedStyle(document.body).backgroundColor")
    light, dark = (look(pages["passing"], ground, scheme=scheme).results[0] for scheme in ("light", "dark"))
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(13, 17, 23)")


def test_on_paper_it_is_light_and_opened_and_whole(pages: dict[str, Path], tmp_path: Path) -> None:
    printed = ("media", {"media": "print"})
    seen = look(
        pages["failing"],
        printed,
        ("evaluate", "getComputedStyle(document.body).backgroundColor"),
        ("evaluate", "[...document.querySelectorAll('.bars')].every((one) => one.checkVisibility())"),
        ("evaluate", "document.querySelector('.controls').checkVisibility()"),
        ("evaluate", "document.querySelector('.matrix').offsetWidth"),
        ("pdf", str(tmp_path / "report.pdf")),
        scheme="dark",
    )
    assert seen.results[1:4] == ["rgb(255, 255, 255)", True, False]
    assert seen.results[4] < 700  # A4 between its margins has 703
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")
