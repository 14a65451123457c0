"""The command ``fix`` on real wheels, archives, folders and objects: what it writes, and what it leaves alone."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from typing import get_args

import pytest

from building import compile_with_gcc, compile_with_zig, make_wheel
from glibc_guard.repair import Change, FixReport, Outcome, Refusal, Repair
from integration.test_command_line import run
from provisions import needed_module

WEAK = """
#define _GNU_SOURCE
#include <stdlib.h>
extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *) __attribute__((weak));
int at_exit(void (*f)(void *)) { return __cxa_thread_atexit_impl ? __cxa_thread_atexit_impl(f, 0, 0) : -1; }
void *more(void *table) { return realloc(table, 16); }
"""
STRONG = "#include <stdlib.h>\nvoid *grow(void *table) { return reallocarray(table, 2, 3); }\n"


def object_of(source: str, *flags: str, arch: str = "x86_64") -> bytes:
    return compile_with_zig("#define _GNU_SOURCE\n" + source, "-shared", "-fPIC", "-s", *flags, glibc="2.28", arch=arch)


def snapshot(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_wheel_that_is_fixed(tmp_path: Path) -> None:
    files = {"pkg/m.so": object_of(WEAK), "pkg/__init__.py": b""}
    wheel = make_wheel(tmp_path, files, tag="cp312-cp312-manylinux2014_x86_64")
    assert run("check", wheel).returncode == 1
    done = run("fix", wheel, "-o", f"{tmp_path}/fixed/")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"FIXED  {wheel} → {tmp_path}/fixed/{wheel.name}\n")
    assert "GLIBC_2.18 of libc.so.6 is not asked for any more: __cxa_thread_atexit_impl" in done.stdout
    fixed = tmp_path / "fixed" / wheel.name
    assert run("check", fixed).returncode == 0
    assert [path.name for path in fixed.parent.iterdir()] == [wheel.name]
    with zipfile.ZipFile(wheel) as before, zipfile.ZipFile(fixed) as after:
        assert after.namelist() == before.namelist()
        different = {name for name in after.namelist() if after.read(name) != before.read(name)}
    assert different == {"pkg/m.so", "sample-1.0.dist-info/RECORD"}
    again = run("fix", fixed, "-o", tmp_path / "again" / fixed.name)
    assert again.returncode == 0
    assert again.stdout.startswith("NOTHING TO FIX")
    assert (tmp_path / "again" / fixed.name).read_bytes() == fixed.read_bytes()


def test_a_fixed_wheel_is_installed_by_pip_and_read_by_auditwheel(tmp_path: Path) -> None:
    needed_module("auditwheel")
    wheel = make_wheel(tmp_path, {"pkg/m.so": object_of(WEAK)}, tag="py3-none-manylinux2014_x86_64")
    assert run("fix", wheel, "-o", f"{tmp_path}/fixed/").returncode == 0
    fixed = tmp_path / "fixed" / wheel.name
    command = ["python3", "-m", "zipfile", "-t", str(fixed)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.startswith("Done testing")
    shown = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", str(fixed)], check=True, capture_output=True, text=True
    ).stdout
    assert "GLIBC_2.18" not in shown
    into = ["-m", "uv", "pip", "install", "--quiet", "--no-index", "--target", str(tmp_path / "site"), str(fixed)]
    subprocess.run([sys.executable, *into], check=True)
    assert (tmp_path / "site/pkg/m.so").is_file()


def test_what_is_strong_stays_and_fails(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"weak.so": object_of(WEAK), "strong.so": object_of(STRONG)})
    done = run("fix", wheel, "-o", f"{tmp_path}/fixed/")
    assert done.returncode == 1
    assert done.stdout.startswith("PARTLY FIXED")
    assert "refused GLIBC_2.26 of libc.so.6: reallocarray is not weak: the code cannot do without it" in done.stdout
    assert "error strong.so: GLIBC_2.26 of libc.so.6: reallocarray" in done.stdout
    report = json.loads(run("fix", wheel, "-o", f"{tmp_path}/fixed/", "--format", "json").stdout)
    assert report["outcome"] == "partly fixed"
    assert {(one["rule"], one["symbol"]) for one in report["remaining"]} == {
        ("symbol-version-too-new", "reallocarray"),
        ("wheel-tag-dishonest", None),
    }
    (repair,) = report["repairs"]
    assert (repair["object"], repair["symbols"]) == ("weak.so", ["__cxa_thread_atexit_impl"])
    with zipfile.ZipFile(wheel) as before, zipfile.ZipFile(tmp_path / "fixed" / wheel.name) as after:
        old, new = bytearray(before.read("weak.so")), after.read("weak.so")
    for change in repair["changes"]:
        start, piece = change["offset"], bytes.fromhex(change["before"])
        assert old[start : start + len(piece)] == piece
        old[start : start + len(piece)] = bytes.fromhex(change["after"])
    assert old == new


def test_where_nothing_can_be_done_nothing_is_written(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"strong.so": object_of(STRONG)})
    done = run("fix", wheel, "-o", f"{tmp_path}/fixed/")
    assert done.returncode == 1
    assert done.stdout.startswith(f"NOT FIXED  {wheel}  (nothing is written)\n")
    assert not (tmp_path / "fixed").exists()


def test_a_dry_run_writes_nothing_and_tells_the_same(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m.so": object_of(WEAK)})
    before = snapshot(tmp_path)
    for options in ([], ["-o", f"{tmp_path}/fixed/"]):
        done = run("fix", wheel, "--dry-run", *options)
        assert done.returncode == 0
        assert "dry run: nothing is written" in done.stdout
        assert "repaired GLIBC_2.18" in done.stdout
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "s390x", "i686"])
def test_a_bare_object_keeps_its_mode(arch: str, tmp_path: Path) -> None:
    path = tmp_path / "m.so"
    path.write_bytes(compile_with_gcc(WEAK, "-shared", "-fPIC") if arch == "x86_64" else weak_for(arch))
    path.chmod(0o751)
    done = run("fix", path, "-o", tmp_path / "n.so", "--target", "2.17")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "n.so").stat().st_mode & 0o777 == 0o751
    assert run("check", tmp_path / "n.so", "--target", "2.17").returncode == 0
    assert run("check", path, "--target", "2.17").returncode == 1


def weak_for(arch: str) -> bytes:
    """Return an object that keeps the address in data where fix does not look at code."""
    return object_of(WEAK if arch == "aarch64" else f"{WEAK}void *table[] = {{__cxa_thread_atexit_impl}};", arch=arch)


def test_a_folder_and_a_zip_archive(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "lib").mkdir(parents=True)
    (tree / "lib/m.so").write_bytes(object_of(WEAK))
    (tree / "README").write_text("hello")
    done = run("fix", "tree", "-o", "copy", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    before, after = snapshot(tree), snapshot(tmp_path / "copy")
    assert {name for name in before if before[name] != after[name]} == {"lib/m.so"}
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tree))
    done = run("fix", packed, "-o", tmp_path / "fixed.zip")
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(tmp_path / "fixed.zip") as archive:
        assert hashlib.sha256(archive.read("lib/m.so")).hexdigest() == after["lib/m.so"]


def test_what_another_object_of_the_artifact_defines(tmp_path: Path) -> None:
    other = compile_with_gcc("int __cxa_thread_atexit_impl(void) { return 0; }", "-shared", "-fPIC")
    done = run("fix", make_wheel(tmp_path, {"m.so": object_of(WEAK), "other.so": other}), "-o", f"{tmp_path}/fixed/")
    assert done.returncode == 1
    assert "__cxa_thread_atexit_impl is defined by other.so too" in done.stdout


def test_what_is_promised_to_musl(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m.so": object_of(WEAK)}, tag="cp312-cp312-musllinux_1_2_x86_64")
    done = run("fix", wheel, "-o", f"{tmp_path}/fixed/")
    assert done.returncode == 1, done.stderr
    assert "is built for glibc, and the target is musl" in done.stdout
    assert not (tmp_path / "fixed").exists()


def test_what_lies_in_an_archive_inside(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep.so", object_of(WEAK))
    nested = make_wheel(tmp_path, {"n.so": object_of(WEAK)}, name="nested")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr("inner.zip", inner.getvalue())
        archive.writestr("own.so", object_of(WEAK))
        archive.write(nested, nested.name)
    done = run("fix", tmp_path / "outer.zip", "-o", tmp_path / "fixed.zip")
    assert done.returncode == 1
    assert "repaired GLIBC_2.18" in done.stdout
    assert "lies in inner.zip, an archive inside the artifact" in done.stdout
    assert "lies in a wheel inside the artifact: repair that wheel by itself" in done.stdout


# --- what check advises -----------------------------------------------------------------------------------------------


def advised_commands(path: Path, *options: str) -> set[str]:
    report = json.loads(run("check", path, "--format", "json", *options).stdout)
    hints = [finding["hint"] or "" for artifact in report["artifacts"] for finding in artifact["findings"]]
    return {match[0] for hint in hints if (match := re.search("glibc-guard fix .*", hint))}


@pytest.mark.parametrize(
    ("tag", "target", "arch"),
    [
        ("manylinux2014_x86_64", None, "x86_64"),
        ("manylinux_2_28_aarch64", "2.17", "aarch64"),
        ("linux_x86_64", "manylinux2014", "x86_64"),
        ("linux_x86_64", "rhel7", "x86_64"),
    ],
)
def test_the_command_that_check_advises_does_it(tag: str, target: str | None, arch: str, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m.so": object_of(WEAK, arch=arch)}, tag=f"cp312-cp312-{tag}")
    options = [] if target is None else ["--target", target]
    (command,) = advised_commands(wheel, *options)
    assert ("--target" in command) == (target is not None)
    words = [str(wheel) if word == "PATH" else word for word in shlex.split(command)[1:]]
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run("check", tmp_path / "fixed" / wheel.name, *options).returncode == 0


def test_the_command_that_is_advised_for_an_executable_stack(tmp_path: Path) -> None:
    path = tmp_path / "m.so"
    path.write_bytes(compile_with_gcc("double half(double x) { return x / 2; }", "-shared", "-fPIC", "-z", "execstack"))
    (command,) = advised_commands(path)
    assert command == "glibc-guard fix PATH -o fixed/ --clear-executable-stack"
    done = run(*command.replace("PATH", "m.so").split()[1:], cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run("check", tmp_path / "fixed/m.so").returncode == 0


def test_nothing_is_advised_that_fix_refuses(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        (tmp_path / "m.so").write_bytes(object_of(WEAK))
        archive.add(tmp_path / "m.so", "m.so")
    assert advised_commands(tmp_path / "a.tar", "--target", "2.17") == set()
    assert advised_commands(tmp_path / "m.so", "--target", "2.17") != set()
    (tmp_path / "z.so").write_bytes(object_of(WEAK, arch="s390x"))
    assert advised_commands(tmp_path / "z.so", "--target", "2.17") == set()
    (tmp_path / "s.so").write_bytes(object_of(STRONG))
    assert advised_commands(tmp_path / "s.so", "--target", "2.17") == set()


def test_what_was_refused_is_not_advised_again(tmp_path: Path) -> None:
    """It is called without a look at its address, so that the need has to stay."""
    (tmp_path / "m.so").write_bytes(object_of(WEAK.replace("__cxa_thread_atexit_impl ?", "f ?")))
    checked = json.loads(run("check", tmp_path / "m.so", "--target", "2.17", "--format", "json").stdout)
    assert "glibc-guard fix" in checked["artifacts"][0]["findings"][0]["hint"]
    command = ("fix", tmp_path / "m.so", "--dry-run", "--target", "2.17", "--format", "json")
    report = json.loads(run(*command).stdout)
    assert report["outcome"] == "not fixed"
    (finding,) = report["remaining"]
    assert "glibc-guard fix" not in finding["hint"]
    assert "build in manylinux2014" in finding["hint"]


# --- executable stacks ------------------------------------------------------------------------------------------------


def test_an_executable_stack_is_cleared_on_request(tmp_path: Path) -> None:
    path = tmp_path / "m.so"
    path.write_bytes(compile_with_gcc("double half(double x) { return x / 2; }", "-shared", "-fPIC", "-z", "execstack"))
    asked = run("fix", path, "-o", tmp_path / "n.so")
    assert asked.returncode == 1
    assert "only on request: add --clear-executable-stack" in asked.stdout
    done = run("fix", path, "-o", tmp_path / "n.so", "--clear-executable-stack")
    assert done.returncode == 0, done.stdout
    assert "p_flags of PT_GNU_STACK: without PF_X" in done.stdout
    assert run("check", tmp_path / "n.so").returncode == 0


def test_a_copy_that_does_not_pass_as_it_must_is_not_kept(tmp_path: Path) -> None:
    """What the configuration says of the copy's name alone is a finding that was not there before."""
    (tmp_path / "glibc-guard.toml").write_text('max-size = { "n.so" = 100 }\n')
    (tmp_path / "m.so").write_bytes(object_of(WEAK))
    before = snapshot(tmp_path)
    done = run("fix", "m.so", "-o", "n.so", "--target", "2.17", cwd=tmp_path)
    assert done.returncode == 3, done.stdout
    assert "the check of the repaired copy finds what was not there before" in done.stderr
    assert snapshot(tmp_path) == before


def test_a_wheel_that_is_too_large_before_and_after(tmp_path: Path) -> None:
    """Compressed again it has another size, which the finding tells; that is no new finding."""
    (tmp_path / "made").mkdir()
    made = make_wheel(tmp_path / "made", {"m.so": object_of(WEAK, "-g"), "text": b"0123456789" * 9999})
    wheel = tmp_path / made.name
    with zipfile.ZipFile(made) as before, zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as after:
        for info in before.infolist():
            after.writestr(info.filename, before.read(info))
    (tmp_path / "glibc-guard.toml").write_text('max-size = { "*.whl" = "1kB" }\n')
    done = run("fix", wheel.name, "-o", "fixed/", "--format", "json", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    (left,) = json.loads(done.stdout)["remaining"]
    assert left["rule"] == "member-too-large"
    assert left["message"] not in run("check", wheel.name, cwd=tmp_path).stdout


# --- wrong usage, and what cannot be read -----------------------------------------------------------------------------


def test_an_input_that_is_a_link_gives_a_copy_of_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "m.so").write_bytes(object_of(WEAK))
    (tmp_path / "link.so").symlink_to("m.so")
    before = snapshot(tmp_path)
    assert run("fix", "link.so", "-o", "fixed/", "--target", "2.17", cwd=tmp_path).returncode == 0
    fixed = tmp_path / "fixed/link.so"
    assert fixed.is_file()
    assert not fixed.is_symlink()
    assert {name: value for name, value in snapshot(tmp_path).items() if not name.startswith("fixed")} == before


def test_an_output_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "m.so").write_bytes(object_of(WEAK))
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "out.so").symlink_to("precious")
    assert run("fix", "m.so", "-o", "out.so", "--target", "2.17", cwd=tmp_path).returncode == 0
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert not (tmp_path / "out.so").is_symlink()


def test_the_input_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "m.so"
    path.write_bytes(object_of(WEAK))
    (tmp_path / "link.so").symlink_to("m.so")
    (tmp_path / "hard.so").hardlink_to(path)
    before = snapshot(tmp_path)
    for out in ("m.so", "./m.so", "link.so", "hard.so", "."):
        done = run("fix", "m.so", "-o", out, cwd=tmp_path)
        assert done.returncode == 2, out
        assert "is the input itself" in done.stderr
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["m.so"], "Add -o OUT"),
        (["m.so", "-o", ""], "-o is empty"),
        (["gone.so", "-o", "x"], "no such file"),
        (["m.so", "-o", "x", "--target", "2.999"], "2.999"),
        (["tree", "-o", "tree/inside"], "lies in the folder that is to be copied"),
        (["tree", "-o", "other"], "exists"),
        (["m.so", "-o", "m.so/x"], "cannot be written: Not a directory"),
        (["a.tar", "-o", "x"], "tar archives are not rewritten: unpack it"),
        (["sample-1.0-cp312-cp312-manylinux_2_17_x86_64.whl", "-o", "x.whl"], "a wheel keeps its file name"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, tmp_path: Path) -> None:
    data = object_of(WEAK)
    (tmp_path / "m.so").write_bytes(data)
    for name in ("tree", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.so").write_bytes(data)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "m.so", "m.so")
    make_wheel(tmp_path, {"m.so": data})
    before = snapshot(tmp_path)
    done = run("fix", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("path", ["m.so", "tree"])
def test_a_full_disk_leaves_nothing_behind(path: str, tmp_path: Path) -> None:
    """A limit on the size of files fails a write as a full disk does."""
    (tmp_path / "m.so").write_bytes(object_of(WEAK) + bytes(65536))
    (tmp_path / "tree").mkdir()
    shutil.copy(tmp_path / "m.so", tmp_path / "tree")
    before = snapshot(tmp_path)
    command = f"ulimit -f 16; exec {shlex.quote(sys.executable)} -m glibc_guard fix {path} -o new/fixed --target 2.17"
    done = subprocess.run(["bash", "-c", command], check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith(f"glibc-guard: {path}: cannot be copied to new: ")
    assert "File too large" in done.stderr
    assert done.stderr.count("\n") == 1
    assert snapshot(tmp_path) == before
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_nothing_behind(number: signal.Signals, status: int, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {**{f"m{i}.so": object_of(WEAK) for i in range(40)}, "data": bytes(300 << 20)})
    before = snapshot(tmp_path)
    command = [sys.executable, "-m", "glibc_guard", "fix", str(wheel), "-o", f"{tmp_path}/fixed/"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not any(tmp_path.glob("fixed/.glibc-guard.*")):
        time.sleep(0.005)
    process.send_signal(number)
    _, complaint = process.communicate(timeout=300)
    assert process.returncode == status, complaint
    assert "Traceback" not in complaint
    assert snapshot(tmp_path) == before
    assert not (tmp_path / "fixed").exists()


def test_what_cannot_be_read_in_full_is_not_fixed(tmp_path: Path) -> None:
    truncated = object_of(WEAK)[:900]
    wheel = make_wheel(tmp_path, {"m.so": object_of(WEAK), "broken.so": truncated})
    done = run("fix", wheel, "-o", f"{tmp_path}/fixed/")
    assert done.returncode == 3
    assert done.stderr.startswith("glibc-guard: broken.so: ")
    assert not (tmp_path / "fixed").exists()


@pytest.mark.parametrize("name", ["../m.so", "m.so"])
def test_hostile_names(name: str, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m.so": object_of(WEAK)})
    with zipfile.ZipFile(wheel, "a") as archive:
        if name == "m.so":
            with pytest.warns(UserWarning, match="Duplicate name"):
                archive.writestr(name, object_of(STRONG))
        else:
            archive.writestr(name, object_of(STRONG))
    before = snapshot(tmp_path)
    done = run("fix", wheel, "-o", f"{tmp_path}/fixed/")
    assert done.returncode == 3
    assert snapshot(tmp_path) == before


def test_a_record_that_does_not_fit(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m.so": object_of(WEAK)})
    data = wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    assert data
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content.replace(b"sha256=", b"sha256=A") if name.endswith("RECORD") else content)
    done = run("fix", wheel, "-o", f"{tmp_path}/fixed/")
    assert done.returncode == 2
    assert "has another hash or size than RECORD says" in done.stderr
    assert not (tmp_path / "fixed").exists()


def test_a_hostile_name_in_the_output(tmp_path: Path) -> None:
    evil = "m\n::error::x\x1b[31m.so"
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / evil).write_bytes(object_of(WEAK))
    done = run("fix", tree, "-o", tmp_path / "copy")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert not any(line.lstrip().startswith("::") for line in done.stdout.splitlines())
    assert (tmp_path / "copy" / evil).is_file()


def test_what_is_ignored_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "glibc-guard.toml").write_text(
        '[[ignore]]\nrule = "symbol-version-too-new"\nsymbol = "__cxa_*"\nreason = "guarded"\n'
    )
    (tmp_path / "m.so").write_bytes(object_of(WEAK))
    done = run("fix", "m.so", "-o", "n.so", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("NOTHING TO FIX")
    assert (tmp_path / "n.so").read_bytes() == (tmp_path / "m.so").read_bytes()


def test_the_page_names_all_of_the_json_report() -> None:
    page = (Path(__file__).parents[2] / "docs/fixing.md").read_text(encoding="utf-8")
    table = page.partition("## The JSON report")[2].partition("\n## ")[0]
    for one in (FixReport, Repair, Refusal, Change):
        assert set(one.__struct_fields__) <= set(re.findall(r"`([a-z_]+)`", table))
    assert all(f"`{outcome}`" in table for outcome in get_args(Outcome))


def test_what_the_readme_shows(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    wheel = make_wheel(
        tmp_path / "dist", {"threads/_core.so": object_of(WEAK)}, tag="cp312-cp312-manylinux2014_x86_64", name="threads"
    )
    done = run("fix", f"dist/{wheel.name}", "-o", "fixed/", cwd=tmp_path)
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    lines = [line for line in done.stdout.splitlines() if not line.startswith("      0x")]
    shown = "\n".join([f"$ glibc-guard fix dist/{wheel.name} -o fixed/", *lines[:4], "…", *lines[4:], ""])
    assert f"```console\n{shown}```" in readme
