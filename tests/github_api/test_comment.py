"""The comment, by real PyGithub calls."""

from __future__ import annotations

import threading

import pytest

from github_api.conftest import QUICK, client
from github_api.server import BOT, Answer, GitHubApi, serving
from glibc_guard.github import comment
from glibc_guard.github.client import ApiError, insist
from glibc_guard.github.comment import Comment
from glibc_guard.model import Verdict

KEY = "0123456789abcdef"
SOMEBODY = {"login": "mallory", "type": "User", "id": 5}


def said(
    text: str = "bad", *, verdict: Verdict = "fail", is_news: bool = True, run: int = 1, key: str = KEY
) -> Comment:
    return Comment(key, (run, 1), verdict, text, f"fixed, {text}", is_news)


def publish(api: GitHubApi, what: Comment, *, is_closed: bool = False, pull: int = 7) -> None:
    connection = client(api)
    issue = connection.get_repo("octo/sample").get_issue(pull)
    insist(lambda: comment.publish(connection, issue, what, is_closed=is_closed), QUICK)


def bodies(api: GitHubApi) -> list[str]:
    """The comments, without their markers."""
    return [found["body"].partition("\n")[2] for found in api.comments.values()]


def test_one_comment_is_written_and_edited(judged: GitHubApi) -> None:
    publish(judged, said("bad"))
    publish(judged, said("still bad", run=2))
    assert bodies(judged) == ["still bad"]
    assert len(judged.asked("POST", "/comments")) == 1


def test_it_turns_green_and_stays(judged: GitHubApi) -> None:
    publish(judged, said("bad"))
    publish(judged, said("good", verdict="pass", is_news=False, run=2))
    assert bodies(judged) == ["fixed, good"]
    publish(judged, said("good", verdict="pass", is_news=False, run=3))
    assert bodies(judged) == ["good"]


def test_without_news_no_comment_begins(judged: GitHubApi) -> None:
    publish(judged, said("good", verdict="pass", is_news=False))
    assert not judged.comments


def test_it_is_found_on_page_7(judged: GitHubApi) -> None:
    for number in range(640):
        judged.add_comment(7, f"talk {number}", SOMEBODY)
    mine = judged.add_comment(7, f"{said().marker}\nold")
    publish(judged, said("new", run=2))
    assert judged.comments[mine]["body"].endswith("\nnew")
    assert len(judged.comments) == 641
    assert len(judged.asked("GET", "/issues/7/comments")) == 7


@pytest.mark.parametrize(
    "user",
    [SOMEBODY, {**SOMEBODY, "login": "github-actions"}, {**BOT, "login": "other[bot]", "id": 6}],
    ids=lambda user: user["login"],
)
def test_somebody_else_with_our_marker(judged: GitHubApi, user: dict[str, object]) -> None:
    theirs = judged.add_comment(7, f"{said().marker}\ntheirs", user)
    publish(judged, said("ours", run=2))
    assert judged.comments[theirs]["body"].endswith("\ntheirs")
    assert bodies(judged) == ["theirs", "ours"]


@pytest.mark.parametrize(
    "viewer", [SOMEBODY, {**BOT, "login": "guard-app[bot]", "id": 6}], ids=lambda user: user["login"]
)
def test_a_token_of_a_person_or_of_another_app(judged: GitHubApi, viewer: dict[str, object]) -> None:
    judged.viewer = viewer
    publish(judged, said("first"))
    publish(judged, said("second", run=2))
    assert bodies(judged) == ["second"]


def test_our_marker_quoted_within_our_own_words_is_none(judged: GitHubApi) -> None:
    judged.add_comment(7, f"> {said().marker}\nquoted")
    publish(judged, said("ours", run=2))
    assert bodies(judged) == ["quoted", "ours"]


def test_two_jobs_of_a_matrix_at_once(judged: GitHubApi) -> None:
    keys = [f"{number:016x}" for number in range(2)]
    threads = [threading.Thread(target=publish, args=(judged, said(f"job {key}", key=key))) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key in keys:
        publish(judged, said(f"again {key}", key=key, run=2))
    assert sorted(bodies(judged)) == [f"again {key}" for key in keys]


def test_what_two_runs_left_becomes_one(judged: GitHubApi) -> None:
    for _ in range(2):
        judged.add_comment(7, f"{said().marker}\nold")
    publish(judged, said("new", run=2))
    assert bodies(judged) == ["new"]


def test_an_older_run_that_ends_later_says_nothing(judged: GitHubApi) -> None:
    publish(judged, said("new", run=9))
    publish(judged, said("old", run=8))
    assert bodies(judged) == ["new"]


def test_a_comment_that_is_deleted_meanwhile_is_written_anew(api: GitHubApi) -> None:
    publish(api, said("old"))
    api.fail("PATCH", "/issues/comments/[0-9]+", Answer(404, {"message": "Not Found"}))
    publish(api, said("new", run=2))
    assert bodies(api) == ["old", "new"]


def test_a_closed_pull_request_gets_no_new_comment_but_the_old_one_is_kept_current(judged: GitHubApi) -> None:
    publish(judged, said("bad"), is_closed=True)
    assert not judged.comments
    publish(judged, said("bad"))
    publish(judged, said("good", verdict="pass", run=2), is_closed=True)
    assert bodies(judged) == ["fixed, good"]


def test_one_that_was_closed_since_the_event_came(judged: GitHubApi) -> None:
    judged.closed.add(7)
    publish(judged, said("bad"))
    assert not judged.comments


def test_no_right_to_write(judged: GitHubApi) -> None:
    judged.permissions.clear()
    with pytest.raises(ApiError, match="403: Resource not accessible by integration") as caught:
        publish(judged, said())
    assert caught.value.is_refusal


def test_no_such_pull_request(judged: GitHubApi) -> None:
    with pytest.raises(ApiError, match="404: Not Found") as caught:
        publish(judged, said(), pull=8)
    assert caught.value.is_refusal


def test_too_long_for_github(judged: GitHubApi) -> None:
    with pytest.raises(ApiError, match="422: Validation Failed"):
        publish(judged, said("x" * 70_000))


def test_a_github_enterprise_server(judge: None) -> None:  # noqa: ARG001
    with serving(GitHubApi(), "/api/v3") as listener:
        publish(listener.api, said("bad"))
        publish(listener.api, said("worse", run=2))
        assert bodies(listener.api) == ["worse"]
        assert not listener.api.problems


def test_a_lost_answer_makes_no_second_comment(api: GitHubApi) -> None:
    api.fail("POST", "/comments", Answer(502, raw=b"<html>"), after=True)
    publish(api, said("bad"))
    assert bodies(api) == ["bad"]


def test_an_older_run_deletes_nothing_that_a_newer_one_wrote(judged: GitHubApi) -> None:
    for run in (1, 9):
        judged.add_comment(7, f"{said(run=run).marker}\nrun {run}")
    publish(judged, said("old", run=8))
    assert bodies(judged) == ["run 1", "run 9"]


def test_another_run_deletes_what_is_too_much_at_the_same_time(api: GitHubApi) -> None:
    for _ in range(2):
        api.add_comment(7, f"{said().marker}\nold")
    api.fail("DELETE", "/issues/comments/[0-9]+", Answer(404, {"message": "Not Found"}), after=True)
    publish(api, said("new", run=2))
    assert bodies(api) == ["new"]


@pytest.mark.parametrize(("there", "here", "kept"), [(6, 7, "run 7"), (7, 6, "run 7"), (6, 6, "there")])
def test_two_runs_at_once_leave_the_comment_of_the_newer(api: GitHubApi, there: int, here: int, kept: str) -> None:
    """Neither saw the other when it looked."""
    text = "there" if there == here else f"run {there}"
    api.add_comment(7, f"{said(run=there).marker}\n{text}")
    theirs = api.add_comment(7, f"{said(run=there).marker}\ntheirs", SOMEBODY)
    api.fail("GET", "/issues/7/comments", Answer(200, []))
    publish(api, said(f"run {here}", run=here))
    assert theirs in api.comments
    assert [body for body in bodies(api) if body != "theirs"] == [kept]
