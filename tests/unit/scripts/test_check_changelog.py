from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from glibc_guard import __version__
from scripts.check_changelog import ROOT, ChangelogError, main, problems, release_problems, sections

TODAY = datetime.date(2027, 1, 31)
GOOD = """# Changelog

## [Unreleased]

## [1.1.0] - 2027-01-31

### Added

- More.

## [1.0.0] - 2026-12-24

- All.
"""


def wrong(text: str, tag: str = "v1.1.0", version: str = "1.1.0") -> list[str]:
    found = sections(text)
    return [*problems(found), *release_problems(found, tag, version, TODAY)]


def test_a_good_one_is_fit_for_release() -> None:
    assert wrong(GOOD) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("## [Unreleased]\n", "", "the first section is not [Unreleased]"),
        ("## [Unreleased]\n", "## [Unreleased]\n\n- Late.\n", "[Unreleased] is not empty"),
        (" - 2027-01-31", "", "[1.1.0] has no date"),
        ("2027-01-31", "2027-02-28", "[1.1.0] is dated 2027-02-28, and today is 2027-01-31"),
        ("- More.", "", "[1.1.0] says nothing"),
        ("### Added", "### Addde", "there is no kind of change that is called Addde"),
        ("[1.0.0]", "[1.2.0]", "[1.2.0] stands below [1.1.0], which is not newer"),
        ("[1.1.0]", "[1.1.1]", "there is no section for v1.1.0"),
    ],
)
def test_what_is_wrong_is_said(before: str, after: str, said: str) -> None:
    assert before in GOOD
    assert any(said in line for line in wrong(GOOD.replace(before, after, 1)))


def test_the_tag_is_the_version_of_the_package() -> None:
    assert wrong(GOOD, version="1.0.9") == ["the tag is v1.1.0, and the package is of version 1.0.9"]
    assert any("not the first section" in line for line in wrong(GOOD, "v1.0.0", "1.0.0"))


@pytest.mark.parametrize("heading", ["1.1.0", "[1.1.0] 2027-01-31", "[1.1.0] - 2027-13-31", "[one] - 2027-01-31"])
def test_a_heading_of_another_form_is_refused(heading: str) -> None:
    with pytest.raises(ChangelogError):
        sections(GOOD.replace("[1.1.0] - 2027-01-31", heading))


def test_of_this_repository_the_form_is_right_and_an_unwritten_release_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    notes = tmp_path / "notes.md"
    assert main(["v99.0.0", str(notes)]) == 1
    assert "the tag is v99.0.0, and the package is of version" in capsys.readouterr().err
    assert not notes.exists()


def test_the_notes_are_the_section(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    today = datetime.datetime.now(tz=datetime.timezone.utc).date()
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = text.replace("## [Unreleased]\n", f"## [Unreleased]\n\n## [{__version__}] - {today}\n", 1)
    (tmp_path / "CHANGELOG.md").write_text(released, encoding="utf-8")
    monkeypatch.setattr("scripts.check_changelog.ROOT", tmp_path)
    assert main([f"v{__version__}", str(tmp_path / "notes.md")]) == 0
    notes = (tmp_path / "notes.md").read_text(encoding="utf-8")
    assert notes.startswith("### Added\n")
    assert "## [" not in notes
