"""action.yml, the workflows and those of the examples, as the linters of the field see them, without network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from e2e.conftest import ROOT, tool

pytestmark = pytest.mark.e2e

WORKFLOWS = sorted([*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("examples/*/.github/workflows/*.yml")])
IDS = [str(path.relative_to(ROOT)) for path in WORKFLOWS]


def run(*command: str | Path, folder: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_workflows() -> None:
    assert ROOT / ".github" / "workflows" / "ci.yml" in WORKFLOWS
    assert any("examples" in path.parts for path in WORKFLOWS)


@pytest.mark.parametrize("path", [ROOT / "action.yml", *WORKFLOWS], ids=["action.yml", *IDS])
def test_zizmor(path: Path) -> None:
    program = Path(sys.executable).parent / "zizmor"
    config = ROOT / ".github" / "zizmor.yml"
    run(program, "--offline", "--no-progress", "--persona", "pedantic", "--config", config, path)


def check_schema(name: str, *paths: Path) -> None:
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{name}", *paths)


def test_schema_of_the_action() -> None:
    check_schema("github-actions", ROOT / "action.yml")


def test_schema_of_the_workflows() -> None:
    check_schema("github-workflows", *WORKFLOWS)


@pytest.mark.parametrize("path", WORKFLOWS, ids=IDS)
def test_actionlint(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (tmp_path / "action.yml").write_bytes((ROOT / "action.yml").read_bytes())
    # It does not know the reference to the workflow's own repository, which is the same thing here as a local path.
    text = re.sub(r"uses: \$/", "uses: ./", path.read_text(encoding="utf-8"))
    (folder / path.name).write_text(text, encoding="utf-8")
    subprocess.run([tool("git"), "init", "--quiet"], cwd=tmp_path, check=True)
    run(tool("actionlint"), folder=tmp_path)


@pytest.mark.parametrize("path", WORKFLOWS, ids=IDS)
def test_actions_are_pinned_by_commit_with_their_version_beside(path: Path) -> None:
    used = re.findall(r"uses: *(\S+)(.*)", path.read_text(encoding="utf-8"))
    for name, comment in used:
        if not name.startswith(("./", "$/", "org/glibc-guard")):
            assert re.search(r"@[0-9a-f]{40}$", name), name
            assert re.search(r"# v\d+(\.\d+)+$", comment), name


def test_the_shell_part_is_plain_posix() -> None:
    run(tool("shellcheck"), "--shell", "sh", "scripts/action/run.sh")


def test_no_input_reaches_a_script_but_by_the_environment() -> None:
    manifest = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert set(manifest["branding"]) == {"icon", "color"}
    handed_over: dict[str, str] = {}
    for step in manifest["runs"]["steps"]:
        assert "uses" not in step  # a nested JavaScript action does not start in an old container
        assert "${{" not in step["run"]
        handed_over |= step["env"]
    assert handed_over == {
        f"INPUT_{name.upper().replace('-', '_')}": f"${{{{ inputs.{name} }}}}" for name in manifest["inputs"]
    }
