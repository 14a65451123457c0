from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from glibc_guard.config import load
from glibc_guard.settings import ConfigError, Ignore, Settings

WHOLE = """
target = ["manylinux2014", "ubuntu20.04"]
fail-on = "warning"
allow-empty = true
together = true
jobs = 3
baseline = "releases/old.json"
baseline-required = true
size-jump-ratio = 2
size-jump-bytes = "500 kB"

require = ["ray/_raylet.so", "ray/core/**"]
forbid = ["ray/ray"]
expect-toolchain = ["Red Hat 10.*"]

[max-size]
"**/*.so" = "60 MB"
"*.whl" = "100 MiB"
"*.txt" = 4096

[severity]
floor-raised = "error"

[[ignore]]
rule = "symbol-version-too-new"
symbol = "gettid"
object = "**/raylet"
reason = "guarded by a run-time check in src/os.c"
until = 2027-03-01
"""


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load(None, tmp_path) == Settings()


def test_everything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "glibc-guard.toml"
    path.write_text(WHOLE)
    expected = Ignore(
        rule="symbol-version-too-new",
        symbol="gettid",
        object="**/raylet",
        reason="guarded by a run-time check in src/os.c",
        until=datetime.date(2027, 3, 1),
    )
    assert load(None, tmp_path) == Settings(
        targets=("manylinux2014", "ubuntu20.04"),
        fail_on="warning",
        allow_empty=True,
        together=True,
        jobs=3,
        baseline=str(tmp_path / "releases" / "old.json"),
        baseline_required=True,
        size_jump_ratio=2,
        size_jump_bytes=500_000,
        severities={"floor-raised": "error"},
        ignores=(expected,),
        require=("ray/_raylet.so", "ray/core/**"),
        forbid=("ray/ray",),
        max_size=(("**/*.so", 60_000_000), ("*.whl", 104_857_600), ("*.txt", 4096)),
        expect_toolchain=("Red Hat 10.*",),
        source=path,
    )


def test_the_nearest_file_upward_wins_and_a_pyproject_without_our_table_is_passed_over(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.glibc-guard]\ntarget = "2.17"\n')
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert load(None, inner).targets == ("2.17",)
    (tmp_path / "a" / "glibc-guard.toml").write_text('target = "2.28"\n')
    assert load(None, inner).targets == ("2.28",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('targets = "2.17"', 'unknown key "targets"; did you mean "target"?'),
        ('[[ignore]]\nrule = "x"\nreson = "y"', 'ignore 1: unknown key "reson"; did you mean "reason"?'),
        ('xyzzy = "2.17"', 'unknown key "xyzzy"; there are target, '),
        ('[[ignore]]\nxyzzy = "y"', 'ignore 1: unknown key "xyzzy"; there are rule, reason, '),
        ('[[ignore]]\nrule = "x"', "reason"),
        ('[[ignore]]\nrule = "x"\nreason = "  "', "reason"),
        ('[[ignore]]\nrule = "x"\nreason = "y"\nuntil = "soon"', "until"),
        ('fail-on = "errors"', "fail-on"),
        ("jobs = 0", "jobs"),
        ('requires = ["x"]', 'unknown key "requires"; did you mean "require"?'),
        ('require = "x"', "require"),
        ('require = [" "]', "require"),
        ('require = ["/ray/x"]', 'require: "/ray/x" matches no member: write it relative to the artifact'),
        ('require = ["./ray/x"]', "matches no member"),
        (
            'forbid = ["ray/ray/"]',
            'forbid: "ray/ray/" matches no member: for all that is in the folder write "ray/ray/**"',
        ),
        ('forbid = ["ray\\\\x"]', "matches no member"),
        ('max-size = "60 MB"', "max-size"),
        ('max-size = {"*.so" = "60 mo"}', 'max-size: "60 mo" is no size: write "60 MB", "60 MiB" or a number of bytes'),
        ('max-size = {"*.so" = 0}', "max-size"),
        ('max-size = {"*.so" = "0"}', "is no limit that a file could keep"),
        ('max-size = {"/x" = "1 MB"}', "matches no member"),
        ("expect-toolchain = [1]", "expect-toolchain"),
        ('expect-toolchain = ["*"]', 'expect-toolchain: "*" accepts any toolchain'),
        ('forbid = ["**/*.{a,so}"]', "braces and brackets have no meaning here: write a glob for each"),
        ('forbid = ["**/*.[as]o"]', "? stands for one character"),
        ('require = ["fs/.."]', '"fs/.." matches no member'),
        ('require = [".."]', '".." matches no member'),
        ('require = ["fs/."]', '"fs/." matches no member'),
        ('max-size = {"dist/*.whl" = 1}', 'of a wheel only the file name counts, write "*.whl"'),
        ('max-size = {"*.so" = true}', 'max-size: *.so: write "60 MB", "60 MiB" or a number of bytes'),
        ('require = ["a", 1]', "require 2: write a list of globs"),
        ('fail-on = "maybe"', """fail-on: write "error", "warning" or "never" (not 'maybe')"""),
        ('severity = {size-jump = "off"}', 'severity: size-jump: write "error", "warning" or "note"'),
        ('[[ignore]]\nrule = "x"\nreason = "y"\nuntil = "soon"', "ignore 1: until: write a date without quotes"),
        ('[[ignore]]\nrule = "x"', "ignore 1: write [[ignore]] with a rule and a reason (reason is missing)"),
        ("target = []", "target"),
        ("target = 2.17", "target"),
        ('allow-empty = "yes"', "allow-empty"),
        ("together = 1", "together"),
        ("ignore = 1", "ignore"),
        ('baseline = ""', "baseline"),
        ("size-jump-ratio = 0.5", "size-jump-ratio"),
        ("size-jump-bytes = -1", "size-jump-bytes"),
        ('[severity]\nfloor-rised = "error"', 'did you mean "floor-raised"?'),
        ('[severity]\nxyzzy = "note"', '"xyzzy" is no rule whose severity can be chosen; there are conflicting-blas, '),
        ('[severity]\nsymbol-missing = "note"', '"symbol-missing" is no rule whose severity can be chosen'),
        ('[severity]\nfloor-raised = "fatal"', "severity"),
        ("target = ", "not valid TOML"),
        ("\xff", "not valid TOML"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "glibc-guard.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        load(None, tmp_path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_explicit_file_must_be_there_and_have_the_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "missing.toml", tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    with pytest.raises(ConfigError, match=r"has no \[tool.glibc-guard\] table"):
        load(tmp_path / "pyproject.toml", tmp_path)


def test_a_baseline_from_an_index_is_no_path(tmp_path: Path) -> None:
    (tmp_path / "glibc-guard.toml").write_text('baseline = "pypi:ray==2.9"\n')
    assert load(None, tmp_path).baseline == "pypi:ray==2.9"
    (tmp_path / "glibc-guard.toml").write_text('baseline = "run:report-*"\n')
    assert load(None, tmp_path).baseline == "run:report-*"


def test_what_is_too_large_for_a_configuration_is_said(tmp_path: Path) -> None:
    path = tmp_path / "glibc-guard.toml"
    path.write_bytes(b"#" * (1024 * 1024))
    assert load(path, tmp_path).targets == Settings().targets
    path.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(ConfigError, match="larger than 1024 KiB, so it is no configuration"):
        load(path, tmp_path)
    with pytest.raises(ConfigError, match="larger than 1024 KiB"):
        load("/dev/zero", tmp_path)
