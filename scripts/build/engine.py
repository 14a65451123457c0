"""The container engine: brings an image here and runs scripts in it. ``docker`` is the program that runners have."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from step import StepError, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SCRIPTS: Final = "/glibc-guard/scripts"  # where the container has them
_PAUSES: Final = (0.0, 2.0, 6.0)  # seconds before each attempt to pull: registries have short faults


def require() -> str:
    """Return the path of the engine's program.

    Raises:
        StepError: there is none, or it reaches no engine.
    """
    program = shutil.which("docker")
    if program is None:
        raise StepError("There is no container engine: docker is not on PATH. GitHub's Linux runners have it")
    probe = _ask(program, "version")
    if probe.returncode != 0:
        raise StepError(f"The container engine does not answer: {_last_line(probe)}")
    return program


def bring(program: str, image: str) -> str:
    """Return the id of ``image``, which is pulled unless it is here.

    Raises:
        StepError: it cannot be pulled.
    """
    if (found := _image_id(program, image)) is not None:
        return found
    problem = ""
    for pause in _PAUSES:
        time.sleep(pause)
        print(f"Pulling {plain(image)}")
        pull = _ask(program, "pull", "--quiet", image)
        problem = _last_line(pull)
        if pull.returncode == 0 and (found := _image_id(program, image)) is not None:
            return found
    raise StepError(f"The image {image} cannot be pulled: {problem}")


@dataclass(frozen=True)
class Mounts:
    """Folders and files of this machine, by the path that each has in the container."""

    writable: Mapping[str, Path]
    readonly: Mapping[str, Path]  # mounted after the others, and so may lie in one of them


def run(
    program: str, image: str, name: str, mounts: Mounts, command: Sequence[str], variables: Mapping[str, str]
) -> int:
    """Run a script in a new container and return its exit status.

    Args:
        program: the engine.
        image: the image to run.
        name: the name of the container, by which `remove` finds it.
        mounts: what the script may write to, and what it may read; `SCRIPTS` among them, which has the script.
        command: the name of the script and its arguments.
        variables: all that the container gets of an environment. The values go by that of the engine's program.
    """
    # The root and the shell that the scripts count on, whatever USER and ENTRYPOINT the image has. A device that it
    # made in the workspace, a disk of this machine say, would belong to the user of the runner afterwards.
    arguments = [program, "run", "--rm", "--name", name, "--cap-drop", "MKNOD", "--user", "0:0", "--entrypoint", ""]
    for place, folder in mounts.writable.items():
        arguments += ["--mount", _mount(folder, place)]
    for place, folder in mounts.readonly.items():
        arguments += ["--mount", _mount(folder, place, "readonly")]
    for variable in variables:
        arguments += ["--env", variable]
    script, *rest = command
    return subprocess.run(
        [*arguments, image, "sh", f"{SCRIPTS}/{script}", *rest],
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **variables},
    ).returncode


def remove(program: str, name: str) -> None:
    """End the container ``name`` and remove it, where it is still there."""
    _ask(program, "rm", "--force", "--volumes", name)


def _mount(folder: Path, place: str, *options: str) -> str:
    """Return the value of ``--mount``: a line of CSV, so that a comma or a quote in a path is a character of it."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(["type=bind", f"source={folder}", f"target={place}", *options])
    return line.getvalue()


def _image_id(program: str, image: str) -> str | None:
    found = _ask(program, "image", "inspect", "--format", "{{.Id}}", image)
    return found.stdout.strip().removeprefix("sha256:") if found.returncode == 0 else None


def _ask(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )


def _last_line(process: subprocess.CompletedProcess[str]) -> str:
    said = [line for line in (process.stderr or process.stdout).splitlines() if line.strip()]
    return said[-1].strip() if said else f"exit status {process.returncode}"
