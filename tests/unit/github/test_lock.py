"""The lock file of the Action and pyproject.toml say the same."""

import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[3]
LOCK = (ROOT / "scripts" / "action" / "requirements.txt").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WANTED = [Requirement(text) for text in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["github"])]

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
#: "name==1.0 ; marker \" and the lines with its hashes, without the comments.
ENTRIES = re.findall(r"^([a-z0-9].*?) \\\n((?:    --hash=.*\n)+)", LOCK, re.MULTILINE)
LOCKED = [Requirement(line) for line, _ in ENTRIES]
LINUX = {"sys_platform": "linux", "platform_machine": "x86_64", "platform_python_implementation": "CPython"}


def test_every_entry_has_hashes() -> None:
    lines = [line for line in LOCK.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(lines) == len(ENTRIES) > 0
    for line, hashes in ENTRIES:
        assert re.search(r"^[a-z0-9.-]+==[^ ]+( ;.*)?$", line), line
        assert re.fullmatch(r"(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", hashes), line


def environment(python: str) -> dict[str, str]:
    return {**LINUX, "python_version": python, "python_full_version": f"{python}.0", "implementation_name": "cpython"}


def applies(requirement: Requirement, python: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(environment(python))


@pytest.mark.parametrize(
    ("wanted", "python"),
    [(wanted, python) for python in PYTHONS for wanted in WANTED if applies(wanted, python)],
    ids=str,
)
def test_every_dependency_is_locked_within_its_range(wanted: Requirement, python: str) -> None:
    name = canonicalize_name(wanted.name)
    found = [entry for entry in LOCKED if canonicalize_name(entry.name) == name and applies(entry, python)]
    assert len(found) == 1, f"{wanted}: run scripts/update_action_lock.py"
    (pin,) = found[0].specifier
    assert wanted.specifier.contains(pin.version)


def test_nothing_of_the_machine_that_made_it() -> None:
    assert not re.search(r"https?://|--index|--find-links|(?<![\w.-])/\w+/", LOCK)


def test_the_dependencies_hold_for_the_oldest_python_of_the_project() -> None:
    assert PROJECT["requires-python"] == ">=3.10"
    assert "3, 10" in (ROOT / "scripts" / "action" / "run.sh").read_text(encoding="utf-8")
