from __future__ import annotations

import pytest

from glibc_guard.baseline.names import wheel_name, without_version
from measured import costs_less_than


def test_a_wheel_says_for_what_it_is() -> None:
    found = wheel_name("pypi:My_Pack-1.2.0-cp312-cp312-manylinux2014_x86_64.manylinux_2_17_x86_64.whl")
    assert found is not None
    assert (found.name, found.version, found.interpreters, found.abis) == ("my-pack", "1.2.0", ("cp312",), ("cp312",))
    assert found.systems == (("glibc", "x86_64"),)
    assert found.tags == ("cp312-cp312-manylinux2014_x86_64", "cp312-cp312-manylinux_2_17_x86_64")


@pytest.mark.parametrize(
    ("platform", "system"),
    [
        ("linux_aarch64", ("glibc", "aarch64")),
        ("manylinux1_i686", ("glibc", "i686")),
        ("manylinux_2_28_ppc64le", ("glibc", "ppc64le")),
        ("musllinux_1_2_x86_64", ("musl", "x86_64")),
        ("any", ("any", "")),
        ("macosx_11_0_arm64", ("macosx_11_0_arm64", "")),
    ],
)
def test_the_system_of_a_platform_tag(platform: str, system: tuple[str, str]) -> None:
    found = wheel_name(f"dist/p-1.0-py3-none-{platform}.whl")
    assert found is not None
    assert found.systems == (system,)


def test_a_name_that_stands_for_millions_of_tags_is_that_of_no_wheel() -> None:
    parts = (".".join(f"{letter}{number}" for number in range(250)) for letter in "abc")
    with costs_less_than(1):
        assert wheel_name(f"p-1.0-{'-'.join(parts)}.whl") is None


@pytest.mark.parametrize("path", ["dist/tool", "x.whl", "a-b-c.whl", "p-1.0-py3-none-any.whl.txt", ""])
def test_what_is_no_wheel(path: str) -> None:
    assert wheel_name(path) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("out/mytool-1.2.3-x86_64.tar.gz", "mytool-1.3.0-x86_64.tar.gz"),
        ("mytool_1.2-1_amd64.deb", "mytool_1.10-3_amd64.deb"),
        ("mytool-v1.2.zip", "mytool-v2.0.1rc1.zip"),
        ("mytool-1.2/", "mytool-1.3/"),
        ("mytool-v12-linux.tar.gz", "mytool-v13-linux.tar.gz"),
    ],
)
def test_names_without_versions_agree(before: str, after: str) -> None:
    assert without_version(before) == without_version(after)


def test_an_architecture_is_no_version() -> None:
    assert without_version("mytool-1.2-x86_64.tar.gz") == "mytool-x86_64.tar.gz"
    assert without_version("mytool-1.2-x86-64-v3.tar.gz") == "mytool-x86-64-v3.tar.gz"
