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
    here = {"GITHUB_WORKFLOW_REF": reference, "GITHUB_REPOSITORY": "Octo/hello"}
    assert repository.find(root / "docs", root / "docs", here).fallback == ".github/workflows/release.yml"
    assert repository.find(root / "docs", root / "docs", {}).fallback is None
    elsewhere = {**here, "GITHUB_REPOSITORY": "octo/other"}
    assert repository.find(root / "docs", root / "docs", elsewhere).fallback is None


def test_the_files_of_the_repository(root: Path) -> None:
    found = repository.find(root, root, {})
    assert found.source_file("/project/src/main.rs") == "src/main.rs"
    assert found.source_file("python/src/score.cc") == "python/src/score.cc"
    assert found.source_file("/usr/include/stdio.h") is None


def test_neither_a_link_to_elsewhere_nor_what_git_keeps_is_a_file_of_the_repository(root: Path) -> None:
    (root / "docs" / "pyproject.toml").symlink_to("/etc/hostname")
    assert repository.manifest(root / "docs", root / "docs") is None
    (root / ".git").mkdir()
    (root / ".git" / "config").touch()
    assert repository.find(root, root, {}).source_file(".git/config") is None
    assert repository.find(root, root, {}).source_file(f"{root}/.git/config") is None


def test_a_checkout_in_a_folder_of_the_workspace(root: Path) -> None:
    assert repository.top(root, root / "python") == root
    (root / "python" / ".git").mkdir()
    for folder in (root, root / "docs", root / "python", root / "python" / "src"):
        assert repository.top(root, folder) == root / "python"
    place = repository.find(repository.top(root, root), root, {})
    assert place.fallback == "pyproject.toml"
    assert place.source_file(f"{root}/python/src/score.cc") == "src/score.cc"
    (root / "src" / ".git").write_text("gitdir: elsewhere")
    assert repository.top(root, root / "docs") == root
    assert repository.top(root, root / "src") == root / "src"
    (root / ".git").mkdir()
    assert repository.top(root, root / "docs") == root
    assert repository.top(root, root / "python") == root  # a submodule
    (root.parent / ".git").mkdir()
    assert repository.top(root / "docs", root / "docs") == root / "docs"
    assert repository.top(root / "gone", root / "gone") == root / "gone"
