"""A release against its baseline, from the command line: two real builds, a report, and a package index."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import venv
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import pytest
from packaging.requirements import Requirement

from building import compile_with_zig, library, make_wheel
from glibc_guard.baseline import PackageIndex
from glibc_guard.baseline.errors import UnavailableError
from glibc_guard.baseline.names import wheel_name

ROOT = Path(__file__).parents[2]
Fetch: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]
MODULE = "ray/_raylet.so"
SOURCE = """
#define _GNU_SOURCE
#include <stdlib.h>
#include <math.h>
char payload[PAYLOAD] = {1};
void *grow(void *table, double x) { return GROW(table, 16 * (unsigned long)pow(x, 2.5)); }
char *setting(void) { return secure_getenv("RAY"); }
"""
OLD_BUILD = compile_with_zig(
    SOURCE, "-shared", "-fPIC", "-s", "-lm", "-w", "-DPAYLOAD=400000", "-DGROW=realloc", glibc="2.17"
)
NEW_BUILD = compile_with_zig(
    SOURCE, "-shared", "-fPIC", "-s", "-lm", "-w", "-DPAYLOAD=4000000", "-DGROW(a,b)=reallocarray(a,b,1)", glibc="2.34"
)
OLD = library("malloc(1)", glibc="2.17")


def run(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    done = subprocess.run(
        [sys.executable, "-m", "glibc_guard", *map(str, arguments)],
        check=False,
        capture_output=True,
        encoding="utf-8",
        cwd=cwd,
        env={**inherited, "PYTHONPATH": str(ROOT / "src"), "PYTHONUTF8": "1", **environment},
    )
    assert "Traceback" not in done.stderr
    return done


def artifact(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    (found,) = json.loads(done.stdout)["artifacts"]
    assert isinstance(found, dict)
    return found


@pytest.fixture
def builds(tmp_path: Path) -> tuple[Path, Path]:
    """The same package, once right, and once from the host and one folder too deep."""
    tag = "cp312-cp312-manylinux2014_x86_64"
    init = {"ray/__init__.py": b""}
    good = make_wheel(tmp_path, {MODULE: OLD_BUILD, **init}, tag=tag, name="ray", version="2.9.0", compression=0)
    bad = make_wheel(
        tmp_path, {f"ray/{MODULE}": NEW_BUILD, **init}, tag=tag, name="ray", version="2.10.0", compression=0
    )
    return good, bad


# --- two builds -------------------------------------------------------------------------------------------------------


def test_the_leaked_host_build(builds: tuple[Path, Path]) -> None:
    good, bad = builds
    done = run("check", "--baseline", good, bad)
    assert done.returncode == 1
    shown = done.stdout
    assert re.search(r"  since 2\.9\.0: glibc 2\.17 → 2\.29, size 40\d\.\d kB → 4\.0 MB, .*1 object moved", shown)
    assert "was there in 2.9.0, and lies at ray/ray/_raylet.so now  [object-gone]" in shown
    assert "fix: was it copied one folder too deep? (ray/ was put before it)" in shown
    assert (
        "warning needs glibc 2.29, and 2.17 was enough in 2.9.0: ray/ray/_raylet.so (pow@GLIBC_2.29, "
        "reallocarray@GLIBC_2.26)  [floor-raised]"
    ) in shown
    assert shown.count("[size-jump]") == 2
    assert run("check", "--baseline", good, good).returncode == 0
    assert "since " in run("check", "--baseline", good, good).stdout
    assert "nothing changed" in run("check", "--baseline", good, good).stdout


def test_diff_shows_all_and_judges_nothing(builds: tuple[Path, Path]) -> None:
    good, bad = builds
    done = run("diff", good.name, bad.name, cwd=good.parent)
    assert done.returncode == 0
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[:2] == [bad.name, f"since {good.name}"]
    assert "glibc               2.17 → 2.29" in lines
    assert "no longer loads on  Red Hat Enterprise Linux 7" in done.stdout
    assert "moved, was ray/_raylet.so" in lines
    for line in ("+ GLIBC_2.29   pow", "+ GLIBC_2.26   reallocarray", "- GLIBC_2.2.5  pow, realloc"):
        assert line in lines
    changes = artifact(run("diff", good, bad, "--format", "json"))["changes"]
    assert changes["floor"] == [{"namespace": "GLIBC", "before": "2.17", "after": "2.29"}]
    (item,) = changes["objects"]
    assert (item["path_before"], item["path"], item["moved"]) == (MODULE, f"ray/{MODULE}", True)
    assert "| glibc | 2\\.17 | 2\\.29 |" in run("diff", good, bad, "--format", "markdown").stdout


def test_nothing_changed_is_one_line(builds: tuple[Path, Path]) -> None:
    good, _ = builds
    assert run("diff", good.name, good.name, cwd=good.parent).stdout == (
        f"{good.name}\nsince {good.name}\n  nothing changed\n"
    )


def test_diff_writes_files(builds: tuple[Path, Path], tmp_path: Path) -> None:
    outputs = ["--format", "json", "--output", tmp_path / "r.json", "--format", "markdown", "--output", tmp_path / "m"]
    assert run("diff", *builds, *outputs).stdout == ""
    assert json.loads((tmp_path / "r.json").read_text())["artifacts"][0]["changes"]
    assert (tmp_path / "m").read_text().startswith("### `")
    refused = run("diff", *builds, "--format", "json", "--output", builds[0])
    assert (refused.returncode, "is checked itself" in refused.stderr) == (2, True)


def test_a_json_report_serves_as_the_old_one(builds: tuple[Path, Path], tmp_path: Path) -> None:
    good, bad = builds
    report = tmp_path / "old.json"
    run("check", good, "--format", "json", "--output", report)
    with_path = artifact(run("check", "--baseline", good, bad, "--format", "json"))
    with_report = artifact(run("check", "--baseline", report, bad, "--format", "json"))
    assert with_path["changes"]["verdict_before"] is None
    assert with_report["changes"]["verdict_before"] == "pass"  # a report was judged, a wheel was not
    with_report["changes"]["verdict_before"] = None
    assert with_report == with_path
    run("check", bad, "--format", "json", "--output", tmp_path / "new.json")
    assert artifact(run("diff", report, tmp_path / "new.json", "--format", "json"))["changes"] == with_path["changes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "--baseline", "missing.whl", "a.so"], "missing.whl: no such file or folder; a baseline is a path"),
        (["check", "--baseline", "", "a.so"], "the baseline is empty"),
        (["check", "--baseline", "pypi:", "a.so"], "pypi:: should look like pypi:NAME"),
        (["check", "--baseline", "pypi:a b", "a.so"], "should look like pypi:NAME"),
        (["check", "--baseline", "pypi:a[x]", "a.so"], "without extras, markers and URLs"),
        (["check", "--baseline", "pypi:a @ file:///etc/passwd", "a.so"], "without extras, markers and URLs"),
        (["check", "--baseline", "other.json", "a.so"], "other.json: no JSON report of glibc-guard"),
        (["check", "--baseline", "b.so", "--format", "json", "--output", "b.so", "a.so"], "b.so: is checked itself"),
        (["check", "--baseline", "run:report", "a.so"], "gh run download --name report"),
        (["diff", "run:report", "a.so"], "only the Action fetches the artifact of a workflow run"),
        (["diff", "a.so", "pypi:a"], "only the first of the two may come from an index"),
        (["diff", "a.so"], "Missing argument 'NEW'"),
        (["diff", "a.so", "missing"], "missing: no such file or folder"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], message: str) -> None:
    for name in ("a.so", "b.so"):
        (tmp_path / name).write_bytes(OLD)
    (tmp_path / "other.json").write_text('{"packages": []}')
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr.replace("\n", " ")


def test_a_baseline_that_cannot_be_read_is_no_pass(tmp_path: Path) -> None:
    new = make_wheel(tmp_path, {"m.so": OLD}, version="2.0")
    damaged = tmp_path / "sample-1.0-cp312-cp312-manylinux_2_17_x86_64.whl"
    damaged.write_bytes(new.read_bytes()[:400])
    done = run("check", "--baseline", damaged, new)
    assert done.returncode == 3
    assert f"the baseline {damaged} cannot be read: damaged" in done.stdout
    assert "[baseline-missing]" in done.stdout
    assert run("diff", damaged, new).returncode == 3


def test_a_member_of_the_baseline_that_cannot_be_read_is_no_pass(tmp_path: Path) -> None:
    new = make_wheel(tmp_path, {"m.so": OLD}, version="2.0")
    part = make_wheel(tmp_path, {"m.so": OLD, "n.so": OLD[:200]})
    run("check", part, "--format", "json", "--output", tmp_path / "part.json")
    for baseline in (part, tmp_path / "part.json"):
        done = run("check", "--baseline", baseline, new, "--format", "json")
        assert done.returncode == 3
        (finding,) = artifact(done)["findings"]
        assert (finding["rule"], finding["object"]) == ("baseline-missing", "n.so")
        assert finding["message"].startswith(f"in the baseline {part} it cannot be read: ")
        assert artifact(done)["changes"] is not None  # of all the rest
        assert run("diff", baseline, new).returncode == 3
    assert f"n.so: in the baseline {part} it cannot be read: " in run("diff", part, new).stdout


@pytest.mark.parametrize("given", ["sample-2.0-cp312-cp312-manylinux_2_17_x86_64.whl", "."])
def test_a_folder_with_a_damaged_wheel_is_no_pass(tmp_path: Path, given: str) -> None:
    old, dist = tmp_path / "old", tmp_path / "dist"
    old.mkdir()
    dist.mkdir()
    new = make_wheel(dist, {"m.so": OLD}, version="2.0")
    damaged = old / new.name.replace("2.0", "1.0")
    damaged.write_bytes(new.read_bytes()[:400])
    for _ in range(2):  # alone, then with one of another project beside it
        done = run("check", "--baseline", old, dist / given)
        assert done.returncode == 3
        assert f"the baseline {damaged} cannot be read: damaged" in done.stdout
        make_wheel(old, {"m.so": OLD}, name="other")
    make_wheel(old, {"m.so": OLD}, version="0.9")  # a healthy one that is older is not what was asked for
    assert run("check", "--baseline", old, dist / given).returncode == 3
    damaged.rename(old / "stranger-1.0.zip")
    make_wheel(old, {"m.so": OLD}, version="1.0")
    assert run("check", "--baseline", old, "--baseline-required", dist / given).returncode == 0
    for path in old.glob("sample*"):
        path.unlink()
    done = run("check", "--baseline", old, dist / given)
    assert done.returncode == 3  # it may have been the counterpart
    assert "the baseline " in done.stdout
    assert "stranger-1.0.zip cannot be read: " in done.stdout


def test_no_ignore_but_its_own_hides_a_baseline_that_cannot_be_read(tmp_path: Path) -> None:
    new = make_wheel(tmp_path, {"m.so": OLD}, version="2.0")
    damaged = tmp_path / "damaged.whl"
    damaged.write_bytes(b"PK\3\4")
    for rule, status in (("unreadable", 3), ("*", 3), ("baseline-*", 3), ("baseline-missing", 0)):
        (tmp_path / "c.toml").write_text(f'[[ignore]]\nrule = "{rule}"\nreason = "known"\n')
        assert run("check", "--config", tmp_path / "c.toml", "--baseline", damaged, new).returncode == status


def test_an_artifact_that_is_unread_by_permission_is_not_compared_in_silence(tmp_path: Path) -> None:
    old = make_wheel(tmp_path, {"m.so": OLD}, version="1.0")
    new = tmp_path / old.name.replace("1.0", "2.0")
    new.write_bytes(old.read_bytes()[:300])
    (tmp_path / "c.toml").write_text('[[ignore]]\nrule = "unreadable"\nreason = "known"\n')
    done = run("check", "--config", tmp_path / "c.toml", "--baseline", old, new)
    assert (done.returncode, f"nothing was compared: {new} itself cannot be read" in done.stdout) == (0, True)
    command = ["check", "--config", tmp_path / "c.toml", "--baseline", old, "--baseline-required"]
    assert run(*command, new).returncode == 3
    (tmp_path / "dist").mkdir()
    new.rename(tmp_path / "dist" / new.name)
    make_wheel(tmp_path / "dist", {"m.so": OLD}, name="sample", version="1.1")
    assert run(*command, tmp_path / "dist").returncode == 3  # the other one is compared


def test_a_required_baseline_has_to_be_named(tmp_path: Path) -> None:
    new = make_wheel(tmp_path, {"m.so": OLD})
    done = run("check", "--baseline-required", new)
    assert (done.returncode, done.stdout) == (2, "")
    assert "a baseline is required (baseline-required), and none is named: add --baseline OLD" in done.stderr
    (tmp_path / "glibc-guard.toml").write_text("baseline-required = true\n")
    assert run("check", new, cwd=tmp_path).returncode == 2
    (tmp_path / "empty").mkdir()
    command = ["check", "--allow-empty", "--baseline-required", "--baseline", "pypi:x"]
    assert run(*command, tmp_path / "empty").returncode == 3


def test_one_wheel_in_a_folder_is_no_counterpart_of_everything(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    new = make_wheel(tmp_path, {"m.so": OLD}, version="2.0")
    former = make_wheel(old, {"m.so": OLD}, name="other", version="1.0")
    run("check", old, "--format", "json", "--output", tmp_path / "old.json")
    for baseline in (old, tmp_path / "old.json"):
        done = run("check", "--baseline", baseline, new, "--baseline-required")
        assert done.returncode == 3
        assert f"{baseline} holds no counterpart of it" in done.stdout
    done = run("check", "--baseline", former, new, "--baseline-required")  # one that is named is meant
    assert done.returncode == 0
    assert f"note: compared with {former}, which is of another project: other, and not sample" in done.stdout
    arm = make_wheel(tmp_path, {"m.so": library("malloc(1)", arch="aarch64", glibc="2.17")}, version="1.0",
                     tag="cp312-cp312-manylinux_2_17_aarch64")  # fmt: skip
    assert "which is for other processors: aarch64, and not x86_64" in run("check", "--baseline", arm, new).stdout


def test_of_several_that_fit_the_release_before_is_taken(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    for version in ("0.9", "1.0", "1.1", "1.2", "1.10"):
        make_wheel(old, {"m.so": OLD}, version=version)
    for version, former in (("1.1", "1.0"), ("1.11", "1.10"), ("0.8", "1.10"), ("1.2", "1.1")):
        new = make_wheel(tmp_path, {"m.so": OLD}, version=version)
        changes = artifact(run("check", "--baseline", old, new, "--format", "json"))["changes"]
        assert changes["version_before"] == former
    for folder in ("a", "b"):
        (old / folder).mkdir()
        make_wheel(old / folder, {"m.so": OLD}, version="2.0")
    new = make_wheel(tmp_path, {"m.so": OLD}, version="2.1")
    done = run("check", "--baseline", old, new, "--baseline-required")
    assert done.returncode == 3
    assert f"nothing was compared: 2 of the baseline fit, name one: {new.name.replace('2.1', '2.0')}, " in done.stdout


def test_a_source_distribution_beside_the_wheels_has_nothing_to_compare(tmp_path: Path) -> None:
    dist, tree = tmp_path / "dist", tmp_path / "sample-2.0"
    dist.mkdir()
    tree.mkdir()
    (tree / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: sample\nVersion: 2.0\n")
    shutil.make_archive(str(dist / tree.name), "gztar", tmp_path, tree.name)
    make_wheel(dist, {"m.so": OLD}, version="2.0")
    old = make_wheel(tmp_path, {"m.so": OLD}, version="1.0")
    done = run("check", "--baseline", old, "--baseline-required", *sorted(dist.iterdir()))
    assert (done.returncode, done.stdout.count("since 1.0")) == (0, 1)


def test_a_baseline_that_is_the_artifact_itself(tmp_path: Path) -> None:
    new = make_wheel(tmp_path, {"m.so": OLD})
    (tmp_path / "lib.so").write_bytes(OLD)
    (tmp_path / "tree").mkdir()
    shutil.copy(tmp_path / "lib.so", tmp_path / "tree" / "lib.so")
    for old, given in (
        (new, new),
        (tmp_path / "tree", tmp_path / "tree/"),
        (tmp_path / "tree", tmp_path / "tree/lib.so"),
    ):
        assert "is the artifact itself" in run("check", "--baseline", old, given).stdout
        assert run("check", "--baseline", old, given, "--baseline-required").returncode == 3


def test_a_single_file_finds_the_one_of_its_name_in_a_folder(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, call in ((old, "malloc(2)"), (new, "malloc(3)")):
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "tool.so").write_bytes(library(call))
        (folder / "two.so").write_bytes(OLD)
    done = run("check", "--baseline", old, new / "bin" / "tool.so", "--fail-on", "warning", "--format", "json")
    assert (done.returncode, artifact(done)["changes"]["baseline"]) == (0, f"{old}/bin/tool.so")
    assert artifact(done)["findings"] == []
    done = run("check", "--baseline", old / "bin" / "tool.so", new, "--format", "json")
    assert "object-gone" not in done.stdout
    (old / "bin" / "tool.so").write_bytes(OLD[:200])
    done = run("check", "--baseline", old, new / "bin" / "tool.so")
    assert done.returncode == 3
    assert f"the baseline {old}/bin/tool.so cannot be read: " in done.stdout


def test_what_an_earlier_run_made_of_its_baseline_is_not_told_again(builds: tuple[Path, Path], tmp_path: Path) -> None:
    good, bad = builds
    config = tmp_path / "c.toml"
    config.write_text('[severity]\nfloor-raised = "error"\n')
    report = tmp_path / "new.json"
    assert run("check", bad, "--config", config, "--baseline", good, "--format", "json", "--output", report).returncode
    (tmp_path / "empty").mkdir()
    other = make_wheel(tmp_path, {"m.so": OLD}, name="other")
    (tmp_path / "x").mkdir()
    done = run("diff", bad, report, "--format", "json")
    assert done.returncode == 0
    assert (artifact(done)["findings"], artifact(done)["verdict"]) == ([], "pass")
    done = run("diff", tmp_path / "empty", report, "--format", "json")
    assert (done.returncode, artifact(done)["changes"]) == (3, None)
    assert other.exists()


def test_the_baseline_of_a_configuration_may_begin_with_the_home_folder(
    builds: tuple[Path, Path], tmp_path: Path
) -> None:
    good, bad = builds
    (tmp_path / "glibc-guard.toml").write_text(f'baseline = "~/{good.name}"\n')
    done = run("check", bad, "--format", "json", cwd=tmp_path, HOME=str(good.parent))
    assert artifact(done)["changes"]["baseline"] == str(good)
    (tmp_path / "glibc-guard.toml").write_text('baseline = "old\\u0000x"\n')
    done = run("check", bad, cwd=tmp_path)
    assert (done.returncode, "baseline: a path holds no NUL character" in done.stderr) == (2, True)


def test_a_link_that_leads_to_itself_is_no_baseline(tmp_path: Path) -> None:
    new = make_wheel(tmp_path, {"m.so": OLD})
    (tmp_path / "loop").symlink_to("loop")
    for command in (["check", new, "--baseline", tmp_path / "loop"], ["diff", tmp_path / "loop", new]):
        done = run(*command)
        assert (done.returncode, "loop: a link that leads nowhere" in done.stderr) == (2, True)


def test_several_artifacts_find_their_counterparts(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, version, pythons in ((old, "1.0", ("311", "312")), (new, "1.1", ("312", "313"))):
        folder.mkdir()
        for python in pythons:
            tag = f"cp{python}-cp{python}"
            make_wheel(folder, {"m.so": OLD}, version=version, tag=f"{tag}-manylinux_2_17_x86_64")
            make_wheel(folder, {"m.so": OLD}, version=version, tag=f"{tag}-musllinux_1_2_x86_64")
    for given in ([new], sorted(new.glob("*.whl"))):
        done = json.loads(run("check", "--baseline", old, *given, "--format", "json").stdout)
        compared = {one["path"].rpartition("/")[2]: one for one in done["artifacts"] if one["kind"] == "wheel"}
        assert len(compared) == 4
        for name, one in compared.items():
            if "cp312" in name:
                assert one["changes"]["baseline"].endswith(name.replace("1.1", "1.0"))
            else:
                assert one["changes"] is None
                assert one["notes"][-1] == f"nothing was compared: {old} holds no counterpart of it"
        (note,) = done["notes"]
        assert note.startswith("in the baseline, and compared with nothing here: sample-1.0-cp311-cp311-manylinux")
    assert run("check", "--baseline", old, "--baseline-required", new).returncode == 3


def test_packages_are_paired_by_name_without_the_version(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, version in ((old, "1.2"), (new, "1.3.1")):
        for name in ("tool", "other"):
            tree = folder / f"{name}-{version}"
            tree.mkdir(parents=True)
            (tree / f"lib{name}.so").write_bytes(OLD)
            shutil.make_archive(str(folder / f"{name}-{version}-x86_64"), "gztar", folder, tree.name)
            shutil.rmtree(tree)
    for name in ("tool", "other"):
        run("check", *old.glob("*.gz"), "--format", "json", "--output", tmp_path / "old.json")
        path = new / f"{name}-1.3.1-x86_64.tar.gz"
        changes = artifact(run("check", "--baseline", tmp_path / "old.json", path, "--format", "json"))["changes"]
        assert changes["baseline"] == str(old / f"{name}-1.2-x86_64.tar.gz")
        assert (changes["objects_added"], changes["objects_gone"]) == ([], [])


def test_a_difference_of_nothing_is_no_success(tmp_path: Path) -> None:
    new = make_wheel(tmp_path, {"m.so": OLD})
    (tmp_path / "empty").mkdir()
    done = run("diff", tmp_path / "empty", new)
    assert done.returncode == 3
    assert done.stdout == (
        f"{new}\n  nothing was compared: {tmp_path / 'empty'} holds no program, no library and no wheel\n"
    )
    assert "nothing was compared" in run("diff", tmp_path / "empty", new, "--format", "markdown").stdout
    assert "nothing was compared" in run("check", "--baseline", tmp_path / "empty", new, "--format", "markdown").stdout


def test_an_empty_folder_is_no_baseline(tmp_path: Path) -> None:
    new = make_wheel(tmp_path, {"m.so": OLD})
    (tmp_path / "empty").mkdir()
    done = run("check", "--baseline", tmp_path / "empty", new)
    assert done.returncode == 0
    assert f"note: nothing was compared: {tmp_path / 'empty'} holds no program, no library and no wheel" in done.stdout
    assert run("check", "--baseline", tmp_path / "empty", new, "--baseline-required").returncode == 3


def test_the_configuration_names_a_baseline_beside_itself(builds: tuple[Path, Path], tmp_path: Path) -> None:
    good, bad = builds
    inner = tmp_path / "inner"
    inner.mkdir()
    text = f'baseline = "{good.name}"\nsize-jump-ratio = 99\n[severity]\nfloor-raised = "error"\n'
    (tmp_path / "glibc-guard.toml").write_text(text)
    found = artifact(run("check", bad, "--format", "json", cwd=inner))["findings"]
    severities = {one["rule"]: one["severity"] for one in found}
    assert severities["floor-raised"] == "error"
    assert "size-jump" not in severities


# --- a package index --------------------------------------------------------------------------------------------------


class Handler(SimpleHTTPRequestHandler):
    """Serves files; of one whose name holds "half" only the first half comes."""

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def copyfile(self, source: BinaryIO, outputfile: BinaryIO) -> None:  # type: ignore[override]
        data = source.read()
        outputfile.write(data[: len(data) // 2] if b"half" in os.fsencode(self.path) else data)


class Index:
    """A simple index (PEP 503) on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/simple"

    def add(self, project: str, version: str, *tags: str, data: bytes = OLD) -> None:
        folder = self.folder / "simple" / project
        folder.mkdir(parents=True, exist_ok=True)
        for tag in tags:
            make_wheel(folder, {"p/_c.so": data}, name=project, version=version, tag=tag)
        links = "".join(f'<a href="{path.name}">{path.name}</a>\n' for path in sorted(folder.glob("*.whl")))
        (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    served = Index(tmp_path / "index")
    yield served
    served.stop()


@pytest.fixture
def fetch(index: Index, tmp_path: Path) -> Fetch:
    """Check a wheel against a baseline from the index."""

    def check(baseline: str, wheel: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        pip = {"PIP_INDEX_URL": index.url, "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
        cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        command = ["check", "--baseline", baseline, wheel, "--format", "json", *options]
        return run(*command, cwd=None, **{**pip, **cache, **environment})

    return check


def new_wheel(tmp_path: Path, tag: str = "cp312-cp312-manylinux_2_17_x86_64", version: str = "2.0") -> Path:
    folder = tmp_path / "dist"
    folder.mkdir(exist_ok=True)
    return make_wheel(folder, {"p/_c.so": OLD}, name="sample", version=version, tag=tag)


def baseline_of(done: subprocess.CompletedProcess[str]) -> str:
    found = artifact(done)
    assert found["changes"] is not None, found["notes"]
    return str(found["changes"]["baseline"])


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    found = artifact(done)
    assert found["changes"] is None
    assert "\n" not in found["notes"][-1]
    return str(found["notes"][-1])


TAGS = (
    "cp311-cp311-manylinux_2_17_x86_64",
    "cp312-cp312-manylinux_2_17_x86_64",
    "cp312-cp312-manylinux_2_28_x86_64",
    "cp312-cp312-manylinux_2_17_aarch64",
    "cp312-cp312-musllinux_1_2_x86_64",
    "cp312-cp312-macosx_11_0_arm64",
    "cp313-cp313t-manylinux_2_17_x86_64",
    "pp310-pypy310_pp73-manylinux_2_17_x86_64",
    "py3-none-manylinux_2_17_x86_64",
    "py3-none-any",
)


@pytest.mark.parametrize("tag", TAGS)
def test_the_wheel_of_the_same_tags_is_chosen(tmp_path: Path, index: Index, fetch: Fetch, tag: str) -> None:
    index.add("sample", "1.0", *TAGS)
    done = fetch("pypi:sample", new_wheel(tmp_path, tag), "--allow-empty")
    assert baseline_of(done) == f"pypi:sample-1.0-{tag}.whl"


@pytest.mark.parametrize(
    ("tag", "former"),
    [
        ("cp312-cp312-manylinux_2_28_x86_64", "cp312-cp312-manylinux2014_x86_64"),
        ("cp312-cp312-manylinux_2_17_x86_64", "cp312-cp312-manylinux_2_34_x86_64"),
        ("cp312-cp312-linux_x86_64", "cp312-cp312-manylinux1_x86_64"),
        ("cp312-cp312-musllinux_1_2_aarch64", "cp312-cp312-musllinux_1_1_aarch64"),
        ("cp39-abi3-manylinux_2_28_x86_64", "cp38-abi3-manylinux_2_17_x86_64"),
        ("cp312-cp312-manylinux_2_17_x86_64", "cp39-abi3-manylinux_2_17_x86_64"),
    ],
)
def test_another_platform_tag_is_compared_and_told(
    tmp_path: Path, index: Index, fetch: Fetch, tag: str, former: str
) -> None:
    index.add("sample", "1.0", former, "cp311-cp311-manylinux_2_17_x86_64", "py3-none-any")
    done = fetch("pypi:sample", new_wheel(tmp_path, tag))
    assert baseline_of(done) == f"pypi:sample-1.0-{former}.whl"
    assert "tag-changed" in {finding["rule"] for finding in artifact(done)["findings"]}


def test_the_newest_release_that_is_not_the_one_under_check(tmp_path: Path, index: Index, fetch: Fetch) -> None:
    for version in ("0.9", "1.10", "1.9", "2.0", "2.1rc1"):
        index.add("sample", version, TAGS[1])
    wheel = new_wheel(tmp_path)
    assert baseline_of(fetch("pypi:sample", wheel)) == f"pypi:sample-1.10-{TAGS[1]}.whl"
    assert baseline_of(fetch("pypi:Sample==0.9", wheel)) == f"pypi:sample-0.9-{TAGS[1]}.whl"
    assert baseline_of(fetch("pypi:sample<1.10", wheel)) == f"pypi:sample-1.9-{TAGS[1]}.whl"
    assert baseline_of(fetch("pypi:sample==2.0", wheel)) == f"pypi:sample-2.0-{TAGS[1]}.whl"
    index.add("sample", "2.2", TAGS[1])
    assert baseline_of(fetch("pypi:sample", wheel)) == f"pypi:sample-2.2-{TAGS[1]}.whl"


def test_an_exact_version_is_there_offline_once_it_was_fetched(tmp_path: Path, index: Index, fetch: Fetch) -> None:
    index.add("sample", "1.0", TAGS[1])
    wheel = new_wheel(tmp_path)
    offline = {"PATH": ""}  # and with the index stopped
    first = fetch("pypi:sample==1.0", wheel)
    index.stop()
    assert artifact(fetch("pypi:sample==1.0", wheel, **offline))["changes"] == artifact(first)["changes"]
    assert "pypi:sample==1.1: the index cannot be reached: " in complaint(fetch("pypi:sample==1.1", wheel))
    assert "pypi:sample: the index cannot be reached: " in complaint(fetch("pypi:sample", wheel))


def test_offline_without_a_cache(tmp_path: Path, index: Index, fetch: Fetch) -> None:
    index.stop()
    wheel = new_wheel(tmp_path)
    done = fetch("pypi:sample==1.0", wheel)
    assert done.returncode == 0
    assert complaint(done).startswith("nothing was compared: pypi:sample==1.0: the index cannot be reached: ")
    required = fetch("pypi:sample==1.0", wheel, "--baseline-required")
    assert required.returncode == 3
    (finding,) = artifact(required)["findings"]
    assert (finding["rule"], finding["severity"]) == ("baseline-missing", "error")


def test_no_index_at_all(tmp_path: Path, fetch: Fetch) -> None:
    said = complaint(fetch("PyPI:sample", new_wheel(tmp_path), PIP_NO_INDEX="1"))
    assert said.startswith("nothing was compared: pypi:sample: pip is told to ask no index (PIP_NO_INDEX, or ")


def test_the_reason_of_an_index_out_of_reach_is_in_words(tmp_path: Path, index: Index, fetch: Fetch) -> None:
    index.stop()
    said = complaint(fetch("pypi:sample", new_wheel(tmp_path)))
    assert said.startswith("nothing was compared: pypi:sample: the index cannot be reached: ")
    assert said.endswith("Connection refused")
    assert "0x" not in said


def test_a_wheel_of_another_project_on_the_index_is_remarked(tmp_path: Path, index: Index, fetch: Fetch) -> None:
    index.add("other", "1.0", TAGS[1])
    done = fetch("pypi:other", new_wheel(tmp_path), "--baseline-required")
    assert done.returncode == 0
    assert "which is of another project: other, and not sample" in artifact(done)["notes"][-1]


def test_a_source_distribution_has_none_on_an_index(tmp_path: Path, index: Index, fetch: Fetch) -> None:
    index.add("sample", "1.0", TAGS[1])
    tree = tmp_path / "sample-2.0"
    tree.mkdir()
    (tree / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: sample\nVersion: 2.0\n")
    path = Path(shutil.make_archive(str(tmp_path / tree.name), "gztar", tmp_path, tree.name))
    assert fetch("pypi:sample", path, "--baseline-required").returncode == 0


def test_a_project_that_the_index_does_not_know(tmp_path: Path, index: Index, fetch: Fetch) -> None:
    index.add("sample", "1.0", TAGS[1])
    said = complaint(fetch("pypi:smaple", new_wheel(tmp_path)))
    assert said == "nothing was compared: pypi:smaple: the index does not know that project"


def test_no_wheel_for_these_tags(tmp_path: Path, index: Index, fetch: Fetch) -> None:
    index.add("sample", "1.0", *TAGS[:2])
    said = complaint(fetch("pypi:sample", new_wheel(tmp_path, "cp313-cp313-musllinux_1_2_x86_64")))
    assert said.endswith(": the index has sample, but no wheel for cp313-cp313 on x86_64 musl")
    said = complaint(fetch("pypi:sample==3.0", new_wheel(tmp_path)))
    assert said.endswith("the index has no release that is sample==3.0 for cp312-cp312 on x86_64 glibc, only 1.0")
    said = complaint(fetch("pypi:sample", new_wheel(tmp_path, version="1.0")))
    assert said.endswith("the index has no release that is sample!=1.0 for cp312-cp312 on x86_64 glibc, only 1.0")


def test_half_a_download_is_never_taken(tmp_path: Path, index: Index, fetch: Fetch) -> None:
    index.add("half", "1.0", TAGS[1])
    wheel = make_wheel(tmp_path, {"p/_c.so": OLD}, name="half", version="2.0")
    for _ in range(2):
        assert complaint(fetch("pypi:half==1.0", wheel)).startswith("nothing was compared: pypi:half==1.0: ")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_wheel_of_another_index_is_not_taken_from_the_cache(tmp_path: Path, index: Index, fetch: Fetch) -> None:
    index.add("sample", "1.0", TAGS[1])
    wheel = new_wheel(tmp_path)
    assert baseline_of(fetch("pypi:sample==1.0", wheel))
    other = Index(tmp_path / "other")
    assert "does not know that project" in complaint(fetch("pypi:sample==1.0", wheel, PIP_INDEX_URL=other.url))
    other.stop()


def test_what_lies_in_the_working_folder_is_not_run_as_pip(tmp_path: Path, index: Index, fetch: Fetch) -> None:
    index.add("sample", "1.0", TAGS[1])
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "pip.py").write_text("raise SystemExit('trapped')\n")
    wheel = new_wheel(tmp_path)
    before = Path.cwd()
    os.chdir(tmp_path / "dist")
    try:
        assert baseline_of(fetch("pypi:sample", wheel))
    finally:
        os.chdir(before)


def test_a_cache_that_cannot_be_written(tmp_path: Path, index: Index, fetch: Fetch) -> None:
    index.add("sample", "1.0", TAGS[1])
    (tmp_path / "file").write_text("")
    said = complaint(fetch("pypi:sample", new_wheel(tmp_path), XDG_CACHE_HOME=str(tmp_path / "file")))
    assert "cannot be written: " in said
    assert said.endswith("; set XDG_CACHE_HOME")


def test_without_pip_it_says_so_and_takes_the_one_on_path(tmp_path: Path, index: Index) -> None:
    """As in an environment of uv or pipx: glibc-guard is there, pip is not."""
    index.add("sample", "1.0", TAGS[1])
    wheel = new_wheel(tmp_path)
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    bare = tmp_path / "bare" / "bin" / "python"
    here = next(path for path in sys.path if path.endswith("site-packages"))
    environment = {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), here]),
        "PIP_INDEX_URL": index.url,
        "PIP_CONFIG_FILE": os.devnull,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    command = [str(bare), "-m", "glibc_guard", "check", "--baseline", "pypi:sample", str(wheel), "--format", "json"]
    for path, found in (("", False), (str(tmp_path / "bin"), True)):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / "pip").write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -m pip "$@"\n')
        (tmp_path / "bin" / "pip").chmod(0o755)
        done = subprocess.run(
            command, check=False, capture_output=True, encoding="utf-8", env={**environment, "PATH": path}
        )
        assert done.returncode == 0, done.stderr
        if found:
            assert baseline_of(done) == f"pypi:sample-1.0-{TAGS[1]}.whl"
        else:
            said = complaint(done)
            assert said.startswith(f"nothing was compared: pypi:sample: pip is needed to fetch it, and {bare} has none")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 0", "pip reports success and brought no wheel"),
        ("echo 'ERROR: the moon is full' >&2; exit 1", "pip could not fetch it: the moon is full"),
        ("exit 7", "pip could not fetch it: it does not say why"),
    ],
)
def test_a_pip_that_fails_in_its_own_way(tmp_path: Path, script: str, message: str) -> None:
    """A program answers for the Python that has pip."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    wheel = wheel_name(new_wheel(tmp_path).name)
    assert wheel is not None
    index = PackageIndex(str(python), tmp_path / "cache", {"PATH": ""})
    with pytest.raises(UnavailableError, match=f"^{message}$"):
        index.fetch(Requirement("sample"), wheel)
    absent = PackageIndex(str(tmp_path / "absent"), tmp_path / "cache", {"PATH": ""})
    with pytest.raises(UnavailableError, match="absent cannot be started: No such file or directory"):
        absent.fetch(Requirement("sample"), wheel)


def test_what_is_no_wheel_has_none_on_an_index(tmp_path: Path, fetch: Fetch) -> None:
    (tmp_path / "tool").write_bytes(OLD)
    assert complaint(fetch("pypi:sample", tmp_path / "tool")).endswith("pypi:sample is for wheels alone")
