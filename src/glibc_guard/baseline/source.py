"""What the user named as baseline: a path, a JSON report, or a project on a package index."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from glibc_guard.baseline.errors import BaselineError
from glibc_guard.baseline.report_file import is_report, read_report
from glibc_guard.settings import PYPI, RUN, is_from_index, is_from_run

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from glibc_guard.model import Report


class Source(Struct, frozen=True):
    """A baseline as it was named; an artifact still has to be read, a wheel to be fetched."""

    given: str
    report: Report | None = None
    requirement: Requirement | None = None


def opened(given: str) -> Source:
    """Find out what ``given`` is.

    Raises:
        BaselineError: it does not exist, is a report that is not understood, or names no project.
    """
    if not given.strip():
        raise BaselineError("the baseline is empty: is a variable not set?")
    if is_from_index(given):
        given = f"{PYPI}{given[len(PYPI) :].strip()}"
        return Source(given, requirement=_requirement(given))
    if is_from_run(given):
        raise BaselineError(
            f"{given}: only the Action fetches the artifact of a workflow run; here, download it (gh run download "
            f"--name {given[len(RUN) :].strip() or 'ARTIFACT'}) and name the JSON report in it (a path: ./{given})"
        )
    if "\0" in given or not os.path.lexists(given):
        raise BaselineError(f"{given}: no such file or folder; a baseline is a path, a JSON report or pypi:NAME")
    if not os.path.exists(given):  # noqa: PTH110  # Path.exists raises for links in a circle, before Python 3.13
        raise BaselineError(f"{given}: a link that leads nowhere; a baseline is a path, a JSON report or pypi:NAME")
    return Source(given, report=read_report(Path(given)) if is_report(Path(given)) else None)


def _requirement(given: str) -> Requirement:
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415  # lazy: costs 10 ms

    try:
        found = Requirement(given.removeprefix(PYPI))
    except InvalidRequirement as error:
        reason = str(error).partition("\n")[0]
        raise BaselineError(f"{given}: should look like pypi:NAME or pypi:NAME==1.2: {reason}") from error
    if found.url or found.extras or found.marker:
        raise BaselineError(f"{given}: should look like pypi:NAME or pypi:NAME==1.2, without extras, markers and URLs")
    return found
