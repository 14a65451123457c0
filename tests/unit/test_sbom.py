"""The bill of materials names all that the Action installs, and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from glibc_guard import __version__

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "scripts" / "action" / "requirements.txt").read_text(encoding="utf-8")
OWN = f"pkg:pypi/glibc-guard@{__version__}"


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    command = [sys.executable, str(ROOT / "scripts" / "make_sbom.py")]
    written = [subprocess.run(command, check=True, capture_output=True).stdout for _ in range(2)]
    assert written[0] == written[1]
    found: dict[str, Any] = json.loads(written[0])
    return found


def test_every_package_of_the_lock_is_there_once(bill: dict[str, Any]) -> None:
    pins = re.findall(r"^([a-z0-9.-]+)==(\S+)", LOCK, re.MULTILINE)
    assert len(pins) > 10
    assert [(one["name"], one["version"]) for one in bill["components"]] == pins
    assert [one["purl"] for one in bill["components"]] == [f"pkg:pypi/{name}@{version}" for name, version in pins]
    assert len({one["bom-ref"] for one in bill["components"]} | {OWN}) == len(pins) + 1


def test_every_hash_of_the_lock_is_there_once(bill: dict[str, Any]) -> None:
    hashes = [digest["content"] for one in bill["components"] for digest in one["hashes"]]
    assert hashes == re.findall(r"--hash=sha256:([0-9a-f]{64})", LOCK)
    assert {digest["alg"] for one in bill["components"] for digest in one["hashes"]} == {"SHA-256"}


def test_who_wants_what(bill: dict[str, Any]) -> None:
    refs = {OWN, *(one["bom-ref"] for one in bill["components"])}
    graph = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    assert graph.keys() == refs
    assert all(set(names) <= refs for names in graph.values())
    reached, waiting = set(), [OWN]
    while waiting:
        reached.add(ref := waiting.pop())
        waiting += [name for name in graph[ref] if name not in reached]
    assert reached == refs  # nothing is installed that nobody wants
    assert any(name.startswith("pkg:pypi/click@") for name in graph[OWN])


def test_the_head_of_the_document(bill: dict[str, Any]) -> None:
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert bill["metadata"]["component"]["purl"] == OWN
