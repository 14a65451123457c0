"""What a release holds, made for real from a commit of its own; and what is told to GitHub."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from e2e.conftest import ROOT, tool
from glibc_guard import __version__

pytestmark = pytest.mark.e2e

TAG = f"v{__version__}"
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")


def git(folder: Path, *arguments: str) -> str:
    command: list[str | Path] = [tool("git"), *IDENTITY, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This working folder as a repository of its own, with a changelog that is ready for the release."""
    folder = tmp_path_factory.mktemp("release") / "glibc guard"
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    changelog = folder / "CHANGELOG.md"
    today = datetime.datetime.now(tz=datetime.timezone.utc).date()
    heading = f"## [Unreleased]\n\n## [{__version__}] - {today}\n"
    changelog.write_text(
        changelog.read_text(encoding="utf-8").replace("## [Unreleased]\n", heading, 1), encoding="utf-8"
    )
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "x")
    return folder


def make(checkout: Path, environment: dict[str, str], tag: str = TAG) -> subprocess.CompletedProcess[str]:
    command = [str(tool("bash")), "scripts/release/make.sh", tag]
    return subprocess.run(
        command,
        cwd=checkout,
        env={**environment, "PYTHON": sys.executable},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def made(checkout: Path, environment: dict[str, str]) -> Path:
    done = make(checkout, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout / "dist"


def test_it_holds_two_packages_the_bill_and_the_checksums(made: Path) -> None:
    wheel, source = f"glibc_guard-{__version__}-py3-none-any.whl", f"glibc_guard-{__version__}.tar.gz"
    assert sorted(path.name for path in (made / "packages").iterdir()) == [wheel, source]
    names = sorted(path.name for path in (made / "release").iterdir())
    assert names == ["SHA256SUMS", "glibc-guard.cdx.json", wheel, source]
    checksums = (made / "release" / "SHA256SUMS").read_text(encoding="utf-8")
    assert re.findall(r"^[0-9a-f]{64}  (.*)$", checksums, re.MULTILINE) == names[1:]
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=made / "release", check=True)
    assert "### Added" in (made / "notes.md").read_text(encoding="utf-8")


def test_the_bill_of_materials_names_what_the_action_installs(made: Path) -> None:
    bill = json.loads((made / "release" / "glibc-guard.cdx.json").read_text(encoding="utf-8"))
    assert bill["bomFormat"] == "CycloneDX"
    assert (bill["metadata"]["component"]["name"], bill["metadata"]["component"]["version"]) == (
        "glibc-guard",
        __version__,
    )
    lock = (ROOT / "scripts" / "action" / "requirements.txt").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE))
    assert {(item["name"], item["version"]) for item in bill["components"]} == locked
    assert all(item["hashes"] for item in bill["components"])


def test_the_wheel_is_the_sources_and_nothing_else(made: Path) -> None:
    (wheel,) = (made / "packages").glob("*.whl")
    tracked = {
        path.removeprefix("src/")
        for path in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "src").splitlines()
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        (manual,) = {name for name in names if ".data/" in name}
        assert manual.endswith(".data/data/share/man/man1/glibc-guard.1")
        assert archive.read(manual) == (ROOT / "docs" / "man" / "glibc-guard.1").read_bytes()
        names.remove(manual)
        assert names == tracked
        assert all((ROOT / "src" / name).read_bytes() == archive.read(name) for name in names)


def test_the_source_distribution_has_what_it_takes_to_build(made: Path) -> None:
    (source,) = (made / "packages").glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "src/glibc_guard/__init__.py"} <= names


def test_the_same_commit_gives_the_same_bytes(
    made: Path, checkout: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere"
    git(tmp_path, "clone", "--quiet", str(checkout), str(other))
    os.utime(other / "README.md", (1, 1))
    done = make(other, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in (made / "packages").iterdir():
        again = other / "dist" / "packages" / path.name
        assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(path.read_bytes()).digest(), path.name


def test_nothing_is_made_for_a_tag_of_another_version(
    checkout: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(checkout), str(other))
    done = make(other, environment, "v99.0.0")
    assert done.returncode == 1
    assert "the tag is v99.0.0" in done.stderr
    assert not (other / "dist" / "packages").exists()


def test_what_lies_in_dist_is_not_released(made: Path, checkout: Path, environment: dict[str, str]) -> None:
    assert made.is_dir()
    done = make(checkout, environment)
    assert (done.returncode, "dist is there already" in done.stderr) == (1, True)


def test_nothing_is_left_where_the_changelog_is_not_ready(
    checkout: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    other = tmp_path / "checkout"
    shutil.copytree(checkout, other, ignore=shutil.ignore_patterns("dist"))
    done = make(other, environment, "v99.0")
    assert done.returncode == 1, done.stdout + done.stderr
    assert not (other / "dist").exists()


@pytest.mark.parametrize(
    ("tag", "there", "expected"),
    [
        ("v1.2.3", False, ["release create v1.2.3 --verify-tag --title v1.2.3 --notes-file notes.md out/a out/b"]),
        (
            "v1.2.3rc1",
            False,
            ["release create v1.2.3rc1 --verify-tag --title v1.2.3rc1 --notes-file notes.md --prerelease out/a out/b"],
        ),
        ("v1.2.3", True, ["release upload v1.2.3 --clobber out/a out/b"]),
    ],
)
def test_what_github_is_told(tmp_path: Path, tag: str, *, there: bool, expected: list[str]) -> None:
    gh = tmp_path / "bin" / "gh"
    gh.parent.mkdir()
    gh.write_text(
        f'#!/bin/sh\n[ "$2" = view ] && exit {int(not there)}\necho "$*" >>"{tmp_path}/told"\n', encoding="utf-8"
    )
    gh.chmod(0o755)
    (tmp_path / "out").mkdir()
    for name in ("a", "b"):
        (tmp_path / "out" / name).touch()
    command: list[str | Path] = [ROOT / "scripts" / "release" / "publish.sh", tag, "out", "notes.md"]
    subprocess.run(command, cwd=tmp_path, check=True, env={**os.environ, "PATH": f"{gh.parent}:{os.environ['PATH']}"})
    assert (tmp_path / "told").read_text(encoding="utf-8").splitlines() == expected
