"""What fails around a check: it ends in words, with the right exit status, and leaves nothing half done."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from building import library, make_wheel
from glibc_guard.github import step, summary
from glibc_guard.guard import check
from glibc_guard.model import Report
from glibc_guard.settings import Settings
from provisions import unavailable

NEW = library("reallocarray(0, 1, 2)", glibc="2.29")
ROOT: Final = Path(__file__).parents[2]
LONGEST: Final = 300  # seconds, far more than any run takes, however busy the machine
#: Runs the command line under a hook that Python calls for whatever touches the system (PEP 578).
DRIVER: Final = """
import os, sys, threading
from pathlib import Path
seen = []
def in_a_worker():
    return threading.current_thread() is not threading.main_thread()
def hook(event, arguments):
    {hook}
sys.addaudithook(hook)
{run}
"""
COMMAND_LINE: Final = "from glibc_guard.cli import main; main()"
STEP: Final = "from glibc_guard.github.action import main; sys.exit(main())"


def driven(
    hook: str, *arguments: object, run: str = COMMAND_LINE, env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **(env or {})}
    script = DRIVER.format(hook=hook, run=run)
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        timeout=LONGEST,
        cwd=cwd,
        encoding="utf-8",
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    (tmp_path / "dist").mkdir()
    return make_wheel(tmp_path / "dist", {f"pkg/m{number}.so": NEW for number in range(5)})


def checked_while(path: Path, change: Callable[[], object]) -> Report:
    """Check ``path``, with ``change`` when the first member was read."""
    waiting = [change]

    def progress(_: str) -> None:
        if waiting:
            waiting.pop()()

    return check([str(path)], Settings(), progress=progress)


def reasons(report: Report) -> list[str]:
    return [
        finding.message
        for artifact in report.artifacts
        for finding in artifact.findings
        if finding.rule == "unreadable"
    ]


def written_to(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def overwritten(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data)  # the same size, at another time
    os.utime(path, ns=(1, 1))


def replaced(path: Path) -> None:
    other = path.with_suffix(".new")
    shutil.copy2(path, other)
    other.replace(path)


@pytest.mark.parametrize(
    "change", [written_to, overwritten, replaced, Path.unlink, lambda path: os.truncate(path, 100)]
)
def test_an_artifact_that_changes_while_it_is_read(wheel: Path, change: Callable[[Path], object]) -> None:
    report = checked_while(wheel, lambda: change(wheel))
    assert report.verdict == "unreadable"
    assert any("changed while it was read: is a build still writing it?" in reason for reason in reasons(report))


def test_a_single_object_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.so"
    path.write_bytes(NEW)
    report = checked_while(path, lambda: written_to(path))
    assert report.verdict == "unreadable"
    assert any("changed while it was read" in reason for reason in reasons(report))


def test_a_file_that_leaves_the_folder_while_it_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a.txt").write_text("text")
    (folder / "z.so").write_bytes(NEW)
    report = checked_while(folder, (folder / "z.so").unlink)
    assert report.verdict == "unreadable"
    (finding,) = report.artifacts[0].findings
    assert finding.object == "z.so"
    assert "cannot be read: No such file or directory" in finding.message


def test_an_object_is_explained_though_a_build_cuts_it_short(tmp_path: Path) -> None:
    """What was mapped behind the new end of a file would kill the process."""
    path = tmp_path / "m.so"
    path.write_bytes(NEW + bytes(8 * 1024 * 1024))  # more than is held in memory
    hook = f"""
    if event == "mmap.__new__" and {str(path)!r} not in seen:
        seen.append({str(path)!r})
        os.truncate({str(path)!r}, 100)
"""
    done = driven(hook, "check", path, "--target", "2.17")
    assert done.returncode == 1
    assert "reallocarray" in done.stdout


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk on which a file cannot grow further: what a full one does, without a mount."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("form", ["json", "markdown", "sarif", "html", "svg", "text"])
def test_a_report_that_does_not_fit_on_the_disk(wheel: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / "reports"
    out.mkdir()
    (out / "report").write_text("the former one")
    run = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)); {COMMAND_LINE}"
    done = driven("pass", "check", wheel, "--format", form, "--output", out / "report", run=run)
    assert done.returncode == 2
    assert done.stderr == f"glibc-guard: {out}/report: cannot be written: File too large\n"
    assert [path.name for path in out.iterdir()] == ["report"]
    assert (out / "report").read_text() == "the former one"


def on_a_disk_of_4_kib(folder: Path) -> list[str]:
    """What runs a command with such a file system in ``folder``, and lists at the end what is there.

    Some systems let nobody but root have a mount of his own; there it takes sudo, which GitHub's runners have.
    """
    script = 'mount -t tmpfs -o size=4k none "$0" && "$@"; status=$?; ls -A "$0"; exit $status'
    complaints = []
    for program, *options in (("unshare", "--map-root-user"), ("sudo", "--non-interactive", "unshare")):
        if shutil.which(program) is None:
            continue
        command = [program, *options, "--mount", "sh", "-c", script, str(folder)]
        probe = subprocess.run([*command, "true"], check=False, capture_output=True, text=True)
        if probe.returncode == 0:
            return command
        complaints.append(probe.stderr.strip())
    return unavailable(f"no file system of its own can be mounted: {'; '.join(complaints)}")


def test_a_disk_that_is_full(wheel: Path, tmp_path: Path) -> None:
    out = tmp_path / "full"
    out.mkdir()
    command = [
        *on_a_disk_of_4_kib(out),
        "env",
        f"PYTHONPATH={ROOT / 'src'}",
        sys.executable,
        "-m",
        "glibc_guard",
        "check",
        str(wheel),
        "--format",
        "json",
        "--output",
        f"{out}/r.json",
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"glibc-guard: {out}/r.json: cannot be written: No space left on device\n"


def test_a_summary_is_whole_or_not_there(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = check([str(wheel)], Settings())
    path = tmp_path / "summary.md"
    path.write_text("# Before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    with files_of_at_most(200):
        step.add_summary(lambda taken: summary.render(report, taken=taken))
    assert path.read_text() == "# Before\n"
    assert "The job summary cannot be written" in capsys.readouterr().out
    step.add_summary(lambda taken: summary.render(report, taken=taken))
    assert "reallocarray" in path.read_text()


def step_environment(folder: Path, wheel: Path) -> dict[str, str]:
    (folder / "output").touch()
    return {
        "GITHUB_WORKSPACE": str(folder),
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "RUNNER_TEMP": str(folder),
        "INPUT_ARTIFACTS": str(wheel),
        "INPUT_ANNOTATIONS": "true",
        "INPUT_SUMMARY": "true",
        "INPUT_WORKING_DIRECTORY": ".",
    }


def test_outputs_that_cannot_be_written(wheel: Path, tmp_path: Path) -> None:
    env = step_environment(tmp_path, wheel)
    hook = f"""
    if event == "open" and arguments[0] == {env["GITHUB_OUTPUT"]!r}:
        raise OSError(28, "No space left on device", arguments[0])
"""
    done = driven(hook, run=STEP, env=env)
    assert done.returncode == 3
    assert "The outputs of this step cannot be written" in done.stdout
    assert "::error" in done.stdout


INTERRUPTED: Final = """
    if event == {event!r} and {part!r} in str(arguments[0]) and not seen:
        seen.append(event)
        os.kill(os.getpid(), {number})
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("event", ["open", "os.rename"])
def test_a_signal_ends_the_run(wheel: Path, tmp_path: Path, number: signal.Signals, event: str) -> None:
    """While the artifact is read, and between a report and its name."""
    out, temporary = tmp_path / "out", tmp_path / "tmp"
    out.mkdir()
    temporary.mkdir()
    (out / "report.json").write_text("the former one")
    hook = INTERRUPTED.format(event=event, part=wheel.name if event == "open" else "report.json", number=int(number))
    options = ("--format", "json", "--output", out / "report.json")
    done = driven(hook, "check", wheel, *options, env={"TMPDIR": str(temporary)})
    assert done.returncode == 128 + number
    assert done.stdout == ""
    assert done.stderr == f"glibc-guard: interrupted ({number.name}): there is no verdict\n"
    assert {path.name: path.read_text() for path in out.iterdir()} == {"report.json": "the former one"}
    assert [*temporary.iterdir()] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step(wheel: Path, tmp_path: Path, number: signal.Signals) -> None:
    hook = INTERRUPTED.format(event="open", part=wheel.name, number=int(number))
    done = driven(hook, run=STEP, env=step_environment(tmp_path, wheel))
    assert done.returncode == 128 + number
    assert done.stderr == f"glibc-guard: interrupted ({number.name}): there is no verdict\n"


def test_no_thread_is_waited_for_or_left(tmp_path: Path) -> None:
    """One is in the middle of an object that takes it longer than any process here may."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a.so").write_bytes(NEW)
    hook = f"""
    if event == "open" and str(arguments[0]).endswith("a.so") and in_a_worker():
        import signal, time
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep({LONGEST * 2})
"""
    done = driven(hook, "check", folder)
    assert done.returncode == 143
    assert "interrupted (SIGTERM)" in done.stderr


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("ZeroDivisionError('a fault')", "glibc-guard itself failed on it, please report this: ZeroDivisionError"),
        ("MemoryError()", "there is not enough memory to read it: give this machine more, or fewer --jobs"),
        ("OSError(5, 'Input/output error')", "cannot be read: Input/output error"),
        ("RecursionError('too deep')", "glibc-guard itself failed on it"),
    ],
)
def test_a_worker_that_dies_names_its_object(tmp_path: Path, fault: str, message: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("a.so", "b.so", "c.so"):
        (folder / name).write_bytes(NEW)
    hook = f"""
    if event == "open" and str(arguments[0]).endswith("b.so") and in_a_worker():
        raise {fault}
"""
    done = driven(hook, "check", folder, "--target", "2.29", "--format", "json")
    assert done.returncode == 3
    (artifact,) = json.loads(done.stdout)["artifacts"]
    assert artifact["verdict"] == "unreadable"
    (finding,) = [one for one in artifact["findings"] if one["rule"] == "unreadable"]
    assert finding["object"] == "b.so"
    assert message in finding["message"]
    assert artifact["coverage"]["elf"] == 2


#: Whatever opens a socket, asks for an address or starts a process ends the run.
ALONE: Final = """
    if event.startswith(("socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.fork", "os.system", "os.spawn",
                         "urllib.", "http.", "ftplib.", "smtplib.", "ctypes.dlopen")):
        os.write(2, f"{event} {arguments}\\n".encode())
        os._exit(99)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "WHEEL"),
        *(("check", "WHEEL", "--format", form) for form in ("json", "markdown", "sarif", "html", "svg")),
        ("check", "WHEEL", "--baseline", "WHEEL", "--together"),
        ("check", "FOLDER"),
        ("show", "WHEEL"),
        ("diff", "WHEEL", "WHEEL"),
        ("explain", "pow@GLIBC_2.29"),
        ("fix", "WHEEL", "--out", "fixed/"),
        ("demo",),
    ],
    ids=" ".join,
)
def test_neither_network_nor_another_process(wheel: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    places = {"WHEEL": str(wheel), "FOLDER": str(wheel.parent)}
    done = driven(ALONE, *(places.get(one, one) for one in arguments), cwd=tmp_path)
    assert done.returncode in {0, 1}, done.stderr


def test_a_baseline_of_an_index_is_what_needs_one(wheel: Path) -> None:
    assert driven(ALONE, "check", wheel, "--baseline", "pypi:sample").returncode == 99
