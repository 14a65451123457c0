"""Runs the steps of the reusable workflow by themselves, as its actions do, in a workspace of another user."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import yaml

from e2e.conftest import ROOT
from e2e.runner import key_values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


#: The user that owns the checkout; nobody else's file may be there after a build.
RUNNER: Final = 1001 if os.getuid() == 0 else os.getuid()
DEFAULTS: Final = {
    "kind": "command",
    "architecture": os.uname().machine,
    "working-directory": ".",
    "artifact-name": "dist",
    "rust-profile": "release",
}
#: The actions of the workflow by the step of `scripts/build` that each runs.
ACTIONS: Final = {
    step: ROOT / ".github" / "actions" / folder
    for step, folder in (
        ("prepare", "build"),
        ("run", "build"),
        ("clear-up", "clear-up"),
        ("hand-over", "hand-over"),
        ("result", "result"),
    )
}
#: What a job has in its environment and a build must never see.
SECRETS: Final = {
    "GITHUB_TOKEN": "secret-1",
    "ACTIONS_RUNTIME_TOKEN": "secret-2",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "secret-3",
    "RUNNER_TRACKING_ID": "secret-4",
    "INPUT_TOKEN": "secret-5",
    "AWS_SECRET_ACCESS_KEY": "secret-6",
}


@dataclass(frozen=True)
class Done:
    """What the job sees of a step."""

    status: int
    log: str
    outputs: Mapping[str, str]

    @property
    def last_line(self) -> str:
        return self.log.rstrip().splitlines()[-1]


@dataclass
class Steps:
    """A checkout and the temporary folder of a job."""

    workspace: Path
    temporary: Path
    environment: Mapping[str, str]
    image: str
    extra: dict[str, str] = field(default_factory=dict)  # further variables of the job
    starter: tuple[str, ...] = ()  # the command by which the runner starts the shell of a step

    def build(self, **inputs: str) -> Done:
        """Prepares and runs a build; what stops the first is the result."""
        prepared = self.step("prepare", **inputs)
        return prepared if prepared.status != 0 else self.step("run")

    def step(self, name: str, **inputs: str) -> Done:
        started = self.start(name, **inputs)
        log, _ = started.communicate()
        outputs = key_values((self.temporary / "output").read_text(encoding="utf-8"))
        return Done(started.returncode, log.decode(errors="replace"), outputs)

    def start(self, name: str, **inputs: str) -> subprocess.Popen[bytes]:
        """Starts a step by the script that its action has for it, as the runner does."""
        given = inputs
        if name == "prepare":
            given = {**DEFAULTS, "image": self.image, **{key.replace("_", "-"): text for key, text in inputs.items()}}
        if name == "prepare" and os.getuid() != RUNNER:
            subprocess.run(["chown", "-hR", f"{RUNNER}:{RUNNER}", self.workspace], check=True)
        output = self.temporary / "output"
        output.write_text("", encoding="utf-8")
        variables = {
            **self.environment,
            **SECRETS,
            "GITHUB_OUTPUT": str(output),
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temporary),
            "STEP": name,
            **{f"INPUT_{key.upper().replace('-', '_')}": value for key, value in given.items()},
            **self.extra,
        }
        action, script = ACTIONS[name], self.temporary / "script.sh"
        script.write_text(_script_of(action, name), encoding="utf-8")
        return subprocess.Popen(
            [*self.starter, "/bin/sh", "-e", script],
            cwd=self.workspace,
            env={**variables, "GITHUB_ACTION_PATH": str(action)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


def _script_of(action: Path, step: str) -> str:
    manifest = yaml.safe_load((action / "action.yml").read_text(encoding="utf-8"))
    (script,) = [entry["run"] for entry in manifest["runs"]["steps"] if entry.get("env", {}).get("STEP") == step]
    return str(script)
