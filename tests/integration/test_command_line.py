from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from building import library, make_wheel, needs_libstdcxx

NEW = library("reallocarray(0, 1, 2)", glibc="2.29")
OLD = library("malloc(1)", glibc="2.17")
ROOT = Path(__file__).parents[2]


def run(
    *arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "glibc_guard", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUTF8": "1", **(env or {})}
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=cwd, env=environment, encoding="utf-8"
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return make_wheel(tmp_path, {"m.so": NEW}, name="new")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return make_wheel(tmp_path, {"m.so": OLD}, name="old")


def test_exit_statuses(tmp_path: Path, new: Path, old: Path) -> None:
    assert run("check", old).returncode == 0
    assert run("check", new).returncode == 1
    assert run("check", old, new).returncode == 1
    assert run("check", new, "--fail-on", "never").returncode == 0
    text = tmp_path / "README.md"
    text.write_text("hello")
    assert run("check", text).returncode == 3
    assert run("check", new, text).returncode == 3
    assert run("check", text, "--fail-on", "never").returncode == 3


def test_a_text_file_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("hello")
    shown = run("check", path).stdout
    assert f"UNREADABLE  {path}" in shown
    assert "error a text file; expected a wheel, an archive (zip, tar), a Debian or conda package" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check"], "nothing to check: name at least one wheel"),
        (["check", "missing.whl"], "missing.whl: no such file or folder"),
        (["check", "dist/*.whl"], "dist/*.whl: no such file or folder (the pattern matched nothing)"),
        (["check", ".", "--target", "rhel88"], "unknown target 'rhel88'; did you mean"),
        (["check", ".", "--target", "2.99"], "2.99"),
        (["check", ".", "--fail-on", "errors"], "Invalid value for '--fail-on'"),
        (["check", ".", "--jobs", "0"], "Invalid value for '--jobs'"),
        (["check", ".", "--format", "xml"], "Invalid value for '--format'"),
        (["check", ".", "--output", "a", "--output", "b"], "--output b has no --format"),
        (["check", ".", "--format", "json", "--format", "text"], "two reports cannot share standard output"),
        (["check", ".", "--config", "missing.toml"], "missing.toml: cannot be read"),
        (["check", "m.so", "--format", "json", "--output", "m.so"], "m.so: is checked itself"),
        (["check", "m.so", "--format", "json", "--output", "r", "--format", "text", "--output", "./r"], "named twice"),
        (["check", ""], "a path is empty"),
        (["check", ".", "--format", "json", "--output", "m.so"], "m.so: is checked itself"),
        (["check", ".", "--frobnicate"], "No such option"),
        (["explode"], "No such command"),
        (["show"], "Missing argument"),
    ],
)
def test_wrong_usage_is_exit_2_with_one_clear_message(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "m.so").write_bytes(OLD)
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr.replace("\n", " ")
    assert done.stdout == ""


def test_several_reports_in_one_run(tmp_path: Path, new: Path) -> None:
    done = run(
        "check", new, "--format", "json", "--output", tmp_path / "r.json", "--format", "markdown",
        "--output", tmp_path / "r.md", "--format", "text",
    )  # fmt: skip
    assert done.returncode == 1
    assert json.loads((tmp_path / "r.json").read_text())["verdict"] == "fail"
    assert (tmp_path / "r.md").read_text().startswith("### ❌")
    assert done.stdout.startswith("FAIL ")


def test_json_alone_on_standard_output(new: Path) -> None:
    done = run("check", new, "--format", "json")
    assert json.loads(done.stdout)["artifacts"][0]["path"] == str(new)


@pytest.mark.parametrize("more", [[], ["--format", "text"], ["--shard", "1/1"], ["--baseline", "first.json"]])
def test_a_json_report_tells_the_hash_of_the_file(tmp_path: Path, old: Path, more: list[str]) -> None:
    assert run("check", old, "--format", "json", "--output", "first.json", cwd=tmp_path).returncode == 0
    assert run("check", old, "--format", "json", "--output", "second.json", *more, cwd=tmp_path).returncode == 0
    for name in ("first.json", "second.json"):
        (artifact,) = json.loads((tmp_path / name).read_text())["artifacts"]
        assert artifact["sha256"] == hashlib.sha256(old.read_bytes()).hexdigest()


def test_an_output_that_cannot_be_written(tmp_path: Path, new: Path) -> None:
    done = run("check", new, "--format", "json", "--output", tmp_path / "missing" / "r.json")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


def test_a_report_is_whole_or_not_there(tmp_path: Path, new: Path) -> None:
    target = tmp_path / "r.json"
    target.write_text("before")
    done = run("check", new, "--format", "json", "--output", target)
    assert done.returncode == 1
    assert json.loads(target.read_text())
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_quiet_says_nothing_of_what_passes(new: Path, old: Path) -> None:
    assert run("check", old, "--quiet").stdout == ""
    shown = run("check", new, old, "--quiet").stdout
    assert shown.startswith(f"FAIL  {new}\n")
    assert f"{old}\n" not in shown
    assert shown.endswith("1 of 2 artifacts failed (2 errors)\n")


def test_quiet_leaves_nothing_out_of_a_file(tmp_path: Path, new: Path, old: Path) -> None:
    run("check", new, old, "--quiet", "--format", "text", "--output", tmp_path / "all.txt")
    assert f"PASS  {old}\n" in (tmp_path / "all.txt").read_text(encoding="utf-8")


def test_what_fails_stands_at_the_end(new: Path, old: Path) -> None:
    shown = run("check", new, old).stdout
    assert shown.index(f"PASS  {old}") < shown.index(f"FAIL  {new}")


def test_the_configuration_is_found_and_flags_win(tmp_path: Path, new: Path) -> None:
    (tmp_path / "glibc-guard.toml").write_text('fail-on = "never"\n')
    assert run("check", new.name, cwd=tmp_path).returncode == 0
    assert run("check", new.name, "--fail-on", "error", cwd=tmp_path).returncode == 1
    (tmp_path / "glibc-guard.toml").write_text('fial-on = "never"\n')
    done = run("check", new.name, cwd=tmp_path)
    assert (done.returncode, 'did you mean "fail-on"?' in done.stderr) == (2, True)


def test_show_does_not_fail_on_findings(new: Path) -> None:
    done = run("show", new)
    assert done.returncode == 0
    assert "needs: glibc 2.26" in done.stdout
    assert "does not load on: Red Hat Enterprise Linux 7" in done.stdout
    assert json.loads(run("show", new, "--format", "json").stdout)["artifacts"][0]["floor"] == {"GLIBC": "2.26"}


def test_demo_fails_for_the_two_reasons_that_it_ships_with() -> None:
    done = run("demo", "--format", "json")
    assert done.returncode == 1
    findings = json.loads(done.stdout)["artifacts"][0]["findings"]
    assert {(f["object"], f["symbol"], f["version"], f["binding"]) for f in findings} == {
        ("grow", "reallocarray", "GLIBC_2.26", "global"),
        ("libthread_exit.so", "__cxa_thread_atexit_impl", "GLIBC_2.18", "weak"),
    }
    assert "GLIBC_2.26 of libc.so.6  reallocarray" in run("demo").stdout


def test_version_and_help() -> None:
    assert run("--version").stdout.startswith("glibc-guard 0.")
    shown = run("check", "--help").stdout
    for option in (
        "--target",
        "--format",
        "--output",
        "--fail-on",
        "--allow-empty",
        "--together",
        "--jobs",
        "--config",
        "--quiet",
        "--no-color",
    ):
        assert option in shown
    assert "Exit status: 0 clean" in run("--help").stdout


def on_a_terminal(*arguments: object, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run with standard output on a pseudo-terminal of 80 columns."""
    command = [sys.executable, "-m", "glibc_guard", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "80", "TERM": "xterm", **(env or {})}
    environment.pop("NO_COLOR", None) if env is None else None
    main, side = pty.openpty()
    with subprocess.Popen(command, stdout=side, stderr=side, env=environment) as process:
        os.close(side)
        data = b""
        while True:
            try:
                piece = os.read(main, 65536)
            except OSError:  # Linux: the other side was closed
                break
            if not piece:
                break
            data += piece
        status = process.wait()
    os.close(main)
    return status, data.decode()


def test_colour_on_a_terminal_and_not_elsewhere(new: Path) -> None:
    assert "\x1b[" not in run("check", new).stdout
    status, shown = on_a_terminal("check", new)
    assert status == 1
    assert "\x1b[1;31mFAIL" in shown
    assert "\x1b[" not in on_a_terminal("check", new, "--no-color")[1]
    assert "\x1b[" not in on_a_terminal("check", new, env={"NO_COLOR": "1"})[1]


def test_the_working_folder_holds_what_is_checked_and_not_what_runs(tmp_path: Path, new: Path) -> None:
    for name in ("copy.py", "struct.py", "click.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('loaded from the working folder')")
    done = run("check", new.name, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")


def test_targets_may_be_separated_by_commas(new: Path) -> None:
    assert (
        json.loads(run("check", new, "--target", "2.28,rhel9", "--format", "json").stdout)["artifacts"][0]["targets"][
            2
        ]["name"]
        == "rhel9"
    )


def test_a_working_folder_that_is_gone(tmp_path: Path, old: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f'cd "{gone}" && rmdir "{gone}" && exec "{sys.executable}" -m glibc_guard check "{old}"'
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(["sh", "-c", script], check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert "the working folder does not exist any more" in done.stderr


def complaint_of(words: str) -> str:
    """What the command line says on standard error, where a shell has sent its output to where nothing can be."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    script = f'exec "{sys.executable}" -m glibc_guard {words}'
    done = subprocess.run(["sh", "-c", script], check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
def test_standard_output_that_takes_nothing(new: Path, where: str) -> None:
    assert "standard output: cannot be written" in complaint_of(f'check "{new}" {where}')


@pytest.mark.parametrize("words", ["--help", "--version", "check --help"])
def test_standard_output_that_takes_no_help(words: str) -> None:
    complaint = complaint_of(f"{words} >/dev/full")
    assert "standard output: cannot be written: No space left on device" in complaint
    assert "Exception ignored" not in complaint


def test_names_that_are_not_text(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.so"
    with open(path, "wb") as file:  # noqa: PTH123  # a name of bytes
        file.write(NEW)
    done = run("check", os.fsdecode(path), "--target", "2.17", "--format", "json")
    assert done.returncode == 1
    assert "caf\\xe9.so" in json.loads(done.stdout)["artifacts"][0]["path"]


def test_a_release_of_glibc_alone_says_what_it_leaves_open(tmp_path: Path) -> None:
    module = needs_libstdcxx("GLIBCXX_3.4.29")
    (tmp_path / "m.so").write_bytes(module)
    shown = run("check", tmp_path / "m.so", "--target", "2.36").stdout
    assert "2.36 is a release of glibc alone: the versions of" in shown
    assert "libstdc++" in shown


def test_a_link_that_leads_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    done = run("check", "loop", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "")
    assert "symbolic links" in done.stdout
    assert run("check", "loop", "--format", "json", "--output", "loop", cwd=tmp_path).returncode == 2
