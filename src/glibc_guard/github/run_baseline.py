"""The baseline ``run:ARTIFACT``: the JSON report that the last green run on the base branch uploaded.

What a run uploaded was written by whatever ran in it, so it is read like any other hostile file.
"""

from __future__ import annotations

import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
from msgspec import Struct

from glibc_guard.baseline.errors import BaselineError, UnavailableError
from glibc_guard.baseline.report_file import MAXIMUM, parsed
from glibc_guard.github.client import ApiError, connect, plain_errors
from glibc_guard.github.event import api_url_of, natural, payload_of
from glibc_guard.model import Report
from glibc_guard.report import json
from glibc_guard.settings import RUN
from glibc_guard.verdict import worst

if TYPE_CHECKING:
    from github import Github
    from github.Artifact import Artifact
    from github.Repository import Repository
    from github.WorkflowRun import WorkflowRun

MAXIMUM_RUNS: Final = 10  # green runs that are asked for the artifact; one request each
MAXIMUM_LISTED: Final = 100  # runs and artifacts that are looked at: one page
MAXIMUM_REPORTS: Final = 64
MAXIMUM_ARCHIVE: Final = 64 * 1024 * 1024  # bytes of one artifact as it is downloaded
MAXIMUM_MEMBERS: Final = 1000
MAXIMUM_DIRECTORY: Final = 1024 * MAXIMUM_MEMBERS  # bytes of the archive's list of them
END: Final = struct.Struct("<12xI6x")  # the end of an archive: the size of its directory
END_MARK: Final = b"PK\x05\x06"
END_64: Final = struct.Struct("<40xQ8x")
LOCATOR_MARK: Final = b"PK\x06\x07"
LOCATOR: Final = 20  # bytes
COMMENT: Final = 65_535  # bytes at most, behind the end
TIMEOUT: Final = 30  # seconds of silence
CHUNK: Final = 64 * 1024  # bytes

#: Runs of these judge what somebody proposes, and their branch may be a fork's that has the name of ours.
_PROPOSALS: Final = frozenset({"pull_request", "pull_request_target", "pull_request_review", "workflow_run"})
_DAMAGED: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # a method of compression that Python does not know
    RuntimeError,  # it is encrypted
    ValueError,
    OSError,
)


class Origin(Struct, frozen=True):
    """Where the report is to come from."""

    repository: str  # "owner/name"
    workflow: str  # file name of the workflow: "build.yml"
    branch: str
    run: int  # the one that asks, and is no baseline of itself


def fetched(baseline: str, token: str, environment: Mapping[str, str], folder: Path) -> Path:
    """Return the path of the report that ``baseline`` (``run:ARTIFACT``) names, fetched into ``folder``.

    Raises:
        UnavailableError: it is not to be had; the message says why, and what to do about it.
    """
    name = baseline.removeprefix(RUN).strip()
    if not name:
        raise UnavailableError("the name of the artifact is empty: write run:ARTIFACT")
    if not token:
        raise UnavailableError("the input token is empty")
    where = origin(environment, payload_of(environment))
    with _unavailable():
        client = connect(token, api_url_of(environment))
    return fetch(client, name, where, folder)


@contextmanager
def _unavailable() -> Iterator[None]:
    """Raise whatever goes wrong inside as UnavailableError: no answer of the network fails a build."""
    try:
        with plain_errors():
            yield
    except ApiError as problem:
        advice = ": the job needs the permission actions: read" if problem.is_refusal else ""
        raise UnavailableError(f"{problem}{advice}") from problem


def origin(environment: Mapping[str, str], payload: Mapping[str, Any]) -> Origin:
    """Return where the baseline of the run with ``environment`` is, whose event brought ``payload``.

    Raises:
        UnavailableError: the environment is not that of a workflow run.
    """
    workflow = PurePosixPath(environment.get("GITHUB_WORKFLOW_REF", "").partition("@")[0]).name
    branch, repository = base_branch(environment, payload), environment.get("GITHUB_REPOSITORY", "")
    if not workflow or not branch or not repository:
        raise UnavailableError("this is no run of a workflow whose branch is known")
    return Origin(repository, workflow, branch, natural(environment.get("GITHUB_RUN_ID", "")))


def base_branch(environment: Mapping[str, str], payload: Mapping[str, Any]) -> str | None:
    """Return the branch that a run is measured by: the base of a proposal, the pushed branch, else the default one."""
    asked = [("pull_request", "base", "ref"), ("merge_group", "base_ref")]
    given = [name for name in (_text(payload, *path) for path in asked) if name]
    pushed = environment.get("GITHUB_REF_NAME") if environment.get("GITHUB_REF_TYPE") == "branch" else None
    found = given[0] if given else pushed or _text(payload, "repository", "default_branch")
    return found.removeprefix("refs/heads/") if found else None


def fetch(client: Github, name: str, where: Origin, folder: Path) -> Path:
    """Write what the artifact ``name`` (``*`` is any text: of several, all) tells into a report in ``folder``.

    Raises:
        UnavailableError: it is not to be had; the message says why, and what to do about it.
    """
    with _unavailable():
        repository = client.get_repo(where.repository)
        reports = [report for one in _artifacts(repository, name, where) for report in _reports(repository, one)]
        artifacts = tuple(artifact for report in reports for artifact in report.artifacts)
        verdict = worst([artifact.verdict for artifact in artifacts])
        path = folder / f"{re.sub(r'[^A-Za-z0-9._-]', '-', name)}.json"
        path.write_bytes(json.render(Report(reports[0].tool, verdict, artifacts)))
        return path


def _artifacts(repository: Repository, name: str, where: Origin) -> Sequence[Artifact]:
    for run in islice(_green_runs(repository, where), MAXIMUM_RUNS):
        uploaded = islice(run.get_artifacts(), MAXIMUM_LISTED)
        found = [one for one in uploaded if fnmatchcase(one.name, name) and not one.expired]
        if found:
            return found[:MAXIMUM_REPORTS]
    raise UnavailableError(
        f"no successful run of {where.workflow} on {where.branch} has the artifact {name}: it is there once a run on "
        "that branch has uploaded its report"
    )


def _green_runs(repository: Repository, where: Origin) -> Iterator[WorkflowRun]:
    runs = repository.get_workflow(where.workflow).get_runs(branch=where.branch, status="success")
    for run in islice(runs, MAXIMUM_LISTED):
        source = run.head_repository  # None of a fork that is gone
        is_own = source is not None and source.full_name.lower() == where.repository.lower()
        if is_own and run.event not in _PROPOSALS and run.id != where.run:
            yield run


def _reports(repository: Repository, artifact: Artifact) -> list[Report]:
    if artifact.size_in_bytes > MAXIMUM_ARCHIVE:
        raise UnavailableError(f"the artifact {artifact.name} is larger than {MAXIMUM_ARCHIVE // 1024 // 1024} MiB")
    data = _download(repository, artifact)
    found, reason = [], f"the artifact {artifact.name} holds no JSON file"
    for name, content in _members(artifact.name, data):
        try:
            found.append(parsed(content, f"{artifact.name}/{name}"))
        except BaselineError as problem:  # noqa: PERF203  # a few files
            reason = str(problem)
    if not found:
        raise UnavailableError(reason)
    return found


def _download(repository: Repository, artifact: Artifact) -> bytes:
    """Return the bytes of the artifact's archive: GitHub names a place that asks for no token, and gets none."""
    url = f"{repository.url}/actions/artifacts/{artifact.id}/zip"
    headers, _ = repository.requester.requestJsonAndCheck("GET", url)
    place = headers.get("location", "")
    if urlsplit(place).scheme not in {"https", urlsplit(repository.requester.base_url).scheme}:
        raise UnavailableError(f"GitHub names no place to download {artifact.name} from")
    data = io.BytesIO()
    with requests.get(place, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code != requests.codes.ok:
            raise UnavailableError(f"the download of {artifact.name} was answered with {answer.status_code}")
        for chunk in answer.iter_content(CHUNK):
            data.write(chunk)
            if data.tell() > MAXIMUM_ARCHIVE:
                raise UnavailableError(f"{artifact.name} is larger than {MAXIMUM_ARCHIVE // 1024 // 1024} MiB")
    return data.getvalue()


def _directory_size(data: bytes) -> int:
    """Return the size of the archive's directory, which zipfile reads whole before it tells how many files there are.

    APPNOTE 4.3.14 to 4.3.16; found where zipfile finds it.
    """
    end = len(data) - END.size
    if end < 0 or not data.startswith(END_MARK, end) or data[-2:] != b"\0\0":
        end = data.rfind(END_MARK, max(0, len(data) - END.size - COMMENT))
    if end < 0 or len(data) < end + END.size:
        return 0  # no archive: zipfile says so
    (size,) = END.unpack_from(data, end)
    place = end - LOCATOR - END_64.size
    if place >= 0 and data.startswith(LOCATOR_MARK, end - LOCATOR):
        (size,) = END_64.unpack_from(data, place)
    return int(size) if size <= len(data) else 0  # what is larger than all of it is damaged, as zipfile says


def _members(artifact: str, data: bytes) -> list[tuple[str, bytes]]:
    """Return the JSON files in the archive ``data``, which together may hold ``MAXIMUM`` bytes."""
    found: list[tuple[str, bytes]] = []
    room = MAXIMUM
    if _directory_size(data) > MAXIMUM_DIRECTORY:
        raise UnavailableError(f"the artifact {artifact} holds more than {MAXIMUM_MEMBERS} files")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > MAXIMUM_MEMBERS:
                raise UnavailableError(f"the artifact {artifact} holds more than {MAXIMUM_MEMBERS} files")
            for member in [one for one in members if one.filename.endswith(".json")][:MAXIMUM_REPORTS]:
                with archive.open(member) as file:
                    content = file.read(room + 1)
                room -= len(content)
                if room < 0:
                    raise UnavailableError(f"the artifact {artifact} holds more than {MAXIMUM // 1024 // 1024} MiB")
                found.append((member.filename, content))
    except _DAMAGED as problem:
        raise UnavailableError(f"the artifact {artifact} is a damaged archive: {problem}") from problem
    return found


def _text(payload: Mapping[str, Any], *names: str) -> str | None:
    found: Any = payload
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) and found else None
