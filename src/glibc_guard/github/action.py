"""The step of the Action: inputs in, the report as log, annotations, summary and outputs, the gate as exit status."""

from __future__ import annotations

import os
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
from glibc_guard.github import artifact_paths, feedback, inputs, repository, step, summary
from glibc_guard.github.annotations import annotate
from glibc_guard.github.event import api_url_of, payload_of, run_of
from glibc_guard.github.job import job_of
from glibc_guard.output import refuse_overwriting, write
from glibc_guard.report import json, text
from glibc_guard.report.grouping import count
from glibc_guard.report.neutral import plain
from glibc_guard.settings import is_from_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glibc_guard.github.annotations import Repository
    from glibc_guard.model import Report
    from glibc_guard.settings import Settings


#: What the step says of itself as notices: of the baseline, and of the pull request. Of a level the runner shows ten.
NOTICES: Final = 2


def main() -> int:
    """Run the step and return its exit status: 0 clean, 1 findings, 2 usage, 3 something could not be read."""
    return step.in_workspace(lambda workspace, _: _judged(workspace))


def _judged(workspace: Path) -> int:
    given = inputs.read(workspace)
    os.environ.pop("INPUT_TOKEN", None)  # pip, which may fetch a baseline, needs no key to GitHub
    return run(given, workspace)


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
    step.set_outputs(
        {
            "verdict": report.verdict,
            "findings": str(_findings(report)),
            "floor": step.floor(report.artifacts),
            "report": str(report_file),
        }
    )
    _show(report, given, place, report_file)
    status = guard.exit_status(report, settings.fail_on)
    if given.wishes:
        tell(given.wishes, report, place, passes=status == guard.EXIT_CLEAN)
    core.info(
        f"glibc-guard: {report.verdict}, {count(_findings(report), 'finding')}; JSON report: {plain(str(report_file))}"
    )
    return status


def _show(report: Report, given: inputs.Inputs, place: Repository, report_file: Path) -> None:
    """Show ``report``, which is in ``report_file`` too, in the log, the job summary and as annotations."""
    with _group("glibc-guard report"):
        for line in text.render(report, color=False, width=None).splitlines():
            core.info(_harmless(line))
    if given.summary:
        step.add_summary(lambda taken: summary.render(report, taken=taken))
    if given.annotations:
        more = "the job summary" if given.summary else "the log of this step"
        where = f"{more}, and all of it in {report_file}"
        for annotation in annotate(report, place, more=where, reserved=NOTICES):
            step.issue(annotation)


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
        step.notice(f"Nothing is compared with {settings.baseline}: {problem}")
        return replace(settings, baseline=None)
    return replace(settings, baseline=str(path))


def _fetched(baseline: str, token: str) -> Path:
    """Return the path of the report of a former run; whatever goes wrong is UnavailableError."""
    from glibc_guard.github import deadline, run_baseline  # noqa: PLC0415 - brings PyGithub: 0.2 s

    folder = step.temporary_folder()
    try:
        return deadline.within(deadline.LONGEST, lambda: run_baseline.fetched(baseline, token, os.environ, folder))
    except deadline.DeadlineError as problem:
        raise UnavailableError(str(problem)) from problem


def tell(wishes: feedback.Wishes, report: Report, place: Repository, *, passes: bool) -> None:
    """Give the pull request what ``wishes`` asks for; whatever goes wrong is one notice."""
    run = run_of(os.environ, payload_of(os.environ))
    told = feedback.Told(report, passes, run, job_of(os.environ, wishes.variant), place)
    api_url = api_url_of(os.environ)
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
        step.notice(problem)


def _findings(report: Report) -> int:
    return sum(len(artifact.findings) for artifact in report.artifacts)


def _report_file(asked: Path | None) -> Path:
    """Return the absolute path of the report, of a file that exists and can be written."""
    if asked is None:
        handle, name = tempfile.mkstemp(prefix="glibc-guard-", suffix=".json", dir=step.temporary())
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
