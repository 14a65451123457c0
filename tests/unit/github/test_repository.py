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


def test_the_files_of_the_repository(root: Path) -> None:
    found = repository.find(root, root, "")
    assert found.source_file("/project/src/main.rs") == "src/main.rs"
    assert found.source_file("python/src/score.cc") == "python/src/score.cc"
    assert found.source_file("/usr/include/stdio.h") is None
