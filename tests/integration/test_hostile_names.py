"""Whatever an artifact calls its parts: on no surface is anything forged, and on all of them it can be read."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import msgspec
import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt
from msgspec.structs import replace

from building import library, make_wheel
from e2e.runner import parse_command, read_lines
from glibc_guard.cli import cli
from glibc_guard.github import check_run, comment, summary, untrusted
from glibc_guard.github.annotations import MAXIMUM_COUNT, Repository, annotate
from glibc_guard.github.step import issue
from glibc_guard.guard import check
from glibc_guard.model import Report, Site
from glibc_guard.report import changes_markdown, changes_text, html, markdown, overview, sarif, svg, text
from glibc_guard.report import json as json_report
from glibc_guard.settings import Settings
from glibc_guard.urls import OWN_PAGE
from hostile import ATTACKS, hostile_wheel

PLACE: Final = Repository(lambda name: name, "pyproject.toml")
LONGEST_LINE: Final = 20_000  # characters of a line in a log; a group has several names
BIDIRECTIONAL: Final = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]")


@dataclass(frozen=True)
class Shown:
    """An attack, and the report of a wheel that is made of it."""

    attack: str
    report: Report


@pytest.fixture(scope="module", params=ATTACKS)
def shown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The report of check, with a baseline in which nothing was hostile, and with sites named like the rest."""
    name: str = request.param
    attack = ATTACKS[name]
    before, after = tmp_path_factory.mktemp("before"), tmp_path_factory.mktemp("after")
    make_wheel(before, {"pkg/_core.so": library("exp(x)")}, tag="cp312-cp312-manylinux2014_x86_64", version="0.9")
    report = check(
        [str(hostile_wheel(after, {name: attack}))], Settings(baseline=str(before), expect_toolchain=("nobody",))
    )
    site = Site(attack.format("function"), attack.format("file"), 3, attack.format("package"), in_repository=True)
    (wheel,) = report.artifacts
    findings = tuple(
        replace(
            finding,
            sites=(site, replace(site, in_repository=False)),
            hint=f"{finding.hint or ''} {attack.format('hint')}",
        )
        for finding in wheel.findings
    )
    notes = (attack.format("note"),)
    again = replace(wheel, findings=findings, notes=notes, path=f"{wheel.path}/{attack.format('nested')}.whl")
    return Shown(name, replace(report, artifacts=(wheel, again), notes=notes))


def annotated(report: Report) -> str:
    """What the runner is sent."""
    lines = []
    for one in annotate(report, PLACE, more="the job summary"):
        assert one.file
        lines += [one.title, *one.message.split("\n")]
    return "\n".join(lines)


def from_a_stranger(report: Report, folder: Path) -> Report:
    """The report by way of a file that is not trusted."""
    (folder / "report.json").write_bytes(json_report.render(report))
    read = untrusted.read(folder / "report.json")
    assert read is not None
    return read


LOGS: Final[dict[str, Callable[[Report], str]]] = {
    "text": lambda report: text.render(report, color=False, width=None),
    "text on a terminal": lambda report: re.sub(r"\x1b\[[0-9;]*m", "", text.render(report, color=True, width=100)),
    "needs": lambda report: text.render_needs(report, color=False, width=None),
    "text of changes": lambda report: changes_text.render(report, color=False, width=None),
    "annotations": annotated,
    "title of the check run": lambda report: check_run.shown(report)[0],
}
PAGES: Final[dict[str, Callable[[Report], str]]] = {
    "Markdown": lambda report: markdown.render(report, limit=10_000_000),
    "Markdown, cut": markdown.render,
    "Markdown of changes": changes_markdown.render,
    "summary": lambda report: summary.render(report, taken=0).decode(),
    "summary of the check run": lambda report: check_run.shown(report)[1],
    "text of the check run": lambda report: check_run.shown(report)[2],
    "overview": lambda report: overview.render(report, limit=10_000_000),
    "comment": lambda report: said(report).text,
    "comment, fixed": lambda report: said(report).fixed,
}


def said(report: Report) -> comment.Comment:
    about = overview.About(head="1" * 40, url="https://github.invalid/run", has_failed=True, is_foreign=True)
    return comment.compose(report, "0" * 16, (1, 1), about, when="always")


def test_the_names_are_there(shown: Shown) -> None:
    """What would be tested otherwise: that each position comes to light somewhere."""
    findings = shown.report.artifacts[0].findings
    given = {getattr(finding, field) for finding in findings for field in ("symbol", "version", "library", "object")}
    for position in ("symbol", "version", "needed", "member", "damaged"):
        assert any(position in (name or "") and "forged" in name for name in given), (position, given)
    objects = shown.report.artifacts[0].objects
    assert any("soname" in (item.soname or "") for item in objects)
    messages = " ".join(finding.message for finding in findings)
    for position in ("interpreter", "compiler"):
        assert ATTACKS[shown.attack].format(position)[:40].strip() in messages, position
    assert shown.report.artifacts[0].changes is not None
    assert any("forged" in name for name in shown.report.artifacts[0].changes.imports_added)


@pytest.mark.parametrize("surface", LOGS)
def test_a_log_obeys_nothing_and_shows_all(shown: Shown, surface: str) -> None:
    logged = LOGS[surface](shown.report)
    for line in read_lines(logged):
        assert parse_command(line) is None, line
        assert line.isprintable(), line
        assert len(line) < LONGEST_LINE
    assert not BIDIRECTIONAL.search(logged)
    if surface != "title of the check run":
        assert "forged" in logged


def test_the_commands_of_annotations_are_ours(shown: Shown, capfd: pytest.CaptureFixture[str]) -> None:
    wanted = annotate(shown.report, Repository(lambda _: None, "pyproject.toml"), more="the job summary")
    for one in wanted:
        issue(one)
    commands = [parse_command(line) for line in read_lines(capfd.readouterr().out.removesuffix("\n"))]
    assert len(commands) == len(wanted) <= 3 * MAXIMUM_COUNT
    for command, one in zip(commands, wanted, strict=True):
        assert command is not None
        assert (command.name, command.data) == (one.level, one.message)
        assert command.properties == {"title": one.title, "file": "pyproject.toml", "line": "1"}


def tokens(page: str) -> Iterator[tuple[str, str]]:
    """The kinds and contents of what a page is made of, as a browser would get them."""
    for token in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(page):
        for one in (token, *(token.children or ())):
            yield one.type, one.content


@pytest.mark.parametrize("surface", PAGES)
def test_a_page_has_no_markup_but_ours(shown: Shown, surface: str) -> None:
    page = re.sub(f"<{OWN_PAGE.pattern}>", "", PAGES[surface](shown.report))  # the only links
    found = list(tokens(page))
    kinds = {kind for kind, _ in found}
    assert not kinds & {"link_open", "image", "s_open", "blockquote_open", "fence", "code_block", "hr"}
    html = {tag for kind, content in found if kind.startswith("html") for tag in re.findall(r"<[^>]*>", content)}
    ours = {"<br>", "<details>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>", "</a>"}
    assert html <= {*ours, '<a href="https://github.invalid/run">'}
    words = " ".join(content for kind, content in found if kind == "text").replace(f"commit {'1' * 12}", "")
    assert not re.search(r"@[^\u200b]", words)  # a mention, or a mail address, is made of the rendered text
    assert not re.search(r"#\d|\bGH-\d", words, re.ASCII)  # and so is a reference to an issue
    assert not re.search(r"(?<![0-9a-z])[0-9a-f]{7,40}(?![0-9a-z])", words, re.IGNORECASE | re.ASCII)  # to a commit
    assert not re.search(r":[\w+-]+:", words, re.ASCII)  # and a picture
    for line in read_lines(page):
        assert parse_command(line) is None, line
    assert all(line.isprintable() or "\u200b" in line for line in page.split("\n"))
    assert not BIDIRECTIONAL.search(page)
    assert "forged" in page


def test_a_comment_is_known_by_our_marker_alone(shown: Shown) -> None:
    written = said(shown.report)
    assert comment._MARKER.match(written.text) is None  # noqa: SLF001
    marked = comment._MARKER.match(f"{written.marker}\n{written.text}")  # noqa: SLF001
    assert marked is not None
    assert marked[0] == written.marker


class Page(HTMLParser):
    """The tags of a page, with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


#: The attributes that may hold what an artifact says: they are read out, and nothing else.
SPOKEN: Final = frozenset({"aria-label"})


def test_html_has_no_markup_but_ours(shown: Shown) -> None:
    """Against the same report in which nothing is hostile but every name is there: tags and attributes are the same."""
    written = html.render(shown.report)
    page, calm = Page(written), Page(html.render(calmed(shown.report)))
    assert [(tag, ours(given)) for tag, given in page.tags] == [(tag, ours(given)) for tag, given in calm.tags]
    assert "forged" in page.text
    assert all(character.isprintable() or character == "\n" for character in written)
    assert not BIDIRECTIONAL.search(written)


def ours(given: dict[str, str | None]) -> dict[str, str | None]:
    return {name: "" if name in SPOKEN else value for name, value in given.items()}


def calmed(report: Report) -> Report:
    """The report with a letter in place of whatever has a meaning somewhere."""
    return msgspec.convert(_calmed(msgspec.to_builtins(report)), Report)


def _calmed(value: Any) -> Any:  # noqa: ANN401  # any JSON
    if isinstance(value, dict):
        return {key: _calmed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_calmed(item) for item in value]
    return re.sub("[<>&\"']", "x", value) if isinstance(value, str) else value


def test_a_picture_has_no_markup_but_ours(shown: Shown) -> None:
    written = svg.render(shown.report)
    root = ElementTree.fromstring(written)  # noqa: S314  # we made it
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "title", "style", "text", "g", "path", "rect", "tspan"}
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not [name for name in attributes if name.startswith("on") or name.endswith(("href", "src"))]
    assert all(character.isprintable() or character == "\n" for character in written)
    assert "forged" in "".join(root.itertext())


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("command", ["explain", "check", "show"])
def test_what_the_command_line_says_of_its_arguments(command: str, attack: str) -> None:
    """A pattern of the shell, or a matrix, may have put a name there that somebody else chose."""
    done = CliRunner().invoke(cli, [command, "--", ATTACKS[attack].format("argument").lstrip()])
    assert done.exit_code == 2
    assert done.stdout == ""
    for line in read_lines(done.stderr.removesuffix("\n")):
        assert parse_command(line) is None, line
        assert line.isprintable(), line
        assert len(line) < LONGEST_LINE
    assert "forged" in done.stderr or command == "explain"


def test_code_scanning_gets_text(shown: Shown) -> None:
    (run,) = json.loads(sarif.render(shown.report, manifest="pyproject.toml"))["runs"]
    texts = [one["message"]["text"] for one in run["results"]]
    texts += [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]]
    assert any("forged" in said for said in texts)
    for said_here in texts:
        assert not re.search(r"(?<!\\)(?:\\\\)*[\[\]]", said_here)
        assert not re.search(r"(?<!\w)@\w", said_here, re.ASCII)
        assert all(line.isprintable() or "\u200b" in line for line in said_here.split("\n"))
    uris = {one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in run["results"]}
    assert all(re.fullmatch(r"[\w./%~-]+", uri) for uri in uris)


def test_json_holds_the_names_as_they_are(shown: Shown) -> None:
    written = json_report.render(shown.report)
    assert msgspec.json.decode(written, type=Report) == shown.report
    assert all(parse_command(line) is None for line in io.BytesIO(written).read().decode().split("\n"))


def test_by_way_of_a_stranger_it_is_the_same(shown: Shown, tmp_path: Path) -> None:
    read = from_a_stranger(shown.report, tmp_path)
    assert LOGS["annotations"](read) == LOGS["annotations"](shown.report)
    assert PAGES["comment"](read) == PAGES["comment"](shown.report)
