from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from building import compile_with_gcc, library, make_wheel
from glibc_guard.guard import check
from glibc_guard.model import Report, Site
from glibc_guard.report import html, svg
from glibc_guard.settings import Settings
from glibc_guard.urls import page

NEW = library("pow(x, 2.5)", "reallocarray(0, 1, 2)", glibc="2.29")
OLD = library("malloc(1)", glibc="2.17")
HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b[31m\u202e&amp;{{7*7}}"


class Elements(HTMLParser):
    """Collects start tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)  # noqa: S314  # we made it


@pytest.fixture
def report(tmp_path: Path) -> Report:
    files = {"pkg/new.so": NEW, "pkg/old.so": OLD}
    return check([str(make_wheel(tmp_path, files, tag="cp312-cp312-manylinux2014_x86_64"))], Settings())


@pytest.fixture
def hostile(tmp_path: Path) -> Report:
    soname = f"-Wl,-soname,{HOSTILE.replace(',', '').replace(chr(0x202E), '')}"
    strange = compile_with_gcc("int x;", "-shared", "-fPIC", soname)
    wheel = make_wheel(tmp_path, {f"{HOSTILE.replace('/', '_')}/m.so": NEW, "s.so": strange, "t.so": NEW[:200]})
    return check([str(wheel)], Settings())


def test_it_says_the_verdict_the_findings_and_the_way_out(report: Report) -> None:
    shown = " ".join(Elements(html.render(report)).text.split())
    assert "Fails 1 of 1 artifact failed" in shown
    assert "GLIBC_2.29 of libm.so.6 pow" in shown
    assert "pkg/new.so 2 errors ✗promised, and does not load" in shown
    assert "Fix:" in shown
    assert "manylinux_2_17_x86_64 (wheel tag): glibc 2.17" in shown


def test_it_names_the_culprits(report: Report) -> None:
    artifact = report.artifacts[0]
    site = Site("ray::core::Score(double)", "src/score.cc", 6, package="ray", in_repository=True)
    findings = tuple(
        replace(finding, sites=(site,)) if finding.symbol == "pow" else finding for finding in artifact.findings
    )
    told = replace(report, artifacts=(replace(artifact, findings=findings),))
    assert "used by ray::core::Score(double) at src/score.cc:6" in " ".join(Elements(html.render(told)).text.split())


def test_nothing_is_fetched_and_only_our_script_runs(report: Report) -> None:
    found = Elements(html.render(report))
    assert not [
        tag for tag, given in found.tags if {"src", "srcset", "style", "onclick"} & given.keys() or tag == "link"
    ]
    rules = {f"{html.RULE_PAGES}{finding.rule}.md" for finding in report.artifacts[0].findings}
    links = {given["href"] for tag, given in found.tags if tag == "a"}
    assert links == {*rules, page("building.md")}
    policy = next(given["content"] for tag, given in found.tags if given.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert [tag for tag, _ in found.tags].count("script") == 1


def test_what_an_artifact_says_stays_text(hostile: Report) -> None:
    shown = html.render(hostile)
    found = Elements(shown)
    assert [tag for tag, _ in found.tags].count("script") == 1
    assert not [tag for tag, _ in found.tags if tag == "img"]
    assert "alert(1)" in found.text
    assert "{{7*7}}" in found.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", shown)


def test_bars_tell_what_is_newer_than_promised(report: Report) -> None:
    artifact = report.artifacts[0]
    item = next(item for item in artifact.objects if item.path == "pkg/new.so")
    glibc = next(need for need in html.needs(item, artifact) if need.namespace == "GLIBC")
    assert {bar.version: bar.too_new for bar in glibc.bars if bar.too_new} == {"GLIBC_2.26": True, "GLIBC_2.29": True}
    assert [bar.version for bar in glibc.bars] == sorted(
        (bar.version for bar in glibc.bars), key=lambda name: [int(part) for part in re.findall(r"\d+", name)]
    )


def test_thousands_of_artifacts_fold_what_passes(report: Report) -> None:
    artifact = replace(report.artifacts[0], verdict="pass")
    many = replace(report, artifacts=tuple(replace(artifact, path=f"dist/{number}.whl") for number in range(30)))
    assert html.render(many).count('<details class="folded">') == 30


def test_the_picture_is_sound_xml_and_says_in_words_what_it_shows(report: Report, hostile: Report) -> None:
    for one in (report, hostile):
        root = parsed(svg.render(one))
        assert root.get("role") == "img"
    root = parsed(svg.render(report))
    assert "does not load on Red Hat Enterprise Linux 7" in (root.get("aria-label") or "")
    boxes = [node.get("class") for node in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert boxes.count("no") > 2
    assert boxes.count("yes") > 20


def test_the_picture_of_a_pure_wheel_is_one_line(tmp_path: Path) -> None:
    pure = check([str(make_wheel(tmp_path, {"m.py": b""}, tag="py3-none-any"))], Settings())
    root = parsed(svg.render(pure))
    assert not list(root.iter("{http://www.w3.org/2000/svg}rect"))
    assert "1 artifact passed" in "".join(root.itertext())
