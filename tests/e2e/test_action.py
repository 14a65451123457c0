"""The action from its inputs to its exit status, outputs, annotations and summary, run as the runner runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from building import CACHE, compile_with_zig, make_wheel
from e2e.runner import Command, Job

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.e2e

WHEEL = "sample-1.0-cp312-cp312-manylinux_2_17_x86_64.whl"
TOOLS = ("cut", "sed", "sh", "sort", "tr")


def python(folder: Path, script: str, name: str = "python3") -> Path:
    """Puts a program into ``folder`` that answers for a Python."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / name).chmod(0o755)
    return folder


def system_without_python(folder: Path) -> str:
    """A PATH with the tools of a small image and nothing else."""
    folder.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return str(folder)


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_pass(action: Path, job: Job, old_enough: bytes) -> None:
    (job.workspace / "ok.so").write_bytes(old_enough)
    result = job.use(action, {"artifacts": "*.so", "target": "2.17"})
    assert (result.status, result.outputs["verdict"], result.outputs["findings"]) == (0, "pass", "0"), result.log
    assert result.outputs["floor"] == "2.17"
    assert not result.issues("error")
    assert "ok.so" in result.log
    assert "ok.so" in result.summary


def test_fail(action: Path, job: Job, too_new: bytes) -> None:
    (job.workspace / "bad.so").write_bytes(too_new)
    result = job.use(action, {"artifacts": "bad.so", "target": "manylinux2014,\n rhel8"})
    assert (result.status, result.outputs["verdict"], result.outputs["findings"]) == (1, "fail", "1"), result.log
    assert result.outputs["floor"] == "2.26"
    (error,) = result.issues("error")
    assert error.properties == {
        "title": "symbol-version-too-new: reallocarray@GLIBC_2.26",
        "file": "pyproject.toml",
        "line": "1",
    }
    assert "in bad.so" in error.data
    assert "reallocarray" in result.summary
    report = Path(result.outputs["report"])
    assert report.is_relative_to(job.temporary)
    assert json.loads(report.read_text(encoding="utf-8"))["verdict"] == "fail"
    groups = [command.name for command in result.commands if command.name in {"group", "endgroup"}]
    assert groups == ["group", "endgroup"]


def test_nothing_of_the_environment_changes(action: Path, job: Job, old_enough: bytes) -> None:
    (job.workspace / "ok.so").write_bytes(old_enough)
    before = files_below(action) | files_below(job.workspace)
    result = job.use(action, {"artifacts": "ok.so"})
    assert result.status == 0, result.log
    assert (result.environment_file, result.path_file) == ("", "")
    assert files_below(action) | files_below(job.workspace) == before


def test_what_is_turned_off_is_not_shown(action: Path, job: Job, too_new: bytes) -> None:
    (job.workspace / "bad.so").write_bytes(too_new)
    inputs = {"artifacts": "bad.so", "annotations": "false", "summary": "false", "fail-on": "never"}
    result = job.use(action, inputs)
    assert result.status == 0, result.log
    assert not result.issues("error")
    assert result.summary == ""
    assert "reallocarray" in result.log


def test_artifacts_are_judged_together(action: Path, job: Job) -> None:
    for name in ("one", "other"):
        source = f"void __kmpc_fork_call(void) {{}} void {name}(void) {{}}"
        (job.workspace / f"{name}.so").write_bytes(compile_with_zig(source, "-shared", "-fPIC"))
    assert job.use(action, {"artifacts": "*.so"}).status == 0
    result = job.use(action, {"artifacts": "*.so", "together": "true"})
    assert (result.status, result.outputs["findings"]) == (1, "1"), result.log
    (error,) = result.issues("error")
    assert "2 OpenMP runtimes in one process" in error.data
    (job.workspace / "glibc-guard.toml").write_text("together = true\n", encoding="utf-8")
    assert job.use(action, {"artifacts": "*.so"}).status == 1
    assert job.use(action, {"artifacts": "*.so", "together": "false"}).status == 0


def test_spaces_and_a_working_directory(action: Path, job: Job, too_new: bytes) -> None:
    folder = job.workspace / "sub folder"
    (folder / "out put").mkdir(parents=True)
    (folder / "Cargo.toml").touch()
    (folder / "my settings.toml").write_text('target = "2.27"\n', encoding="utf-8")
    (folder / "out put" / "a b.so").write_bytes(too_new)
    inputs = {
        "artifacts": "out put/*.so",
        "working-directory": "sub folder",
        "config": "my settings.toml",
        "report": "reports here/guard report.json",
    }
    result = job.use(action, inputs)
    assert (result.status, result.outputs["verdict"]) == (0, "pass"), result.log
    assert result.outputs["report"] == str(folder / "reports here" / "guard report.json")
    assert (
        json.loads(Path(result.outputs["report"]).read_text(encoding="utf-8"))["artifacts"][0]["path"]
        == "out put/a b.so"
    )
    failed = job.use(action, {**inputs, "target": "2.17"})
    assert failed.status == 1
    assert failed.issues("error")[0].properties["file"] == "sub folder/Cargo.toml"


def test_a_baseline_of_wheels(action: Path, job: Job, old_enough: bytes, too_new: bytes) -> None:
    """A folder of wheels and a report serve; what changed is in the log, the summary and the annotations."""
    for folder in ("old wheels", "dist"):
        (job.workspace / folder).mkdir()
    tag = "cp312-cp312-manylinux_2_28_x86_64"
    make_wheel(job.workspace / "old wheels", {"p/_c.so": old_enough, "p/_d.so": old_enough}, tag=tag)
    make_wheel(job.workspace / "dist", {"p/p/_c.so": too_new}, tag=tag, version="1.1")
    inputs = {"artifacts": "dist/*.whl", "baseline": "old wheels", "report": "old.json"}
    result = job.use(action, inputs)
    assert (result.status, result.outputs["verdict"]) == (0, "pass"), result.log
    titles = [warning.properties["title"] for warning in result.issues("warning")]
    assert titles.count("object-gone") == 2
    assert "since 1.0: glibc 2.17 → 2.26, " in result.log
    assert "Since `1.0`: glibc 2\\.17 → 2\\.26, " in result.summary
    again = job.use(action, {"artifacts": "dist/*.whl", "baseline": "old.json"})
    assert "since sample-1.1-" in again.log
    assert "nothing changed" in again.summary
    assert not again.issues("warning")
    missing = job.use(action, {"artifacts": "dist/*.whl", "baseline": "old weels"})
    assert (missing.status, missing.outputs["verdict"]) == (2, "error")
    assert "old weels: no such file or folder" in missing.issues("error")[0].data


def test_a_baseline_from_an_index(action: Path, job: Job, tmp_path: Path, old_enough: bytes) -> None:
    """The pip of the Python that runs the action fetches it, with the job's own settings."""
    (job.workspace / "dist").mkdir()
    (tmp_path / "wheels").mkdir()
    make_wheel(tmp_path / "wheels", {"p/_c.so": old_enough})
    make_wheel(job.workspace / "dist", {"p/_c.so": old_enough}, version="1.1")
    inputs = {"artifacts": "dist/*.whl", "baseline": "pypi:sample"}
    job.use(action, {**inputs, "baseline": ""})  # the dependencies come from the index of the tests
    here = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "wheels"),
        "PIP_CONFIG_FILE": os.devnull,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    result = job.use(action, inputs, here)
    assert result.status == 0, result.log
    assert "since 1.0: " in result.log
    assert not result.issues("warning")
    nothing = job.use(action, {**inputs, "baseline": "pypi:sample==3"}, here)
    assert nothing.status == 0, nothing.log
    assert "nothing was compared: pypi:sample==3: " in nothing.log
    (job.workspace / "glibc-guard.toml").write_text("baseline-required = true\n", encoding="utf-8")
    required = job.use(action, {**inputs, "baseline": "pypi:sample==3"}, here)
    assert (required.status, required.outputs["verdict"]) == (3, "unreadable"), required.log
    (error,) = required.issues("error")
    assert error.properties["title"] == "baseline-missing"


@pytest.mark.parametrize("content", [b"\x7fELF\x02\x01\x01" + bytes(20), b"PK\x03\x04 no archive"])
def test_unreadable(action: Path, job: Job, content: bytes) -> None:
    (job.workspace / WHEEL).write_bytes(content)
    result = job.use(action, {"artifacts": "*.whl", "fail-on": "never"})
    assert (result.status, result.outputs["verdict"]) == (3, "unreadable"), result.log
    (error,) = result.issues("error")
    assert WHEEL in error.data
    assert Path(result.outputs["report"]).is_file()


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"artifacts": "wheelhouse/*.whl"}, "wheelhouse/*.whl matches nothing in "),
        ({"artifacts": ""}, "The input artifacts is empty"),
        ({"target": "manylinux2041"}, "manylinux2041"),
        ({"fail-on": "warn"}, "The input fail-on is 'warn'; it may be error, warning, never"),
        ({"together": "1"}, "The input together is '1'; it may be true or false"),
        ({"annotations": "yes"}, "The input annotations is 'yes'; it may be true or false"),
        ({"config": "missing.toml"}, "missing.toml: cannot be read"),
        ({"working-directory": "missing"}, "The input working-directory: "),
        ({"report": "ok.so/report.json"}, "cannot be written"),
    ],
    ids=str,
)
def test_usage(action: Path, job: Job, old_enough: bytes, inputs: dict[str, str], sentence: str) -> None:
    (job.workspace / "ok.so").write_bytes(old_enough)
    result = job.use(action, {"artifacts": "ok.so", **inputs})
    assert result.status == 2, result.log
    assert result.outputs == {"verdict": "error", "findings": "", "floor": "", "report": ""}
    (error,) = result.issues("error")
    assert sentence in error.data
    assert "Traceback" not in result.log


def test_no_python(action: Path, job: Job, tmp_path: Path) -> None:
    bare = {"PATH": system_without_python(tmp_path / "bin"), "RUNNER_TOOL_CACHE": str(tmp_path)}
    result = job.use(action, {"artifacts": "x"}, bare)
    assert result.status == 2, result.log
    assert result.outputs == {"verdict": "error", "findings": "", "floor": "", "report": ""}
    (error,) = result.issues("error")
    assert "needs CPython 3.10 or newer with pip" in error.data
    assert "actions/setup-python" in error.data


def test_pythons_that_do_not_fit_are_passed_over(action: Path, job: Job, tmp_path: Path, old_enough: bytes) -> None:
    (job.workspace / "ok.so").write_bytes(old_enough)
    old = python(tmp_path / "old", "echo is 3.6")
    broken = python(tmp_path / "broken", "exit 9009")
    no_pip = python(tmp_path / "no pip", '[ "$2" = -c ] && exit 0; echo "No module named pip" >&2; exit 1', "python")
    path = os.pathsep.join(map(str, (old, broken, no_pip, "relative")))
    result = job.use(action, {"artifacts": "ok.so"}, {"PATH": f"{path}:{job.environment['PATH']}"})
    assert result.status == 0, result.log
    alone = job.use(action, {"artifacts": "ok.so"}, {"PATH": f"{path}:{system_without_python(tmp_path / 'bin')}"})
    (error,) = alone.issues("error")
    assert (
        f"{old}/python3 is 3.6; {broken}/python3 does not run as Python 3; {no_pip}/python has no working pip"
        in error.data
    )


def test_a_python_that_was_named_has_to_fit(action: Path, job: Job, tmp_path: Path) -> None:
    old = python(tmp_path / "old", "echo is 3.6") / "python3"
    for named, reason in ((old, "is 3.6"), (tmp_path / "nowhere", "does not run as Python 3")):
        result = job.use(action, {"artifacts": "x", "python": str(named)})
        assert (result.status, result.outputs["verdict"]) == (2, "error")
        (error,) = result.issues("error")
        assert error.data.startswith(f"The input python does not fit: {named} {reason}")


def test_the_newest_of_the_tool_cache(action: Path, job: Job, tmp_path: Path) -> None:
    cache = tmp_path / "tool cache"
    for version in ("3.9.1", "3.10.11", "3.12.1", "3.13.0-rc.1"):
        python(cache / "Python" / version / "x64" / "bin", f"echo is {version}")
    bare = {"PATH": system_without_python(tmp_path / "bin"), "RUNNER_TOOL_CACHE": str(cache)}
    (error,) = job.use(action, {"artifacts": "x"}, bare).issues("error")
    tried = [word.split("/")[-4] for word in error.data.split() if word.startswith(f"{cache.name.split()[1]}/")]
    assert tried == ["3.12.1", "3.10.11", "3.9.1"]


def test_the_second_use_installs_nothing(action: Path, job: Job, old_enough: bytes) -> None:
    (job.workspace / "ok.so").write_bytes(old_enough)
    assert job.use(action, {"artifacts": "ok.so"}).status == 0
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    result = job.use(action, {"artifacts": "ok.so"}, nowhere)
    assert result.status == 0, result.log
    assert "pip:" not in result.log


def test_an_installation_that_fails_says_so_and_is_not_taken_for_done(action: Path, job: Job, tmp_path: Path) -> None:
    elsewhere = Job(job.workspace, tmp_path / "temp", job.environment)
    nowhere = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "empty"), "PIP_NO_CACHE_DIR": "1"}
    for _ in range(2):
        result = elsewhere.use(action, {"artifacts": "x"}, nowhere)
        assert (result.status, result.outputs["verdict"]) == (2, "error"), result.log
        assert "pip could not install the dependencies" in result.issues("error")[0].data


def test_what_lies_about_does_not_change_what_runs(action: Path, job: Job, tmp_path: Path, old_enough: bytes) -> None:
    (job.workspace / "ok.so").write_bytes(old_enough)
    trap = "raise SystemExit('trapped')\n"
    for folder in (job.workspace, tmp_path / "path"):
        (folder / "glibc_guard").mkdir(parents=True)
        for name in (
            "glibc_guard/__init__.py",
            "click.py",
            "json.py",
            "pip.py",
            "sitecustomize.py",
            "usercustomize.py",
        ):
            (folder / name).write_text(trap, encoding="utf-8")
    hostile = {
        "PYTHONPATH": str(tmp_path / "path"),
        "PYTHONHOME": str(tmp_path / "nowhere"),
        "PYTHONSTARTUP": str(tmp_path / "path" / "click.py"),
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "2",
        "CDPATH": str(tmp_path),
        "ENV": str(tmp_path / "path" / "click.py"),
    }
    result = job.use(action, {"artifacts": "ok.so"}, hostile)
    assert (result.status, result.outputs["verdict"]) == (0, "pass"), result.log
    assert "trapped" not in result.log


def test_pip_settings_of_the_user_do_not_reach_the_installation(
    action: Path, job: Job, tmp_path: Path, old_enough: bytes
) -> None:
    (job.workspace / "ok.so").write_bytes(old_enough)
    (tmp_path / "c.txt").write_text("click<1\n", encoding="utf-8")
    hostile = {
        "PIP_TARGET": str(tmp_path / "taken"),
        "PIP_USER": "1",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PIP_NO_BINARY": ":all:",
        "PIP_CONSTRAINT": str(tmp_path / "c.txt"),
        "PIP_DRY_RUN": "1",
    }
    result = Job(job.workspace, tmp_path / "temp", job.environment).use(action, {"artifacts": "ok.so"}, hostile)
    assert (result.status, result.outputs["verdict"]) == (0, "pass"), result.log
    assert not (tmp_path / "taken").exists()


@pytest.mark.parametrize("path", ["", "missing/summary.md", "."])
def test_a_summary_that_cannot_be_written_leaves_the_gate_alone(
    action: Path, tmp_path: Path, job: Job, old_enough: bytes, path: str
) -> None:
    """The variable is set behind the runner's back, by a wrapper around the shell part."""
    copy = tmp_path / "action"
    shutil.copytree(action, copy)
    script = copy / "scripts" / "action" / "run.sh"
    value = path and str(tmp_path / path)
    text = script.read_text(encoding="utf-8").replace("set -u\n", f"set -u\nexport GITHUB_STEP_SUMMARY='{value}'\n")
    script.write_text(text, encoding="utf-8")
    (job.workspace / "ok.so").write_bytes(old_enough)
    result = job.use(copy, {"artifacts": "ok.so"})
    assert (result.status, result.outputs["verdict"]) == (0, "pass"), result.log
    assert len(result.issues("warning")) == 1


HOSTILE_SYMBOL = b"##[error]forged\r::error::"
HOSTILE_SONAME = b"\n::set-output name=verdict::pass"
HOSTILE_NEEDED = b"libc.musl-\x1b[2K\r##[set-output name=verdict]pass"
HOSTILE_MEMBERS = (
    "pkg/\n::error::forged by a member\n.so",
    "pkg/\r::set-output name=verdict::pass\r.so",
    "pkg/##[add-path]x.so",
    "::stop-commands::x.so",
    "pkg/\u202etxt.\u2028::warning::forged",
    "pkg/<img src=x onerror=alert(1)>|`[x](javascript:1).so",
    "verdict<<EOF\npass\nEOF.so",
)


@pytest.fixture(scope="session")
def hostile_library() -> bytes:
    """A library whose symbol, SONAME and needed library are workflow commands, in place of names as long."""
    symbol = b"__cxa_thread_atexit_impl"
    soname = b"lib" + b"s" * len(HOSTILE_SONAME)
    needed = b"lib" + b"n" * len(HOSTILE_NEEDED)
    shared = ("-shared", "-fPIC")
    stub = CACHE / "stub.so"  # in one place: the path is part of what a compiled object is kept under
    stub.parent.mkdir(parents=True, exist_ok=True)
    stub.write_bytes(compile_with_zig("int stub(void) { return 1; }", *shared, f"-Wl,-soname,{needed.decode()}"))
    source = (
        "extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *);\nextern int stub(void);\n"
        "int g(void (*p)(void *)) { return __cxa_thread_atexit_impl(p, 0, &p) + stub(); }\n"
    )
    built = compile_with_zig(source, *shared, f"-Wl,-soname,{soname.decode()}", str(stub), glibc="2.18")
    for name, hostile in ((symbol, HOSTILE_SYMBOL), (soname, HOSTILE_SONAME), (needed, HOSTILE_NEEDED)):
        assert name + b"\0" in built
        built = built.replace(name + b"\0", hostile[: len(name)].ljust(len(name) + 1, b"\0"))
    return built


def commands_besides(commands: Iterable[Command], *names: str) -> list[Command]:
    return [command for command in commands if command.name not in names]


def test_names_in_an_artifact_forge_nothing(action: Path, job: Job, hostile_library: bytes) -> None:
    make_wheel(job.workspace, dict.fromkeys(HOSTILE_MEMBERS, hostile_library))
    (job.workspace / "::error::forged.so").write_bytes(hostile_library)
    result = job.use(action, {"artifacts": "*.whl\n*.so"})
    assert result.status in {1, 3}, result.log
    assert result.outputs["verdict"] in {"fail", "unreadable"}
    assert set(result.outputs) == {"verdict", "findings", "floor", "report"}
    assert not commands_besides(result.commands, "error", "group", "endgroup")
    assert 0 < len(result.issues("error")) <= 10
    for error in result.issues("error"):
        assert error.properties["file"] == "pyproject.toml"
        assert not error.data.startswith("forged")
        assert error.data.replace("\n", "").isprintable()
    assert "\x1b" not in result.log + result.summary
    assert "\u202e" not in result.log + result.summary
    assert {error.properties["title"].partition(":")[0] for error in result.issues("error")} >= {
        "library-not-allowed",
        "symbol-version-too-new",
    }
    outside_code = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", result.summary)
    assert "<img" not in outside_code
    assert "](javascript" not in outside_code


def test_a_fault_of_our_own_is_no_traceback_that_the_runner_obeys(
    action: Path, job: Job, tmp_path: Path, old_enough: bytes
) -> None:
    (job.workspace / "ok.so").write_bytes(old_enough)
    copy = tmp_path / "action"
    shutil.copytree(action, copy)
    guard = copy / "src" / "glibc_guard" / "guard.py"
    message = r"\n::set-output name=verdict::pass\n##[error]forged"
    fault = f'def check(*_: object) -> None:\n    raise RuntimeError("{message}")\n'
    guard.write_text(f"{guard.read_text(encoding='utf-8')}\n\n{fault}", encoding="utf-8")
    result = job.use(copy, {"artifacts": "ok.so"})
    assert (result.status, result.outputs["verdict"]) == (3, "error"), result.log
    assert "RuntimeError" in result.log
    assert not commands_besides(result.commands, "error")
    assert len(result.issues("error")) == 1


def test_more_findings_than_the_runner_shows(action: Path, job: Job, hostile_library: bytes) -> None:
    """Twelve distinct errors: twelve symbols in place of one."""
    name = HOSTILE_SYMBOL[:24]
    assert name in hostile_library
    members = {
        f"p/{n}.so": hostile_library.replace(name, f"symbol_number_{n:02}".ljust(24, "_").encode()) for n in range(12)
    }
    make_wheel(job.workspace, members)
    result = job.use(action, {"artifacts": WHEEL})
    errors = result.issues("error")
    assert len(errors) == 10, result.log
    assert "the job summary" in errors[-1].data
    assert result.outputs["report"] in errors[-1].data


def test_the_python_of_the_tests_can_run_it(action: Path, job: Job, old_enough: bytes) -> None:
    (job.workspace / "ok.so").write_bytes(old_enough)
    result = job.use(action, {"artifacts": "ok.so", "python": sys.executable})
    assert result.status == 0, result.log


def test_html_to_look_at(action: Path, job: Job, too_new: bytes) -> None:
    (job.workspace / "bad.so").write_bytes(too_new)
    result = job.use(action, {"artifacts": "bad.so", "target": "2.17", "html": "out put/guard.html"})
    assert (result.status, result.outputs["verdict"]) == (1, "fail"), result.log
    page = (job.workspace / "out put" / "guard.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "reallocarray" in page
    assert job.use(action, {"artifacts": "bad.so", "html": "bad.so"}).status == 2
    assert job.use(action, {"artifacts": "bad.so", "html": "a", "sarif": "a"}).status == 2


def test_sarif_for_code_scanning(action: Path, job: Job, too_new: bytes) -> None:
    (job.workspace / "bad.so").write_bytes(too_new)
    result = job.use(action, {"artifacts": "bad.so", "target": "2.17", "sarif": "out put/guard.sarif"})
    assert (result.status, result.outputs["verdict"]) == (1, "fail"), result.log
    (run,) = json.loads((job.workspace / "out put" / "guard.sarif").read_text(encoding="utf-8"))["runs"]
    (alert,) = run["results"]
    assert alert["ruleId"] == "symbol-version-too-new"
    assert alert["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "pyproject.toml"
    assert job.use(action, {"artifacts": "bad.so", "sarif": "bad.so"}).status == 2
    assert job.use(action, {"artifacts": "bad.so", "sarif": "bad.so/x.sarif"}).status == 2
