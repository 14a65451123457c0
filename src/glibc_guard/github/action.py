"""The step of the Action: inputs in, the report as log, annotations, summary and outputs, the gate as exit status."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actions_toolkit import core
from msgspec.structs import replace

from glibc_guard import guard
from glibc_guard.baseline.errors import UnavailableError
from glibc_guard.config import ConfigError
from glibc_guard.github import artifact_paths, feedback, inputs, repository, summary
from glibc_guard.github.annotations import annotate, problem_of
from glibc_guard.github.event import payload_of, run_of
from glibc_guard.github.job import job_of
from glibc_guard.interruption import ending_on_signals
from glibc_guard.output import OutputError, refuse_overwriting, write
from glibc_guard.report import json, text
from glibc_guard.report.grouping import count
from glibc_guard.report.neutral import plain
from glibc_guard.settings import is_from_run
from glibc_guard.targets import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from io import FileIO

    from glibc_guard.config import Settings
    from glibc_guard.github.annotations import Annotation, Repository
    from glibc_guard.model import ArtifactReport, Report


#: One way to say each level; ``core.set_failed`` would end the process before the outputs are written.
_ISSUE: Final = {"error": core.error, "warning": core.warning, "notice": core.notice}


#: What the step says of itself as notices: of the baseline, and of the pull request. Of a level the runner shows ten.
NOTICES: Final = 2


def main() -> int:
    """Run the step and return its exit status: 0 clean, 1 findings, 2 usage, 3 something could not be read."""
    prepare_streams()
    workspace = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()).absolute()
    place = repository.find(repository.top(workspace, workspace), workspace, os.environ)
    with ending_on_signals():
        return guarded(lambda: _step(workspace), place)


def _step(workspace: Path) -> int:
    given = inputs.read(workspace)
    os.environ.pop("INPUT_TOKEN", None)  # pip, which may fetch a baseline, needs no key to GitHub
    return run(given, workspace)


def prepare_streams() -> None:
    """Let the log take any name, which may be no text."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace", newline="")  # type: ignore[union-attr]


def guarded(step: Callable[[], int], place: Repository) -> int:
    """Return the exit status of ``step``; what it fails on is told at ``place``, in words."""
    try:
        return step()
    except (inputs.InputError, guard.UsageError, ConfigError, OutputError, TargetError) as problem:
        return stop(str(problem), guard.EXIT_USAGE, place)
    except UnavailableError as problem:
        return stop(f"The baseline, which is required, is not to be had: {problem}", guard.EXIT_UNREADABLE, place)
    except OSError as problem:
        return stop(f"{problem.filename or 'A file'}: {problem.strerror or problem}", guard.EXIT_UNREADABLE, place)
    except Exception as problem:  # noqa: BLE001 - a traceback may quote the artifact, and the runner obeys what it reads
        for line in traceback.format_exc().splitlines():
            core.info(plain(line))
        return stop(f"glibc-guard met a fault of its own: {problem!r}. The log has more.", guard.EXIT_UNREADABLE, place)


def run(given: inputs.Inputs, workspace: Path) -> int:
    """Judge the artifacts, show the report in every way that was asked for, and return the exit status."""
    root = repository.top(workspace, given.working_folder)
    settings = replace(_settings(given), repository=root)
    paths = artifact_paths.expand(given.artifacts, given.working_folder)
    report_file = _report_file(given.report)
    others = {
        name: _writable(path, name) for name, path in (("sarif", given.sarif), ("html", given.html)) if path is not None
    }
    read = [*paths, settings.baseline] if settings.baseline else paths
    refuse_overwriting(read, [report_file, *others.values()], given.working_folder)
    os.chdir(given.working_folder)  # paths are reported as they were given
    report = guard.check(paths, settings)
    place = repository.find(root, given.working_folder, os.environ)
    write(json.render(report), report_file)
    for name, path in others.items():
        write(_rendered(report, name, place), path)
    set_outputs(
        {
            "verdict": report.verdict,
            "findings": str(_findings(report)),
            "floor": floor(report.artifacts),
            "report": str(report_file),
        }
    )
    with _group("glibc-guard report"):
        for line in text.render(report, color=False, width=None).splitlines():
            core.info(_harmless(line))
    if given.summary:
        add_summary(lambda taken: summary.render(report, taken=taken))
    if given.annotations:
        more = "the job summary" if given.summary else "the log of this step"
        where = f"{more}, and all of it in {report_file}"
        for annotation in annotate(report, place, more=where, reserved=NOTICES):
            issue(annotation)
    status = guard.exit_status(report, settings.fail_on)
    if given.wishes:
        tell(given.wishes, report, place, passes=status == guard.EXIT_CLEAN)
    core.info(
        f"glibc-guard: {report.verdict}, {count(_findings(report), 'finding')}; JSON report: {plain(str(report_file))}"
    )
    return status


def _rendered(report: Report, name: str, place: Repository) -> bytes:
    """Return the report that the input ``name`` asks for; imported then, since each format costs its time."""
    if name == "sarif":
        from glibc_guard.report import sarif  # noqa: PLC0415

        return sarif.render(report, manifest=place.fallback)
    from glibc_guard.report import html  # noqa: PLC0415

    return html.render(report).encode()


def _settings(given: inputs.Inputs) -> Settings:
    """Return the settings, with the report of a former run fetched where that is the baseline."""
    settings = inputs.settings(given)
    if settings.baseline is None or not is_from_run(settings.baseline):
        return settings
    try:
        path = _fetched(settings.baseline, given.wishes.token)
    except UnavailableError as problem:
        if settings.baseline_required:
            raise
        core.notice(plain(f"Nothing is compared with {settings.baseline}: {problem}"), title="glibc-guard")
        return replace(settings, baseline=None)
    return replace(settings, baseline=str(path))


def _fetched(baseline: str, token: str) -> Path:
    """Return the path of the report of a former run; whatever goes wrong is UnavailableError."""
    from glibc_guard.github import deadline, run_baseline  # noqa: PLC0415 - brings PyGithub: 0.2 s

    folder = Path(tempfile.mkdtemp(prefix="glibc-guard-", dir=os.environ.get("RUNNER_TEMP") or None))
    try:
        return deadline.within(deadline.LONGEST, lambda: run_baseline.fetched(baseline, token, os.environ, folder))
    except deadline.DeadlineError as problem:
        raise UnavailableError(str(problem)) from problem


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


def tell(wishes: feedback.Wishes, report: Report, place: Repository, *, passes: bool) -> None:
    """Give the pull request what ``wishes`` asks for; whatever goes wrong is one notice."""
    run = run_of(os.environ, payload_of(os.environ))
    told = feedback.Told(report, passes, run, job_of(os.environ, wishes.variant), place)
    api_url = os.environ.get("GITHUB_API_URL") or "https://api.github.com"
    from glibc_guard.github import deadline  # noqa: PLC0415 - only where GitHub is asked

    try:
        problem = deadline.within(deadline.LONGEST, lambda: feedback.give(wishes, told, api_url))
    except deadline.DeadlineError as late:
        problem = f"The pull request could not be told all of it: {late}. The verdict does not depend on it."
    except Exception as fault:  # noqa: BLE001 - an answer nobody thought of: a build does not fail for its comment
        problem = f"The pull request could not be told: glibc-guard met a fault of its own, {type(fault).__name__}."
        for line in traceback.format_exc().splitlines():
            core.info(plain(line))
    if problem is not None:
        core.notice(plain(problem), title="glibc-guard")


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


def _findings(report: Report) -> int:
    return sum(len(artifact.findings) for artifact in report.artifacts)


def _report_file(asked: Path | None) -> Path:
    """Return the absolute path of the report, of a file that exists and can be written."""
    if asked is None:
        handle, name = tempfile.mkstemp(
            prefix="glibc-guard-", suffix=".json", dir=os.environ.get("RUNNER_TEMP") or None
        )
        os.close(handle)
        return Path(name)
    return _writable(asked, "report")


def _writable(asked: Path, name: str) -> Path:
    """Return ``asked``, which exists now; the input ``name`` is to blame where it cannot."""
    try:
        asked.parent.mkdir(parents=True, exist_ok=True)
        asked.touch()
    except OSError as problem:
        raise inputs.InputError(f"The input {name}: {asked} cannot be written: {problem.strerror}") from problem
    return asked


def _harmless(line: str) -> str:
    """Return ``line`` of a rendered report so that the runner does not take it for a command whatever rendered it."""
    return plain(line) if line.lstrip().startswith("::") or "##[" in line else line


@contextmanager
def _group(name: str) -> Iterator[None]:
    core.start_group(name)
    try:
        yield
    finally:
        core.end_group()


if __name__ == "__main__":
    sys.exit(main())
