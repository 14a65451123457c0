"""Each rule has a page, and what the page shows is what happens: its commands are run, in order, in an empty folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Final

import pytest

from building import compile_with_zig, make_wheel
from glibc_guard.config import load
from glibc_guard.rules.catalogue import CATALOGUE
from glibc_guard.rules.coverage import UNREADABLE_RULES
from provisions import needed, needs_demangler
from unit.rules.crafting import dynamic_entry, need_renamed, put, section, weak_need

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "rules"
HEADINGS = ["What it means", "Why", "An example that fails", "How to fix", "When to ignore it"]
DT_NEEDED: Final = 1
UNUSED_TAG: Final = 0x60000001  # of no meaning to any loader
EXIT_STATUSES: Final = {"PASS": 0, "FIXED": 0, "FAIL": 1, "UNREADABLE": 3}
ELLIPSIS: Final = "…"  # a line of its own: here the page leaves something out

SHOWS_NAMES_OF_CXX: Final = {"conflicting-libstdcxx", "conflicting-protobuf"}

#: What a page is made of as far as it is run; a block in ```sh is only shown.
PIECE: Final = re.compile(
    r"^`(?P<file>[\w.]+)`:\n\n```c\n(?P<source>.*?)^```$"
    r"|^```console\n(?P<console>.*?)^```$"
    r"|^<!-- step: (?P<step>[^\n]+) -->$"
    r"|^<!-- wheel: (?P<wheel>\S+): (?P<members>[^\n]+) -->$",
    re.MULTILINE | re.DOTALL,
)


# --- what no linker writes --------------------------------------------------------------------------------------------


def with_a_weak_version_need(folder: Path) -> None:
    data = compile_with_zig((folder / "truncate.c").read_text(), "-shared", "-fPIC", glibc="2.38")
    (folder / "truncate.so").write_bytes(weak_need(data, "GLIBC_2.38"))


def without_the_marker(folder: Path) -> None:
    """Let the entry for the marker ask for a version that another entry asks for already."""

    change(folder / "handlers.so", lambda data: need_renamed(data, "GLIBC_ABI_DT_RELR", "GLIBC_2.2.5"))


def without_the_needed_library(folder: Path) -> None:
    change(folder / "score.so", lambda data: put(data, dynamic_entry(data, DT_NEEDED), "<q", UNUSED_TAG))


def with_a_count_of_0(folder: Path) -> None:
    change(folder / "score.so", lambda data: put(data, section(data, ".gnu.version_r")["sh_offset"] + 2, "<H", 0))


def with_another_member(folder: Path) -> None:
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.write(folder / "score.so", "fastscore/helper.so")


STEPS: Final[dict[str, Callable[[Path], None]]] = {
    "library with a weak version need": with_a_weak_version_need,
    "mark taken out": without_the_marker,
    "libm.so.6 removed from the needed libraries": without_the_needed_library,
    "vn_cnt set to 0": with_a_count_of_0,
    "fastscore/helper.so added with zip": with_another_member,
}


def change(path: Path, how: Callable[[bytes], bytes]) -> None:
    path.write_bytes(how(path.read_bytes()))


# --- running a page ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """One ``glibc-guard`` command of a page: the lines that the page shows, and those that were printed."""

    command: str
    shown: list[str]
    printed: list[str]
    status: int


@pytest.fixture(autouse=True)
def tools(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put on PATH, for the commands of the pages, what a user has installed.

    Not by ``python -m``, which looks for modules in the working folder first, where the libraries of the pages lie.
    """
    folder = tmp_path_factory.mktemp("bin")
    for name, module in (("zig", "ziglang.__main__"), ("glibc-guard", "glibc_guard.__main__")):
        script = folder / f"{module}.py"
        script.write_text(f"import runpy\n\nrunpy.run_module('{module}', run_name='__main__')\n", encoding="utf-8")
        command = shlex.join([sys.executable, str(script)])
        (folder / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.setenv("PYTHONUTF8", "1")


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, encoding="utf-8", check=False)
    assert "Traceback" not in done.stderr
    if not command.startswith("glibc-guard "):
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done


def checks(text: str, folder: Path) -> Iterator[Check]:
    """Do what a page says, in its order, and yield each check."""
    for piece in PIECE.finditer(text):
        if piece["file"]:
            (folder / piece["file"]).write_text(piece["source"], encoding="utf-8")
        elif piece["step"]:
            STEPS[piece["step"]](folder)
        elif piece["wheel"]:
            pack(folder, piece["wheel"], piece["members"])
        else:
            yield from console(piece["console"], folder)


def pack(folder: Path, wheel: str, members: str) -> None:
    name, version, tag = re.fullmatch(r"dist/(\w+)-([\d.]+)-(.+)\.whl", wheel).groups()  # type: ignore[union-attr]
    pairs = (member.partition("=") for member in members.split())
    files = {inside: (folder / path).read_bytes() for inside, _, path in pairs}
    (folder / "dist").mkdir(exist_ok=True)
    assert make_wheel(folder / "dist", files, tag=tag, name=name, version=version) == folder / wheel


def console(block: str, folder: Path) -> Iterator[Check]:
    lines = block.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("$ "):
            shown = list(takewhile(lambda other: not other.startswith("$ "), lines[number + 1 :]))
            done = run(line[2:], folder)
            if line.startswith("$ glibc-guard "):
                yield Check(line[2:], shown, done.stdout.splitlines(), done.returncode)
            else:
                assert shown == [], f"{line}: only the output of glibc-guard is compared"


def missing_part(shown: list[str], printed: list[str]) -> list[str] | None:
    """Return the first run of ``shown`` lines that was not printed, one after the other; None where all were."""
    start = 0
    for number, part in enumerate(split(shown)):
        size = len(part)
        places = range(start, len(printed) - size + 1) if number else range(1)
        found = next((place for place in places if printed[place : place + size] == part), None)
        if found is None:
            return part
        start = found + size
    open_end = bool(shown) and shown[-1] == ELLIPSIS
    return None if open_end or start == len(printed) else ["(more was printed than the page shows)"]


def split(lines: list[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for line in lines:
        if line == ELLIPSIS:
            yield part
            part = []
        else:
            part.append(line)
    yield part


def need_the_compilers_of(rule: str) -> None:
    if "$ g++ " in page(rule):
        needed("g++", "apt-get install g++")


def page(rule: str) -> str:
    return (PAGES / f"{rule}.md").read_text(encoding="utf-8")


def example(rule: str) -> str:
    return page(rule).partition("\n## An example that fails\n")[2].partition("\n## How to fix\n")[0]


# --- the tests --------------------------------------------------------------------------------------------------------


def test_every_rule_has_a_page_and_no_page_is_left_over() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {*CATALOGUE, "README"}


def test_every_step_is_used() -> None:
    pages = "".join(map(page, CATALOGUE))
    assert set(re.findall(r"<!-- step: (.+) -->", pages)) == set(STEPS)
    assert pages.count("<!--") == len(re.findall(r"^<!-- (?:step|wheel): .+ -->$", pages, re.MULTILINE))


def test_the_index_is_the_catalogue() -> None:
    rows = re.findall(r"^\| \[`([\w-]+)`\]\(([\w-]+)\.md\) \| ([\w, ]+) \| (.+) \|$", page("README"), re.MULTILINE)
    assert rows == [(name, name, severity, fires) for name, (severity, fires) in CATALOGUE.items()]


@pytest.mark.parametrize("rule", CATALOGUE)
def test_a_page_has_its_parts(rule: str) -> None:
    text = page(rule)
    assert text.startswith(f"# {rule}\n\n**Severity:** {CATALOGUE[rule][0]}\n\n## ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS


@pytest.mark.parametrize(
    "rule", [pytest.param(rule, marks=[needs_demangler] if rule in SHOWS_NAMES_OF_CXX else []) for rule in CATALOGUE]
)
def test_what_a_page_shows_is_what_happens(rule: str, tmp_path: Path) -> None:
    need_the_compilers_of(rule)
    for check in checks(page(rule), tmp_path):
        printed = "\n".join(check.printed)
        missing = missing_part(check.shown, check.printed)
        assert missing is None, "\n".join([check.command, "the page shows:", *missing, "printed was:", printed])
        verdicts = {line.split()[0] for line in check.shown if line[:1].isupper()} & EXIT_STATUSES.keys()
        assert check.status == max(EXIT_STATUSES[verdict] for verdict in verdicts), printed


@pytest.mark.parametrize("rule", CATALOGUE)
def test_the_example_is_one_of_the_rule_and_the_repair_is_none(rule: str) -> None:
    finding = re.compile(rf"^ +(error|warning|note) .+  \[{rule}\]$", re.MULTILINE)
    found = finding.findall(example(rule))
    assert found
    assert set(found) <= set(CATALOGUE[rule][0].split(", "))
    assert rule not in UNREADABLE_RULES or "UNREADABLE  " in example(rule)
    repair = page(rule).partition("\n## How to fix\n")[2]
    assert not re.search(r"^(FAIL|UNREADABLE)  |  \[[a-z-]+\]$", repair, re.MULTILINE)


@pytest.mark.parametrize(
    "rule", [path.stem for path in sorted(PAGES.glob("[a-z]*.md")) if "```toml" in page(path.stem)]
)
def test_an_ignore_of_a_page_sets_the_example_aside(rule: str, tmp_path: Path) -> None:
    (snippet,) = re.findall(r"^```toml\n(.*?)^```$", page(rule), re.MULTILINE | re.DOTALL)
    need_the_compilers_of(rule)
    (tmp_path / "pyproject.toml").write_text(snippet, encoding="utf-8")
    (ignore,) = load(None, tmp_path).ignores
    assert ignore.rule == rule
    ignored = [line for check in checks(example(rule), tmp_path) for line in check.printed if "  ignored" in line]
    assert any(ignore.reason in line for line in ignored)


@pytest.mark.parametrize("path", [*sorted(PAGES.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))], ids=str)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), link
