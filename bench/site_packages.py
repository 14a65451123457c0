"""Installs the environments of environments.toml, checks each as one site-packages folder, and tells why all is true.

``python -m bench.site_packages`` prints the findings; ``--write`` puts them into docs/site-packages.md as well. The
exit status is 1 where a finding has no reason in environments.toml, or a reason no finding.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.fetch_wheels import CACHE
from bench.pages import replace_between_markers
from glibc_guard.globs import glob_matches

LIST: Final = Path(__file__).parent / "environments.toml"
PAGE: Final = Path(__file__).parent.parent / "docs" / "site-packages.md"
COMMAND: Final = "glibc-guard check site-packages"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why findings are true."""

    rule: str
    object: str  # a glob
    why: str

    def explains(self, finding: dict[str, Any]) -> bool:
        """Tell whether it is about ``finding``."""
        return self.rule == finding["rule"] and glob_matches(self.object, finding["object"] or "")


@dataclass(frozen=True, slots=True)
class Environment:
    """Wheels that are installed together."""

    name: str
    python: str
    platforms: tuple[str, ...]
    packages: tuple[str, ...]
    finding: tuple[Reason, ...] = ()

    @property
    def folder(self) -> Path:
        """Where it is installed; another list of packages is another folder."""
        key = hashlib.sha256(repr((self.python, self.platforms, self.packages)).encode()).hexdigest()
        return CACHE / "environments" / key[:16] / "site-packages"


@dataclass(frozen=True, slots=True)
class _Listed:
    environment: tuple[Environment, ...]


def listed() -> tuple[Environment, ...]:
    """Return the environments of environments.toml."""
    return msgspec.toml.decode(LIST.read_bytes(), type=_Listed).environment


def install(environment: Environment) -> None:
    """Let pip unpack the wheels, once; raises SystemExit where it cannot."""
    if environment.folder.is_dir():
        return
    aside = environment.folder.with_name("unfinished")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--upgrade"]
    # pip asks its own Python about Requires-Python when it installs, whatever --python-version says.
    command += [
        "--no-compile",
        "--ignore-requires-python",
        "--python-version",
        environment.python,
        "--implementation",
        "cp",
    ]
    command += [word for platform in environment.platforms for word in ("--platform", platform)]
    done = subprocess.run([*command, "--target", str(aside), *environment.packages], check=False)
    if done.returncode:
        raise SystemExit(f"{environment.name}: pip could not install it")
    aside.rename(environment.folder)


def judge(environment: Environment) -> dict[str, Any]:
    """Run glibc-guard as a user does, and return the report of the folder."""
    command = [sys.executable, "-m", "glibc_guard", "check", "--format", "json", environment.folder.name]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=environment.folder.parent)
    if not done.stdout:
        raise SystemExit(f"{environment.name}: no report: {done.stderr.strip()}")
    (artifact,) = json.loads(done.stdout)["artifacts"]
    return dict(artifact)


def unexplained(environment: Environment, artifact: dict[str, Any]) -> Iterator[str]:
    """Yield findings without a reason, and reasons without a finding."""
    findings = artifact["findings"]
    for finding in findings:
        if not any(reason.explains(finding) for reason in environment.finding):
            yield f"not looked at yet: {finding['rule']} {finding['object']}: {finding['message']}"
    for reason in environment.finding:
        if not any(map(reason.explains, findings)):
            yield f"a reason without a finding: {reason.rule} {reason.object}"


def section(environment: Environment, artifact: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the page about one environment."""
    targets = ", ".join(f"{target['name']} ({target['origin']})" for target in artifact["targets"])
    coverage = artifact["coverage"]
    yield f"## {environment.name}\n"
    yield f"Verdict **{artifact['verdict']}**, held against {targets}; {coverage['elf']} ELF objects in "
    yield f"{coverage['members']:,} files, {coverage['unread']} unread.\n"
    yield from (f"> {note}\n" for note in artifact["notes"])
    for reason in environment.finding:
        for finding in filter(reason.explains, artifact["findings"]):
            yield f"- {finding['severity']} `{finding['rule']}`, `{finding['object']}`: {finding['message']}"
        yield f"\n  {reason.why}\n"
    yield from unexplained(environment, artifact)
    yield f"Installed, for CPython {environment.python}: {', '.join(environment.packages)}.\n"


def page(judged: Sequence[tuple[Environment, dict[str, Any]]]) -> str:
    """Return the generated part of the page."""
    return "\n".join(line for environment, artifact in judged for line in section(environment, artifact))


def main() -> int:
    """Install and check every environment, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put it into docs/{PAGE.name}")
    options = parser.parse_args()
    judged = []
    for environment in listed():
        install(environment)
        judged.append((environment, judge(environment)))
    text = page(judged)
    print(text)
    if options.write:
        replace_between_markers(PAGE, text)
    return 1 if any(any(unexplained(*one)) for one in judged) else 0


if __name__ == "__main__":
    sys.exit(main())
