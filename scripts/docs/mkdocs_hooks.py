"""What mkdocs.yml needs beyond mkdocs: the pages of the root, the rules in the navigation, links that lead out."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parents[2]
FROM_ROOT: Final = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
PROJECT: Final = "https://github.com/org/glibc-guard"

_LINK: Final = re.compile(r"(?<=\]\()(?![a-z]+:|#|<)([^)\s#]+)(#[^)\s]*)?(?=\))")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the page of each rule to the navigation."""
    rules: list[Any] = next(entry["Rules"] for entry in config.nav or [] if "Rules" in entry)
    rules += sorted(f"rules/{path.name}" for path in (ROOT / "docs" / "rules").glob("*.md") if path.name != "README.md")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that GitHub wants in the root of the repository."""
    from mkdocs.structure.files import File  # noqa: PLC0415  # the tests have no mkdocs

    for name in FROM_ROOT:
        files.append(File.generated(config, name, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001  # mkdocs names them
    """Make links work that are meant for the repository, where the same page lies among other folders."""
    source = page.file.src_uri if page.file.src_uri in FROM_ROOT else f"docs/{page.file.src_uri}"
    return linked(markdown, source)


def linked(markdown: str, source: str) -> str:
    """Return ``markdown``, which lies at ``source`` in the repository, with links for the site."""
    return _LINK.sub(lambda found: _target(found[1], found[2] or "", source), markdown)


def _target(link: str, anchor: str, source: str) -> str:
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
    place = None if path == "README.md" and anchor else _in_site(path)  # the start page has other sections
    if place is not None:
        here = posixpath.dirname(source.removeprefix("docs/"))
        return posixpath.relpath(place, here or ".") + anchor
    kind = "tree" if (ROOT / path).is_dir() else "blob"
    return f"{PROJECT}/{kind}/main/{path}{anchor}"


def _in_site(path: str) -> str | None:
    """Return where ``path`` of the repository lies in the site; None where it does not."""
    if path in FROM_ROOT:
        return path
    if path == "README.md":
        return "index.md"
    if path in {"docs", "docs/rules"}:
        return "index.md" if path == "docs" else "rules/README.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else None
