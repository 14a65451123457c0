"""The check run, by real PyGithub calls."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from github_api.conftest import HURRIED, QUICK, client
from github_api.server import Answer, GitHubApi
from glibc_guard.github import check_run
from glibc_guard.github.annotations import Annotation, Repository
from glibc_guard.github.check_run import BATCH, LONGEST_TEXT, Check
from glibc_guard.github.client import ApiError, Patience, insist
from unit.github.reports import artifact, finding, report

HEAD = "a" * 40
PLACE = Repository(lambda _: None, "pyproject.toml")


def annotation(number: int) -> Annotation:
    return Annotation("error", f"symbol {number}", "is too new", "pyproject.toml", 1)


def check(annotations: int = 1, *, name: str = "glibc-guard", key: str = "glibc-guard 1", head: str = HEAD) -> Check:
    found = tuple(map(annotation, range(annotations)))
    return Check(name, key, head, "failure", "1 error", "a summary", "the text", found, "https://example.invalid/run")


def publish(api: GitHubApi, wanted: Check, patience: Patience = QUICK) -> None:
    repository = client(api, patience).get_repo("octo/sample")
    insist(lambda: check_run.publish(repository, wanted), patience)


def only(api: GitHubApi) -> dict[str, object]:
    (run,) = api.check_runs.values()
    return run


def test_create(judged: GitHubApi) -> None:
    publish(judged, check())
    run = only(judged)
    assert (run["name"], run["head_sha"], run["external_id"]) == (
        "glibc-guard",
        HEAD,
        "glibc-guard 1 00000000=0.0:failure",
    )
    assert (run["status"], run["conclusion"]) == ("completed", "failure")
    assert run["output"] == {"title": "1 error", "summary": "a summary", "text": "the text"}
    assert judged.annotations[run["id"]] == [  # type: ignore[index]
        {
            "path": "pyproject.toml",
            "start_line": 1,
            "end_line": 1,
            "annotation_level": "failure",
            "title": "symbol 0",
            "message": "is too new",
        }
    ]


def test_a_re_run_renews_it_and_repeats_no_annotation(judged: GitHubApi) -> None:
    publish(judged, check(60))
    publish(judged, replace(check(62), conclusion="success"))
    run = only(judged)
    assert run["conclusion"] == "success"
    titles = [item["title"] for item in judged.annotations[run["id"]]]  # type: ignore[index]
    assert titles == [f"symbol {number}" for number in range(62)]


def test_what_no_longer_holds_is_said_since_no_annotation_goes_away(judged: GitHubApi) -> None:
    publish(judged, check(3))
    publish(judged, replace(check(1), conclusion="success"))
    run = only(judged)
    assert run["output"]["summary"].startswith("2 annotations below of an earlier attempt no longer hold.")  # type: ignore[index]


def test_120_annotations_in_batches(judged: GitHubApi) -> None:
    publish(judged, check(120))
    run = only(judged)
    assert [item["title"] for item in judged.annotations[run["id"]]] == [f"symbol {number}" for number in range(120)]  # type: ignore[index]
    sent = [*judged.asked("POST", "check-runs"), *judged.asked("PATCH", "check-runs")]
    assert [len(request.body["output"]["annotations"]) for request in sent] == [BATCH, BATCH, 20]


def test_another_commit_name_or_job_has_its_own(judged: GitHubApi) -> None:
    for wanted in (check(), check(head="b" * 40), check(name="other"), check(key="glibc-guard 2")):
        publish(judged, wanted)
    assert len(judged.check_runs) == 4


def test_of_several_the_newest_is_renewed_and_the_others_are_completed(judged: GitHubApi) -> None:
    common = {"name": "glibc-guard", "external_id": "glibc-guard 1", "head_sha": HEAD}
    judged.check_runs = {
        1: {"id": 1, "status": "completed", "conclusion": "failure", **common},
        2: {"id": 2, "status": "in_progress", "conclusion": None, **common},
        3: {"id": 3, "status": "completed", "conclusion": "success", **common},
        4: {"id": 4, "status": "in_progress", "conclusion": None, **common, "external_id": "another's"},
    }
    publish(judged, check())
    assert {number: run["conclusion"] for number, run in judged.check_runs.items()} == {
        1: "neutral",
        2: "neutral",
        3: "failure",
        4: None,
    }


@pytest.mark.parametrize("status", [502, 503])
def test_a_lost_answer_makes_no_second_one(api: GitHubApi, status: int) -> None:
    """The write was carried out, and only its answer was lost."""
    api.fail("POST", "/check-runs", Answer(status, raw=b"<html>"), after=True)
    api.fail("PATCH", "/check-runs/[0-9]+", Answer(status, raw=b"<html>"), after=True)
    with pytest.raises(ApiError, match=str(status)):
        publish(api, check(120))
    publish(api, check(120))
    run = only(api)
    assert len(api.annotations[run["id"]]) == 120  # type: ignore[index]


def test_502_then_success(api: GitHubApi) -> None:
    api.fail("GET", "/check-runs", Answer(502, raw=b"<html>"), times=2)
    api.fail("POST", "/check-runs", Answer(502, raw=b"<html>"))
    publish(api, check())
    assert only(api)["conclusion"] == "failure"


def test_a_time_out_makes_no_second_one(api: GitHubApi) -> None:
    api.fail("POST", "/check-runs", Answer(201, {}, delay=2.0), after=True)
    publish(api, check(), HURRIED)
    assert len(api.check_runs) == 1


def test_no_right_to_write(judged: GitHubApi) -> None:
    judged.permissions.clear()
    with pytest.raises(ApiError, match="403: Resource not accessible by integration") as caught:
        publish(judged, check())
    assert caught.value.is_refusal


@pytest.mark.parametrize(
    ("verdict", "passes", "conclusion"),
    [
        ("pass", True, "success"),
        ("fail", False, "failure"),
        ("fail", True, "neutral"),
        ("unreadable", False, "failure"),
    ],
)
def test_conclusion(verdict: str, passes: bool, conclusion: str) -> None:  # noqa: FBT001
    judged = replace(report(artifact()), verdict=verdict)
    assert check_run.conclusion_of(judged, passes=passes) == conclusion


def test_a_hostile_report_keeps_to_all_limits(judged: GitHubApi) -> None:
    symbols = [finding(f"{number}{'x' * 10_000}", item=f"{'y' * 5000}{number}.so") for number in range(600)]
    said = report(artifact(*symbols, path="z" * 9000))
    title, summary, text = check_run.shown(said)
    found = check_run.annotations_of(said, PLACE)
    assert len(found) == check_run.ANNOTATIONS_OF_A_LEVEL
    assert "401 more errors" in found[-1].title
    assert max(len(summary), len(text)) <= LONGEST_TEXT
    assert "The report is cut here" in text
    publish(judged, replace(check(), title=title, summary=summary, text=text, annotations=found))
    run = only(judged)
    assert len(judged.annotations[run["id"]]) == check_run.ANNOTATIONS_OF_A_LEVEL  # type: ignore[index]


def test_no_annotation_without_a_file() -> None:
    assert not check_run.annotations_of(report(artifact(finding())), Repository(lambda _: None, None))


PULL, PUSH = "1" * 8, "2" * 8


def of(subject: str, run: int, conclusion: check_run.Conclusion) -> Check:
    """What ``run`` about ``subject`` found."""
    found = check()
    title = f"{conclusion} of {run}"
    return replace(found, conclusion=conclusion, subject=subject, number=(run, 1), title=title, summary=title)


def shown(api: GitHubApi) -> tuple[object, object]:
    run = only(api)
    return run["conclusion"], run["output"]["title"]  # type: ignore[index]


def test_an_older_run_that_ends_later_changes_nothing(judged: GitHubApi) -> None:
    publish(judged, of(PULL, 9, "failure"))
    publish(judged, of(PULL, 8, "success"))
    assert shown(judged) == ("failure", "failure of 9")
    publish(judged, of(PULL, 10, "success"))
    assert shown(judged) == ("success", "success of 10")


def test_what_passes_for_one_event_hides_no_failure_for_another(judged: GitHubApi) -> None:
    """A pull request and a push, or two pull requests, of one commit."""
    publish(judged, of(PULL, 6, "failure"))
    publish(judged, of(PUSH, 5, "success"))
    assert shown(judged) == ("failure", "failure of 6")
    publish(judged, of(PULL, 7, "success"))
    assert shown(judged) == ("success", "success of 7")
    publish(judged, of(PUSH, 8, "failure"))
    assert shown(judged) == ("failure", "failure of 8")
    publish(judged, of(PULL, 9, "failure"))
    assert shown(judged) == ("failure", "failure of 9")
    publish(judged, of(PULL, 10, "success"))
    run = only(judged)
    assert run["conclusion"] == "failure"
    assert run["output"]["summary"].startswith("Run 8, for another event at the same commit, ended as failure.")  # type: ignore[index]
    publish(judged, of(PUSH, 11, "success"))
    assert shown(judged) == ("success", "success of 11")


def test_not_all_events_of_a_commit_are_remembered_for_ever(api: GitHubApi) -> None:
    for number in range(20):
        publish(api, of(f"{number:08x}", number + 1, "failure" if number == 1 else "success"))
    assert len(str(only(api)["external_id"])) < 255
    assert only(api)["conclusion"] == "failure"  # none of these is forgotten for what passed


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (of(PULL, 6, "failure"), of(PULL, 7, "success"), "success of 7"),
        (of(PULL, 7, "failure"), of(PULL, 6, "success"), "failure of 7"),
        (of(PULL, 6, "failure"), of(PUSH, 7, "success"), "failure of 6"),
        (of(PULL, 6, "success"), of(PUSH, 5, "failure"), "failure of 5"),
        (of(PULL, 6, "success"), of(PULL, 6, "success"), "success of 6"),
    ],
    ids=["newer", "older", "another passes", "another fails", "the same"],
)
def test_two_runs_at_once_leave_one(api: GitHubApi, first: Check, second: Check, kept: str) -> None:
    """Neither saw the other when it looked."""
    publish(api, first)
    api.fail("GET", "/check-runs", Answer(200, {"total_count": 0, "check_runs": []}))
    publish(api, second)
    assert [run["output"]["title"] for run in api.check_runs.values() if run["name"] == "glibc-guard"] == [kept]
    others = [run for run in api.check_runs.values() if run["name"] != "glibc-guard"]
    assert [(run["name"], run["conclusion"]) for run in others] == [("glibc-guard (superseded)", "neutral")]
    publish(api, of(PULL, 8, "success"))
    publish(api, of(PUSH, 9, "success"))
    assert [run["conclusion"] for run in api.check_runs.values() if run["name"] == "glibc-guard"] == ["success"]
