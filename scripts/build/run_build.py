"""The build itself, in two steps with the cache between them: what is needed is made ready, then the container runs."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import build_inputs
import engine
from step import StepError, set_outputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from build_inputs import BuildInputs

_INSIDE: Final = Path(__file__).with_name("inside")
_NOTES: Final = "/glibc-guard/notes"
#: What is kept for the next run, and where the container has it: downloads alone. No program, no configuration and no
#: wheel that pip built itself is in there: nothing of an earlier build takes the place of what this one asks for.
#: Sources: the Cargo book, "Cargo Home"; pip's documentation, "Caching" (``http`` before pip 23.3, ``http-v2`` since).
_DOWNLOADS: Final = {
    "cargo-index": "/glibc-guard/cargo/registry/index",
    "cargo-crates": "/glibc-guard/cargo/registry/cache",
    "cargo-git": "/glibc-guard/cargo/git/db",
    "pip": "/glibc-guard/pip/http",
    "pip-v2": "/glibc-guard/pip/http-v2",
}
#: Whatever decides which packages a build fetches.
_LOCKS: Final = (
    "Cargo.lock",
    "rust-toolchain",
    "rust-toolchain.toml",
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "pylock.toml",
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
)
_MORE_LOCKS: Final = "requirements*.txt"
_DEFAULT_WHEELS: Final = "wheelhouse/*.whl"
_LONGEST_NOTE: Final = 200  # bytes
_LONGEST_MESSAGES: Final = 256 << 20  # bytes of what cargo says
_INPUTS: Final = "inputs.json"  # what `prepare` leaves for `run`


def prepare(environment: Mapping[str, str]) -> None:
    """Check the inputs, bring the image and name the cache.

    Raises:
        StepError: an input is wrong, there is no engine, or the image cannot be pulled.
    """
    given = build_inputs.read(environment)
    image_id = engine.bring(engine.require(), given.image)
    cache = _folder(environment) / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    inputs = {name: value for name, value in environment.items() if name.startswith("INPUT_")}
    (_folder(environment) / _INPUTS).write_text(json.dumps(inputs), encoding="utf-8")
    key = f"glibc-guard-downloads-{given.kind}-{given.architecture}-{image_id[:16]}-{_lock_key(given)}"
    set_outputs(environment, {"cache": str(cache), "key": key})


def run(environment: Mapping[str, str]) -> None:
    """Build in the container, and set the output ``artifacts``: what the gate is to judge, one path or glob a line.

    Raises:
        StepError: the build failed, or left something that cannot be used.
    """
    folder = _folder(environment)
    inputs = json.loads((folder / _INPUTS).read_text(encoding="utf-8"))
    given = build_inputs.read({**environment, **inputs})
    notes = folder / "notes"
    if notes.exists():
        shutil.rmtree(notes)
    notes.mkdir(parents=True)
    status = _in_container(given, folder)
    _put_git_away(given.workspace, folder)
    told = _note(notes, "status")
    # podman behind docker's program loses the exit status of a container that --rm removes (podman #18889).
    if status != 0 or told != "0":
        raise StepError(_why_it_failed(given, notes, told or str(status)))
    refuse_files_of_root(given.workspace)
    set_outputs(environment, {"artifacts": "\n".join(_artifacts(given, notes))})


def _in_container(given: BuildInputs, folder: Path) -> int:
    writable = {
        str(given.workspace): given.workspace,  # the same path, so that paths in what is built mean something here
        _NOTES: folder / "notes",
    }
    for name, place in _DOWNLOADS.items():
        writable[place] = folder / "cache" / name
        writable[place].mkdir(parents=True, exist_ok=True)
    readonly = {engine.SCRIPTS: _INSIDE}
    git = given.workspace / ".git"
    if git.exists():
        readonly[str(git)] = git
    variables = {
        "GLIBC_GUARD_KIND": given.kind,
        "GLIBC_GUARD_WORKSPACE": str(given.workspace),
        "GLIBC_GUARD_FOLDER": str(given.folder),
        "GLIBC_GUARD_GIVE_BACK": "\n".join(writable),
        "GLIBC_GUARD_NOTES": _NOTES,
        "GLIBC_GUARD_BEFORE": given.before,
        "GLIBC_GUARD_COMMAND": given.build_command,
        "GLIBC_GUARD_PYTHONS": " ".join(given.pythons),
        "GLIBC_GUARD_MANYLINUX": given.platforms.get("manylinux", ""),
        "GLIBC_GUARD_MUSLLINUX": given.platforms.get("musllinux", ""),
        "GLIBC_GUARD_TOOLCHAIN": given.toolchain,
        "GLIBC_GUARD_PROFILE": given.profile or "release",
    }
    # What a build prints is no command to the runner, be it a compiler's `::std` or a package that means harm.
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}")
    try:
        return engine.run(engine.require(), given.image, engine.Mounts(writable, readonly), variables)
    finally:
        print(f"\n::{token}::")


def _put_git_away(workspace: Path, folder: Path) -> None:
    """Move ``.git`` out of the workspace: no git of this machine may obey what a build could have written there.

    The last step of actions/checkout runs git in the workspace, with the token of the job in its environment, unless
    ``.git/config`` is gone (git-auth-helper.ts, git-source-provider.ts). ``core.fsmonitor`` there would run a program.
    """
    git = workspace / ".git"
    if not os.path.lexists(git):
        return
    away = folder / "git"
    if away.exists():
        shutil.rmtree(away)
    away.mkdir(parents=True)
    shutil.move(git, away / "git")


def _why_it_failed(given: BuildInputs, notes: Path, status: str) -> str:
    """The note ``stage`` is what the container wrote before each thing that may fail."""
    stage = _note(notes, "stage")
    if not stage:
        return f"The container did not start in {given.image} (exit status {status}); the log above says why"
    return f"The build failed in the container at: {stage} (exit status {status}); the log above says why"


def _note(notes: Path, name: str) -> str:
    return _read(notes / name, _LONGEST_NOTE).decode("utf-8", errors="replace").strip()


def _read(path: Path, limit: int) -> bytes:
    """Return the beginning of a file that the build could write; nothing of a link, a pipe or a folder in its place."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return b""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit)


def refuse_files_of_root(workspace: Path) -> None:
    """Raise StepError where the container left a file of root's in a workspace of another user."""
    if workspace.stat().st_uid == 0:
        return
    for path in _tree(workspace):
        if path.lstat().st_uid == 0:
            name = path.relative_to(workspace)
            raise StepError(f"{name} belongs to root after the build, and could not be given back: see the log above")


def _tree(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in (*folders, *files))


def _artifacts(given: BuildInputs, notes: Path) -> Iterable[str]:
    if given.artifacts:
        return given.artifacts
    if given.kind == "wheel":
        return [_DEFAULT_WHEELS]
    found = cargo_artifacts(given, _read(notes / "cargo.json", _LONGEST_MESSAGES))
    if not found:
        raise StepError("cargo built no program and no cdylib; say what is to be released with the input artifacts")
    return found


def cargo_artifacts(given: BuildInputs, messages: bytes) -> list[str]:
    """Return the programs and the cdylibs that cargo says it built, relative to the working folder.

    A workspace of cargo's may have its ``target`` above that folder. Source: the Cargo book, "External tools", messages
    with the reason ``compiler-artifact``.

    Raises:
        StepError: what cargo built lies outside of the repository's folder.
    """
    built = dict.fromkeys(path for line in messages.splitlines() for path in _files_of_message(line))
    there = [path for path in built if path.is_file() and path.resolve().is_relative_to(given.workspace)]
    if built and not there:
        raise StepError(
            f"cargo built {next(iter(built))}, which is outside of {given.workspace}, and so is gone with "
            "the container: leave target-dir alone, or copy it in build-command"
        )
    return [os.path.relpath(path, given.folder) for path in there]


def _files_of_message(line: bytes) -> list[Path]:
    """Return the programs and the cdylibs of one line; a macro may have printed any line between cargo's."""
    try:
        message = json.loads(line) if line.startswith(b"{") else {}
        if message.get("reason") != "compiler-artifact":
            return []
        kinds = message["target"]["kind"]
        files = [message["executable"]] if "bin" in kinds else message["filenames"] if "cdylib" in kinds else []
        return [path for path in map(Path, files) if path.suffix in {"", ".so"}]
    except (ValueError, LookupError, TypeError, AttributeError):
        return []


def _lock_key(given: BuildInputs) -> str:
    """Return a key for whatever decides which packages are fetched."""
    key = hashlib.sha256(repr((given.toolchain, given.pythons, given.before, given.build_command)).encode())
    between = (given.folder, *given.folder.parents)
    for folder in between[: between.index(given.workspace) + 1]:
        names = [*_LOCKS, *sorted(path.name for path in folder.glob(_MORE_LOCKS))]
        for path in (folder / name for name in names):
            if path.is_file():
                name = str(path.relative_to(given.workspace))
                key.update(os.fsencode(name) + hashlib.sha256(path.read_bytes()).digest())
    return key.hexdigest()[:16]


def _folder(environment: Mapping[str, str]) -> Path:
    return Path(environment["RUNNER_TEMP"]).resolve() / "glibc-guard-build"
