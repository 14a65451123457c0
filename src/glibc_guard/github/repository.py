"""The checked out repository: which of its files an annotation can be shown at."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from glibc_guard.explain.repository_paths import RepositoryPaths
from glibc_guard.github.annotations import Repository

#: What the projects that ship native code describe their build in; the first that a folder has is taken.
MANIFESTS: Final = (
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "Cargo.toml",
    "CMakeLists.txt",
    "meson.build",
    "go.mod",
    "configure.ac",
    "BUILD.bazel",
    "build.zig",
    "Makefile",
)


def find(workspace: Path, working_folder: Path, workflow_ref: str) -> Repository:
    """Return what annotations of a run in ``working_folder`` can be shown at.

    Args:
        workspace: ``GITHUB_WORKSPACE``, the root of the repository.
        working_folder: Where the search for the build manifest begins; it goes up to ``workspace``.
        workflow_ref: ``GITHUB_WORKFLOW_REF``: ``owner/name/.github/workflows/file.yml@refs/heads/main``, or empty.
    """
    root = workspace.resolve()
    return Repository(
        RepositoryPaths(root).find,
        manifest(root, working_folder.resolve()) or workflow(workflow_ref),
    )


def manifest(root: Path, folder: Path) -> str | None:
    """Return the build manifest nearest to ``folder``, relative to ``root``; None where there is none."""
    if not folder.is_relative_to(root):
        folder = root
    for parent in (folder, *folder.parents):
        for name in MANIFESTS:
            if (parent / name).is_file():
                return (parent / name).relative_to(root).as_posix()
        if parent == root:
            break
    return None


def workflow(reference: str) -> str | None:
    """Return the workflow file that ``GITHUB_WORKFLOW_REF`` names, relative to its repository."""
    parts = reference.partition("@")[0].split("/", 2)
    return parts[2] if len(parts) == 3 and parts[2] else None
