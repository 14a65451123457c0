"""What every step does, whichever it is: words in the log, outputs, the job summary, and an end that is told."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actions_toolkit import core

from glibc_guard import guard
from glibc_guard.baseline.errors import UnavailableError
from glibc_guard.github import repository
from glibc_guard.github.annotations import problem_of
from glibc_guard.github.inputs import InputError
from glibc_guard.interruption import ending_on_signals
from glibc_guard.output import OutputError
from glibc_guard.report.neutral import plain
from glibc_guard.settings import ConfigError
from glibc_guard.targets.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from io import FileIO

    from glibc_guard.github.annotations import Annotation, Repository
    from glibc_guard.model import ArtifactReport

#: One way to say each level; ``core.set_failed`` would end the process before the outputs are written.
_ISSUE: Final = {"error": core.error, "warning": core.warning, "notice": core.notice}
_TITLE: Final = "glibc-guard"
_LONGEST: Final = 4000  # characters, a little less than the runner keeps of a message


def workspace() -> Path:
    """Return the folder of the job: GITHUB_WORKSPACE, which a shell at home does not set."""
    return Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()).absolute()


def temporary() -> str | None:
    """Return the folder that the runner empties after the job; None for that of the system."""
    return os.environ.get("RUNNER_TEMP") or None


def temporary_folder() -> Path:
    """Return a new folder that lasts as long as the job."""
    return Path(tempfile.mkdtemp(prefix="glibc-guard-", dir=temporary()))


def prepare_streams() -> None:
    """Let the log take any name, which may be no text."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace", newline="")  # type: ignore[union-attr]


def in_workspace(judge: Callable[[Path, Repository], int]) -> int:
    """Return the exit status of ``judge``, which is given the folder of the job and the repository in it."""
    prepare_streams()
    guard.hurry()
    folder = workspace()
    place = repository.find(repository.top(folder, folder), folder, os.environ)
    with ending_on_signals():
        return guarded(lambda: judge(folder, place), place)


def guarded(step: Callable[[], int], place: Repository) -> int:
    """Return the exit status of ``step``; what it fails on is told at ``place``, in words."""
    try:
        return step()
    except (InputError, guard.UsageError, ConfigError, OutputError, TargetError) as problem:
        return stop(str(problem), guard.EXIT_USAGE, place)
    except UnavailableError as problem:
        return stop(f"The baseline, which is required, is not to be had: {problem}", guard.EXIT_UNREADABLE, place)
    except OSError as problem:
        return stop(f"{problem.filename or 'A file'}: {problem.strerror or problem}", guard.EXIT_UNREADABLE, place)
    except Exception as problem:  # noqa: BLE001 - a traceback may quote the artifact, and the runner obeys what it reads
        for line in traceback.format_exc().splitlines():
            core.info(plain(line))
        return stop(f"glibc-guard met a fault of its own: {problem!r}. The log has more.", guard.EXIT_UNREADABLE, place)


def notice(message: str) -> None:
    """Tell what the reader should know, and what fails nothing."""
    core.notice(plain(message), title=_TITLE)


def error(message: str) -> None:
    """Tell what fails the step, where no annotation has a place."""
    core.error(plain(message, _LONGEST), title=_TITLE)


def stop(message: str, status: int, place: Repository) -> int:
    """Say why nothing was judged, in the log and the outputs, and return ``status``."""
    try:
        set_outputs({"verdict": "error", "findings": "", "floor": "", "report": ""})
    except OSError as problem:  # it may be why nothing was judged
        core.info(plain(f"The outputs of this step cannot be written: {problem}"))
    issue(problem_of(message, place))
    return status


def issue(annotation: Annotation) -> None:
    """Write the workflow command of ``annotation``."""
    _ISSUE[annotation.level](
        annotation.message, title=annotation.title, file=annotation.file, start_line=annotation.line
    )


def set_outputs(outputs: dict[str, str]) -> None:
    """Set the outputs of the step, in the file that is there for it and in no other way."""
    if not Path(os.environ.get("GITHUB_OUTPUT") or os.devnull).is_file():
        core.info("GITHUB_OUTPUT names no file: this step has no outputs.")
        return
    for name, value in outputs.items():
        core.set_output(name, value)


def add_summary(render: Callable[[int], bytes]) -> None:
    """Add what ``render`` makes for a file of so many bytes; where that is not possible say so and go on."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    try:
        if not path:
            core.warning("GITHUB_STEP_SUMMARY is not set: there is no job summary.")
            return
        with Path(path).open("ab", buffering=0) as file:
            taken = file.tell()
            content = render(taken)
            _append_all(file, content, taken)
    except OSError as problem:
        core.warning(plain(f"The job summary cannot be written: {problem}"))
        return
    if not content:
        core.warning("The job summary of this step is full: the report of glibc-guard is not in it.")


def _append_all(file: FileIO, content: bytes, taken: int) -> None:
    """Append ``content`` to a file of ``taken`` bytes, or nothing of it; raises OSError."""
    left = memoryview(content)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError:
        file.truncate(taken)
        raise


def floor(artifacts: Sequence[ArtifactReport]) -> str:
    """Return the highest GLIBC version that any artifact asks of the system; empty where none does."""
    needs = (artifact.floor["GLIBC"] for artifact in artifacts if "GLIBC" in artifact.floor)
    return plain(max(needs, key=release, default=""))


def release(version: str) -> list[int]:
    """Return the numbers of ``version``, by which releases are compared."""
    return [int(number) for number in re.findall(r"[0-9]{1,9}", version)]
