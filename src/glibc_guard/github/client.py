"""The one client of GitHub's REST API: PyGithub with a token, time limits, and patience where the platform asks for it.

PyGithub is imported with this module; whoever may do without the network imports it late.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, TypeVar

import requests
from github import Auth, Github, GithubException, GithubRetry, set_log_level
from github.GithubException import RateLimitExceededExceedsMaxWait, RateLimitExceededException
from msgspec import Struct
from requests.exceptions import ConnectTimeout
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ReadTimeoutError
from urllib3.response import HTTPResponse
from urllib3.util import Retry

from glibc_guard import __version__
from glibc_guard.baseline.errors import UnavailableError
from glibc_guard.report.neutral import plain

FORBIDDEN: Final = "Resource not accessible"  # GraphQL says so in an answer with status 200
LIMIT: Final = "the rate limit of GitHub is reached"

#: Methods that are sent again whatever became of the first try; a POST or a PATCH that was cut off may have been done.
_SAFE: Final = frozenset({"GET", "HEAD"})
_RATE_LIMITED: Final = frozenset({403, 429})  # nothing was carried out: every method may be sent again
_SERVER_ERRORS: Final = tuple(range(500, 600))

T = TypeVar("T")


class ApiError(Exception):
    """GitHub did not do what it was asked for; the message says what it answered.

    Attributes:
        status: The HTTP status of the answer; None where there was none, or a rate limit, or one without sense.
        is_everywhere: Whether every other request would fare the same: out of reach, or the rate limit reached.
    """

    def __init__(self, message: str, status: int | None = None, *, is_everywhere: bool = False) -> None:
        """See the class."""
        super().__init__(message)
        self.status = status
        self.is_everywhere = is_everywhere

    @property
    def is_refusal(self) -> bool:
        """Whether the token may not do this: GitHub says 404 where even the existence is not to be known."""
        return (self.status in {403, 404} and not self.is_locked) or FORBIDDEN in str(self)

    @property
    def is_bad_token(self) -> bool:
        """Whether the token is none, or no longer one."""
        return self.status == 401

    @property
    def is_locked(self) -> bool:
        """Whether the conversation of the pull request is closed to everybody."""
        return self.status == 403 and "locked" in str(self)


class Patience(Struct, frozen=True):
    """How long to wait, in seconds, and how often to ask again; GitHub's own advice on rate limits is the default.

    See docs.github.com, "Rate limits for the REST API" and "Best practices for using the REST API".
    """

    timeout: int = 15  # of one connection, and of one answer
    tries_again: int = 3  # of one request
    backoff: float = 1.0  # doubles with each try
    secondary_wait: float = 60.0  # after a secondary rate limit that names no time
    longest_wait: float = 90.0  # a rate limit that takes longer is given up: a build must not hang on it
    between_requests: float = 0.25
    between_writes: float = 1.0


def connect(token: str, api_url: str, patience: Patience = Patience()) -> Github:
    """Return the client for ``api_url`` (``GITHUB_API_URL``, also of a GitHub Enterprise Server); asks nothing yet."""
    set_log_level(logging.ERROR)  # else it writes to the log of the job what it tries again
    return Github(
        auth=Auth.Token(token),
        base_url=api_url.rstrip("/"),
        timeout=patience.timeout,
        retry=_Retry(
            total=patience.tries_again,
            backoff_factor=patience.backoff,
            secondary_rate_wait=patience.secondary_wait,
            max_rate_limit_wait=patience.longest_wait,
            status_forcelist=[*_SERVER_ERRORS, 429],
            allowed_methods=_SAFE,
        ),
        seconds_between_requests=patience.between_requests,
        seconds_between_writes=patience.between_writes,
        user_agent=f"glibc-guard/{__version__}",
        per_page=100,
        lazy=True,
    )


@contextmanager
def plain_errors() -> Iterator[None]:
    """Raise whatever goes wrong inside as ApiError, in words that may be printed in a log."""
    try:
        yield
    except (ApiError, UnavailableError):
        raise
    except RateLimitExceededException as problem:
        raise ApiError(_rate_limit(problem), is_everywhere=True) from problem
    except GithubException as problem:
        if problem.status == 429:
            raise ApiError(f"{LIMIT}: {_message(problem)}", is_everywhere=True) from problem
        raise ApiError(f"GitHub answered {problem.status}: {_message(problem)}", problem.status) from problem
    except requests.RequestException as problem:
        raise ApiError(_unreachable(problem), is_everywhere=True) from problem
    except Exception as problem:  # a proxy's page, a header that is no number: PyGithub believes every answer
        what = plain(f"{type(problem).__name__}: {problem}", 300)
        raise ApiError(f"the answer of GitHub is none that can be understood ({what})") from problem


def insist(operation: Callable[[], T], patience: Patience = Patience()) -> T:
    """Return what ``operation`` returns; it is begun anew, once, where a write may have been cut off.

    ``operation`` looks first at what is there: the write may have been carried out although the answer was lost.

    Raises:
        ApiError: it failed for good.
    """
    try:
        with plain_errors():
            return operation()
    except ApiError as problem:
        if not _is_uncertain(problem):
            raise
    time.sleep(patience.backoff)
    with plain_errors():
        return operation()


def _is_uncertain(problem: ApiError) -> bool:
    """Tell whether a write may have been carried out in spite of ``problem``."""
    if problem.status is not None:
        return problem.status >= 500
    cause = problem.__cause__
    return isinstance(cause, requests.RequestException) and not isinstance(cause, ConnectTimeout)


class _Retry(GithubRetry):
    """PyGithub's retries, which know 403; here 429 too, and a wait that is too long is refused and not cut short."""

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:  # noqa: FBT001, FBT002
        if not self.total:
            return False  # the last answer is the result, and says more than that there were too many
        return status_code in _RATE_LIMITED or super().is_retry(method, status_code, has_retry_after)

    def increment(  # type: ignore[override]
        self,
        method: str | None = None,
        url: str | None = None,
        response: HTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Retry:
        wait = None if response is None else self._asked_for(response)
        if response is not None and wait is not None and wait > (self.max_rate_limit_wait or wait):
            raise RateLimitExceededExceedsMaxWait(response.status, {}, dict(response.headers), wait=wait)
        retry = super().increment(method, url, response, error, _pool, _stacktrace)
        if response is not None and wait is not None and "Retry-After" not in response.headers:
            retry.get_backoff_time = lambda: wait  # type: ignore[method-assign]  # as PyGithub does it for 403
        return retry

    def _asked_for(self, response: HTTPResponse) -> float | None:
        """Return the seconds that ``response`` asks to wait; None where it asks for none, or PyGithub finds out."""
        after = self.get_retry_after(response)
        if after is not None or response.status != 429:
            return after
        reset = response.headers.get("X-RateLimit-Reset", "")
        if response.headers.get("X-RateLimit-Remaining") == "0" and reset.isdigit():
            return max(float(int(reset) - time.time()), 0.0) + 1  # it is not clear when in that second
        return self.secondary_rate_wait


def _rate_limit(problem: RateLimitExceededException) -> str:
    wait = problem.wait if isinstance(problem, RateLimitExceededExceedsMaxWait) else None
    return LIMIT if wait is None else f"GitHub asks to wait for {wait:.0f} seconds, which is too long"


def _message(problem: GithubException) -> str:
    data: object = problem.data
    if isinstance(data, dict) and isinstance(data.get("errors"), list) and "message" not in data:  # of GraphQL
        data = next(iter(data["errors"]), None)
    said = problem.message or (data.get("message") if isinstance(data, dict) else data)
    return plain(str(said or "nothing more"), 300)


def _unreachable(problem: requests.RequestException) -> str:
    reason = getattr(problem.args[0] if problem.args else None, "reason", problem)
    refused = isinstance(reason, NewConnectionError)  # a kind of ConnectTimeoutError, although none
    if not refused and isinstance(reason, (requests.Timeout, ConnectTimeoutError, ReadTimeoutError)):
        return "GitHub did not answer in time"
    return f"GitHub cannot be reached: {plain(str(reason), 300)}"
