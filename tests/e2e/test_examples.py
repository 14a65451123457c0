"""The examples that do not call the reusable workflow, or fail in a way of their own: built, and what came out judged.

What they fetch comes from PyPI and crates.io. The tools that they need beside a compiler are kept in the cache.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from building import CACHE
from e2e.conftest import ROOT, tool
from e2e.containers import IMAGE
from provisions import unavailable

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.e2e

EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())
TOOLS = Path(__file__).with_name("example_tools.txt")  # `make lock` renews it
MACHINE = os.uname().machine
UNBUILT = shutil.ignore_patterns("build", "target", "dist", "wheelhouse", "*.egg-info", "*.so", "*.tar.gz", "stage")


@dataclasses.dataclass(frozen=True)
class Example:
    """A copy of an example, and how to run things in it."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str | Path, **variables: str) -> str:
        done = self._run(*command, **variables)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def check(self, *arguments: str | Path) -> tuple[int, str]:
        done = self._run(sys.executable, "-m", "glibc_guard", "check", *arguments)
        return done.returncode, done.stdout

    def _run(self, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            check=False,
            cwd=self.folder,
            env={**self.environment, "PYTHONPATH": str(ROOT / "src"), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )

    def wheel(self, folder: str = "dist") -> Path:
        (wheel,) = (self.folder / folder).glob("*.whl")
        return wheel


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path, environment: dict[str, str]) -> Example:
    """The example that ``one`` names, in a folder of its own."""
    name: str = request.param
    folder = tmp_path / name
    shutil.copytree(ROOT / "examples" / name, folder, ignore=UNBUILT)
    kept = {"CARGO_TARGET_DIR": str(CACHE / "examples-target" / name), "CARGO_TERM_COLOR": "never"}
    return Example(folder, {**environment, **kept})


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder of programs that PyPI has; cibuildwheel runs on CPython 3.11 or newer."""
    python = a_python((3, 11), headers=False)
    key = hashlib.sha256(TOOLS.read_bytes() + python.encode()).hexdigest()[:16]
    folder = CACHE / f"example-tools-{key}"
    if not (folder / ".ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
        subprocess.run([*pip, "--require-hashes", "-r", str(TOOLS)], check=True)
        (folder / ".ready").touch()
    return folder / "bin"


def one(name: str) -> pytest.MarkDecorator:
    """Gives a test the example of this name, which is then in the name of the test."""
    return pytest.mark.parametrize("example", [name], indirect=True)


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_says_in_three_lines_when_to_choose_it(folder: Path) -> None:
    title, blank, *lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    assert title.startswith("# ")
    assert not blank
    assert len(lines) == 3
    assert lines[0].startswith("Choose this ")


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_has_a_workflow_that_judges(folder: Path) -> None:
    for path in (folder / ".github" / "workflows").iterdir():
        text = path.read_text(encoding="utf-8")
        assert "org/glibc-guard" in text or "cibuildwheel@" in text
        for job in yaml.safe_load(text)["jobs"].values():
            if "refs/tags/" in job.get("if", ""):
                assert job["needs"] in ("build", ["build", "attest"])  # no release without the gate
                assert job["if"].endswith(" && needs.build.outputs.verdict == 'pass'")  # also with `fail-on: never`


def test_every_example_is_built() -> None:
    built = {name for path in Path(__file__).parent.glob("test_*.py") for name in built_in(path)}
    assert built == {folder.name for folder in EXAMPLES}


def built_in(path: Path) -> Iterator[str]:
    """The examples that tests in ``path`` take a copy of and run something in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        runs = any(isinstance(call.func, ast.Attribute) and call.func.attr == "run" for call in calls)
        for call in calls:
            match call:
                case ast.Call(func=ast.Name(id="one" | "example"), args=[ast.Constant(value=str(name)), *_]):
                    if runs and function.name.startswith("test_"):
                        yield name
                case ast.Call(func=ast.Attribute(attr="copytree"), args=[ast.Name(id="EXAMPLE"), *_]):
                    yield from named_example(tree)


def named_example(tree: ast.Module) -> Iterator[str]:
    """The name in ``EXAMPLE = ROOT / "examples" / NAME``."""
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="EXAMPLE")], value=ast.BinOp(right=ast.Constant(value=str(name)))):
                yield name


@one("c-program")
def test_the_trap_by_hand(example: Example, container_engine: dict[str, str]) -> None:
    example.run("make")
    mount = f"type=bind,source={example.folder / 'build'},target=/opt/built"
    command = [str(tool("docker")), "run", "--rm", "--mount", mount, IMAGE, "/opt/built/table"]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **container_engine})
    assert re.search(r"version `GLIBC_2\.3\d' not found \(required by /opt/built/table\)", ran.stderr), ran
    status, text = example.check("--target", "2.31", "build/table")
    assert status == 1, text
    assert example.run("build/table", "4").split() == ["1", "4", "9", "16"]


@one("maturin")
def test_maturin_on_the_host_keeps_its_tag_and_no_older_one(example: Example, tools: Path) -> None:
    tool("cargo")
    example.run(tools / "maturin", "build", "--release", "--locked", "--out", "dist")
    wheel = example.wheel()
    assert re.fullmatch(rf"median-1\.0\.0-cp310-abi3-manylinux_2_\d+_{MACHINE}\.whl", wheel.name)
    status, text = example.check(wheel)
    assert status == 0, text
    status, text = example.check("--target", "manylinux2014", wheel)
    assert status == 1, text
    assert "symbol-version-too-new" in text


@one("cibuildwheel")
def test_cibuildwheel_runs_the_check(example: Example, tools: Path, container_engine: dict[str, str]) -> None:
    settings = {
        **container_engine,
        "CIBW_BUILD": f"cp39-manylinux_{MACHINE}",
        f"CIBW_MANYLINUX_{MACHINE.upper()}_IMAGE": IMAGE,
        "CIBW_BUILD_FRONTEND": "uv",  # the others fetch virtualenv from GitHub
        "CIBW_AUDIT_REQUIRES": str(ROOT),  # glibc-guard as it stands here
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
    }
    log = example.run(tools / "cibuildwheel", "--platform", "linux", "--archs", MACHINE, **settings)
    assert "+ glibc-guard check " in log
    assert "1 artifact passed" in log
    assert f"manylinux_2_31_{MACHINE}" in example.wheel("wheelhouse").name

    manifest = example.folder / "pyproject.toml"
    text = manifest.read_text(encoding="utf-8")
    assert "glibc-guard check {wheel}" in text
    manifest.write_text(text.replace("glibc-guard check", "glibc-guard check --target 2.2.5"), encoding="utf-8")
    with pytest.raises(AssertionError, match="Audit command failed"):
        example.run(tools / "cibuildwheel", "--platform", "linux", "--archs", MACHINE, **settings)


@one("nanobind-abi3")
def test_nanobind_makes_one_wheel_for_many_pythons(example: Example) -> None:
    python = a_python((3, 12), headers=True)
    example.run(python, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", "dist", ".")
    wheel = example.wheel()
    assert wheel.name == f"nearest-1.0-cp312-abi3-linux_{MACHINE}.whl"
    libc = os.confstr("CS_GNU_LIBC_VERSION")
    assert libc is not None
    status, text = example.check("--target", libc.split()[1], wheel)
    assert status == 0, text
    shutil.unpack_archive(wheel, example.folder / "unpacked", "zip")
    program = "import nearest; print(nearest.nearest([1, 5, 9], 6))"
    assert example.run(python, "-c", program, PYTHONPATH=str(example.folder / "unpacked")).strip() == "5.0"


def a_python(oldest: tuple[int, int], *, headers: bool) -> str:
    """Return a CPython from ``oldest`` on, with the ``headers`` that extensions are built with where asked for."""
    listing = subprocess.run([ROOT / "scripts" / "find_pythons.sh"], check=True, capture_output=True, text=True).stdout
    probe = "import sys, sysconfig, pathlib; p = pathlib.Path(sysconfig.get_path('include'), 'Python.h'); "
    probe += f"sys.exit(sys.version_info < {oldest} or {headers} and not p.exists())"
    for python in listing.split():
        if subprocess.run([python, "-c", probe], check=False).returncode == 0:
            return python
    return unavailable(f"CPython {oldest[0]}.{oldest[1]} or newer{' with its headers' * headers} is not installed")


@one("ray-like")
@pytest.mark.skipif(MACHINE != "x86_64", reason="the example's tag is that of x86_64")
def test_a_library_in_the_wrong_folder_is_caught(example: Example) -> None:
    zig = f"{sys.executable} -m ziglang cc -target {MACHINE}-linux-gnu.2.17"
    example.run("make", "-C", "build-core", f"CC={zig}")
    example.run("make", f"PYTHON={sys.executable}")
    status, text = example.check(example.wheel())
    assert status == 0, text

    shutil.rmtree(example.folder / "dist")
    shutil.rmtree(example.folder / "build", ignore_errors=True)
    (example.folder / "python" / "score" / "_core.so").unlink()
    example.run("make", f"PYTHON={sys.executable}", "FOLDER=python/score")
    status, text = example.check(example.wheel())
    assert status == 1, text
    assert "missing-member" in text
    assert "score/_core.so" in text


@one("musl-static")
def test_a_static_program_needs_nothing(example: Example) -> None:
    example.run("make", f"CC={sys.executable} -m ziglang cc -target {MACHINE}-linux-musl")
    status, text = example.check("--target", "2.17", "--target", "musllinux_1_1", "build/host")
    assert status == 0, text
    assert example.run("build/host").strip() == os.uname().nodename


@one("cross")
def test_cross_builds_in_an_image_for_each_target_of_the_workflow(example: Example) -> None:
    """The images of cross cannot be had here: the project is built by cargo, and the gate tells what they are for."""
    configuration = tomllib.loads((example.folder / "Cross.toml").read_text(encoding="utf-8"))
    workflow = yaml.safe_load((example.folder / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))
    targets = workflow["jobs"]["build"]["strategy"]["matrix"]["target"]
    assert set(configuration["target"]) == set(targets)
    for name, settings in configuration["target"].items():
        assert re.fullmatch(rf"ghcr\.io/cross-rs/{name}:(0\.2\.5|main)-centos", settings["image"])
    assert (
        "cross --version 0.2.5" in workflow["jobs"]["build"]["steps"][1]["run"]
    )  # of the release that the image is of
    example.run(tool("cargo"), "build", "--release", "--locked")
    status, text = example.check("--target", "2.17", f"{example.environment['CARGO_TARGET_DIR']}/release/visits")
    assert status == 1, text
    assert "__cxa_thread_atexit_impl (weak)" in text


@one("cargo-zigbuild")
def test_zigbuild_links_for_the_glibc_that_the_target_names(example: Example, tools: Path) -> None:
    target = f"{MACHINE}-unknown-linux-gnu"
    path = f"{tools}{os.pathsep}{example.environment['PATH']}"
    example.run(tool("cargo"), "zigbuild", "--release", "--locked", "--target", f"{target}.2.17", PATH=path)
    program = f"{example.environment['CARGO_TARGET_DIR']}/{target}/release/visits"
    status, text = example.check("--target", "2.17", program)
    assert status == 0, text
    assert "3 visits" in example.run(program)
