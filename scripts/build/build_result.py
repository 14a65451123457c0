"""The outputs of the whole workflow, out of what became of each architecture."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from step import StepError, set_outputs, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The worst first.
_VERDICTS: Final = ("error", "unreadable", "fail", "pass")
#: Names that nothing has: an empty ``pattern`` is all there is to actions/download-artifact.
_NOTHING: Final = "glibc-guard-nothing-passed"
_NO_REPORT: Final = "glibc-guard-no-report"


def result(environment: Mapping[str, str]) -> None:
    """Set the outputs ``verdict``, ``floor``, ``artifacts`` and ``report``.

    The input ``build`` is ``toJSON(needs.build)``, ``architectures`` the list that was built.

    Raises:
        StepError: the input ``architectures`` is no list of different names.
    """
    # What holds unless all below goes well.
    set_outputs(environment, {"verdict": "error", "floor": "", "artifacts": _NOTHING, "report": _NO_REPORT})
    needs: dict[str, Any] = json.loads(text(environment, "build"))
    outputs = needs.get("outputs") or {}
    known = [json.loads(outputs.get(name) or "{}") for name in _architectures(environment)]
    verdicts = {entry.get("verdict") or "error" for entry in known}
    if needs.get("result") != "success" and verdicts == {"pass"}:
        verdicts = {"error"}  # the gate passed, and then something else failed
    # Half a release is none: with `fail-on: never` no job fails that would keep the rest from being published.
    passed = [entry.get("artifact") or "" for entry in known if verdicts == {"pass"}]
    set_outputs(
        environment,
        {
            "verdict": next((verdict for verdict in _VERDICTS if verdict in verdicts), "error"),
            "floor": max((entry.get("floor") or "" for entry in known), key=_release),
            "artifacts": _pattern(passed) or _NOTHING,
            "report": _pattern([entry.get("report") or "" for entry in known]) or _NO_REPORT,
        },
    )


def _architectures(environment: Mapping[str, str]) -> list[str]:
    wrong = StepError('The input architectures is a JSON list, such as ["x86_64", "aarch64"]')
    try:
        names = json.loads(text(environment, "architectures"))
    except ValueError as error:
        raise wrong from error
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise wrong
    for name in names:
        if names.count(name) > 1:
            why = "two jobs would upload under one name, and one of them fails"
            raise StepError(f"The input architectures names {name} twice: {why}")
    return names


def _release(floor: str) -> tuple[int, ...]:
    return tuple(int(number) for number in floor.split(".") if number.isdecimal())


def _pattern(names: Sequence[str]) -> str:
    """Return ``names`` as one pattern for actions/download-artifact (minimatch, where braces need a comma)."""
    given = [name for name in names if name]
    return given[0] if len(given) == 1 else f"{{{','.join(given)}}}" if given else ""
