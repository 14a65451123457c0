"""The stand-in's workflow runs, what they uploaded, open pull requests and the files of a commit."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

from github_api.description import sample
from github_api.server import Answer, GitHubApi, Json, RefusedError, Request, page, route

REPOSITORY = "octo/sample"


def add_run(api: GitHubApi, **given: Any) -> int:  # noqa: ANN401 - JSON
    """A run of build.yml on main that passed, save for what is given; it is the newest."""
    number = api.number()
    source = {"full_name": given.pop("source", REPOSITORY)}
    run = {"id": number, "name": "Build", "event": "push", "head_branch": "main", "path": ".github/workflows/build.yml"}
    run |= {"conclusion": "success", "status": "completed", "head_sha": "1" * 40, "head_repository": source, **given}
    api.runs.insert(0, run)
    return number


def upload(api: GitHubApi, run: int, name: str, files: Mapping[str, bytes] | bytes, **given: Any) -> int:  # noqa: ANN401
    """An artifact of ``run`` that holds ``files``, or is these bytes."""
    number = api.number()
    data = io.BytesIO()
    if isinstance(files, bytes):
        data.write(files)
    else:
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, content in files.items():
                archive.writestr(path, content)
    api.archives[number] = data.getvalue()
    artifact = {"id": number, "name": name, "expired": False, "size_in_bytes": len(data.getvalue()), **given}
    api.artifacts.setdefault(run, []).append(artifact)
    return number


@route("GET", "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs")
def list_runs(api: GitHubApi, request: Request, where: dict[str, str]) -> Answer:
    asked = request.query
    found = [
        run
        for run in api.runs
        if run["path"].endswith(f"/{where['workflow_id']}")
        and asked.get("branch") in {None, run["head_branch"]}
        and asked.get("status") in {None, run["conclusion"]}
    ]
    shown, headers = page(request, [_run(api, run) for run in found], api)
    return Answer(200, {"total_count": len(found), "workflow_runs": shown}, headers)


def _run(api: GitHubApi, run: Mapping[str, Json]) -> Json:
    url = f"{api.url}/repos/{REPOSITORY}/actions/runs/{run['id']}"
    return sample("workflow-run", **{**run, "url": url, "artifacts_url": f"{url}/artifacts"})


@route("GET", "/repos/{owner}/{repo}/actions/runs/{run_id}/artifacts")
def list_artifacts(api: GitHubApi, request: Request, where: dict[str, str]) -> Answer:
    found = [sample("artifact", **one) for one in api.artifacts.get(int(where["run_id"]), [])]
    shown, headers = page(request, found, api)
    return Answer(200, {"total_count": len(found), "artifacts": shown}, headers)


@route("GET", "/repos/{owner}/{repo}/actions/artifacts/{artifact_id}/zip")
def download(api: GitHubApi, request: Request, where: dict[str, str]) -> Answer:  # noqa: ARG001
    api.require("actions")
    return Answer(302, headers={"Location": f"{api.storage}/{where['artifact_id']}"}, raw=b"")


def add_pull(api: GitHubApi, number: int, *, head: str, branch: str = "fix", owner: str = "stranger") -> None:
    """An open pull request of a fork."""
    api.pulls.add(number)
    api.open_pulls.append({"number": number, "sha": head, "label": f"{owner}:{branch}"})


@route("GET", "/repos/{owner}/{repo}/pulls")
def list_pulls(api: GitHubApi, request: Request, where: dict[str, str]) -> Answer:
    label = request.query.get("head", "")
    found = [
        sample(
            "pull-request-simple",
            number=one["number"],
            url=f"{api.url}/repos/{where['owner']}/{where['repo']}/pulls/{one['number']}",
            state="open",
            head={"sha": one["sha"], "label": one["label"], "ref": one["label"].partition(":")[2]},
        )
        for one in api.open_pulls
        if ":" not in label or one["label"] == label  # GitHub takes no notice of what is no label
    ]
    shown, headers = page(request, found, api)
    return Answer(200, shown, headers)


@route("GET", "/repos/{owner}/{repo}/git/trees/{tree_sha}")
def tree(api: GitHubApi, request: Request, where: dict[str, str]) -> Answer:
    if where["tree_sha"] not in api.files:
        raise RefusedError(404, "Not Found")
    assert request.query["recursive"] == "1"
    entries = [
        {"path": path, "mode": "120000" if path.startswith("link") else "100644", "type": "blob", "sha": "2" * 40}
        for path in api.files[where["tree_sha"]]
    ]
    body = sample("git-tree", sha=where["tree_sha"], url=api.url, truncated=False)
    return Answer(200, {**body, "tree": [{**entry, "size": 1, "url": api.url} for entry in entries]})
