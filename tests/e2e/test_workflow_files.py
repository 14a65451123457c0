"""action.yml, the workflows and those of the examples, as the linters of the field see them, without network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from e2e.conftest import ROOT, tool

pytestmark = pytest.mark.e2e

WORKFLOWS = sorted([*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("examples/*/.github/workflows/*.yml")])
IDS = [str(path.relative_to(ROOT)) for path in WORKFLOWS]
ACTIONS = [ROOT / "action.yml", *sorted(ROOT.glob(".github/actions/*/action.yml"))]
ACTION_IDS = [str(path.relative_to(ROOT)) for path in ACTIONS]


def run(*command: str | Path, folder: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_workflows() -> None:
    assert ROOT / ".github" / "workflows" / "ci.yml" in WORKFLOWS
    assert any("examples" in path.parts for path in WORKFLOWS)


@pytest.mark.parametrize("path", [*ACTIONS, *WORKFLOWS], ids=[*ACTION_IDS, *IDS])
def test_zizmor(path: Path) -> None:
    program = Path(sys.executable).parent / "zizmor"
    config = ROOT / ".github" / "zizmor.yml"
    run(program, "--offline", "--no-progress", "--persona", "pedantic", "--config", config, path)


def check_schema(name: str, *paths: Path) -> None:
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{name}", *paths)


def test_schema_of_the_actions() -> None:
    check_schema("github-actions", *ACTIONS)


def test_schema_of_the_workflows() -> None:
    check_schema("github-workflows", *WORKFLOWS)


@pytest.mark.parametrize("path", WORKFLOWS, ids=IDS)
def test_actionlint(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "action.yml", tmp_path)
    shutil.copytree(ROOT / ".github" / "actions", tmp_path / ".github" / "actions")
    # It does not know the reference to the workflow's own repository, which is the same thing here as a local path.
    for one in path.parent.glob("*.yml"):
        text = re.sub(r"uses: \$/", "uses: ./", one.read_text(encoding="utf-8"))
        (folder / one.name).write_text(text, encoding="utf-8")
    subprocess.run([tool("git"), "init", "--quiet"], cwd=tmp_path, check=True)
    run(tool("actionlint"), folder / path.name, folder=tmp_path)


@pytest.mark.parametrize("path", [*ACTIONS, *WORKFLOWS], ids=[*ACTION_IDS, *IDS])
def test_actions_are_pinned_by_commit_with_their_version_beside(path: Path) -> None:
    used = re.findall(r"uses: *(\S+)(.*)", path.read_text(encoding="utf-8"))
    for name, comment in used:
        if not name.startswith(("./", "$/", "org/glibc-guard")):
            assert re.search(r"@[0-9a-f]{40}$", name), name
            assert re.search(r"# v\d+(\.\d+)+$", comment), name


@pytest.mark.parametrize("path", WORKFLOWS, ids=IDS)
def test_a_reference_to_the_own_repository_names_a_folder(path: Path) -> None:
    """The runner takes no bare ``$/``: ``PipelineConstants.TryParseSelfRepository`` wants a path behind it."""
    for folder in re.findall(r"uses: \$/(\S*)", path.read_text(encoding="utf-8")):
        assert folder
        assert (ROOT / folder / "action.yml").is_file()


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


@pytest.mark.parametrize("path", ACTIONS[1:], ids=ACTION_IDS[1:])
def test_the_steps_of_the_reusable_workflow_take_inputs_by_the_environment_alone(path: Path) -> None:
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    handed_over: set[str] = set()
    for step in manifest["runs"]["steps"]:
        if "run" in step:
            assert re.fullmatch(r'(exec )?sh "\$GITHUB_ACTION_PATH/\.\./\.\./\.\./scripts/\w+/run\.sh"', step["run"]), (
                step
            )
            assert (path.parent / "../../.." / step["run"].split("../../../")[1].rstrip('"')).is_file()
            handed_over |= {match for value in step["env"].values() for match in re.findall(r"inputs\.([\w-]+)", value)}
        else:
            assert step["uses"].startswith("actions/cache/")
    assert handed_over | {"cache"} == set(manifest.get("inputs", {})) | {"cache"}


def test_the_gate_of_the_reusable_workflow_is_the_action() -> None:
    (own,) = (path for path in ACTIONS if path.parent.name == "gate")
    gate, action = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (own, ACTIONS[0]))
    assert {name: output["value"] for name, output in gate["outputs"].items()} == {
        name: output["value"] for name, output in action["outputs"].items()
    }
    given, wanted = (manifest["runs"]["steps"][0]["env"] for manifest in (gate, action))
    assert set(given) == set(wanted)


@pytest.mark.parametrize("name", ["build.yml", "check-many.yml"])
def test_the_reusable_workflows_have_no_secret_and_no_right_but_to_read(name: str) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))
    assert "secrets" not in workflow[True]["workflow_call"]  # YAML 1.1 takes `on` for a boolean
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        assert "timeout-minutes" in job
        assert all("run" not in step for step in job["steps"])  # all logic is in scripts


def test_the_inputs_and_outputs_of_the_build() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "build.yml").read_text(encoding="utf-8"))
    call = workflow[True]["workflow_call"]
    names = "image architectures kind python build-command before working-directory artifacts target config"
    assert {*names.split(), "fail-on", "baseline", "artifact-name", "cache", "timeout-minutes"} <= set(call["inputs"])
    assert set(call["outputs"]) == {"verdict", "floor", "artifacts", "report"}


def test_only_the_release_may_write_and_only_where_it_must() -> None:
    """No job of a release has more than one right beyond reading, and the one that builds has none."""
    writing = {}
    for path in WORKFLOWS:
        if path.is_relative_to(ROOT / ".github"):
            for name, job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].items():
                rights = {right for right, level in job.get("permissions", {}).items() if level == "write"}
                if rights:
                    writing[f"{path.stem} {name}"] = rights
    assert writing == {
        "release attest": {"id-token", "attestations"},
        "release pypi": {"id-token"},
        "release github": {"contents"},
    }


def test_a_release_goes_out_only_after_all_checks() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["test"]["uses"] == "./.github/workflows/ci.yml"
    assert jobs["attest"]["needs"] == ["test", "build"]
    assert (jobs["pypi"]["needs"], jobs["github"]["needs"]) == ("attest", "pypi")
    checks = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    assert checks["jobs"]["smoke"]["uses"] == "./.github/workflows/smoke.yml"
    smoke = yaml.safe_load((ROOT / ".github" / "workflows" / "smoke.yml").read_text(encoding="utf-8"))["jobs"]
    assert {"ubuntu-24.04", "ubuntu-24.04-arm", "macos-15", "windows-2025"} <= set(
        smoke["runner"]["strategy"]["matrix"]["runner"]
    )
    containers = smoke["container"]["strategy"]["matrix"]["include"]
    assert [entry["name"] for entry in containers] == ["manylinux2014", "Alpine", "Debian"]
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", entry["image"]) for entry in containers)
    images = json.loads((ROOT / "scripts" / "build" / "images.json").read_text(encoding="utf-8"))["images"]
    assert containers[0]["image"] == images["manylinux2014"]["x86_64"]


def test_the_scripts_that_a_workflow_runs_are_there() -> None:
    for path in WORKFLOWS:
        if path.is_relative_to(ROOT / ".github"):
            for script in re.findall(r"\bscripts/[\w/.]+\.(?:sh|py)\b", path.read_text(encoding="utf-8")):
                assert os.access(ROOT / script, os.X_OK), script


def test_a_job_has_an_end_and_a_stopped_build_is_cleared_up() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "build.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["build"]["steps"]
    names = [step["name"] for step in steps]
    assert names.index("Clear up") == names.index("Build") + 1
    assert steps[names.index("Clear up")]["if"] == "always()"
    manifest = yaml.safe_load((ROOT / ".github" / "actions" / "build" / "action.yml").read_text(encoding="utf-8"))
    scripts = [step["run"] for step in manifest["runs"]["steps"] if "run" in step]
    # The runner signals the shell that it started, and no process behind it (ProcessInvoker.SendSignal).
    assert all(script.startswith("exec ") for script in scripts)


@pytest.mark.parametrize(("file", "guide"), [("build.yml", "building.md"), ("check-many.yml", "scale.md")])
def test_the_pages_have_the_inputs_and_outputs_of_the_reusable_workflows(file: str, guide: str) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / file).read_text(encoding="utf-8"))
    call = workflow[True]["workflow_call"]
    page = (ROOT / "docs" / guide).read_text(encoding="utf-8")
    for name, declared in call["inputs"].items():
        default = declared.get("default", "")
        shown = str(default).lower() if isinstance(default, bool) else default
        cell = "required" if declared.get("required") else f"`{shown}`" if shown else "-"
        assert f"| `{name}` | {cell} | {declared['description'].strip()} |\n" in page
    for name, declared in call["outputs"].items():
        assert f"| `{name}` | {declared['description'].strip()} |\n" in page
