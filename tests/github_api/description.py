"""GitHub's published OpenAPI description: the part of it that is talked here, samples by it, and who judges by it."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

from node_tools import node_modules

PATHS: Final = (
    "/repos/{owner}/{repo}",
    "/repos/{owner}/{repo}/check-runs",
    "/repos/{owner}/{repo}/check-runs/{check_run_id}",
    "/repos/{owner}/{repo}/check-runs/{check_run_id}/annotations",
    "/repos/{owner}/{repo}/commits/{ref}/check-runs",
    "/repos/{owner}/{repo}/commits/{commit_sha}/pulls",
    "/repos/{owner}/{repo}/git/trees/{tree_sha}",
    "/repos/{owner}/{repo}/issues/{issue_number}",
    "/repos/{owner}/{repo}/issues/{issue_number}/comments",
    "/repos/{owner}/{repo}/issues/comments/{comment_id}",
    "/repos/{owner}/{repo}/pulls",
    "/repos/{owner}/{repo}/pulls/{pull_number}",
    "/repos/{owner}/{repo}/actions/artifacts/{artifact_id}",
    "/repos/{owner}/{repo}/actions/artifacts/{artifact_id}/{archive_format}",
    "/repos/{owner}/{repo}/actions/runs",
    "/repos/{owner}/{repo}/actions/runs/{run_id}",
    "/repos/{owner}/{repo}/actions/runs/{run_id}/artifacts",
    "/repos/{owner}/{repo}/actions/workflows/{workflow_id}",
    "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs",
)
#: Not described by OpenAPI: any query, any answer.
GRAPHQL: Final = {
    "post": {
        "requestBody": {"content": {"application/json": {"schema": {"type": "object", "required": ["query"]}}}},
        "responses": {"200": {"description": "data", "content": {"application/json": {"schema": {"type": "object"}}}}},
    }
}


@functools.cache
def whole() -> dict[str, Any]:
    """The description as it is published, but for null, which enumerations leave out although ``nullable`` allows it.

    OpenAPI 3.0.3 wants it named there too; GitHub does answer ``"conclusion": null``.
    """
    path = node_modules() / "@octokit" / "openapi" / "generated" / "api.github.com.json"
    found: dict[str, Any] = json.loads(path.read_bytes(), object_hook=_with_null)
    return found


def _with_null(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("nullable") is True and None not in schema.get("enum", [None]):
        schema["enum"].append(None)
    return schema


@functools.cache
def part() -> dict[str, Any]:
    """The description of PATHS alone, which a validator reads in less than a minute."""
    document = {
        "openapi": whole()["openapi"],
        "info": whole()["info"],
        "servers": [{"url": "/"}],
        "paths": {path: whole()["paths"][path] for path in PATHS} | {"/graphql": GRAPHQL},
        "components": {},
    }
    seen: set[str] = set()
    waiting = list(_references(document["paths"]))
    while waiting:
        reference = waiting.pop()
        if reference not in seen:
            seen.add(reference)
            _, _, kind, name = reference.split("/")
            found = whole()["components"][kind][name]
            document["components"].setdefault(kind, {})[name] = found
            waiting += _references(found)
    return document


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


@functools.cache
def recorded(event: str, action: str | None = None) -> tuple[dict[str, Any], ...]:
    """The recorded payloads of ``event``, of the kind ``action``, that GitHub's octokit project publishes."""
    path = node_modules() / "@octokit" / "webhooks-examples" / "api.github.com" / "index.json"
    for entry in json.loads(path.read_bytes()):
        if entry["name"] == event:
            return tuple(example for example in entry["examples"] if action in {None, example.get("action")})
    raise AssertionError(f"no payload of {event} is recorded")


@functools.cache
def _judge() -> OpenAPI:
    return OpenAPI.from_dict(copy.deepcopy(part()))


def problems(
    method: str, path: str, query: Mapping[str, Any], request: bytes, answer: tuple[int, bytes] | None
) -> list[str]:
    """What of a request to ``path``, and of the answer to it where it is no failure, is not as described."""
    content = "application/json"
    asked = MockRequest(
        "http://127.0.0.1", method.lower(), path, args=dict(query), data=request or None, content_type=content
    )
    found = []
    try:
        _judge().validate_request(asked)
    except OpenAPIError as problem:
        found.append(f"request {method} {path}: {_told(problem)}")
    if answer is not None:
        status, body = answer
        try:
            _judge().validate_response(asked, MockResponse(body, status_code=status, content_type=content))
        except OpenAPIError as problem:
            found.append(f"answer {status} to {method} {path}: {_told(problem)}")
    return found


def _told(problem: BaseException) -> str:
    causes = [problem]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    errors = [error for cause in causes for error in getattr(cause, "schema_errors", ())]
    places = [f"{list(error.absolute_path)}: {error.message[:300]}" for error in errors]
    return " / ".join([*(f"{type(cause).__name__}: {cause}"[:300] for cause in causes), *places])


def sample(name: str, /, **given: Any) -> Any:  # noqa: ANN401 - JSON
    """The smallest object of ``#/components/schemas/name`` that has the members ``given``."""
    return _sample(whole()["components"]["schemas"][name], given)


def _sample(schema: Mapping[str, Any], given: Any) -> Any:  # noqa: ANN401, PLR0911 - JSON; one line for each kind
    if "$ref" in schema:
        _, _, kind, name = schema["$ref"].split("/")
        return _sample(whole()["components"][kind][name], given)
    if "allOf" in schema:
        parts = [_sample(part, given) for part in schema["allOf"]]
        return {key: value for part in parts for key, value in part.items()}
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return _sample(schema[several][0], given)
    if given is None and schema.get("nullable"):
        return None
    if schema.get("type") == "object" or "properties" in schema:
        return _object(schema, given or {})
    if schema.get("type") == "array":
        return [_sample(schema["items"], item) for item in given or []]
    if given is not None:
        return given
    if "enum" in schema:
        return schema["enum"][0]
    texts = {"date-time": "2026-11-21T06:30:00Z", "uri": "https://example.invalid/"}
    kinds = {"string": texts.get(schema.get("format", ""), "text"), "integer": 1, "number": 1, "boolean": False}
    return kinds[schema["type"]]


def _object(schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    names = [name for name in properties if name in given or name in schema.get("required", ())]
    found = {name: _sample(properties[name], given.get(name)) for name in names}
    return {**{name: value for name, value in given.items() if name not in properties}, **found}


def workflow_run(**given: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return the event after a run for a pull request of this repository, as GitHub tells of one."""
    payload = copy.deepcopy(recorded("workflow_run", "completed")[2])
    told = payload["workflow_run"]
    told["event"] = "pull_request"
    told["pull_requests"][0]["head"]["sha"] = told["head_sha"]
    told["pull_requests"][0]["base"]["repo"]["id"] = payload["repository"]["id"]
    told["pull_requests"][0] |= given
    return payload
