"""The action ``publish`` as a runner runs it: a stranger's report, GitHub's event, the stand-in for its API."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import ROOT
from e2e.runner import Job, Result
from github_api.description import recorded
from github_api.runs import REPOSITORY, add_pull
from github_api.server import TOKEN, Answer, GitHubApi, serving
from glibc_guard.model import Report, Site
from glibc_guard.report import json as json_report
from hostile import ATTACKS
from unit.github.reports import artifact, finding, report

pytestmark = pytest.mark.e2e

HEAD = "a" * 40
STRANGER = {"full_name": "stranger/sample", "owner": {"login": "stranger", "type": "User"}}
PUBLISH = Path(".github") / "actions" / "publish"


@pytest.fixture(scope="session")
def publisher(action: Path) -> Path:
    """The action as the runner unpacks it: the whole repository, and a folder in it."""
    shutil.copytree(ROOT / PUBLISH, action / PUBLISH, dirs_exist_ok=True)
    return action / PUBLISH


@pytest.fixture
def api() -> Iterator[GitHubApi]:
    with serving(GitHubApi()) as listener:
        add_pull(listener.api, 12, head=HEAD)
        add_pull(listener.api, 13, head="b" * 40, branch="other")
        listener.api.files[HEAD] = ["src/score.cc", "link.c", ".github/workflows/check.yml", "pyproject.toml", "docs"]
        yield listener.api
        assert not listener.api.problems


def event(**given: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """What ``workflow_run`` brings for a pull request of a fork: GitHub names no pull request there."""
    payload = copy.deepcopy(recorded("workflow_run", "completed")[0])
    payload["repository"]["full_name"] = REPOSITORY
    payload["workflow_run"] |= {
        "id": 7001,
        "run_attempt": 2,
        "event": "pull_request",
        "conclusion": "failure",
        "head_branch": "fix",
        "head_sha": HEAD,
        "path": ".github/workflows/check.yml",
        "pull_requests": [],
        "head_repository": {**payload["workflow_run"]["head_repository"], **STRANGER},
        **given,
    }
    return payload


def told(
    publisher: Path,
    job: Job,
    api: GitHubApi,
    given: Report | None,
    payload: dict[str, Any] | None = None,
    **inputs: str,
) -> Result:
    """Writes the report where a step before would have unpacked it, and runs the action."""
    folder = job.temporary / "reports" / "glibc-guard-report"
    shutil.rmtree(folder.parent, ignore_errors=True)
    folder.mkdir(parents=True)
    if given is not None:
        (folder / "report.json").write_bytes(json_report.render(given))
    path = job.temporary / "event.json"
    path.write_text(json.dumps(payload or event()), encoding="utf-8")
    job.github = {
        "GITHUB_API_URL": api.url,
        "GITHUB_EVENT_NAME": "workflow_run",
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_RUN_ID": "8001",
        "GITHUB_SHA": "f" * 40,
        "GITHUB_WORKFLOW_REF": f"{REPOSITORY}/.github/workflows/publish.yml@refs/heads/main",
        "GITHUB_JOB": "publish",
    }
    return job.use(publisher, {"report": str(job.temporary / "reports"), "token": TOKEN, **inputs})


def bad(*sites: Site) -> Report:
    return report(artifact(finding(sites=sites)))


def test_the_pull_request_is_told(publisher: Path, job: Job, api: GitHubApi) -> None:
    site = Site("Score(double)", "src/score.cc", 6, in_repository=True)
    result = told(publisher, job, api, bad(site))
    assert (result.status, result.outputs["verdict"]) == (0, "fail"), result.log
    (check,) = api.check_runs.values()
    assert (check["name"], check["head_sha"], check["conclusion"]) == ("glibc-guard", HEAD, "failure")
    assert check["details_url"] == "https://github.com/octo/sample/actions/runs/7001"
    ((annotation,),) = api.annotations.values()
    assert (annotation["path"], annotation["start_line"]) == ("src/score.cc", 6)
    (comment,) = api.comments.values()
    assert comment["pull"] == 12
    assert "pow" in comment["body"]
    again = told(publisher, job, api, report(artifact()), event(id=7002, conclusion="success"))
    assert again.status == 0, again.log
    assert [one["conclusion"] for one in api.check_runs.values()] == ["success"]
    assert "fixed" in api.comments[comment["id"]]["body"]


def test_nothing_of_an_earlier_run_takes_the_place_of_a_later_one(publisher: Path, job: Job, api: GitHubApi) -> None:
    told(publisher, job, api, bad(), event(id=7002))
    told(publisher, job, api, report(artifact()), event(id=7001, conclusion="success"))
    (comment,) = api.comments.values()
    assert "run=7002" in comment["body"]


def test_a_report_that_tells_of_no_fault_passes_no_run_that_failed(publisher: Path, job: Job, api: GitHubApi) -> None:
    result = told(publisher, job, api, report(artifact()), comment="always")
    assert result.outputs["verdict"] == "pass"
    assert [one["conclusion"] for one in api.check_runs.values()] == ["failure"]
    assert [one["output"]["title"] for one in api.check_runs.values()] == [
        "The run failed; its report names no finding"
    ]
    (comment,) = api.comments.values()
    assert "⚠️ glibc-guard: the run failed; its report names no finding" in comment["body"]


def test_a_report_that_is_forged_makes_no_red_comment_green(publisher: Path, job: Job, api: GitHubApi) -> None:
    told(publisher, job, api, bad())
    told(publisher, job, api, report(artifact()), event(id=7002))
    (comment,) = api.comments.values()
    assert "fixed" not in comment["body"]
    assert "⚠️ glibc-guard: the run failed; its report names no finding" in comment["body"]
    assert "a report that the code of the pull request could write" in comment["body"]
    told(publisher, job, api, report(artifact()), event(id=7003, conclusion="success"))
    assert "✅ glibc-guard: fixed, 1 artifact passed" in api.comments[comment["id"]]["body"]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/etc/passwd", "pyproject.toml"),
        ("../../secret", "pyproject.toml"),
        ("src/not-there.cc", "pyproject.toml"),
        ("link.c", "pyproject.toml"),
        ("src/score.cc", "src/score.cc"),
    ],
)
def test_annotations_lie_at_files_of_the_commit(
    publisher: Path, job: Job, api: GitHubApi, path: str, shown: str
) -> None:
    told(publisher, job, api, bad(Site("f", path, 6, in_repository=True)), comment="never")
    assert [one["path"] for (one,) in api.annotations.values()] == [shown]
    assert not api.comments


def test_the_pull_request_comes_from_the_run(publisher: Path, job: Job, api: GitHubApi) -> None:
    """Also where the branch of a stranger has a name with which the query would say something else."""
    add_pull(api, 14, head=HEAD, branch="x&state=closed&head=stranger:other")
    told(publisher, job, api, bad(), event(head_branch="x&state=closed&head=stranger:other"), **{"check-run": ""})
    assert [one["pull"] for one in api.comments.values()] == [14]


@pytest.mark.parametrize(
    "given",
    [{"head_sha": "c" * 40}, {"head_branch": "other"}, {"head_branch": None}, {"head_repository": None}],
    ids=["pushed again", "of another head", "no branch", "no repository"],
)
def test_without_the_pull_request_there_is_no_comment(
    publisher: Path, job: Job, api: GitHubApi, given: dict[str, Any]
) -> None:
    api.files["c" * 40] = []
    result = told(publisher, job, api, bad(), event(**given))
    assert result.status == 0, result.log
    assert not api.comments
    assert [one["head_sha"] for one in api.check_runs.values()] == [given.get("head_sha", HEAD)]
    (notice,) = result.issues("notice")
    assert "No open pull request" in notice.data


def test_a_push_has_no_pull_request(publisher: Path, job: Job, api: GitHubApi) -> None:
    result = told(publisher, job, api, bad(), event(event="push", head_branch="fix"))
    assert (result.status, len(api.comments), len(api.check_runs)) == (0, 0, 1), result.log
    assert not result.issues("notice")


def test_what_is_no_report_is_refused(publisher: Path, job: Job, api: GitHubApi) -> None:
    result = told(publisher, job, api, None)
    assert (result.status, result.outputs["verdict"]) == (0, "")
    assert "There is no report" in result.issues("notice")[0].data
    (job.temporary / "reports" / "report.json").write_text('{"artifacts": "::error::forged"}', encoding="utf-8")
    result = job.use(publisher, {"report": str(job.temporary / "reports"), "token": TOKEN})
    assert (result.status, result.outputs["verdict"]) == (2, "error")
    (error,) = result.issues("error")
    assert error.data.startswith("The report is refused: report.json: no JSON report of glibc-guard")


def test_without_a_usable_report_nothing_old_stands(publisher: Path, job: Job, api: GitHubApi) -> None:
    told(publisher, job, api, bad())
    api.open_pulls[0]["sha"] = "c" * 40
    told(publisher, job, api, None, event(id=7002, head_sha="c" * 40))
    (comment,) = api.comments.values()
    assert "⚠️ glibc-guard: no usable report" in comment["body"]
    assert "pow" not in comment["body"]
    found = {one["head_sha"][0]: (one["conclusion"], one["output"]["title"]) for one in api.check_runs.values()}
    assert found["c"] == ("failure", "No usable report")
    (job.temporary / "reports" / "report.json").write_text('{"artifacts": "@octocat <b>"}', encoding="utf-8")
    job.use(publisher, {"report": str(job.temporary / "reports"), "token": TOKEN})
    assert "the report is refused" in comment["body"]
    told(publisher, job, api, report(artifact()), event(id=7003, head_sha="c" * 40, conclusion="success"))
    assert "✅ glibc-guard: 1 artifact passed" in comment["body"]


def test_a_run_that_had_nothing_to_judge_gets_no_check_run(publisher: Path, job: Job, api: GitHubApi) -> None:
    result = told(publisher, job, api, None, event(conclusion="success"))
    assert (result.status, len(api.check_runs), len(api.comments)) == (0, 0, 0), result.log


def test_another_workflow_of_the_same_name_is_not_told(publisher: Path, job: Job, api: GitHubApi) -> None:
    forged = event(path=".github/workflows/other.yml", conclusion="success")
    for asked in ("check.yml", ".github/workflows/check.yml"):
        result = told(publisher, job, api, report(artifact()), forged, workflow=asked)
        assert result.status == 0, result.log
        (notice,) = result.issues("notice")
        assert "it is another workflow" in notice.data
        assert not api.requests
        assert told(publisher, job, api, bad(), workflow=asked).status == 0
        assert api.check_runs
        api.requests.clear()


def test_without_the_list_of_files_all_but_annotations_is_told(publisher: Path, job: Job, api: GitHubApi) -> None:
    api.fail("GET", "/git/trees/.*", Answer(403, {"message": "Resource not accessible by integration"}), times=9)
    result = told(publisher, job, api, bad())
    assert result.status == 0, result.log
    assert len(api.check_runs) == len(api.comments) == 1
    (notice,) = result.issues("notice")
    assert "no annotations" in notice.data
    assert "`contents: read`" in notice.data


def test_all_open_pull_requests_of_a_head_are_told(publisher: Path, job: Job, api: GitHubApi) -> None:
    add_pull(api, 14, head=HEAD)
    told(publisher, job, api, bad())
    assert sorted(one["pull"] for one in api.comments.values()) == [12, 14]
    told(publisher, job, api, report(artifact()), event(id=7002, conclusion="success"))
    assert [one["conclusion"] for one in api.check_runs.values()] == ["failure"]  # it may be that of the other


def test_the_report_of_an_attack_forges_nothing(publisher: Path, job: Job, api: GitHubApi) -> None:
    findings = [finding(attack.format("symbol"), attack.format("version"), item=attack) for attack in ATTACKS.values()]
    result = told(publisher, job, api, report(artifact(*findings, path=ATTACKS["HTML"])))
    assert result.status == 0, result.log
    assert not result.commands
    assert result.outputs == {"verdict": "fail"}
    assert len(api.check_runs) == len(api.comments) == 1


def test_without_permission_the_job_says_which(publisher: Path, job: Job, api: GitHubApi) -> None:
    api.permissions.clear()
    result = told(publisher, job, api, bad())
    assert result.status == 3
    (error,) = result.issues("error")
    assert "`checks: write` and `pull-requests: write`" in error.data


def test_another_event_is_wrong_usage(publisher: Path, job: Job, api: GitHubApi) -> None:
    told(publisher, job, api, bad())
    job.github = {**job.github, "GITHUB_EVENT_NAME": "pull_request_target"}
    result = job.use(publisher, {"report": str(job.temporary / "reports"), "token": TOKEN})
    assert result.status == 2
    assert "workflow_run alone" in result.issues("error")[0].data
