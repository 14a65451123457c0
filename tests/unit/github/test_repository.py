from pathlib import Path

import pytest

from glibc_guard.github import repository


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work space"
    for name in ("Cargo.toml", "python/pyproject.toml", "python/src/score.cc", "src/main.rs", "stdio.h"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (root / "docs").mkdir()
    return root.resolve()


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        (".", "Cargo.toml"),
        ("docs", "Cargo.toml"),
        ("python", "python/pyproject.toml"),
        ("python/src", "python/pyproject.toml"),
    ],
)
def test_the_nearest_manifest_upward(root: Path, folder: str, expected: str) -> None:
    assert repository.manifest(root, root / folder) == expected


def test_no_manifest_above_the_workspace(root: Path) -> None:
    assert repository.manifest(root / "docs", root / "docs") is None
    assert repository.manifest(root / "docs", root.parent) is None


def test_the_workflow_where_there_is_no_manifest(root: Path) -> None:
    reference = "octo/hello/.github/workflows/release.yml@refs/heads/feature/x@2"
    assert repository.find(root / "docs", root / "docs", reference).fallback == ".github/workflows/release.yml"
    assert repository.find(root / "docs", root / "docs", "").fallback is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("src/main.rs", "src/main.rs"),
        ("/project/src/main.rs", "src/main.rs"),
        ("/__w/hello/hello/python/src/score.cc", "python/src/score.cc"),
        ("C:\\a\\hello\\python\\src\\score.cc", "python/src/score.cc"),
        ("/usr/include/stdio.h", None),
        ("main.rs", None),
        ("../work space/src/main.rs", None),
        ("/project/../src/main.rs", None),
        ("src/main.rs\n::error::x", None),
        ("src/\0", None),
        ("src", None),
        ("", None),
    ],
)
def test_a_source_file_is_found_under_the_path_of_another_machine(root: Path, name: str, expected: str | None) -> None:
    assert repository.source_file(root, name) == expected


def test_a_source_file_under_the_workspace_itself(root: Path) -> None:
    assert repository.source_file(root, str(root / "stdio.h")) == "stdio.h"


def test_a_link_out_of_the_repository_is_no_file_of_it(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.c").write_text("")
    (root / "src" / "link.c").symlink_to(tmp_path / "secret.c")
    assert repository.source_file(root, "src/link.c") is None
