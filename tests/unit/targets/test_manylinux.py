"""Platform profiles: their names, and what they promise."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

from glibc_guard.targets import glibc, manylinux, symbol_version, tables
from glibc_guard.targets.errors import TargetError
from provisions import needed_module

SCRIPT = Path(__file__).parents[3] / "scripts" / "update_manylinux_policies.py"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("update_manylinux_policies", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_what_the_installed_auditwheel_gives() -> None:
    needed_module("auditwheel")
    module = script()
    text = module.render(module.build(module.policy_folder()))
    assert module.TABLE.read_text(encoding="utf-8") == text, "run scripts/update_manylinux_policies.py"
    assert tables.decode(text.encode(), tables.Policies) == tables.policies()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("manylinux1", "manylinux_2_5"),
        ("manylinux2010", "manylinux_2_12"),
        ("manylinux2014", "manylinux_2_17"),
        ("manylinux_2014", "manylinux_2_17"),
        ("ManyLinux2014", "manylinux_2_17"),
        ("manylinux_2_28", "manylinux_2_28"),
        ("manylinux-2.28", "manylinux_2_28"),
        ("manylinux 2.28", "manylinux_2_28"),
        ("manylinux2_28", "manylinux_2_28"),
        ("manylinux_2_29", "manylinux_2_29"),
        ("manylinux_2_44", "manylinux_2_44"),
        ("musllinux_1_1", "musllinux_1_1"),
        ("musllinux_1_2", "musllinux_1_2"),
    ],
)
def test_names_of_profiles(text: str, name: str) -> None:
    assert manylinux.canonical(text) == name


@pytest.mark.parametrize(
    "text",
    ["", "manylinux", "manylinux2", "manylinux2024", "manylinux_2", "linux", "musllinux", "2.17", "manylinux_2_17x"],
)
def test_other_names_are_no_profiles(text: str) -> None:
    assert manylinux.canonical(text) is None


@pytest.mark.parametrize("text", ["manylinux_2_50", "manylinux_2_45", "manylinux_3_0", "musllinux_1_3"])
def test_a_newer_profile_is_not_a_pass(text: str) -> None:
    with pytest.raises(TargetError, match=rf"{text} is newer than "):
        manylinux.canonical(text)


@pytest.mark.parametrize(("text", "first"), [("manylinux_2_4", "manylinux_2_5"), ("musllinux_1_0", "musllinux_1_1")])
def test_a_profile_before_the_first(text: str, first: str) -> None:
    with pytest.raises(TargetError, match=rf"{text} is older than {first}"):
        manylinux.canonical(text)


@pytest.mark.parametrize(
    ("name", "architecture", "expected"),
    [
        ("manylinux_2_5", "x86_64", {"GLIBC": "2.5", "GLIBCXX": "3.4.8", "CXXABI": "1.3.1", "GCC": "4.2.0"}),
        ("manylinux_2_17", "x86_64", {"GLIBC": "2.17", "GLIBCXX": "3.4.19", "CXXABI": "1.3.7", "GCC": "4.8.0"}),
        ("manylinux_2_28", "x86_64", {"GLIBC": "2.28", "GLIBCXX": "3.4.24", "CXXABI": "1.3.11", "GCC": "7.0.0"}),
        ("manylinux_2_34", "aarch64", {"GLIBC": "2.34", "GLIBCXX": "3.4.29", "CXXABI": "1.3.13", "GCC": "11.0"}),
        # RHEL 7 has a version node GLIBC_2.18 on aarch64, which the policy lists
        ("manylinux_2_17", "aarch64", {"GLIBC": "2.17", "GLIBCXX": "3.4.19", "CXXABI": "1.3.7", "GCC": "4.7.0"}),
        # glibc 2.37 added no symbol on x86_64, so the policy stops at 2.36
        ("manylinux_2_37", "x86_64", {"GLIBC": "2.37", "GLIBCXX": "3.4.30", "CXXABI": "1.3.13", "GCC": "12.0.0"}),
        # no policies of their own: the nearest older one
        ("manylinux_2_29", "x86_64", {"GLIBC": "2.29", "GLIBCXX": "3.4.24", "CXXABI": "1.3.11", "GCC": "7.0.0"}),
        ("manylinux_2_44", "x86_64", {"GLIBC": "2.44", "GLIBCXX": "3.4.33", "CXXABI": "1.3.15", "GCC": "14.0.0"}),
        ("manylinux_2_33", "riscv64", {"GLIBC": "2.33", "GLIBCXX": "3.4.28", "CXXABI": "1.3.12", "GCC": "7.0.0"}),
    ],
)
def test_ceilings(name: str, architecture: str, expected: dict[str, str]) -> None:
    profile = manylinux.profile(name, architecture)
    assert {namespace: profile.ceilings[namespace] for namespace in expected} == expected
    assert profile.libc == "glibc"
    assert profile.platform == f"{name}_{architecture}"


def test_a_namespace_without_any_version_promises_nothing() -> None:
    ceilings = manylinux.profile("manylinux_2_5", "x86_64").ceilings
    assert ceilings["ZLIB"] == "0"
    assert not symbol_version.at_most("1.2.0", ceilings["ZLIB"])


def test_musl_has_no_symbol_versions() -> None:
    profile = manylinux.profile("musllinux_1_2", "x86_64")
    assert (profile.libc, profile.ceilings) == ("musl", {"musl": "1.2"})
    assert {"libc.so", "libc.musl-x86_64.so.1", "libz.so.1"} == profile.libraries
    assert "libc.musl-x86.so.1" in manylinux.profile("musllinux_1_1", "i686").libraries
    assert "libc.musl-armv7.so.1" in manylinux.profile("musllinux_1_1", "armv7l").libraries


def test_what_the_library_rules_need() -> None:
    profile = manylinux.profile("manylinux_2_17", "x86_64")
    assert {"libc.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libz.so.1"} <= profile.libraries
    assert "libssl.so.3" not in profile.libraries
    assert profile.named_versions == {"CXXABI": {"TM_1"}}
    assert "__cxa_thread_atexit_impl" in profile.forbidden_symbols["libc.so.6"]
    assert "FLOAT128" in manylinux.profile("manylinux_2_28", "x86_64").named_versions["CXXABI"]
    assert "LDBL_3.4" in manylinux.profile("manylinux_2_17", "ppc64le").named_versions["GLIBCXX"]
    assert manylinux.profile("manylinux_2_36", "x86_64").named_versions["GLIBC"] == {"ABI_DT_RELR"}


@pytest.mark.parametrize(
    ("name", "architecture", "first"),
    [
        ("manylinux_2_17", "riscv64", "manylinux_2_31"),
        ("manylinux_2_35", "loongarch64", "manylinux_2_36"),
        ("manylinux_2_12", "aarch64", "manylinux_2_17"),
        ("musllinux_1_1", "loongarch64", "musllinux_1_2"),
    ],
)
def test_a_profile_that_an_architecture_does_not_have(name: str, architecture: str, first: str) -> None:
    with pytest.raises(TargetError, match=rf"{name} does not exist for {architecture}: the first .* there is {first}$"):
        manylinux.profile(name, architecture)


def test_an_unknown_architecture() -> None:
    with pytest.raises(TargetError, match=r"the architecture 'mips64' is not known; known are x86_64, "):
        manylinux.from_tag("manylinux_2_17_mips64")


@pytest.mark.parametrize(
    ("tag", "name", "architecture"),
    [
        ("manylinux1_i686", "manylinux_2_5", "i686"),
        ("manylinux2014_aarch64", "manylinux_2_17", "aarch64"),
        ("manylinux_2_28_x86_64", "manylinux_2_28", "x86_64"),
        ("musllinux_1_2_s390x", "musllinux_1_2", "s390x"),
    ],
)
def test_platform_tags(tag: str, name: str, architecture: str) -> None:
    profile = manylinux.from_tag(tag)
    assert (profile.name, profile.architecture) == (name, architecture)
    assert manylinux.find(profile.platform) == profile


@pytest.mark.parametrize(
    "tag",
    [
        "manylinux2_28_x86_64",
        "manylinux_2_28",
        "manylinux2024_x86_64",
        "manylinux-2-28-x86_64",
        "musllinux1_x86_64",
        "many\u202elinux",
    ],
)
def test_a_tag_that_installs_nowhere(tag: str) -> None:
    with pytest.raises(TargetError, match="malformed") as caught:
        manylinux.from_tag(tag)
    assert str(caught.value).isascii()
    assert manylinux.find(tag) is None


def test_later_profiles_promise_no_less() -> None:
    for architecture in glibc.ARCHITECTURES:
        names = [f"manylinux_2_{minor}" for minor in range(5, 45)]
        start = names.index(manylinux.first(architecture))
        profiles = [manylinux.profile(name, architecture) for name in names[start:]]
        for older, newer in pairwise(profiles):
            assert older.libraries <= newer.libraries
            for namespace, number in older.ceilings.items():
                assert symbol_version.at_most(number, newer.ceilings[namespace]), (newer.platform, namespace)


def test_every_name_is_understood() -> None:
    names = manylinux.names()
    assert len(names) == len(set(names))
    assert {"manylinux1", "manylinux2014", "manylinux_2_29", "musllinux_1_2"} <= set(names)
    assert all(manylinux.canonical(name) for name in names)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b'{"source": "x", "policies": [], "more": 1}', b'{"source": "x", "policies": [{"name": "linux"}]}'],
)
def test_a_broken_table_is_an_internal_error(raw: bytes) -> None:
    with pytest.raises(AssertionError, match="Policies of glibc-guard is broken"):
        tables.decode(raw, tables.Policies)
