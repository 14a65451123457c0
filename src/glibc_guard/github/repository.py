"""The checked out repository: which of its files an annotation can be shown at."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final

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

#: Of a path on another machine so many components must remain to call it a file of the repository.
_LEAST_COMPONENTS: Final = 2


def find(workspace: Path, working_folder: Path, workflow_ref: str) -> Repository:
    """Return what annotations of a run in ``working_folder`` can be shown at.

    Args:
        workspace: ``GITHUB_WORKSPACE``, the root of the repository.
        working_folder: Where the search for the build manifest begins; it goes up to ``workspace``.
        workflow_ref: ``GITHUB_WORKFLOW_REF``: ``owner/name/.github/workflows/file.yml@refs/heads/main``, or empty.
    """
    root = workspace.resolve()
    return Repository(
        lambda name: source_file(root, name),
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


def source_file(root: Path, name: str) -> str | None:
    """Return the file that debug information calls ``name``, relative to ``root``; None where there is none.

    A build in a container sees the repository under another path, so leading folders are dropped until the rest exists.
    """
    if not name.isprintable():
        return None
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() and Path(name).is_relative_to(root):
        parts, least = Path(name).relative_to(root).parts, 1
    elif path.is_absolute() or (path.parts[:1] and path.parts[0].endswith(":")):
        parts, least = path.parts[1:], _LEAST_COMPONENTS
    else:
        parts, least = path.parts, 1
    if ".." in parts:
        return None
    for start in range(len(parts) - least + 1):
        candidate = root.joinpath(*parts[start:])
        if candidate.is_file() and candidate.resolve().is_relative_to(root):
            return candidate.relative_to(root).as_posix()
        if least == 1:
            break
    return None
