"""The checked out repository: which of its files an annotation can be shown at."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from glibc_guard.explain.repository_paths import RepositoryPaths
from glibc_guard.github.annotations import Repository

GIT: Final = ".git"

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


def top(workspace: Path, folder: Path) -> Path:
    """Return the root of the checked out repository that ``folder`` is in, which need not be ``workspace``.

    A checkout with ``path:`` lies in a folder of the workspace: of several that of ``folder``, else the only one.
    """
    root, place = workspace.resolve(), folder.resolve()
    upward = [parent for parent in (place, *place.parents) if parent.is_relative_to(root)]
    found = list(filter(_is_checkout, upward))
    if found:
        return found[-1]  # what lies in it is a submodule
    try:
        inside = [child for child in root.iterdir() if _is_checkout(child)]
    except OSError:  # no workspace: told where it is asked for
        inside = []
    return inside[0] if len(inside) == 1 else root


def _is_checkout(folder: Path) -> bool:
    return os.path.lexists(folder / GIT)  # a file, where it is a work tree of another


def find(root: Path, working_folder: Path, environment: Mapping[str, str]) -> Repository:
    """Return what annotations of a run in ``working_folder`` can be shown at.

    Args:
        root: The root of the repository.
        working_folder: Where the search for the build manifest begins; it goes up to ``root``.
        environment: Of the run: its GITHUB_WORKFLOW_REF, ``owner/name/.github/workflows/file.yml@refs/heads/main``,
            counts where it is a file of GITHUB_REPOSITORY.
    """
    root = root.resolve()
    reference, name = environment.get("GITHUB_WORKFLOW_REF", ""), environment.get("GITHUB_REPOSITORY", "")
    return Repository(
        RepositoryPaths(root).find,
        manifest(root, working_folder.resolve()) or workflow(reference, name),
    )


def manifest(root: Path, folder: Path) -> str | None:
    """Return the build manifest nearest to ``folder``, relative to ``root``; None where there is none."""
    if not folder.is_relative_to(root):
        folder = root
    for parent in (folder, *folder.parents):
        for name in MANIFESTS:
            file = parent / name
            if file.is_file() and file.resolve().is_relative_to(root):
                return file.relative_to(root).as_posix()
        if parent == root:
            break
    return None


def workflow(reference: str, name: str) -> str | None:
    """Return the workflow file that ``reference`` names, relative to the repository ``name``; None for another's."""
    owner, _, rest = reference.partition("@")[0].partition("/")
    repository, _, path = rest.partition("/")
    return path if path and f"{owner}/{repository}".lower() == name.lower() else None
