"""The documentation as a site: it builds without a warning, asks no other host, and shows what there is."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from building import CACHE
from e2e.browser import look
from e2e.conftest import ROOT, tool
from glibc_guard.cli import cli
from scripts.docs.mkdocs_hooks import PROJECT, linked
from scripts.update_reference import pages

pytestmark = pytest.mark.e2e

#: Types again until the index is there, which a worker of the page loads.
SEARCH = """new Promise((done) => {
  const box = document.querySelector('.md-search__input');
  const look = () => {
    if (document.querySelector('.md-search-result__item')) return done();
    box.value = 'static TLS block';
    for (const name of ['input', 'keyup', 'focus']) box.dispatchEvent(new Event(name, { bubbles: true }));
    setTimeout(look, 1000);
  };
  look();
})"""
THEMES = {"aria-dialog-name", "landmark-unique"}
LOCK = ROOT / "scripts" / "docs" / "requirements.txt"
SOURCES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md"])
COMMAND = re.compile(r"^ *(?:\$ |- )?(?:\S*/)?glibc-guard\"? ([a-z]+)((?: .*)?)$", re.MULTILINE)
BLOCK = re.compile(r"^```(?:console|yaml|sh|groovy)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def environment() -> Path:
    """What builds the site, installed once."""
    key = hashlib.sha256(f"{sys.version}{LOCK.read_text()}".encode()).hexdigest()[:16]
    folder = CACHE / f"documentation-{key}"
    if not (folder / ".ready").is_file():
        script = "scripts/make_environment.sh"
        subprocess.run([tool("bash"), script, sys.executable, folder, LOCK], cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command: list[str | Path] = [
        environment() / "bin" / "python",
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--site-dir",
        folder,
    ]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_it_has_a_page_for_each_rule_and_each_file(site: Path) -> None:
    for source in ROOT.glob("docs/**/*.md"):
        page = site / source.relative_to(ROOT / "docs").with_suffix(".html")
        assert (page if source.name != "README.md" else page.with_name("index.html")).is_file(), source


def test_no_other_host_is_asked_and_the_search_works(address: str) -> None:
    seen = look(
        f"{address}/errors.html",
        ("click", ".md-search__input"),
        ("evaluate", SEARCH),
        ("evaluate", "document.querySelector('.md-search-result__list').innerText"),
    )
    assert "static TLS" in seen.results[-1]
    assert [url for url in seen.requests if not url.startswith((address, "data:", "blob:"))] == []
    assert seen.messages == []


@pytest.mark.parametrize("name", ["index.html", "rules/static-tls.html", "html-report.html"])
def test_a_page_read_from_the_disk_asks_no_other_host(site: Path, name: str) -> None:
    seen = look(site / name, ("evaluate", "document.querySelector('h1').innerText"))
    assert seen.results[0]
    assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("name", ["index.html", "errors.html", "comparison.html"])
def test_axe_finds_nothing(address: str, name: str) -> None:
    for scheme in ("light", "dark"):
        found = look(f"{address}/{name}", ("axe", None), scheme=scheme).results[0]["violations"]
        # These are the theme's: it names neither the search nor the landmarks of the buttons that copy.
        assert [entry for entry in found if entry[0] not in THEMES] == []


@pytest.mark.parametrize("path", sorted(pages()), ids=lambda path: path.name)
def test_the_reference_is_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == pages()[path], "run scripts/update_reference.py"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_names_no_command_or_option_that_there_is_not(path: Path) -> None:
    for block in BLOCK.findall(path.read_text(encoding="utf-8")):
        for name, rest in COMMAND.findall(block):
            command = cli.commands.get(name)
            assert command is not None, f"glibc-guard {name}"
            known = {option for parameter in command.params for option in parameter.opts}
            assert set(re.findall(r"(?<= )--[a-z-]+", re.split(r" [|#&] ?", rest)[0])) <= known, rest


def test_the_recipes_are_sound_yaml() -> None:
    for name in ("index.md", "ci.md", "html-report.md"):
        for block in re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / name).read_text(), re.MULTILINE | re.DOTALL):
            assert yaml.safe_load(block)


def test_links_are_made_for_the_place_where_the_page_lies() -> None:
    page = (
        "[a](../README.md) [b](../README.md#configuration) [c](explain.md#x) [d](../bench/wheels.toml) [e](https://x/y)"
    )
    assert linked("[f](#g)", "docs/building.md") == "[f](#g)"
    assert linked(page, "docs/building.md") == (
        f"[a](index.md) [b]({PROJECT}/blob/main/README.md#configuration) [c](explain.md#x) "
        f"[d]({PROJECT}/blob/main/bench/wheels.toml) [e](https://x/y)"
    )
    assert (
        linked("[a](docs/forks.md) [b](examples)", "SECURITY.md") == f"[a](forks.md) [b]({PROJECT}/tree/main/examples)"
    )
    assert (
        linked("[a](../building.md) [b](static-tls.md)", "docs/rules/x.md") == "[a](../building.md) [b](static-tls.md)"
    )


def test_ci_builds_it() -> None:
    assert "make docs" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
