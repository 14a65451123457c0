"""The client: what it waits for, what it asks again, and what it says when it gives up."""

from __future__ import annotations

import time

import pytest
from msgspec.structs import replace

from github_api.conftest import HURRIED, QUICK, client
from github_api.server import TOKEN, Answer, GitHubApi
from glibc_guard.github.client import ApiError, connect, insist, plain_errors

PRIMARY = {"message": "API rate limit exceeded for installation ID 1."}
SECONDARY = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}


def ask(api: GitHubApi) -> None:
    with plain_errors():
        list(client(api).get_repo("octo/sample").get_issue(7).get_comments())


def write(api: GitHubApi) -> None:
    with plain_errors():
        client(api).get_repo("octo/sample").get_issue(7).create_comment("text")


@pytest.mark.parametrize(
    ("answer", "least"),
    [
        (Answer(429, PRIMARY, {"Retry-After": "1"}), 1.0),
        (Answer(429, PRIMARY), QUICK.secondary_wait),
        (Answer(429, SECONDARY, {"X-RateLimit-Remaining": "7"}), QUICK.secondary_wait),
        (Answer(403, SECONDARY), QUICK.secondary_wait),
        (Answer(403, SECONDARY, {"Retry-After": "1"}), 1.0),
    ],
    ids=["429, Retry-After", "429", "429, secondary", "403, secondary", "403, Retry-After"],
)
def test_a_rate_limit_is_waited_for_also_by_a_write(api: GitHubApi, answer: Answer, least: float) -> None:
    api.fail("POST", "/comments", answer)
    begin = time.monotonic()
    write(api)
    assert time.monotonic() - begin >= least
    assert [found["body"] for found in api.comments.values()] == ["text"]


def test_a_primary_limit_is_waited_for_until_it_is_reset(api: GitHubApi) -> None:
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 1)}
    for status in (403, 429):
        api.fail("GET", "/comments", Answer(status, PRIMARY, reset))
    ask(api)
    assert time.time() >= int(reset["X-RateLimit-Reset"])


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {"Retry-After": "3600"}),
        (403, {"Retry-After": "3600"}),
        (503, {"Retry-After": "3600"}),
        (429, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800"}),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800"}),
    ],
)
def test_a_limit_that_takes_too_long_is_given_up_at_once(api: GitHubApi, status: int, headers: dict[str, str]) -> None:
    api.fail("GET", "/comments", Answer(status, PRIMARY, headers))
    begin = time.monotonic()
    with pytest.raises(ApiError, match="GitHub asks to wait for ") as caught:
        ask(api)
    assert not caught.value.is_refusal
    assert time.monotonic() - begin < 60
    assert len(api.requests) == 1


@pytest.mark.parametrize("answer", [Answer(429, PRIMARY), Answer(403, SECONDARY)])
def test_a_limit_that_does_not_end(api: GitHubApi, answer: Answer) -> None:
    api.fail("POST", "/comments", answer, times=99)
    with pytest.raises(ApiError, match="the rate limit of GitHub is reached") as caught:
        write(api)
    assert not caught.value.is_refusal
    assert len(api.requests) == 1 + QUICK.tries_again


def test_a_server_that_stumbles_is_asked_again(api: GitHubApi) -> None:
    api.fail("GET", "/comments", Answer(502, raw=b"<html>"), times=QUICK.tries_again)
    ask(api)
    api.fail("GET", "/comments", Answer(502, raw=b"<html>"), times=99)
    with pytest.raises(ApiError, match="GitHub answered 502"):
        ask(api)


def test_a_write_is_not_repeated_blindly(api: GitHubApi) -> None:
    api.fail("POST", "/comments", Answer(502, raw=b"<html>"), after=True, times=99)
    with pytest.raises(ApiError, match="GitHub answered 502"):
        write(api)
    assert len(api.comments) == 1


def test_what_answers_too_late(api: GitHubApi) -> None:
    api.fail("GET", "/comments", Answer(200, [], delay=2), times=99)
    patience = replace(HURRIED, tries_again=1)
    with pytest.raises(ApiError, match="GitHub did not answer in time"), plain_errors():
        list(client(api, patience).get_repo("octo/sample").get_issue(7).get_comments())
    assert len(api.requests) == 2


def test_nobody_there() -> None:
    with pytest.raises(ApiError, match="GitHub cannot be reached: "), plain_errors():
        list(connect(TOKEN, "http://127.0.0.1:9", QUICK).get_repo("octo/sample").get_issue(7).get_comments())


def test_a_wrong_token(api: GitHubApi) -> None:
    with pytest.raises(ApiError, match="401: Bad credentials") as caught, plain_errors():
        list(connect("wrong", api.url, QUICK).get_repo("octo/sample").get_issue(7).get_comments())
    assert (caught.value.is_bad_token, caught.value.is_refusal) == (True, False)
    assert "wrong" not in str(caught.value)


def test_writes_are_throttled(api: GitHubApi) -> None:
    issue = client(api, replace(QUICK, between_writes=0.3)).get_repo("octo/sample").get_issue(7)
    begin = time.monotonic()
    for _ in range(3):
        issue.create_comment("text")
    assert time.monotonic() - begin >= 0.6


def test_what_is_refused_is_not_begun_anew(api: GitHubApi) -> None:
    api.permissions.clear()
    with pytest.raises(ApiError):
        insist(lambda: write(api), QUICK)
    assert len(api.requests) == 1


def test_the_answer_is_printed_without_commands(api: GitHubApi) -> None:
    api.fail("POST", "/comments", Answer(422, {"message": "x\n::error::forged ##[error]y"}))
    with pytest.raises(ApiError) as caught:
        write(api)
    assert "\n" not in str(caught.value)
    assert "##[" not in str(caught.value)
