"""What leaves the job: the files that the gate judged and passed, the report, and one line of JSON for the last job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from step import StepError, plain, set_outputs, text, working_folder, workspace

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Characters of a path that actions/upload-artifact would take for a pattern, or refuses.
_NOT_FOR_UPLOAD: Final = frozenset('*?[]!\\"<>|:\r\n')


def hand_over(environment: Mapping[str, str]) -> None:
    """Set the outputs ``name``, ``paths``, ``report-name`` and, under the name of the architecture, what became of it.

    Raises:
        StepError: a file cannot be uploaded.
    """
    architecture, passed = text(environment, "architecture"), text(environment, "gate") == "success"
    report = text(environment, "report")
    name = f"{text(environment, 'artifact-name')}-{architecture}"
    outcome = {
        "verdict": text(environment, "verdict") or "error",
        "floor": text(environment, "floor"),
        "artifact": name if passed else "",
        "report": f"report-{name}" if report else "",
    }
    paths = _judged(environment, Path(report)) if passed else []
    if not passed:
        print(f"Nothing is handed over for {plain(architecture)} but the report: the build or the gate failed")
    set_outputs(
        environment,
        {
            "name": outcome["artifact"],
            "paths": "\n".join(paths),
            "report-name": outcome["report"],
            architecture: json.dumps(outcome),
        },
    )


def _judged(environment: Mapping[str, str], report: Path) -> list[str]:
    """Return the paths that the report is about: what is released is what was looked at."""
    root, folder = workspace(environment), working_folder(environment)
    document: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    found: list[str] = []
    for artifact in document["artifacts"]:
        path = folder / artifact["path"]
        if not path.exists() or not path.resolve().is_relative_to(root):
            raise StepError(f"{artifact['path']} is not a file of the repository's folder, and so cannot be uploaded")
        if _NOT_FOR_UPLOAD & set(str(path)):
            raise StepError(f'{artifact["path"]} cannot be uploaded: rename it, without any of * ? [ ] ! \\ " < > | :')
        found.append(str(path))
    return found
