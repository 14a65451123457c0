"""A stateful stand-in for GitHub's REST API on loopback: it keeps check runs, comments and pull requests.

Each request, and each answer that is no failure, is held against GitHub's OpenAPI description; what is not as described
stands in ``GitHubApi.problems``. More endpoints: a function with ``@route``.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from github_api import description
from github_api.description import sample

Json: TypeAlias = Any

BOT: Final = {"login": "github-actions[bot]", "type": "Bot", "id": 41898282}
TOKEN: Final = "ghs_0123456789abcdefghijklmnopqrstuvwxyz"  # noqa: S105 - of the stand-in
LONGEST_COMMENT: Final = 65_536


@dataclass(frozen=True)
class Request:
    """A request that came in."""

    method: str
    path: str  # below the prefix
    query: Mapping[str, str]
    body: Json


@dataclass(frozen=True)
class Answer:
    """What is answered."""

    status: int
    body: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0  # seconds
    raw: bytes | None = None  # instead of JSON


@dataclass
class Fault:
    """An answer in place of the real one, so many times; ``after``: the request is carried out nevertheless."""

    method: str
    path: re.Pattern[str]
    answer: Answer
    times: int
    after: bool = False


Endpoint: TypeAlias = Callable[["GitHubApi", Request, dict[str, str]], Answer]
ROUTES: Final[list[tuple[str, re.Pattern[str], Endpoint]]] = []


def route(method: str, template: str) -> Callable[[Endpoint], Endpoint]:
    """Serves ``template``, as the description writes it, by the function below."""
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))

    def registered(endpoint: Endpoint) -> Endpoint:
        ROUTES.append((method, pattern, endpoint))
        return endpoint

    return registered


class RefusedError(Exception):
    """GitHub's answer to what it does not do."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = Answer(status, {"message": message, "documentation_url": "https://docs.github.com/rest"})


@dataclass
class GitHubApi:
    """The state, and what was asked."""

    viewer: Mapping[str, Any] = field(default_factory=lambda: dict(BOT))  # who the token is of
    permissions: set[str] = field(default_factory=lambda: {"checks", "pull-requests"})  # to write
    pulls: set[int] = field(default_factory=lambda: {7})
    closed: set[int] = field(default_factory=set)  # of those
    check_runs: dict[int, dict[str, Json]] = field(default_factory=dict)
    annotations: dict[int, list[Json]] = field(default_factory=dict)
    comments: dict[int, dict[str, Json]] = field(default_factory=dict)  # with "pull", the number
    runs: list[dict[str, Json]] = field(default_factory=list)  # of workflows, the newest first
    artifacts: dict[int, list[dict[str, Json]]] = field(default_factory=dict)  # of a run
    archives: dict[int, bytes] = field(default_factory=dict)  # of an artifact
    open_pulls: list[dict[str, Json]] = field(default_factory=list)
    files: dict[str, list[str]] = field(default_factory=dict)  # of a commit
    leaked: list[str] = field(default_factory=list)  # keys that came where none belongs
    faults: list[Fault] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    url: str = ""  # what to give to a client: GITHUB_API_URL
    storage: str = ""  # where archives are downloaded from, without a token
    _last: int = 1000
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def number(self) -> int:
        """A new id."""
        self._last += 1
        return self._last

    def fail(self, method: str, path: str, answer: Answer, *, times: int = 1, after: bool = False) -> None:
        """Answers the next requests whose path ends as the expression ``path`` says with ``answer``."""
        self.faults.append(Fault(method, re.compile(path + r"\Z"), answer, times, after))

    def asked(self, method: str, path: str = "") -> list[Request]:
        """What was asked by ``method`` at paths that hold ``path``."""
        return [request for request in self.requests if request.method == method and path in request.path]

    def require(self, permission: str) -> None:
        if permission not in self.permissions:
            raise RefusedError(403, "Resource not accessible by integration")

    def add_comment(self, pull: int, body: str, user: Mapping[str, Any] | None = None) -> int:
        """Somebody writes a comment."""
        number = self.number()
        self.comments[number] = {"id": number, "pull": pull, "body": body, "user": dict(user or self.viewer)}
        return number

    def handle(self, request: Request) -> Answer:
        """The answer to ``request``; it is judged."""
        with self._lock:
            self.requests.append(request)
            fault = next(
                (
                    one
                    for one in self.faults
                    if one.times and (one.method, True) == (request.method, bool(one.path.search(request.path)))
                ),
                None,
            )
            if fault is not None:
                fault.times -= 1
            if fault is not None and not fault.after:
                self._judge(request, None)
                return fault.answer
            answer = self._real(request)
            self._judge(request, answer)
            return answer if fault is None else fault.answer

    def _real(self, request: Request) -> Answer:
        if request.path == "/graphql":
            return Answer(200, {"data": {"viewer": {"login": self.viewer["login"]}}})
        for method, pattern, endpoint in ROUTES:
            match = pattern.fullmatch(request.path)
            if method == request.method and match:
                try:
                    return endpoint(self, request, match.groupdict())
                except RefusedError as problem:
                    return problem.answer
                except Exception as fault:
                    self.problems.append(f"{request.method} {request.path}: {fault!r}")
                    raise
        return Answer(404, {"message": f"the stand-in does not know {request.method} {request.path}"})

    def _judge(self, request: Request, answer: Answer | None) -> None:
        body = b"" if request.body is None else json.dumps(request.body).encode()
        done = None
        if answer is not None and answer.status < 400 and answer.raw is None:
            done = (answer.status, b"" if answer.body is None else json.dumps(answer.body).encode())
        self.problems += description.problems(request.method, request.path, request.query, body, done)


# --- endpoints ------------------------------------------------------------------------------------


def page(request: Request, items: list[Json], api: GitHubApi) -> tuple[list[Json], dict[str, str]]:
    """The page of ``items`` that was asked for, and the Link header."""
    size, number = int(request.query.get("per_page", "30")), int(request.query.get("page", "1"))
    assert 1 <= size <= 100, "GitHub has no larger pages"
    if number * size >= len(items):
        return items[(number - 1) * size :], {}
    query = "&".join(f"{key}={value}" for key, value in {**request.query, "page": str(number + 1)}.items())
    return items[(number - 1) * size : number * size], {"Link": f'<{api.url}{request.path}?{query}>; rel="next"'}


def _check_run(api: GitHubApi, run: Mapping[str, Json], where: Mapping[str, str]) -> Json:
    url = f"{api.url}/repos/{where['owner']}/{where['repo']}/check-runs/{run['id']}"
    output = {"title": None, "summary": None, "text": None, **run.get("output", {})}
    count = len(api.annotations.get(run["id"], []))
    shown = {**output, "annotations_count": count, "annotations_url": f"{url}/annotations"}
    return sample(
        "check-run",
        **{**{name: value for name, value in run.items() if name != "output"}, "url": url, "output": shown},
        node_id="CR_1",
        html_url=url,
        check_suite={"id": 1},
        app=None,
    )


def _take_output(api: GitHubApi, run: dict[str, Json], body: Mapping[str, Json]) -> None:
    output = dict(body.get("output", {}))
    added = output.pop("annotations", [])
    if len(output.get("title", "")) > 255 or len(added) > 50 or any(len(item["title"]) > 255 for item in added):
        raise RefusedError(422, "Invalid request.")
    if any(item["start_line"] < 1 or len(item["message"].encode()) > 65_536 for item in added):
        raise RefusedError(422, "Invalid request.")
    run.update({name: value for name, value in body.items() if name != "output"})
    if output:
        run["output"] = output
    if run.get("conclusion"):
        run["status"] = "completed"
    api.annotations.setdefault(run["id"], []).extend(added)


@route("POST", "/repos/{owner}/{repo}/check-runs")
def create_check_run(api: GitHubApi, request: Request, where: dict[str, str]) -> Answer:
    api.require("checks")
    run: dict[str, Json] = {"id": api.number(), "status": "queued"}
    _take_output(api, run, request.body)
    api.check_runs[run["id"]] = run
    return Answer(201, _check_run(api, run, where))


@route("PATCH", "/repos/{owner}/{repo}/check-runs/{check_run_id}")
def update_check_run(api: GitHubApi, request: Request, where: dict[str, str]) -> Answer:
    api.require("checks")
    run = api.check_runs.get(int(where["check_run_id"]))
    if run is None:
        raise RefusedError(404, "Not Found")
    _take_output(api, run, request.body)
    return Answer(200, _check_run(api, run, where))


@route("GET", "/repos/{owner}/{repo}/check-runs/{check_run_id}/annotations")
def list_annotations(api: GitHubApi, request: Request, where: dict[str, str]) -> Answer:
    items = [
        sample("check-annotation", **{"raw_details": None, "start_column": None, "end_column": None, **item})
        for item in api.annotations.get(int(where["check_run_id"]), [])
    ]
    shown, headers = page(request, items, api)
    return Answer(200, shown, headers)


@route("GET", "/repos/{owner}/{repo}/commits/{ref}/check-runs")
def list_check_runs(api: GitHubApi, request: Request, where: dict[str, str]) -> Answer:
    name, every = request.query.get("check_name"), request.query.get("filter") == "all"
    found = [run for run in api.check_runs.values() if run["head_sha"] == where["ref"] and name in {None, run["name"]}]
    latest = {run["name"]: run for run in found}
    runs = [_check_run(api, run, where) for run in (found if every else latest.values())]
    shown, headers = page(request, runs, api)
    return Answer(200, {"total_count": len(runs), "check_runs": shown}, headers)


def _comment(api: GitHubApi, comment: Mapping[str, Json], where: Mapping[str, str]) -> Json:
    root = f"{api.url}/repos/{where['owner']}/{where['repo']}/issues"
    return sample(
        "issue-comment",
        id=comment["id"],
        body=comment["body"],
        user=comment["user"],
        url=f"{root}/comments/{comment['id']}",
        issue_url=f"{root}/{comment['pull']}",
        author_association="NONE",
    )


def _body(request: Request) -> str:
    body: str = request.body["body"]
    if not body or len(body) > LONGEST_COMMENT:
        raise RefusedError(422, "Validation Failed")
    return body


@route("GET", "/repos/{owner}/{repo}/issues/{issue_number}")
def get_issue(api: GitHubApi, request: Request, where: dict[str, str]) -> Answer:
    number = int(where["issue_number"])
    if number not in api.pulls:
        raise RefusedError(404, "Not Found")
    state = "closed" if number in api.closed else "open"
    return Answer(200, sample("issue", number=number, state=state, url=f"{api.url}{request.path}"))


@route("GET", "/repos/{owner}/{repo}/issues/{issue_number}/comments")
def list_comments(api: GitHubApi, request: Request, where: dict[str, str]) -> Answer:
    number = int(where["issue_number"])
    if number not in api.pulls:
        raise RefusedError(404, "Not Found")
    found = [_comment(api, comment, where) for comment in api.comments.values() if comment["pull"] == number]
    shown, headers = page(request, found, api)
    return Answer(200, shown, headers)


@route("POST", "/repos/{owner}/{repo}/issues/{issue_number}/comments")
def create_comment(api: GitHubApi, request: Request, where: dict[str, str]) -> Answer:
    api.require("pull-requests")
    number = api.add_comment(int(where["issue_number"]), _body(request))
    return Answer(201, _comment(api, api.comments[number], where))


@route("PATCH", "/repos/{owner}/{repo}/issues/comments/{comment_id}")
def update_comment(api: GitHubApi, request: Request, where: dict[str, str]) -> Answer:
    api.require("pull-requests")
    comment = api.comments.get(int(where["comment_id"]))
    if comment is None:
        raise RefusedError(404, "Not Found")
    comment["body"] = _body(request)
    return Answer(200, _comment(api, comment, where))


@route("DELETE", "/repos/{owner}/{repo}/issues/comments/{comment_id}")
def delete_comment(api: GitHubApi, request: Request, where: dict[str, str]) -> Answer:  # noqa: ARG001
    api.require("pull-requests")
    if api.comments.pop(int(where["comment_id"]), None) is None:
        raise RefusedError(404, "Not Found")
    return Answer(204)


# --- HTTP -----------------------------------------------------------------------------------------


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: ClassVar[GitHubApi]
    prefix: ClassVar[str]

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        split = urlsplit(self.path)
        path = split.path.removeprefix(self.prefix).replace("/api/graphql", "/graphql")
        if path.startswith("/storage/"):  # another machine, which is to be told no token
            self.api.leaked += [self.headers[name] for name in ("Authorization",) if name in self.headers]
            found = self.api.archives.get(int(path.rpartition("/")[2]))
            self._send(Answer(404, raw=b"") if found is None else Answer(200, raw=found))
            return
        if self.headers.get("Authorization") not in {f"token {TOKEN}", f"Bearer {TOKEN}"}:
            self._send(Answer(401, {"message": "Bad credentials"}))
            return
        body = json.loads(content) if content else None
        self._send(self.api.handle(Request(self.command, path, dict(parse_qsl(split.query)), body)))

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - names of http.server

    def _send(self, answer: Answer) -> None:
        time.sleep(answer.delay)
        content = (
            answer.raw if answer.raw is not None else b"" if answer.body is None else json.dumps(answer.body).encode()
        )
        try:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True  # the client did not wait

    def log_message(self, *_: object) -> None:  # no log on the terminal
        pass


class Listener:
    """The server, and the state that it serves at the moment."""

    def __init__(self, api: GitHubApi, prefix: str) -> None:
        class Handler(_Handler):
            pass

        self._handler: type[_Handler] = Handler
        self._handler.prefix = prefix
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}{prefix}"
        self.serve(api)

    @property
    def api(self) -> GitHubApi:
        return self._handler.api

    def serve(self, api: GitHubApi) -> None:
        """Serves ``api`` from now on."""
        self._handler.api = api
        api.url = self.url
        api.storage = f"{self.url}/storage"


@contextmanager
def serving(api: GitHubApi, prefix: str = "") -> Iterator[Listener]:
    """Serves ``api`` under ``prefix``, which is /api/v3 on a GitHub Enterprise Server."""
    listener = Listener(api, prefix)
    with listener.server:
        thread = threading.Thread(target=listener.server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield listener
        finally:
            listener.server.shutdown()
            thread.join()
