"""The reusable workflow, called by the workflows of the examples and run by act with a real container engine."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from building import CACHE
from e2e.conftest import ROOT, tool
from e2e.containers import IMAGE, IMAGE_GLIBC
from e2e.published import Caller, publish
from e2e.published import outputs as outputs_of

pytestmark = pytest.mark.e2e

WORKFLOW = Path(".github") / "workflows" / "release.yml"


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as act takes it for ``org/glibc-guard@v1``."""
    return publish(tmp_path_factory.mktemp("published"))


class Project(Caller):
    """An example as a repository of its own."""

    def report(self, name: str) -> dict[str, Any]:
        (path,) = (self.uploads / name).glob("*.json")
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return report

    def give(self, **inputs: str) -> None:
        """Sets inputs of the call, in place of those that the example gives."""
        text = (self.folder / WORKFLOW).read_text(encoding="utf-8")
        before, call, after = text.partition("    with:\n")
        given = {key.replace("_", "-"): value for key, value in inputs.items()}
        for key in given:
            after = re.sub(rf"^      {key}:.*\n(        .*\n)*", "", after, flags=re.MULTILINE)
        lines = "".join(f"      {key}: {json.dumps(value)}\n" for key, value in given.items())
        (self.folder / WORKFLOW).write_text(before + call + lines + after, encoding="utf-8")


def example(name: str, tmp_path: Path, published: Path, environment: dict[str, str]) -> Project:
    folder = tmp_path / "a project"
    built = shutil.ignore_patterns("build", "target", "wheelhouse", "*.egg-info")
    shutil.copytree(ROOT / "examples" / name, folder, ignore=built)
    project = Project(folder, tmp_path, published, environment, WORKFLOW)
    project.give(image=IMAGE, target=IMAGE_GLIBC, architectures=json.dumps([os.uname().machine]))
    return project


@pytest.fixture
def variables(used_before: dict[str, str], container_engine: dict[str, str]) -> dict[str, str]:
    return {**used_before, **container_engine}


def test_the_c_program(
    tmp_path: Path, published: Path, environment: dict[str, str], container_engine: dict[str, str]
) -> None:
    """Whole: the job of the gate installs its dependencies."""
    project = example("c-program", tmp_path, published, {**environment, **container_engine})
    done = project.run()
    assert done.returncode == 0, done.stdout
    name = f"table-{os.uname().machine}"
    assert f"{name}, pass, needs glibc 2.26 or newer" in done.stdout
    assert project.uploaded() == {
        f"report-{name}": ["glibc-guard-report.html", "glibc-guard-report.json"],
        name: ["table"],
    }
    assert project.report(f"report-{name}")["artifacts"][0]["floor"]["GLIBC"] == "2.26"

    subprocess.run(["make", "--always-make"], cwd=project.folder, check=True, capture_output=True)
    assert_built_here_fails(project, "build/table", "__libc_start_main")


def test_the_rust_program(tmp_path: Path, published: Path, variables: dict[str, str]) -> None:
    project = example("rust-cli", tmp_path, published, variables)
    done = project.run()
    assert done.returncode == 0, done.stdout
    name = f"visits-{os.uname().machine}"
    archive = f"visits-linux-{os.uname().machine}.tar.gz"
    assert project.uploaded() == {
        f"report-{name}": ["glibc-guard-report.html", "glibc-guard-report.json"],
        name: [archive],
    }
    (judged,) = project.report(f"report-{name}")["artifacts"]
    assert judged["path"] == archive
    uploaded = project.uploads / name / archive
    assert judged["sha256"] == hashlib.sha256(uploaded.read_bytes()).hexdigest()  # what is attested is what was judged
    assert release(judged["floor"]["GLIBC"]) <= release(IMAGE_GLIBC)
    shutil.unpack_archive(uploaded, tmp_path / "unpacked")
    ran = subprocess.run([tmp_path / "unpacked" / "visits"], check=True, capture_output=True, text=True)
    assert sorted(ran.stdout.split()) == ["1", "2", "3", "visits", "visits", "visits"]

    # The image is newer than 2.18, and so the linker has written down the version of a symbol that is only weak.
    project.give(target="2.17")
    shutil.rmtree(project.uploads)
    done = project.run()
    assert done.returncode != 0
    assert "=== build-command" in done.stdout
    assert "=== installing rustup" in done.stdout  # no program is kept from one run to the next
    assert "__cxa_thread_atexit_impl (weak)" in done.stdout
    assert list(project.uploaded()) == [f"report-{name}"]

    folder = CACHE / "examples-target" / "rust-cli"
    kept = {**project.environment, "CARGO_TARGET_DIR": str(folder)}
    cargo = [str(tool("cargo")), "build", "--release", "--locked"]
    subprocess.run(cargo, cwd=project.folder, check=True, capture_output=True, env=kept)
    shutil.copy(folder / "release" / "visits", project.folder / "here")
    assert_built_here_fails(project, "here", "__libc_start_main")


def test_the_python_extension(tmp_path: Path, published: Path, variables: dict[str, str]) -> None:
    project = example("python-pybind11", tmp_path, published, variables)
    project.give(python="cp39-cp39")
    done = project.run()
    assert done.returncode == 0, done.stdout
    name = f"wheels-{os.uname().machine}"
    (wheel,) = project.uploaded()[name]
    assert wheel.startswith("fastscore-1.0-cp39-cp39-manylinux_2_")
    (judged,) = project.report(f"report-{name}")["artifacts"]
    assert judged["path"] == f"wheelhouse/{wheel}"
    assert judged["floor"]["GLIBC"] == "2.29"  # pow, as the image's system has it

    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "here", "."]
    subprocess.run(pip, cwd=project.folder, check=True, capture_output=True)
    assert_built_here_fails(project, "here/*.whl", "symbol-version-too-new")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the example's tag is that of x86_64")
def test_a_wheel_around_what_another_build_made(tmp_path: Path, published: Path, variables: dict[str, str]) -> None:
    project = example("ray-like", tmp_path, published, variables)
    project.give(build_command="make PYTHON=/opt/python/cp39-cp39/bin/python")
    manifest = project.folder / "pyproject.toml"
    text, count = re.subn("manylinux2014", "manylinux_2_31", manifest.read_text(encoding="utf-8"))
    assert count == 1  # what the image stands for
    manifest.write_text(text, encoding="utf-8")
    done = project.run()
    assert done.returncode == 0, done.stdout
    assert project.uploaded() == {
        "report-wheels-x86_64": ["glibc-guard-report.html", "glibc-guard-report.json"],
        "wheels-x86_64": ["score-1.0-py3-none-manylinux_2_31_x86_64.whl"],
    }
    (judged,) = project.report("report-wheels-x86_64")["artifacts"]
    assert [item["path"] for item in judged["objects"]] == ["score/_core.so"]


def test_a_path_with_spaces(tmp_path: Path, published: Path, variables: dict[str, str]) -> None:
    project = example("c-program", tmp_path, published, variables)
    (project.folder / "sub dir").mkdir()
    (project.folder / "src").rename(project.folder / "sub dir" / "src")
    (project.folder / "Makefile").rename(project.folder / "sub dir" / "Makefile")
    project.give(
        working_directory="sub dir",
        build_command="make; mv build 'the build'; cp 'the build/table' 'the build/a table'",
    )
    project.give(artifacts="the build/a*")
    done = project.run()
    assert done.returncode == 0, done.stdout
    assert project.uploaded()[f"table-{os.uname().machine}"] == ["a table"]


def test_where_the_gate_fails_only_the_report_is_uploaded(
    tmp_path: Path, published: Path, variables: dict[str, str]
) -> None:
    project = example("c-program", tmp_path, published, variables)
    project.give(target="manylinux2014")
    done = project.run()
    assert done.returncode != 0, done.stdout
    name = f"report-table-{os.uname().machine}"
    assert list(project.uploaded()) == [name]
    report = project.report(name)
    assert report["verdict"] == "fail"
    assert {finding["symbol"] for finding in report["artifacts"][0]["findings"]} == {"reallocarray"}
    assert f"Only the report is handed over for {os.uname().machine}: the verdict of the gate is fail" in done.stdout
    assert outputs(done) == {
        "verdict": "fail",
        "floor": "2.26",
        "artifacts": "glibc-guard-nothing-passed",
        "report": name,
    }


def test_a_gate_that_is_never_to_fail_releases_nothing_that_does(
    tmp_path: Path, published: Path, variables: dict[str, str]
) -> None:
    project = example("c-program", tmp_path, published, variables)
    project.give(target="manylinux2014", fail_on="never")
    done = project.run()
    assert done.returncode == 0, done.stdout
    name = f"report-table-{os.uname().machine}"
    assert list(project.uploaded()) == [name]
    assert outputs(done)["artifacts"] == "glibc-guard-nothing-passed"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"build_command": "exit 3"}, "The build failed in the container at: build-command (exit status 3)"),
        ({"artifacts": "build/other"}, "The input artifacts: build/other matches nothing in "),
    ],
)
def test_where_nothing_can_be_judged_nothing_is_uploaded(
    tmp_path: Path, published: Path, variables: dict[str, str], inputs: dict[str, str], message: str
) -> None:
    project = example("c-program", tmp_path, published, variables)
    project.give(**inputs)
    done = project.run()
    assert done.returncode != 0
    assert message in done.stdout, done.stdout
    assert project.uploaded() == {}
    nothing = {"artifacts": "glibc-guard-nothing-passed", "report": "glibc-guard-no-report"}
    assert outputs(done) == {"verdict": "error", "floor": "", **nothing}


def test_one_architecture_fails_and_the_other_is_handed_over(
    tmp_path: Path, published: Path, variables: dict[str, str]
) -> None:
    project = example("c-program", tmp_path, published, variables)
    project.give(architectures='["x86_64", "aarch64"]')  # one of them is not that of this machine
    done = project.run()
    assert done.returncode != 0
    assert f"is not that of this runner, which is {os.uname().machine}" in done.stdout
    name = f"table-{os.uname().machine}"
    assert list(project.uploaded()) == [f"report-{name}", name]
    # Of the outputs act keeps those of the job that ended last, be they empty; GitHub keeps each that is set.
    assert outputs(done)["verdict"] == "error"


HOSTILE = "\"; touch pwned; \" '; touch pwned; ' $(touch pwned) `touch pwned`\ntouch pwned"


@pytest.mark.parametrize(
    "name",
    [
        "kind",
        "image",
        "python",
        "config",
        "baseline",
        "fail-on",
        "working-directory",
        "rust-toolchain",
        "rust-profile",
        "artifacts",
        "target",
        "artifact-name",
    ],
)
def test_hostile_inputs_do_nothing(tmp_path: Path, published: Path, variables: dict[str, str], name: str) -> None:
    project = example("c-program", tmp_path, published, variables)
    project.give(**{name: HOSTILE})
    done = project.run()
    assert done.returncode != 0, done.stdout
    assert not [folder for folder in project.uploaded() if not folder.startswith("report-")]
    assert not list(tmp_path.rglob("pwned"))


def outputs(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return outputs_of(done, "Join the architectures")


def assert_built_here_fails(project: Project, artifacts: str, named: str) -> None:
    """What this machine builds, which is newer than the image, does not pass where the image's glibc is promised."""
    command = [sys.executable, "-m", "glibc_guard", "check", "--target", IMAGE_GLIBC]
    command += [str(path) for path in project.folder.glob(artifacts)]
    variables = {**project.environment, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, check=False, cwd=project.folder, capture_output=True, text=True, env=variables)
    assert done.returncode == 1, done.stdout
    assert named in done.stdout


def release(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))
