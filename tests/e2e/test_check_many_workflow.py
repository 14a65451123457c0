"""The reusable workflow for many artifacts, called by a repository of wheels beside a local index, and run by act."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.file_server import Served, serving
from building import make_wheel
from e2e.conftest import ROOT
from e2e.published import Caller, outputs, publish

pytestmark = pytest.mark.e2e

WORKFLOW = Path(".github") / "workflows" / "check.yml"
CALL = """
name: Check
on: push
permissions:
  contents: read
jobs:
  many:
    uses: org/glibc-guard/.github/workflows/check-many.yml@v1
    with:
"""


@pytest.fixture(scope="session")
def published_many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("published many"))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "served").mkdir()
    with serving(tmp_path / "served") as server:
        yield server


@pytest.fixture
def caller(tmp_path: Path, published_many: Path, used_before: dict[str, str]) -> Caller:
    folder = tmp_path / "a project"
    (folder / WORKFLOW).parent.mkdir(parents=True)
    return Caller(folder, tmp_path, published_many, used_before, WORKFLOW)


def give(caller: Caller, **inputs: str | int) -> None:
    given = "".join(f"      {name.replace('_', '-')}: {json.dumps(value)}\n" for name, value in inputs.items())
    (caller.folder / WORKFLOW).write_text(CALL + given, encoding="utf-8")


def many(folder: Path, module: bytes, number: int, name: str = "good") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(number):
        make_wheel(folder, {f"{name}/m.so": module}, name=name, version=f"1.{index}")


def told(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    found = outputs(done, "Join the shards")
    found.pop("report", None)
    return found


def report(caller: Caller) -> dict[str, Any]:
    path = caller.uploads / "glibc-guard-report" / "glibc-guard-report.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_globs_urls_and_an_index_in_shards(
    caller: Caller, served: Served, tmp_path: Path, old_enough: bytes, too_new: bytes
) -> None:
    many(caller.folder / "dist dir", old_enough, 52)
    many(tmp_path / "served" / "files", old_enough, 3, "indexed")
    many(tmp_path / "served" / "files", too_new, 1, "new")
    names = sorted(path.name for path in (tmp_path / "served" / "files").glob("indexed*"))
    (tmp_path / "served" / "simple").mkdir()
    (tmp_path / "served" / "simple" / "indexed.html").write_text(
        "".join(f'<a href="../../files/{name}">{name}</a>' for name in names), encoding="utf-8"
    )
    (new,) = (tmp_path / "served" / "files").glob("new*")
    served.pages["/simple/indexed/"] = "simple/indexed.html"
    give(
        caller,
        artifacts=f"dist dir/*.whl\n!dist dir/good-1.0-*\n{served.address}/simple/indexed/\n"
        f"{served.address}/files/{new.name}",
        shards=4,
    )
    done = caller.run()
    assert done.returncode != 0, done.stdout
    names = [name for name in caller.uploaded() if "-shard-" in name]
    assert names == [f"glibc-guard-report-shard-{number}" for number in (1, 2, 3)]  # 55 are too few for four
    assert told(done) == {"verdict": "fail", "artifacts": "55", "findings": "2", "floor": "2.26"}
    assert "54 of 55 artifacts passed, 1 failed" in done.stdout
    found = report(caller)
    assert found["verdict"] == "fail"
    assert len(found["artifacts"]) == 55
    (failed,) = (one for one in found["artifacts"] if one["verdict"] != "pass")
    assert failed["path"] == f"{served.address}/files/{new.name}"


def test_what_passes_passes(caller: Caller, environment: dict[str, str], old_enough: bytes) -> None:
    caller.environment = environment  # each job installs the dependencies
    many(caller.folder / "dist", old_enough, 2)
    give(caller, artifacts="dist/*.whl", working_directory=".")
    done = caller.run()
    assert done.returncode == 0, done.stdout
    assert told(done) == {"verdict": "pass", "artifacts": "2", "findings": "0", "floor": "2.17"}
    assert sorted(caller.uploaded()) == [
        "glibc-guard-report",
        "glibc-guard-report-list",
        "glibc-guard-report-shard-1",
    ]


def test_what_this_run_uploaded_before(caller: Caller, old_enough: bytes) -> None:
    many(caller.uploads / "dist-linux", old_enough, 2)
    give(caller, artifacts="dist-*/*.whl", download="dist-*")
    done = caller.run()
    assert done.returncode == 0, done.stdout
    assert [one["path"][:11] for one in report(caller)["artifacts"]] == ["dist-linux/", "dist-linux/"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"artifacts": "dist/*.whl"}, "matches nothing"),
        ({"artifacts": "https://user:secret@example.org/x.whl"}, "a URL with a password"),
        ({"artifacts": "http://example.org/simple/x/"}, "http is not protected"),
        ({"artifacts": "README", "shards": 300}, "The input shards is"),
    ],
)
def test_a_list_that_cannot_be_made(caller: Caller, inputs: dict[str, Any], message: str) -> None:
    (caller.folder / "README").write_text("x", encoding="utf-8")
    give(caller, **inputs)
    done = caller.run()
    assert done.returncode != 0
    assert message in done.stdout, done.stdout
    assert "There is no report: the list could not be made" in done.stdout
    assert "secret" not in done.stdout.replace(inputs["artifacts"], "")
    assert told(done).get("verdict") == "error"
    assert caller.uploaded() == {}


def test_a_shard_that_cannot_judge_is_missed(caller: Caller, old_enough: bytes) -> None:
    many(caller.folder / "dist", old_enough, 30)
    give(caller, artifacts="dist/*.whl", target="manylinux9999")
    done = caller.run()
    assert done.returncode != 0
    assert "manylinux9999" in done.stdout
    assert told(done).get("verdict") == "error"


HOSTILE = "\"; touch pwned; \" '; touch pwned; ' $(touch pwned) `touch pwned`\ntouch pwned"


@pytest.mark.parametrize("name", ["artifacts", "match", "target", "config", "fail-on", "working-directory", "download"])
def test_hostile_inputs_do_nothing(caller: Caller, old_enough: bytes, name: str) -> None:
    many(caller.folder / "dist", old_enough, 1)
    give(caller, **{"artifacts": "dist/*.whl", name: HOSTILE})
    done = caller.run()
    assert not list(caller.home.rglob("pwned"))
    assert (done.returncode == 0) == (name in {"match", "download"}), done.stdout  # they concern nothing here


def test_the_documentation_calls_it_as_it_is() -> None:
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    assert "uses: org/glibc-guard/.github/workflows/check-many.yml@v1" in page
