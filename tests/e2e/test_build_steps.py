"""The steps of the reusable workflow with a real engine: what a build sees, what it leaves, how each failure ends."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from e2e.build_steps import RUNNER, SECRETS, Steps
from e2e.conftest import ROOT, tool
from e2e.containers import IMAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.e2e

PATIENCE: Final = 300  # seconds for what happens at once on a machine that does nothing else
C_PROGRAM = "#define _GNU_SOURCE\n#include <stdlib.h>\nint main(void) { return reallocarray(0, 1, 2) == 0; }\n"


@pytest.fixture
def steps(tmp_path: Path, environment: dict[str, str], container_engine: dict[str, str]) -> Steps:
    workspace, temporary = tmp_path / "work space", tmp_path / "runner temp"
    workspace.mkdir()
    temporary.mkdir()
    return Steps(workspace, temporary, {**environment, **container_engine}, IMAGE)


def floor(path: Path) -> str:
    text = subprocess.run(["readelf", "-V", path], check=True, capture_output=True, text=True).stdout
    releases: list[str] = re.findall(r"GLIBC_(2\.\d+)", text)
    return max(releases, key=lambda release: [int(number) for number in release.split(".")])


def owners(folder: Path) -> set[int]:
    return {path.lstat().st_uid for path in (folder, *folder.rglob("*"))}


def test_a_program_is_built_in_the_image_and_belongs_to_the_user(steps: Steps) -> None:
    (steps.workspace / "main.c").write_text(C_PROGRAM, encoding="utf-8")
    done = steps.build(
        build_command='mkdir -p "out put"\ngcc -g -o "out put/my tool" main.c\nid -u >identity\n',
        artifacts="out put/*",
    )
    assert done.status == 0, done.log
    assert done.outputs["artifacts"] == "out put/*"
    assert (steps.workspace / "identity").read_text(encoding="utf-8").strip() == "0"
    assert owners(steps.workspace) == owners(steps.temporary / "glibc-guard-build" / "notes") == {RUNNER}
    assert floor(steps.workspace / "out put" / "my tool") == "2.26"


def test_nothing_of_the_job_is_inside(steps: Steps) -> None:
    done = steps.build(build_command="env -0 >environment; ls -a / >root; cat /proc/mounts >mounts", artifacts="x")
    assert done.status == 0, done.log
    variables = dict(
        entry.split("=", 1)
        for entry in (steps.workspace / "environment").read_text(encoding="utf-8").split("\0")
        if entry
    )
    assert not [name for name in variables if name.startswith(("GITHUB_", "ACTIONS_", "RUNNER_", "INPUT_", "AWS_"))]
    assert not set(SECRETS.values()) & set(variables.values())
    assert variables["GLIBC_GUARD_KIND"] == "command"
    mounts = (steps.workspace / "mounts").read_text(encoding="utf-8")
    assert re.search(r" /glibc-guard/scripts \S+ ro\b", mounts), mounts
    assert "docker.sock" not in mounts
    assert "podman.sock" not in mounts


def test_before_runs_first_and_both_are_scripts_of_several_lines(steps: Steps) -> None:
    done = steps.build(
        before="cd /\necho 'one $HOME' >/tmp/before\n",
        build_command="pwd >place\ncat /tmp/before >found",
        artifacts="found",
    )
    assert done.status == 0, done.log
    assert (steps.workspace / "found").read_text(encoding="utf-8") == "one $HOME\n"
    assert (steps.workspace / "place").read_text(encoding="utf-8").strip() == str(steps.workspace)


def test_what_a_build_prints_is_no_command(steps: Steps) -> None:
    forged = "::error::forged"
    done = steps.build(build_command=f"echo '{forged}'; echo '##[set-env name=X;]y'", artifacts="x")
    lines = done.log.splitlines()
    (start,) = [number for number, line in enumerate(lines) if line.startswith("::stop-commands::")]
    (end,) = [number for number, line in enumerate(lines) if line == f"::{lines[start].rpartition('::')[2]}::"]
    assert start < lines.index(forged) < end
    assert re.fullmatch(r"::stop-commands::[0-9a-f]{32}", lines[start])


def test_git_works_in_the_checkout_of_another_user(steps: Steps) -> None:
    commit(steps.workspace)
    done = steps.build(build_command="git status --short >status; git describe --dirty >version", artifacts="x")
    assert done.status == 0, done.log
    assert (steps.workspace / "version").read_text(encoding="utf-8") == "v1\n"


@pytest.mark.parametrize("ending", ["true", "exit 7", "kill -KILL $$", "rm -f /usr/bin/chown /bin/chown"])
def test_no_git_on_the_host_reads_what_a_build_wrote(steps: Steps, ending: str) -> None:
    """The last step of actions/checkout runs git in the workspace with the job's token, where ``.git/config`` is."""
    commit(steps.workspace)
    config = (steps.workspace / ".git" / "config").read_text(encoding="utf-8")
    hostile = """
exec 2>&1
git config core.fsmonitor 'touch pwned' && exit 90
echo x >>.git/config && exit 91
touch .git/new && exit 92
mv .git away && exit 93
rm -rf .git && exit 94
umount .git && exit 95
mkdir -p sub && echo 'gitdir: ../elsewhere' >sub/.git
"""
    done = steps.build(build_command=f"set +e\n{hostile}\n{ending}", artifacts="x")
    assert (done.status == 0) == (ending in {"true", "rm -f /usr/bin/chown /bin/chown"}), done.log
    assert not re.search(r"exit status 9\d", done.log), done.log
    assert not (steps.workspace / ".git").exists()
    away = steps.temporary / "glibc-guard-build" / "git" / "git"
    assert (away / "config").read_text(encoding="utf-8") == config
    assert not (away / "new").exists()


def test_a_git_that_a_build_makes_does_not_stay(steps: Steps) -> None:
    done = steps.build(build_command="git init -q && git config core.fsmonitor 'touch pwned'", artifacts="x")
    assert done.status == 0, done.log
    assert not (steps.workspace / ".git").exists()


def commit(folder: Path) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid", "-c", "tag.gpgSign=false"]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"], ["tag", "-a", "v1", "-m", "x"]):
        subprocess.run([tool("git"), *identity, *command], cwd=folder, check=True)


HOSTILE = (
    '"; touch pwned; "',
    "'; touch pwned; '",
    "$(touch pwned)",
    "`touch pwned`",
    "x\ntouch pwned",
    "x; touch pwned",
    "--help",
    "a b",
    "../../..",
)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    "name",
    [
        "kind",
        "architecture",
        "image",
        "python",
        "working-directory",
        "artifact-name",
        "rust-toolchain",
        "rust-profile",
    ],
)
def test_a_hostile_input_is_refused_before_anything_runs(steps: Steps, name: str, value: str) -> None:
    given = {"build-command": "true", "artifacts": "x", name: value}
    done = steps.step("prepare", **given)
    assert done.status == 1
    assert done.last_line.startswith("::error title=glibc-guard build::")
    assert done.log.count("\n") == 1, done.log
    assert not done.outputs
    assert not list(steps.workspace.rglob("pwned"))


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_artifacts_and_targets_are_only_text(steps: Steps, value: str) -> None:
    done = steps.build(build_command="true", artifacts=value, target=value)
    assert done.status == 0, done.log
    assert done.outputs["artifacts"].splitlines() == value.splitlines()
    assert not list(steps.workspace.rglob("pwned"))


def test_a_workspace_with_a_hostile_name(steps: Steps, tmp_path: Path) -> None:
    steps.workspace = tmp_path / "a; $(touch pwned) `touch pwned` 'c' --help"
    steps.workspace.mkdir()
    done = steps.build(build_command="touch made", artifacts="made")
    assert done.status == 0, done.log
    assert (steps.workspace / "made").exists()
    assert not list(tmp_path.rglob("pwned"))


def test_a_failing_build_says_where_and_gives_the_files_back(steps: Steps) -> None:
    done = steps.build(build_command="mkdir half; touch half/done; exit 7", artifacts="x")
    assert done.status == 1
    assert done.last_line.endswith(
        "The build failed in the container at: build-command (exit status 7); the log above says why"
    )
    assert owners(steps.workspace) == {RUNNER}


def test_a_build_makes_no_device(steps: Steps) -> None:
    """It would belong to the user of the runner afterwards, who could read a disk by it."""
    make = "for kind in b c; do mknod out/$kind $kind 7 0 && exit 9; done; mkfifo out/pipe"
    done = steps.build(build_command=f"mkdir out; {make}", artifacts="out")
    assert done.status == 0, done.log
    assert [path.name for path in (steps.workspace / "out").iterdir()] == ["pipe"]


def test_a_failing_before_stops_the_build(steps: Steps) -> None:
    done = steps.build(before="false\ntouch went-on", build_command="touch went-on", artifacts="x")
    assert done.status == 1
    assert "in the container at: before (exit status 1)" in done.last_line
    assert not (steps.workspace / "went-on").exists()


@pytest.mark.parametrize("note", ["stage", "status"])
@pytest.mark.parametrize("place", ["mkdir {}", "ln -s ../secret {}", "mkfifo {}"])
def test_no_note_is_read_through_what_is_no_file(steps: Steps, note: str, place: str) -> None:
    (steps.temporary / "glibc-guard-build").mkdir()
    (steps.temporary / "glibc-guard-build" / "secret").write_text("a secret", encoding="utf-8")
    path = f"$GLIBC_GUARD_NOTES/{note}"
    build = f"rm -f {path}; {place.format(path)}; exit 7"
    done = steps.build(build_command=build, artifacts="x")
    assert done.status == 1
    assert "(exit status 7)" in done.last_line
    assert "a secret" not in done.log


def test_a_container_that_is_stopped_is_no_success(steps: Steps) -> None:
    done = steps.build(build_command="trap '' EXIT; kill -TERM 1; sleep 1", artifacts="x")
    assert done.status == 1
    assert "The build failed in the container at: build-command" in done.last_line


def test_a_build_that_takes_the_programs_of_its_container_away(steps: Steps) -> None:
    done = steps.build(build_command="mkdir out; touch out/mine; chown 0:0 .; rm -rf /bin /usr/bin", artifacts="out")
    assert "the container at: build-command" in done.last_line or done.status == 0, done.log
    assert owners(steps.workspace) == {RUNNER}


def test_files_that_cannot_be_given_back(steps: Steps) -> None:
    derive(steps, "no-stat", "RUN rm /usr/bin/stat")
    done = steps.build(build_command="mkdir out; touch out/mine", artifacts="out")
    if os.getuid() != 0 and owners(steps.workspace) == {os.getuid()}:
        pytest.skip("the root of containers is this user: the engine runs without root")
    assert done.status == 1
    assert done.last_line.endswith(
        "out belongs to root after the build, and could not be given back: see the log above"
    )
    assert re.search(r"stat: .*not found", done.log)


def derive(steps: Steps, name: str, *recipe: str) -> None:
    """Builds in an image that is made of the one of the tests."""
    variables = {**os.environ, **steps.environment}
    steps.image = f"localhost/glibc-guard-tests/{name}:1"
    command = [str(tool("docker")), "build", "--quiet", "--tag", steps.image, "-"]
    text = "\n".join((f"FROM {IMAGE}", *recipe, "")).encode()
    subprocess.run(command, check=True, env=variables, input=text, capture_output=True)


def wait_for(path: Path, step: subprocess.Popen[bytes]) -> None:
    """Wait until the build that ``step`` runs has made ``path``."""
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        if step.poll() is not None:
            pytest.fail(f"the step ended before there was {path}:\n{step.communicate()[0].decode(errors='replace')}")
        assert time.monotonic() < deadline, f"{path} does not appear"
        time.sleep(0.1)


def seconds_of_an_empty_container(steps: Steps) -> float:
    began = time.monotonic()
    command = [str(tool("docker")), "run", "--rm", IMAGE, "true"]
    subprocess.run(command, check=True, env={**os.environ, **steps.environment}, stdin=subprocess.DEVNULL)
    return time.monotonic() - began


def container(steps: Steps) -> str:
    """The name of the container that the step has started."""
    started = steps.temporary / "glibc-guard-build" / "started.json"
    return str(json.loads(started.read_text(encoding="utf-8"))["container"])


def is_there(steps: Steps, name: str) -> bool:
    command = [str(tool("docker")), "ps", "--all", "--quiet", "--filter", f"name={name}"]
    variables = {**os.environ, **steps.environment}
    return subprocess.run(command, check=True, env=variables, capture_output=True, text=True).stdout != ""


LONG: Final = {"build_command": "mkdir out; touch out/half; sleep 3600", "artifacts": "out"}


#: What starts a command that inherits an ignored SIGINT, as from a runner that runs in the background of a script.
WITHOUT_INTERRUPT: Final = ("/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh")


@pytest.mark.parametrize("starter", [(), WITHOUT_INTERRUPT], ids=["foreground", "background"])
def test_a_job_that_is_cancelled_leaves_nothing_behind(steps: Steps, starter: tuple[str, ...]) -> None:
    """The runner sends SIGINT to the process that it started, and SIGTERM after 7.5 seconds (ProcessInvoker.cs).

    It takes as long as three containers that do nothing. Where the machine is so busy that one of those takes a second
    meanwhile, and not the half, the step may take longer, too.
    """
    steps.starter = starter
    commit(steps.workspace)
    assert steps.step("prepare", **LONG).status == 0
    step = steps.start("run")
    wait_for(steps.workspace / "out" / "half", step)
    name = container(steps)
    assert is_there(steps, name)
    with ThreadPoolExecutor(1) as pool:
        meanwhile = pool.submit(seconds_of_an_empty_container, steps)
        began = time.monotonic()
        step.send_signal(signal.SIGINT)
        log, _ = step.communicate(timeout=PATIENCE)
        took = time.monotonic() - began
        assert took < max(7.5, 10 * meanwhile.result()), "the runner would not have waited"
    assert step.returncode == 1
    last = log.decode().rstrip().splitlines()[-1]
    assert last.endswith("The build was stopped: the job was cancelled, or ran longer than timeout-minutes")
    assert "Traceback" not in log.decode()
    assert not is_there(steps, name)
    assert owners(steps.workspace) == {RUNNER}
    assert not (steps.workspace / ".git").exists()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_killed_step_leaves_is_cleared_up(steps: Steps, ending: signal.Signals) -> None:
    commit(steps.workspace)
    (steps.workspace / "project").mkdir()
    build = LONG["build_command"].replace("out", "../out")
    assert steps.step("prepare", build_command=build, artifacts="out", working_directory="project").status == 0
    step = steps.start("run")
    wait_for(steps.workspace / "out" / "half", step)
    step.send_signal(ending)
    assert step.wait(timeout=PATIENCE) == -ending
    name = container(steps)
    assert is_there(steps, name)
    shutil.rmtree(steps.workspace / "project")  # the build may have done so, too
    assert os.getuid() != 0 or owners(steps.workspace) == {0, RUNNER}
    done = steps.step("clear-up")
    assert done.status == 0, done.log
    assert not is_there(steps, name)
    assert owners(steps.workspace) == {RUNNER}
    assert not (steps.workspace / ".git").exists()
    assert steps.step("clear-up").log == ""


def test_after_a_build_that_ended_nothing_is_cleared_up(steps: Steps) -> None:
    assert steps.step("clear-up").status == 0  # where not even the inputs were right
    assert steps.build(build_command="touch x", artifacts="x").status == 0
    done = steps.step("clear-up")
    assert (done.status, done.log) == (0, "")


def test_an_image_that_cannot_be_pulled(steps: Steps) -> None:
    steps.image = "127.0.0.1:1/none/manylinux2014:1"
    done = steps.build(build_command="true", artifacts="x")
    assert done.status == 1
    assert "The image 127.0.0.1:1/none/manylinux2014:1 cannot be pulled: " in done.last_line


def test_an_image_with_a_user_and_an_entry_point_of_its_own(steps: Steps) -> None:
    derive(steps, "own-entry-point", "USER 65534", 'ENTRYPOINT ["/bin/false"]')
    done = steps.build(build_command="id -u >identity", artifacts="x")
    assert done.status == 0, done.log
    assert (steps.workspace / "identity").read_text(encoding="utf-8") == "0\n"
    assert owners(steps.workspace) == {RUNNER}


def import_image(steps: Steps, name: str, root: Path) -> None:
    """Makes an image of what is in the folder ``root``."""
    steps.image = f"localhost/glibc-guard-tests/{name}:1"
    docker, variables = str(tool("docker")), {**os.environ, **steps.environment}
    subprocess.run([docker, "rmi", "--force", steps.image], check=False, env=variables, capture_output=True)
    archive = subprocess.run(["tar", "-C", root, "-c", "."], check=True, capture_output=True).stdout
    subprocess.run([docker, "import", "-", steps.image], check=True, env=variables, input=archive, capture_output=True)


def test_an_image_without_a_shell(steps: Steps, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    import_image(steps, "empty", tmp_path / "root")
    done = steps.build(build_command="true", artifacts="x")
    assert done.status == 1
    assert f"The container did not start in {steps.image}" in done.last_line


def test_an_image_with_nothing_but_busybox(steps: Steps, tmp_path: Path) -> None:
    """No bash, no GNU program, no user database: what Alpine has, and less."""
    programs = tmp_path / "root" / "bin"
    programs.mkdir(parents=True)
    shutil.copy(tool("busybox"), programs / "busybox")
    for name in ("sh", "mkdir", "chown", "rm", "stat", "touch", "ls", "id"):
        (programs / name).symlink_to("busybox")
    import_image(steps, "busybox", tmp_path / "root")
    script = "mkdir out\ntouch 'out/a file'\nid -u >out/identity"
    done = steps.build(before="touch /made", build_command=f"ls /made\n{script}", artifacts="out")
    assert done.status == 0, done.log
    assert (steps.workspace / "out" / "identity").read_text(encoding="utf-8") == "0\n"
    assert owners(steps.workspace) == {RUNNER}
    done = steps.build(build_command="false\ntouch went-on", artifacts="out")
    assert "the container at: build-command (exit status 1)" in done.last_line
    assert not (steps.workspace / "went-on").exists()


def test_no_python(steps: Steps, tmp_path: Path) -> None:
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "sh").symlink_to("/bin/sh")
    steps.extra = {"PATH": str(tmp_path / "programs")}
    done = steps.build(build_command="true", artifacts="x")
    assert done.status == 1
    assert "There is no python3 on PATH" in done.last_line


def test_no_engine(steps: Steps, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "python3").symlink_to("/usr/bin/python3" if Path("/usr/bin/python3").exists() else tool("python3"))
    (programs / "sh").symlink_to("/bin/sh")
    steps.extra = {"PATH": str(programs)}
    done = steps.build(build_command="true", artifacts="x")
    assert done.status == 1
    assert "There is no container engine: docker is not on PATH" in done.last_line


def test_an_engine_that_does_not_answer(steps: Steps, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("[", encoding="utf-8")
    steps.extra = {"DOCKER_HOST": f"unix://{tmp_path}/nothing.sock", "CONTAINERS_CONF": str(tmp_path / "broken")}
    done = steps.build(build_command="true", artifacts="x")
    assert done.status == 1
    assert "The container engine does not answer: " in done.last_line


WORKFLOW: Final = ROOT / ".github" / "workflows" / "build.yml"
CALLS: Final = [
    (path.parents[2].name, job["with"])
    for path in sorted(ROOT.glob("examples/*/.github/workflows/*.yml"))
    for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    if job.get("uses", "").endswith("/build.yml@v1")
]


@pytest.mark.parametrize(("name", "given"), CALLS, ids=[name for name, _ in CALLS])
def test_the_inputs_that_an_example_gives_are_right(steps: Steps, name: str, given: dict[str, str]) -> None:
    """Those that ask for more than the image of the tests has are not built by the workflow itself: nanobind-abi3."""
    declared = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))[True]["workflow_call"]["inputs"]
    assert set(given) <= set(declared)
    architectures = json.loads(given.get("architectures", declared["architectures"]["default"]))
    assert set(architectures) <= {"x86_64", "aarch64"}
    assert (ROOT / "examples" / name / given.get("working-directory", ".")).is_dir()
    assert "image" not in given  # another one would have to be there
    done = steps.step("prepare", **given)
    assert done.status == 0, done.log


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"kind": "wheel"}, "kind: wheel needs the input python"),
        ({"kind": "wheel", "python": "cp39", "build_command": "true"}, "kind: wheel builds with pip wheel"),
        ({"kind": "command"}, "kind: command needs the input build-command"),
        ({"kind": "rust", "build_command": "cargo build"}, "the input artifacts has to say what it makes"),
        ({"kind": "docker"}, "it may be wheel, rust, command"),
        ({"architecture": "riscv64"}, "it may be x86_64, aarch64"),
        ({"architecture": "x86_64" if os.uname().machine != "x86_64" else "aarch64"}, "is not that of this runner"),
        ({"working_directory": "nowhere"}, "The input working-directory: nowhere is no folder of the repository"),
    ],
)
def test_wrong_inputs(steps: Steps, inputs: dict[str, str], message: str) -> None:
    done = steps.build(**{"build_command": "", **inputs})
    assert done.status == 1
    assert message in done.last_line


def test_the_cache_is_keyed_by_image_and_lock_file(steps: Steps) -> None:
    given = {"build-command": "true", "artifacts": "x"}
    first = steps.step("prepare", **given).outputs
    keys = [first["key"], steps.step("prepare", **{**given, "build-command": "false"}).outputs["key"]]
    (steps.workspace / "crates" / "one").mkdir(parents=True)
    for name, content in (
        ("Cargo.lock", "a"),
        ("Cargo.lock", "b"),
        ("crates/Cargo.lock", "c"),
        ("requirements-build.txt", "d"),
        ("setup.cfg", "e"),
        ("native/core/Cargo.lock", "f"),
        ("requirements/build.txt", "g"),
        ("other/pyproject.toml", "h"),
    ):
        (steps.workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (steps.workspace / name).write_text(content, encoding="utf-8")
        keys.append(steps.step("prepare", **given, working_directory="crates/one").outputs["key"])
    assert len(set(keys)) == len(keys) == 10
    (steps.workspace / "main.c").write_text("int main;", encoding="utf-8")  # nothing is fetched for it
    (steps.workspace / "setup.py").symlink_to("/dev/zero")
    assert steps.step("prepare", **given, working_directory="crates/one").outputs["key"] == keys[-1]
    assert "restore-keys" not in first  # no other key's cache will do
    assert Path(first["cache"]).is_dir()


def test_only_downloads_are_kept(steps: Steps) -> None:
    leave = """
mkdir -p "$CARGO_HOME/bin" "$PIP_CACHE_DIR/wheels" "$RUSTUP_HOME"
touch "$CARGO_HOME/bin/cargo" "$CARGO_HOME/config.toml" "$PIP_CACHE_DIR/wheels/x.whl" "$RUSTUP_HOME/settings.toml"
mkdir -p "$CARGO_HOME/registry/index" "$CARGO_HOME/git/db"
for folder in registry/index registry/cache git/db; do touch "$CARGO_HOME/$folder/kept"; done
for folder in http http-v2; do touch "$PIP_CACHE_DIR/$folder/kept"; done
"""
    done = steps.build(build_command=leave, artifacts="x")
    assert done.status == 0, done.log
    cache = steps.temporary / "glibc-guard-build" / "cache"
    kept = sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file())
    assert kept == ["cargo-crates/kept", "pip-v2/kept", "pip/kept"]
    assert {path.stat().st_uid for path in cache.rglob("kept")} == {RUNNER}

    (cache / "bin").mkdir()  # as a cache of another making may have it
    (cache / "bin" / "cargo").touch(mode=0o755)
    look = 'find "$CARGO_HOME" "$PIP_CACHE_DIR" "$RUSTUP_HOME" -type f >found; ! command -v cargo'
    done = steps.build(build_command=look, artifacts="x")
    assert done.status == 0, done.log
    found = (steps.workspace / "found").read_text(encoding="utf-8").split()
    assert len(found) == 2  # no lock file has the checksum of the crate
    assert {path.rpartition("/")[2] for path in found} == {"kept"}


def test_wheels_are_built_and_repaired(steps: Steps) -> None:
    write_extension(steps.workspace)
    done = steps.build(kind="wheel", python="cp39-cp39 cp39")
    assert done.status == 0, done.log
    assert done.outputs["artifacts"] == "wheelhouse/*.whl"
    (wheel,) = (steps.workspace / "wheelhouse").iterdir()
    assert wheel.name.startswith("counter-1.0-cp39-cp39-manylinux_2_")
    assert f"manylinux_2_31_{os.uname().machine}" in wheel.name  # what the image stands for
    assert wheel.stat().st_uid == RUNNER


def test_a_wheel_that_cannot_keep_the_target_fails(steps: Steps) -> None:
    write_extension(steps.workspace, call="pthread_getattr_default_np(0)", header="pthread.h")  # glibc 2.18
    done = steps.build(kind="wheel", python="cp39-cp39", target="manylinux2014")
    assert done.status == 1
    assert "at: auditwheel repair of counter-1.0" in done.last_line


def test_an_image_with_musl_is_asked_for_the_target_of_its_own(steps: Steps) -> None:
    derive(steps, "musl", f"RUN touch /lib/ld-musl-{os.uname().machine}.so.1")
    write_extension(steps.workspace)
    done = steps.build(kind="wheel", python="cp39-cp39", target="manylinux2014, musllinux_1_2")
    assert done.status == 1  # what is built there needs glibc in truth
    assert "at: auditwheel repair of counter-1.0" in done.last_line
    assert f"invalid choice: 'musllinux_1_2_{os.uname().machine}'" in done.log


def test_a_python_that_the_image_does_not_have(steps: Steps) -> None:
    write_extension(steps.workspace)
    done = steps.build(kind="wheel", python="cp399")
    assert done.status == 1
    assert "There is no /opt/python/cp399-cp399/bin/python in this image; it has: /opt/python/cp39-cp39" in done.log


def test_old_wheels_are_not_released(steps: Steps) -> None:
    (steps.workspace / "wheelhouse").mkdir()
    done = steps.build(kind="wheel", python="cp39-cp39")
    assert done.status == 1
    assert "wheelhouse is there before anything was built" in done.log


def write_extension(folder: Path, call: str = "0", header: str = "stdlib.h") -> None:
    """A project with an extension module that needs no package to be built."""
    (folder / "setup.py").write_text(
        "from setuptools import Extension, setup\n"
        "setup(name='counter', version='1.0', ext_modules=[Extension('counter', ['counter.c'])])\n",
        encoding="utf-8",
    )
    (folder / "counter.c").write_text(
        "#define _GNU_SOURCE\n"
        f"#include <Python.h>\n#include <{header}>\n"
        'static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "counter"};\n'
        f"PyMODINIT_FUNC PyInit_counter(void) {{ if ((long)({call})) return 0; return PyModule_Create(&module); }}\n",
        encoding="utf-8",
    )


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


#: A workspace of cargo's whose folder is not that of the call, with a dependency beside it that has a cdylib as well,
#: and one of crates.io.
RUST: Final = {
    "rust-toolchain.toml": '[toolchain]\nchannel = "1.85.0"\nprofile = "minimal"\n',
    "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\nexclude = ["vendor"]\nresolver = "2"\n',
    "Cargo.lock": """version = 3

[[package]]
name = "helper"
version = "0.1.0"

[[package]]
name = "itoa"
version = "1.0.11"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "49f1f14873335454500d59611f1cf4a4b0f786f9ac11f4312a78e4cf2566695b"

[[package]]
name = "plugin"
version = "0.1.0"

[[package]]
name = "tool"
version = "0.1.0"
dependencies = [
 "helper",
 "itoa",
 "plugin",
]
""",
    "vendor/helper/Cargo.toml": '[package]\nname = "helper"\nversion = "0.1.0"\nedition = "2021"\n'
    '[lib]\ncrate-type = ["cdylib", "rlib"]\n',
    "vendor/helper/src/lib.rs": "pub fn answer() -> i32 { 42 }\n",
    "crates/plugin/Cargo.toml": '[package]\nname = "plugin"\nversion = "0.1.0"\nedition = "2021"\n'
    '[lib]\ncrate-type = ["cdylib", "rlib"]\n',
    "crates/plugin/src/lib.rs": '#[no_mangle]\npub extern "C" fn plugin() -> i32 { 1 }\n',
    "crates/tool/Cargo.toml": '[package]\nname = "tool"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\n'
    'helper = { path = "../../vendor/helper" }\nplugin = { path = "../plugin" }\nitoa = "=1.0.11"\n',
    "crates/tool/src/main.rs": "fn main() { "
    'println!("{}", itoa::Buffer::new().format(helper::answer() + plugin::plugin())) }\n',
}


def test_programs_and_cdylibs_of_a_cargo_workspace(steps: Steps) -> None:
    write(steps.workspace, RUST)
    # As an earlier build may have left it: cargo checks a crate when it downloads it, and never again.
    crate = steps.temporary / "glibc-guard-build/cache/cargo-crates/index.crates.io-1949cf8c6b5b557f/itoa-1.0.11.crate"
    crate.parent.mkdir(parents=True)
    crate.write_bytes(b"another content")
    before = "rustup --version; rustc --version >rustc; cargo --version >cargo"
    done = steps.build(kind="rust", working_directory="crates/tool", before=before)
    assert done.status == 0, done.log
    assert done.outputs["artifacts"] == "../../target/release/tool"
    assert hashlib.sha256(crate.read_bytes()).hexdigest() in RUST["Cargo.lock"]
    assert "rustc 1.85.0" in (steps.workspace / "crates" / "tool" / "rustc").read_text(encoding="utf-8")
    assert done.log.index("=== installing the toolchain") < done.log.index("=== before") < done.log.index("=== cargo")
    program = steps.workspace / "target" / "release" / "tool"
    assert subprocess.run([program], check=True, capture_output=True, text=True).stdout == "43\n"

    done = steps.build(kind="rust", rust_toolchain="1.86.0", rust_profile="dev", before="rustc --version")
    assert done.status == 0, done.log
    assert sorted(done.outputs["artifacts"].split()) == ["target/debug/libplugin.so", "target/debug/tool"]
    assert "rustc 1.86.0" in done.log
    assert "Crates of an earlier run that Cargo.lock has the checksum of: 1\n" in done.log
    assert "Downloaded" not in done.log


def test_where_the_image_has_no_curl_before_can_bring_it(steps: Steps) -> None:
    derive(steps, "no-curl", "RUN mv /usr/bin/curl /opt/curl")
    write(steps.workspace, RUST)
    done = steps.build(kind="rust", before="mv /opt/curl /usr/bin/curl", build_command="cargo --version", artifacts="x")
    assert done.status == 0, done.log
    assert done.log.index("=== before") < done.log.index("=== installing rustup") < done.log.index("cargo 1.85.0")


def test_a_rust_project_without_a_lock_file(steps: Steps) -> None:
    write(steps.workspace, {name: text for name, text in RUST.items() if name != "Cargo.lock"})
    done = steps.build(kind="rust")
    assert done.status == 1
    assert "the container at: cargo build (exit status 101)" in done.last_line
    assert "--locked" in done.log


def hand_over(steps: Steps, **inputs: str) -> dict[str, str]:
    given = {
        "architecture": "x86_64",
        "artifact-name": "dist",
        "working-directory": "a folder",
        "gate": "success",
        "verdict": "pass",
        "floor": "2.17",
        **inputs,
    }
    done = steps.step("hand-over", **given)
    return {**done.outputs, "log": done.log, "status": str(done.status)}


def write_report(steps: Steps, *paths: str, **more: object) -> str:
    report = steps.temporary / "report.json"
    artifacts = [{"path": path, "objects": [], "ignored": [], **more} for path in paths]
    report.write_text(json.dumps({"artifacts": artifacts}), encoding="utf-8")
    return str(report)


def test_what_was_judged_is_handed_over(steps: Steps) -> None:
    folder = steps.workspace / "a folder"
    (folder / "out").mkdir(parents=True)
    (folder / "out" / "my tool").touch()
    found = hand_over(steps, report=write_report(steps, "out/my tool", "out"))
    assert found["paths"].splitlines() == [str(folder / "out")]
    assert (found["name"], found["report-name"]) == ("dist-x86_64", "report-dist-x86_64")
    assert json.loads(found["x86_64"]) == {
        "verdict": "pass",
        "floor": "2.17",
        "artifact": "dist-x86_64",
        "report": "report-dist-x86_64",
    }


@pytest.mark.parametrize(
    ("gate", "verdict"), [("failure", "fail"), ("success", "fail"), ("success", ""), ("skipped", ""), ("cancelled", "")]
)
def test_nothing_but_the_report_where_the_gate_did_not_pass(steps: Steps, gate: str, verdict: str) -> None:
    (steps.workspace / "a folder").mkdir()
    report = write_report(steps, "x") if verdict else ""
    found = hand_over(steps, gate=gate, verdict=verdict, report=report)
    assert not {"name", "paths"} & set(found)
    assert found["report-name"] == ("report-dist-x86_64" if verdict else "")
    assert json.loads(found["x86_64"])["verdict"] == (verdict or "error")


@pytest.mark.parametrize("name", ["*.so", "[x]", "!x", "a\nb", "x ", "../../outside", "missing"])
def test_a_name_that_would_upload_something_else_is_refused(steps: Steps, name: str) -> None:
    (steps.workspace / "a folder").mkdir()
    (steps.temporary / "outside").touch()
    (steps.workspace.parent / "outside").touch()
    if "/" not in name and name != "missing":
        (steps.workspace / "a folder" / name).touch()
    found = hand_over(steps, report=write_report(steps, name))
    assert found["status"] == "1"
    assert "cannot be uploaded" in found["log"]
    assert "paths" not in found
    assert found["report-name"] == "report-dist-x86_64"
    assert json.loads(found["x86_64"])["verdict"] == "error"


def test_what_is_inside_an_artifact_is_handed_over_with_it(steps: Steps) -> None:
    folder = steps.workspace / "a folder"
    (folder / "out").mkdir(parents=True)
    for name in ("all.tar", "all.tar.gz", "out/a.whl"):
        (folder / name).touch()
    report = write_report(steps, "all.tar", "all.tar/a.whl", "all.tar.gz", "out", "out/a.whl")
    found = hand_over(steps, report=report)
    assert found["paths"].splitlines() == [str(folder / name) for name in ("all.tar", "all.tar.gz", "out")]


@pytest.mark.parametrize(
    ("names", "uploaded"),
    [
        (["./all.tar", "./all.tar/a.whl"], ["all.tar"]),
        (["./out/../all.tar", "./out/../all.tar/a.whl"], ["all.tar"]),
        (["./out", "./out/a.whl"], ["out"]),
        (["out/", "out/a.whl"], ["out"]),
        (["out//a.whl", "out/./a.whl"], ["out/a.whl"]),
        ([".", "./out/a.whl", "./all.tar", "../beside"], ["", "../beside"]),
    ],
)
def test_a_path_may_be_written_in_more_than_one_way(steps: Steps, names: list[str], uploaded: list[str]) -> None:
    folder = steps.workspace / "a folder"
    (folder / "out").mkdir(parents=True)
    for name in ("all.tar", "out/a.whl", "../beside"):
        (folder / name).touch()
    found = hand_over(steps, report=write_report(steps, *names))
    assert found["status"] == "0", found["log"]
    expected = [os.path.normpath(folder / name) for name in uploaded]
    assert [os.path.normpath(path) for path in found["paths"].splitlines()] == expected


@pytest.mark.parametrize("name", [b"caf\xe9", b"out/caf\xe9"])
def test_a_name_that_is_no_utf_8(steps: Steps, name: bytes) -> None:
    folder = steps.workspace / "a folder"
    (folder / "out").mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).touch()
    shown = name.decode("utf-8", "backslashreplace")
    found = hand_over(steps, report=write_report(steps, shown if "/" not in shown else "out"))
    assert found["status"] == "1"
    assert f"{shown} cannot be uploaded: its name is no UTF-8" in found["log"]
    assert "paths" not in found


def test_a_file_for_another_processor_is_no_artifact_of_this_architecture(steps: Steps) -> None:
    (steps.workspace / "a folder").mkdir()
    for name in ("tool", "all.tar"):
        (steps.workspace / "a folder" / name).touch()

    def handed_over(architecture: str, *objects: tuple[str, str], ignored: str = "wrong-architecture") -> str:
        told = [{"path": f"bin/{arch}", "arch": arch, "kind": kind} for arch, kind in objects]
        aside = [{"finding": {"rule": ignored, "object": "bin/riscv64"}, "reason": "meant"}]
        report = write_report(steps, "all.tar", objects=told, ignored=aside)
        found = hand_over(steps, architecture=architecture, report=report)
        assert ("paths" in found) == (found["status"] == "0")
        assert json.loads(found[architecture])["verdict"] == ("pass" if found["status"] == "0" else "error")
        return found["log"]

    assert "Handed over" in handed_over("x86_64", ("x86_64", "executable"), ("i686", "shared"))
    assert "Handed over" in handed_over("aarch64", ("aarch64", "static"), ("EM_CUDA (64 bit)", "device"))
    assert "Handed over" in handed_over("x86_64", ("x86_64", "shared"), ("aarch64", "relocatable"))
    assert "Handed over" in handed_over("x86_64", ("x86_64", "shared"), ("riscv64", "shared"))
    for architecture, other in (("x86_64", "aarch64"), ("aarch64", "x86_64"), ("aarch64", "armv7l")):
        log = handed_over(architecture, (architecture, "shared"), (other, "executable"))
        assert f"all.tar: bin/{other} is for {other}, and would be handed over as dist-{architecture}" in log
    assert "is for riscv64" in handed_over("x86_64", ("riscv64", "shared"), ignored="unreadable")


def test_a_file_beside_the_working_directory(steps: Steps) -> None:
    (steps.workspace / "a folder").mkdir()
    (steps.workspace / "target").mkdir()
    (steps.workspace / "target" / "tool").touch()
    found = hand_over(steps, report=write_report(steps, "../target/tool"))
    assert found["paths"] == str(steps.workspace / "target" / "tool")


@pytest.mark.parametrize(
    "target", ["/usr/lib", "/etc/hostname", "../beside", "/nowhere/at/all", "../../../runner temp"]
)
def test_a_link_out_of_a_folder_is_refused(steps: Steps, target: str) -> None:
    folder = steps.workspace / "a folder" / "out"
    (folder / "deep").mkdir(parents=True)
    (steps.workspace / "a folder" / "beside").touch()
    (folder / "file").touch()
    (folder / "inside").symlink_to("deep/../file")
    report = write_report(steps, "out")
    assert hand_over(steps, report=report)["paths"] == str(folder)
    (folder / "deep" / "link").symlink_to(target if target.startswith("/") else f"../{target}")
    found = hand_over(steps, report=report)
    assert found["status"] == "1"
    assert "out/deep/link is a link to " in found["log"]
    assert "paths" not in found
    assert "name" not in found


def test_what_is_no_file_is_refused(steps: Steps) -> None:
    folder = steps.workspace / "a folder" / "out"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe")
    for name in ("out", "out/pipe"):
        found = hand_over(steps, report=write_report(steps, name))
        assert found["status"] == "1"
        assert "out/pipe is neither a file nor a folder" in found["log"]


def test_an_unknown_architecture_sets_no_output(steps: Steps) -> None:
    (steps.workspace / "a folder").mkdir()
    found = hand_over(steps, architecture="name<<x", report=write_report(steps))
    assert found["status"] == "1"
    assert set(found) == {"log", "status"}


def outcome(verdict: str, glibc: str, architecture: str) -> str:
    name = f"dist-{architecture}" if verdict == "pass" else ""
    return json.dumps({"verdict": verdict, "floor": glibc, "artifact": name, "report": f"report-dist-{architecture}"})


#: actions/download-artifact takes an empty pattern for all there is.
NOTHING = ("error", "", "glibc-guard-nothing-passed", "glibc-guard-no-report")


@pytest.mark.parametrize(
    ("architectures", "build", "expected"),
    [
        (
            ["x86_64"],
            {"result": "success", "outputs": {"x86_64": outcome("pass", "2.17", "x86_64")}},
            ("pass", "2.17", "dist-x86_64", "report-dist-x86_64"),
        ),
        (
            ["x86_64", "aarch64"],
            {
                "result": "success",
                "outputs": {
                    "x86_64": outcome("pass", "2.9", "x86_64"),
                    "aarch64": outcome("pass", "2.17", "aarch64"),
                },
            },
            ("pass", "2.17", "{dist-x86_64,dist-aarch64}", "{report-dist-x86_64,report-dist-aarch64}"),
        ),
        (
            ["x86_64", "aarch64"],
            {
                "result": "failure",
                "outputs": {
                    "x86_64": outcome("pass", "2.17", "x86_64"),
                    "aarch64": outcome("fail", "2.28", "aarch64"),
                },
            },
            ("fail", "2.28", "glibc-guard-nothing-passed", "{report-dist-x86_64,report-dist-aarch64}"),
        ),
        (
            ["x86_64", "aarch64"],  # with `fail-on: never` no job fails
            {
                "result": "success",
                "outputs": {
                    "x86_64": outcome("pass", "2.17", "x86_64"),
                    "aarch64": outcome("fail", "2.28", "aarch64"),
                },
            },
            ("fail", "2.28", "glibc-guard-nothing-passed", "{report-dist-x86_64,report-dist-aarch64}"),
        ),
        (["x86_64"], {"result": "failure", "outputs": {}}, NOTHING),
        (["x86_64"], {"result": "cancelled"}, NOTHING),
        (
            ["x86_64"],  # say, the upload failed
            {"result": "failure", "outputs": {"x86_64": outcome("pass", "2.17", "x86_64")}},
            ("error", "2.17", "glibc-guard-nothing-passed", "report-dist-x86_64"),
        ),
    ],
)
def test_the_result_of_all_architectures(
    steps: Steps, architectures: list[str], build: dict[str, object], expected: tuple[str, ...]
) -> None:
    done = steps.step("result", build=json.dumps(build), architectures=json.dumps(architectures))
    assert done.status == 0, done.log
    names = ("verdict", "floor", "artifacts", "report")
    assert tuple(done.outputs[name] for name in names) == expected


@pytest.mark.parametrize("architectures", ["", "x86_64", "[]", "{}", "[1]", '["x86_64"'])
def test_architectures_that_are_no_list(steps: Steps, architectures: str) -> None:
    done = steps.step("result", build='{"result": "failure"}', architectures=architectures)
    assert done.status == 1
    assert done.last_line.endswith('The input architectures is a JSON list, such as ["x86_64", "aarch64"]')
    assert tuple(done.outputs.values()) == NOTHING


def test_an_architecture_that_is_named_twice(steps: Steps) -> None:
    build = {"result": "failure", "outputs": {"x86_64": outcome("pass", "2.17", "x86_64")}}
    done = steps.step("result", build=json.dumps(build), architectures='["x86_64", "aarch64", "x86_64"]')
    assert done.status == 1
    assert done.last_line.endswith(
        "The input architectures names x86_64 twice: two jobs would upload under one name, and one of them fails"
    )
    assert tuple(done.outputs.values()) == NOTHING


def test_the_images_are_pinned_by_digest() -> None:
    table = json.loads((ROOT / "scripts" / "build" / "images.json").read_text(encoding="utf-8"))
    for profile, images in table["images"].items():
        for architecture, image in images.items():
            assert re.fullmatch(rf"quay\.io/pypa/{profile}_{architecture}@sha256:[0-9a-f]{{64}}", image)
