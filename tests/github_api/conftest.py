"""The stand-in for GitHub's API, once as it is and once behind Prism, and a client that does not wait long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from github import Github
from msgspec.structs import replace

from github_api import description, prism
from github_api.server import TOKEN, GitHubApi, serving
from glibc_guard.github.client import Patience, connect
from node_tools import node_modules

QUICK = Patience(
    timeout=30, backoff=0.01, secondary_wait=0.05, longest_wait=3.0, between_requests=0.0, between_writes=0.0
)
HURRIED = replace(QUICK, timeout=1)  # where an answer is to be too late


@pytest.fixture(scope="session")
def behind_prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[prism.Prism]:
    with prism.running(tmp_path_factory.mktemp("prism")) as found:
        yield found


@pytest.fixture(scope="session")
def judge() -> None:
    """The validator has read what it goes by: within a test that could take longer than the client waits."""
    node_modules()
    found = description.problems("GET", "/repos/o/r/pulls", {}, b"", (200, b"[]"))
    assert not found
    assert description.problems("POST", "/repos/o/r/check-runs", {}, b"{}", None)


@pytest.fixture
def api(judge: None) -> Iterator[GitHubApi]:  # noqa: ARG001
    """The stand-in; whatever a test does, each request and each answer has to be as GitHub describes it."""
    with serving(GitHubApi()) as listener:
        yield listener.api
        assert not listener.api.problems


@pytest.fixture(params=["by itself", "behind Prism"])
def judged(request: pytest.FixtureRequest, judge: None) -> Iterator[GitHubApi]:  # noqa: ARG001
    """The same twice: the second time a proxy of another make lets nothing pass that is not as described."""
    if request.param == "by itself":
        found: GitHubApi = request.getfixturevalue("api")
        yield found
        return
    api = GitHubApi()
    request.getfixturevalue("behind_prism").serve(api)
    yield api
    assert not api.problems


def client(api: GitHubApi, patience: Patience = QUICK) -> Github:
    return connect(TOKEN, api.url, patience)
