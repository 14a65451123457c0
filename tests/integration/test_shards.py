"""Many artifacts on the command line: list, check in shards, merge; exit statuses and what is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.file_server import serving
from building import library, make_wheel

ROOT = Path(__file__).parents[2]
OLD = library("malloc(1)", glibc="2.17")
NEW = library("reallocarray(0, 1, 2)", glibc="2.26")


def run(folder: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "GITHUB_TOKEN": "very secret"}
    command = [sys.executable, "-m", "glibc_guard", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, check=False, input=given, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert "very secret" not in done.stdout + done.stderr
    return done


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    for number in range(4):
        make_wheel(tmp_path / "store", {"m.so": OLD}, name=f"good{number}")
    make_wheel(tmp_path / "store", {"m.so": NEW}, name="bad")
    return tmp_path


def shards(folder: Path, count: int, *options: str) -> list[int]:
    """Check the store in shards, into 1.json and so on; return the exit statuses."""
    wheels = run(folder, "list", "store").stdout
    assert wheels.count("\n") == 5
    return [
        run(
            folder, "check", "--paths-from", "-", "--shard", f"{index}/{count}", "--format", "json",
            "--output", f"{index}.json", *options, given=wheels,
        ).returncode
        for index in range(1, count + 1)
    ]  # fmt: skip


def test_all_of_it(store: Path) -> None:
    assert sorted(shards(store, 3)) == [0, 0, 1]
    done = run(store, "merge", "1.json", "2.json", "3.json")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith("1 of 5 artifacts failed (2 errors)\n")
    done = run(store, "merge", "--format", "json", "--output", "all.json", "3.json", "1.json", "2.json")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert len(json.loads((store / "all.json").read_text(encoding="utf-8"))["artifacts"]) == 5
    done = run(
        store, "merge", "--format", "badge", "--format", "json", "--output", "-", "--output", "x.json", "all.json"
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["message"] == "2.26 or newer"


def test_the_worst_of_all_is_the_status(store: Path) -> None:
    make_wheel(store / "store", {"m.so": OLD[:100]}, name="good0")
    assert 3 in shards(store, 2)
    assert run(store, "merge", "1.json", "2.json").returncode == 3
    for path in (store / "store").glob("good0*"):
        path.unlink()
    make_wheel(store / "store", {"m.so": OLD}, name="good0")
    (next((store / "store").glob("bad*"))).unlink()
    make_wheel(store / "store", {"m.so": OLD}, name="bad")
    assert shards(store, 2) == [0, 0]
    assert run(store, "merge", "1.json", "2.json").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("merge",), 2, "Missing argument"),
        (("merge", "1.json"), 3, "1 of 2 shards are missing: 2. What they hold was not judged"),
        (("merge", "1.json", "1.json"), 3, "1.json: the same report as 1.json: its artifacts would be counted twice"),
        (("merge", "1.json", "none.json"), 3, "none.json: cannot be read: No such file or directory"),
        (("merge", "1.json", "text.json"), 3, "text.json: no JSON report of glibc-guard"),
        (("merge", "1.json", "2.json", "--format", "json", "--output", "1.json"), 2, "1.json: is checked itself"),
        (("merge", "1.json", "2.json", "--format", "json", "--output", "no/x.json"), 2, "no/x.json: cannot be written"),
        (("check", "store", "--shard", "3/2"), 2, "3/2: write INDEX/COUNT, from 1/8 to 8/8 for eight shards"),
        (("check", "--paths-from", "none.txt"), 2, "none.txt: cannot be read"),
        (("check", "--paths-from", "empty.txt"), 2, "nothing to check"),
        (("list", "empty.txt", "store/none"), 3, "store/none: no such file or folder"),
    ],
)
def test_what_is_said(store: Path, arguments: tuple[str, ...], status: int, said: str) -> None:
    shards(store, 2)
    before = (store / "1.json").read_bytes()
    (store / "text.json").write_text("no JSON", encoding="utf-8")
    (store / "empty.txt").write_text("\n\n", encoding="utf-8")
    done = run(store, *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert (store / "1.json").read_bytes() == before


def test_urls_in_a_list(store: Path) -> None:
    with serving(store / "store") as served:
        urls = [f"{served.address}/{path.name}?signature=hidden" for path in (store / "store").glob("*.whl")]
        (store / "list.txt").write_text("\n".join(urls), encoding="utf-8")
        done = run(store, "check", "--paths-from", "list.txt")
    assert done.returncode == 1
    assert "1 of 5 artifacts failed" in done.stdout
    assert "hidden" not in done.stdout + done.stderr


def test_what_is_on_a_server_is_not_repaired(tmp_path: Path) -> None:
    done = run(tmp_path, "fix", "https://example.org/x.whl?signature=hidden", "-o", "out/")
    assert done.returncode == 2
    assert (
        done.stderr == "glibc-guard: https://example.org/x.whl: is not on this machine: download it and repair that\n"
    )
