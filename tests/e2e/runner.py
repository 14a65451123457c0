"""Runs a composite action as GitHub's runner does: its environment files, its shells, its reading of the log.

After the runner's own sources: ``CompositeActionHandler.cs``, ``ScriptHandler.cs``, ``ScriptHandlerHelpers.cs``,
``FileCommandManager.cs``, ``OutputManager.cs``, ``ActionCommand.cs``. What an action asks for beyond is an error.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: ``ScriptHandlerHelpers._defaultArguments``.
SHELLS: Final = {
    "bash": ("--noprofile", "--norc", "-e", "-o", "pipefail", "{0}"),
    "sh": ("-e", "{0}"),
}
#: What the runner obeys, from the ``Command`` properties in ``ActionCommandManager.cs``.
REGISTERED: Final = frozenset(
    {
        "add-mask",
        "add-matcher",
        "add-path",
        "debug",
        "echo",
        "endgroup",
        "error",
        "group",
        "notice",
        "remove-matcher",
        "save-state",
        "set-env",
        "set-output",
        "stop-commands",
        "warning",
    }
)
FILE_COMMANDS: Final = {
    "GITHUB_ENV": "set_env_",
    "GITHUB_OUTPUT": "set_output_",
    "GITHUB_PATH": "add_path_",
    "GITHUB_STATE": "save_state_",
    "GITHUB_STEP_SUMMARY": "step_summary_",
}
#: ``CreateStepSummaryCommand.AttachmentSizeLimit``, bytes.
SUMMARY_LIMIT: Final = 1024 * 1024


@dataclass(frozen=True)
class Command:
    """A workflow command that the runner found in the log."""

    name: str
    properties: Mapping[str, str]
    data: str


@dataclass(frozen=True)
class Result:
    """What the job sees of a step that used the action."""

    status: int  # exit status of the last shell
    log: str
    commands: tuple[Command, ...]
    outputs: Mapping[str, str]
    summary: str
    environment_file: str  # what was written to GITHUB_ENV
    path_file: str  # what was written to GITHUB_PATH

    def issues(self, level: str) -> list[Command]:
        return [command for command in self.commands if command.name == level]


@dataclass
class Job:
    """One job: the workspace, the temporary folder and the environment that its steps share."""

    workspace: Path
    temporary: Path
    environment: Mapping[str, str]
    github: Mapping[str, str] = field(default_factory=dict)  # further GITHUB_* variables
    token: str = ""  # github.token
    matrix: Mapping[str, Any] | None = None

    def use(self, action: Path, inputs: Mapping[str, str], environment: Mapping[str, str] | None = None) -> Result:
        """Runs the folder ``action`` as ``uses:`` does; ``environment`` is what the step has under ``env:``."""
        manifest = yaml.safe_load((action / "action.yml").read_text(encoding="utf-8"))
        assert manifest["runs"]["using"] == "composite"
        unknown = set(inputs) - set(manifest["inputs"])
        assert not unknown, f"not an input of the action: {unknown}"
        github = {"action_path": str(action), "token": self.token}
        contexts: dict[str, Any] = {"github": github, "matrix": self.matrix, "steps": {}}
        defaults = {name: str(declared.get("default", "")) for name, declared in manifest["inputs"].items()}
        contexts["inputs"] = {name: evaluate(value, contexts) for name, value in defaults.items()} | dict(inputs)
        status, log, files = 0, "", dict.fromkeys(FILE_COMMANDS, "")
        for number, step in enumerate(manifest["runs"]["steps"]):
            assert set(step) <= {"name", "id", "if", "shell", "env", "run", "working-directory"}, step
            condition = step.get("if", "success()")
            assert condition in {"success()", "always()"}, condition
            if status != 0 and condition != "always()":
                continue
            code, text, written = self._step(action, step, contexts, environment or {})
            status, log = status or code, log + text
            for name, content in written.items():
                files[name] += content
            contexts["steps"][step.get("id", f"step-{number}")] = {"outputs": key_values(written["GITHUB_OUTPUT"])}
        # The outputs are evaluated whatever became of the steps.
        outputs = {name: evaluate(declared["value"], contexts) for name, declared in manifest["outputs"].items()}
        summary = files["GITHUB_STEP_SUMMARY"]
        assert len(summary.encode()) <= SUMMARY_LIMIT, "the runner would drop the summary"
        commands = tuple(command for line in read_lines(log) if (command := parse_command(line)) is not None)
        return Result(status, log, commands, outputs, summary, files["GITHUB_ENV"], files["GITHUB_PATH"])

    def _step(
        self, action: Path, step: Mapping[str, Any], contexts: Mapping[str, Any], environment: Mapping[str, str]
    ) -> tuple[int, str, dict[str, str]]:
        commands = self.temporary / "_runner_file_commands"
        commands.mkdir(parents=True, exist_ok=True)
        files = {name: commands / f"{prefix}{uuid.uuid4()}" for name, prefix in FILE_COMMANDS.items()}
        for file in files.values():
            file.touch()
        variables = {
            **self.environment,
            **environment,
            **{name: evaluate(str(value), contexts) for name, value in step.get("env", {}).items()},
            **self.github,
            **{name: str(file) for name, file in files.items()},
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(action),
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temporary),
        }
        shell = shutil.which(step["shell"])
        assert shell is not None, f"{step['shell']} is not installed"
        script = self.temporary / f"{uuid.uuid4()}.sh"
        script.write_text(evaluate(step["run"], contexts), encoding="utf-8")
        process = subprocess.run(
            [shell, *(argument.replace("{0}", str(script)) for argument in SHELLS[step["shell"]])],
            check=False,
            cwd=self.workspace / evaluate(step.get("working-directory", ""), contexts),
            # dash drops a variable with such a name, bash hands it on: an action must not need one.
            env={name: value for name, value in variables.items() if "-" not in name},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        written = {name: file.read_text(encoding="utf-8") for name, file in files.items()}
        return process.returncode, process.stdout.decode("utf-8", "replace"), written


def evaluate(text: str, contexts: Mapping[str, Any]) -> str:
    """``text`` with its expressions replaced; only plain look-ups are known, and ``toJSON`` of a whole context."""

    def value(match: re.Match[str]) -> str:
        found: Any = contexts
        parts = match[1].split(".")
        for part in parts:
            if part not in found and parts[0] == "steps":
                return ""  # an output that was not set
            found = found[part]
        assert isinstance(found, str), match[0]
        return found

    text = re.sub(r"\$\{\{\s*toJSON\((\w+)\)\s*\}\}", lambda match: json.dumps(contexts[match[1]], indent=2), text)
    return re.sub(r"\$\{\{\s*([\w.-]+)\s*\}\}", value, text)


def key_values(content: str) -> dict[str, str]:
    """``EnvFileKeyValuePairs``: ``name=value`` lines and ``name<<delimiter`` blocks."""
    values = {}
    lines = iter(re.split(r"\r\n|\n", content))
    for line in lines:
        equals, heredoc = line.find("="), line.find("<<")
        if not line:
            continue
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            values[line[:equals]] = line[equals + 1 :]
            continue
        assert heredoc > 0, f"Invalid format '{line}'"
        name, _, delimiter = line.partition("<<")
        block = []
        for inner in lines:
            if inner == delimiter:
                break
            block.append(inner)
        else:
            raise AssertionError(f"Matching delimiter not found '{delimiter}'")
        values[name] = "\n".join(block)
    return values


def read_lines(log: str) -> list[str]:
    """The lines as .NET's ``ReadLine`` gives them: a carriage return ends one too."""
    return re.split(r"\r\n|\r|\n", log)


def parse_command(line: str) -> Command | None:
    """``TryParseV2``, then ``TryParse``: ``::name k=v::data`` after white space, ``##[name k=v]data`` anywhere."""
    text = line.lstrip()
    if text.startswith("::") and (end := text.find("::", 2)) >= 0:
        name, properties = _head(text[2:end], ",")
        if name.lower() in REGISTERED:
            return Command(name.lower(), properties, _unescape(text[end + 2 :], {"%0D": "\r", "%0A": "\n"}))
    start = line.find("##[")
    end = line.find("]", start)
    if start >= 0 and end >= 0:
        name, properties = _head(line[start + 3 : end], ";")
        if name.lower() in REGISTERED:
            return Command(name.lower(), properties, _unescape(line[end + 1 :], {"%0D": "\r", "%0A": "\n"}))
    return None


def _head(text: str, separator: str) -> tuple[str, dict[str, str]]:
    name, _, rest = text.partition(" ")
    pairs = (pair.strip().partition("=") for pair in rest.split(separator))
    escapes = {"%3B": ";", "%0D": "\r", "%0A": "\n", "%5D": "]", "%3A": ":", "%2C": ","}
    return name, {key: _unescape(value, escapes) for key, _, value in pairs if key and value}


def _unescape(text: str, escapes: Mapping[str, str]) -> str:
    for escaped, character in escapes.items():
        text = text.replace(escaped, character)
    return text.replace("%25", "%")
