"""What a run of a workflow is about: from its environment and the payload of its event, in one pure function."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from msgspec import Struct

Payload: TypeAlias = Mapping[str, Any]

DEPENDABOT: Final = "dependabot[bot]"
_PULL_REQUEST_EVENTS: Final = frozenset({"pull_request", "pull_request_target", "pull_request_review"})
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Run(Struct, frozen=True):
    """What a run is about, and where it is seen."""

    event: str  # GITHUB_EVENT_NAME
    repository: str  # "owner/name", where the workflow runs
    head: (
        str | None
    )  # the commit that is judged: of a pull request its head, never the commit that merges it; None: unknown
    pull_request: int | None
    is_closed: bool = False  # the pull request, when the event came
    is_fork: bool = False  # the commit comes from another repository
    is_dependabot: bool = False  # Dependabot started the run: its token can only read, as that for a fork
    number: tuple[int, int] = (0, 0)  # GITHUB_RUN_ID, which grows, and the attempt
    url: str | None = None  # where the run is shown
    subject: str = ""  # what tells it from runs about other things at the same commit


def run_of(environment: Mapping[str, str], payload: Payload) -> Run:
    """Return what the run with ``environment`` is about, whose event brought ``payload``."""
    event = environment.get("GITHUB_EVENT_NAME", "")
    repository = environment.get("GITHUB_REPOSITORY", "")
    head, number, is_closed, source = _subject(event, payload)
    run = natural(environment.get("GITHUB_RUN_ID", ""))
    return Run(
        event=event,
        repository=repository,
        head=head or _commit(environment.get("GITHUB_SHA")),
        pull_request=number,
        is_closed=is_closed,
        is_fork=source is not None and source.lower() != repository.lower(),
        is_dependabot=environment.get("GITHUB_ACTOR") == DEPENDABOT,
        subject=f"{event} {environment.get('GITHUB_REF', '')}" if number is None else f"pull request {number}",
        number=(run, natural(environment.get("GITHUB_RUN_ATTEMPT", ""))),
        url=url_of_run(environment, repository, run),
    )


def url_of_run(environment: Mapping[str, str], repository: str, run: int) -> str | None:
    """Return where the ``run`` of a workflow is shown, also on a GitHub Enterprise Server; None where it has none."""
    server = environment.get("GITHUB_SERVER_URL", "https://github.com")
    return f"{server}/{repository}/actions/runs/{run}" if run and repository else None


def api_url_of(environment: Mapping[str, str]) -> str:
    """Return where the REST API is asked, also on a GitHub Enterprise Server."""
    return environment.get("GITHUB_API_URL") or "https://api.github.com"


def payload_of(environment: Mapping[str, str]) -> Payload:
    """Return the payload in the file that ``GITHUB_EVENT_PATH`` names; empty where there is none that can be read."""
    try:
        payload = json.loads(Path(environment.get("GITHUB_EVENT_PATH", "")).read_bytes())
    except (OSError, ValueError):
        return {}
    return payload if isinstance(payload, dict) else {}


def _subject(event: str, payload: Payload) -> tuple[str | None, int | None, bool, str | None]:
    """Return the commit, the pull request, whether that is closed, and the repository that the commit comes from."""
    if event in _PULL_REQUEST_EVENTS:
        request = _part(payload, "pull_request")
        source = _part(request, "head", "repo").get("full_name") or "(deleted)"  # of a fork that is gone
        return _commit(_part(request, "head").get("sha")), _number(request), request.get("state") == "closed", source
    if event == "merge_group":
        return _commit(_part(payload, "merge_group").get("head_sha")), None, False, None
    if event == "workflow_run":
        run = _part(payload, "workflow_run")
        source = _part(run, "head_repository").get("full_name")
        return _commit(run.get("head_sha")), _judged_request(run, _part(payload, "repository")), False, source
    if event == "push":  # of an annotated tag, ``after`` is the tag and no commit
        return _commit(_part(payload, "head_commit").get("id")), None, False, None
    return None, None, False, None


def _judged_request(run: Payload, repository: Payload) -> int | None:
    """Return the one pull request that ``run`` judged.

    GitHub names those that have the branch as their head, also when a push started the run, and also those that were
    opened against forks: their numbers mean others here.
    """
    requests = run.get("pull_requests")
    if run.get("event") not in _PULL_REQUEST_EVENTS or not isinstance(requests, list):
        return None
    here = repository.get("id")
    ours = [
        request
        for request in requests
        if isinstance(here, int)
        and _part({"": request}, "", "base", "repo").get("id") == here
        and _part({"": request}, "", "head").get("sha") == run.get("head_sha")
    ]
    return _number(ours[0]) if len(ours) == 1 else None


def _part(payload: Payload, *names: str) -> Payload:
    found: Any = payload
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _number(request: object) -> int | None:
    number = request.get("number") if isinstance(request, dict) else None
    return number if isinstance(number, int) and number > 0 else None


def _commit(value: object) -> str | None:
    return value if isinstance(value, str) and _COMMIT.fullmatch(value) else None


def natural(text: str) -> int:
    """Return the number in ``text``, 0 for none."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else 0
