"""The build itself, in two steps with the cache between them: what is needed is made ready, then the container runs."""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import build_inputs
import engine
from crates import keep_what_is_locked
from step import StepError, plain, set_outputs, workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from build_inputs import BuildInputs

_INSIDE: Final = Path(__file__).with_name("inside")
_NOTES: Final = "/glibc-guard/notes"
_LIKE: Final = "/glibc-guard/owner"  # a folder that belongs to whom the files are given back
_CRATES: Final = "cargo-crates"
#: What is kept for the next run, and where the container has it: downloads alone. No program, no configuration and no
#: wheel that pip built itself is in there: nothing of an earlier build takes the place of what this one asks for. Of
#: cargo the crates, which have checksums; not its git repositories, which have hooks and a configuration, nor the
#: index, which may be such a repository and decides where no lock file does.
#: Sources: the Cargo book, "Cargo Home"; pip's documentation, "Caching" (``http`` before pip 23.3, ``http-v2`` since).
_DOWNLOADS: Final = {
    _CRATES: "/glibc-guard/cargo/registry/cache",
    "pip": "/glibc-guard/pip/http",
    "pip-v2": "/glibc-guard/pip/http-v2",
}
#: The names of files that decide which packages a build fetches.
_LOCKS: Final = (
    "Cargo.lock",
    "Cargo.toml",
    "rust-toolchain",
    "rust-toolchain.toml",
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "Pipfile.lock",
    "pylock*.toml",
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "requirements*.txt",  # and requirements/build.txt: the star stands for a slash as well
    "constraints*.txt",
)
_LOCK: Final = re.compile(
    "|".join(fnmatch.translate(f"*/{name}") for name in _LOCKS)
)  # of the last two parts of a path
#: Where cargo leaves the cdylib of a dependency, which it builds beside what it needs of it; what was asked for goes
#: right into the folder of the profile (cargo's ``layout.rs``: ``deps``, and ``out`` in the layout that follows).
_OF_DEPENDENCIES: Final = frozenset({"deps", "out"})
_DEFAULT_WHEELS: Final = "wheelhouse/*.whl"
_LONGEST_NOTE: Final = 200  # bytes
_LONGEST_MESSAGES: Final = 256 << 20  # bytes of what cargo says
_INPUTS: Final = "inputs.json"  # what `prepare` leaves for `run`
_STARTED: Final = "started.json"  # there while a container may be: its name, and the owner of the files


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
    given = _prepared(environment)
    owner = _owner(given.workspace)
    _check_crates(given, folder)
    _empty(folder / "notes")
    name = f"glibc-guard-build-{secrets.token_hex(8)}"
    started = {"container": name, "image": given.image, "owner": owner}
    (folder / _STARTED).write_text(json.dumps(started), encoding="utf-8")
    print(f"Building in {given.image}")
    with _nothing_printed_is_a_command():
        try:
            status = _build(given, folder, name)
        finally:
            _leave_nothing(given.workspace, folder)
    told = _note(folder / "notes", "status")
    # podman behind docker's program loses the exit status of a container that --rm removes (podman #18889).
    if status != 0 or told != "0":
        raise StepError(_why_it_failed(given, folder / "notes", told or str(status)))
    refuse_files_of_others(given.workspace, owner[0])
    artifacts = _artifacts(given, folder / "notes")
    print(f"Built, and next to be judged: {plain(', '.join(artifacts))}")
    set_outputs(environment, {"artifacts": "\n".join(artifacts)})


def clear_up(environment: Mapping[str, str]) -> None:
    """Do what `run` does at its end, where it was killed before: the job was cancelled, or ran out of its time."""
    folder = _folder(environment)
    if (folder / _STARTED).exists():
        with _nothing_printed_is_a_command():
            _leave_nothing(workspace(environment), folder)


def _leave_nothing(workspace: Path, folder: Path) -> None:
    """See that no container, no file of root's and no ``.git`` is left, whatever became of the build."""
    started = json.loads((folder / _STARTED).read_text(encoding="utf-8"))
    engine.remove(engine.require(), started["container"])
    try:
        _give_back(workspace, folder, started["image"], started["owner"])
    finally:
        _put_git_away(workspace, folder)
    (folder / _STARTED).unlink()


def _prepared(environment: Mapping[str, str]) -> BuildInputs:
    inputs = json.loads((_folder(environment) / _INPUTS).read_text(encoding="utf-8"))
    return build_inputs.read({**environment, **inputs})


def _check_crates(given: BuildInputs, folder: Path) -> None:
    """Remove the crates of earlier runs that no Cargo.lock of the repository has the checksum of."""
    crates = _writable(given.workspace, folder)[_DOWNLOADS[_CRATES]]
    locks = [
        path for path in _tree(given.workspace) if path.name == "Cargo.lock" and stat.S_ISREG(path.lstat().st_mode)
    ]
    if kept := keep_what_is_locked(crates, locks):
        print(f"Crates of an earlier run that Cargo.lock has the checksum of: {kept}")


def _empty(folder: Path) -> Path:
    """Return ``folder`` with nothing in it."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def _owner(workspace: Path) -> tuple[int, int]:
    """Return the user and the group that all files belong to after the build: those that run this step."""
    found = workspace.stat()
    return (found.st_uid, found.st_gid) if os.getuid() == 0 else (os.getuid(), os.getgid())


def _build(given: BuildInputs, folder: Path, name: str) -> int:
    readonly = {engine.SCRIPTS: _INSIDE}
    git = given.workspace / ".git"
    if git.exists():
        readonly[str(git)] = git
    variables = {
        "GLIBC_GUARD_KIND": given.kind,
        "GLIBC_GUARD_WORKSPACE": str(given.workspace),
        "GLIBC_GUARD_FOLDER": str(given.folder),
        "GLIBC_GUARD_NOTES": _NOTES,
        "GLIBC_GUARD_BEFORE": given.before,
        "GLIBC_GUARD_COMMAND": given.build_command,
        "GLIBC_GUARD_PYTHONS": " ".join(given.pythons),
        "GLIBC_GUARD_MANYLINUX": given.platforms.get("manylinux", ""),
        "GLIBC_GUARD_MUSLLINUX": given.platforms.get("musllinux", ""),
        "GLIBC_GUARD_TOOLCHAIN": given.toolchain,
        "GLIBC_GUARD_PROFILE": given.profile or "release",
    }
    mounts = engine.Mounts(_writable(given.workspace, folder), readonly)
    command = ["build.sh", engine.SCRIPTS]
    return engine.run(engine.require(), given.image, name, mounts, command, variables)


def _give_back(workspace: Path, folder: Path, image: str, owner: tuple[int, int]) -> None:
    """Make every file that the build could write one of ``owner``; only the engine can, where this user is not root."""
    writable = _writable(workspace, folder)
    # A folder of the owner, since the engine may number users in another way: rootless podman does.
    like = _empty(folder / "owner")
    os.chown(like, *owner)
    mounts = engine.Mounts(writable, {engine.SCRIPTS: _INSIDE, _LIKE: like})
    name = f"glibc-guard-give-back-{secrets.token_hex(8)}"
    engine.run(engine.require(), image, name, mounts, ["give_back.sh", _LIKE, *writable], {})


def _writable(workspace: Path, folder: Path) -> dict[str, Path]:
    """Return what the container may write to."""
    found = {
        str(workspace): workspace,  # the same path, so that paths in what is built mean something here
        _NOTES: folder / "notes",
    }
    for name, place in _DOWNLOADS.items():
        found[place] = folder / "cache" / name
        found[place].mkdir(parents=True, exist_ok=True)
    return found


@contextlib.contextmanager
def _nothing_printed_is_a_command() -> Iterator[None]:
    """What a build prints is no command to the runner, be it a compiler's `::std` or a package that means harm."""
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}")
    try:
        yield
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


def refuse_files_of_others(workspace: Path, owner: int) -> None:
    """Raise StepError where the build left a file that does not belong to the user ``owner``."""
    for path in (workspace, *_tree(workspace)):
        if (found := path.lstat().st_uid) != owner:
            name = path.relative_to(workspace)
            user = "root" if found == 0 else f"user {found}"
            raise StepError(f"{name} belongs to {user} after the build, and could not be given back: see the log above")


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
        if "bin" in kinds:
            return [Path(message["executable"])]
        libraries = [path for path in map(Path, message["filenames"]) if path.suffix == ".so"]
        return [path for path in libraries if path.parent.name not in _OF_DEPENDENCIES] if "cdylib" in kinds else []
    except (ValueError, LookupError, TypeError, AttributeError):
        return []


def _lock_key(given: BuildInputs) -> str:
    """Return a key for whatever decides which packages are fetched, wherever in the repository it is."""
    key = hashlib.sha256(repr((given.toolchain, given.pythons, given.before, given.build_command)).encode())
    key.update(os.fsencode(given.folder.relative_to(given.workspace)) + b"\0")
    for path in sorted(path for path in _tree(given.workspace) if _decides_what_is_fetched(path)):
        key.update(os.fsencode(path.relative_to(given.workspace)) + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return key.hexdigest()[:16]


def _decides_what_is_fetched(path: Path) -> bool:
    return _LOCK.fullmatch(f"/{path.parent.name}/{path.name}") is not None and stat.S_ISREG(path.lstat().st_mode)


def _folder(environment: Mapping[str, str]) -> Path:
    return Path(environment["RUNNER_TEMP"]).resolve() / "glibc-guard-build"
