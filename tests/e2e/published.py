"""This project as it is published, and a repository that calls its reusable workflows, run by act.

In the copy ``uses: $/`` is rendered to what the runner resolves it to (``ActionManager.cs``), and act takes that from a
local folder. The same option puts stand-ins in the place of the actions that cannot be fetched here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from building import CACHE
from e2e.conftest import ROOT, tool

PUBLISHED = "org/glibc-guard"
STAND_INS = Path(__file__).parent / "stand_ins"


def publish(folder: Path) -> Path:
    """Copy into ``folder`` what act is to take for ``org/glibc-guard@v1``."""
    for name in (".github", "action.yml", "scripts", "src"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    for name, steps in (("build.yml", 5), ("check-many.yml", 3)):
        workflow = folder / ".github" / "workflows" / name
        text, count = re.subn(r"uses: \$/(\S+)", rf"uses: {PUBLISHED}/\1@v1", workflow.read_text(encoding="utf-8"))
        assert count == steps
        workflow.write_text(text, encoding="utf-8")
    return folder


@dataclass
class Caller:
    """A repository with a workflow that calls one of ours, and what was uploaded from it."""

    folder: Path
    home: Path
    published: Path
    environment: dict[str, str]
    workflow: Path

    @property
    def uploads(self) -> Path:
        return self.home / "uploads"

    def uploaded(self) -> dict[str, list[str]]:
        return {
            folder.name: sorted(path.name for path in folder.iterdir()) for folder in sorted(self.uploads.glob("*"))
        }

    def run(self) -> subprocess.CompletedProcess[str]:
        """Commits all and runs the workflow as a push to main does."""
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
        for command in (["init", "-q", "-b", "main"], ["add", "-A"], [*identity, "commit", "-q", "-m", "x"]):
            subprocess.run([tool("git"), *command], cwd=self.folder, check=True)
        local = {f"{PUBLISHED}@v1": self.published}
        for file in (self.published / ".github").rglob("*.yml"):
            for name, reference in re.findall(r"uses: (actions/[\w-]+)\S*?@(\w+)", file.read_text(encoding="utf-8")):
                if (STAND_INS / name.removeprefix("actions/")).is_dir():
                    local[f"{name}@{reference}"] = STAND_INS / name.removeprefix("actions/")
        command = [str(tool("act")), "push", "--workflows", str(self.workflow)]
        for runner in ("ubuntu-24.04", "ubuntu-24.04-arm"):
            command += ["--platform", f"{runner}=-self-hosted"]
        for name, folder in local.items():
            command += ["--local-repository", f"{name}={folder}"]
        given = {
            "STAND_IN_UPLOADS": str(self.uploads),
            "STAND_IN_CACHE": str(CACHE / "stand-in-cache"),
            **self.environment,
        }
        for name in ("STAND_IN_UPLOADS", "STAND_IN_CACHE"):
            command += ["--env", f"{name}={given[name]}"]
        return subprocess.run(
            command,
            cwd=self.folder,
            check=False,
            env={**given, "XDG_CACHE_HOME": str(self.home / "cache"), "XDG_CONFIG_HOME": str(self.home / "config")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=900,
        )


def outputs(done: subprocess.CompletedProcess[str], job: str) -> dict[str, str]:
    """The outputs of the workflow, from the log of its last job: act runs no job of the caller after a failed one."""
    return dict(re.findall(rf"/{job} *\] +\S+ +::set-output:: (\w+)=(.*)", done.stdout))
