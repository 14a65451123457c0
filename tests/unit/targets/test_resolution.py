"""From names to targets: the wheel's promise, the default, and what the user asks for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glibc_guard.model import Target, WheelFacts
from glibc_guard.targets import glibc
from glibc_guard.targets.errors import TargetError
from glibc_guard.targets.resolution import Resolution, all_names, resolve

X86 = ("x86_64",)


def wheel(*platforms: str) -> WheelFacts:
    tags = tuple(f"{python}-{python}-{platform}" for python in ("cp312", "cp313") for platform in platforms)
    return WheelFacts(name="demo", version="1.0", tags=tags, metadata_tags=tags)


def brief(resolution: Resolution) -> list[tuple[str, str, str]]:
    return [(target.name, target.origin, target.arch) for target in resolution.targets]


def only(resolution: Resolution) -> Target:
    assert len(resolution.targets) == 1
    return resolution.targets[0]


def test_the_promise_of_a_wheel() -> None:
    resolution = resolve(("auto",), wheel("manylinux_2_28_x86_64"), X86)
    target = only(resolution)
    assert (target.name, target.origin, target.arch, target.libc) == (
        "manylinux_2_28_x86_64",
        "wheel tag",
        "x86_64",
        "glibc",
    )
    assert target.ceilings["GLIBC"] == "2.28"
    assert target.ceilings["GLIBCXX"] == "3.4.24"
    assert resolution.notes == ()


def test_two_names_of_one_profile_are_one_target() -> None:
    resolution = resolve(("auto",), wheel("manylinux_2_17_x86_64", "manylinux2014_x86_64"), X86)
    assert brief(resolution) == [("manylinux_2_17_x86_64", "wheel tag", "x86_64")]


def test_every_tag_of_a_compressed_set_is_a_promise() -> None:
    resolution = resolve((), wheel("manylinux_2_12_x86_64", "manylinux_2_28_x86_64", "linux_x86_64"), X86)
    assert [target.name for target in resolution.targets] == ["manylinux_2_12_x86_64", "manylinux_2_28_x86_64"]


def test_a_promise_for_musl() -> None:
    target = only(resolve(("auto",), wheel("musllinux_1_2_aarch64"), ("aarch64",)))
    assert (target.name, target.libc, target.ceilings) == ("musllinux_1_2_aarch64", "musl", {"musl": "1.2"})


def test_the_promise_holds_without_any_object() -> None:
    assert brief(resolve(("auto",), wheel("manylinux2014_aarch64"), ())) == [
        ("manylinux_2_17_aarch64", "wheel tag", "aarch64")
    ]


@pytest.mark.parametrize("names", [("auto",), (), ("AUTO",), ("auto", "auto")])
def test_a_bare_binary_is_judged_against_the_default(names: tuple[str, ...]) -> None:
    resolution = resolve(names, None, X86)
    assert brief(resolution) == [("manylinux_2_17_x86_64", "default", "x86_64")]
    assert resolution.notes == ("no promise found: judged against manylinux2014 (glibc 2.17), the default",)


@pytest.mark.parametrize("platform", ["linux_x86_64", "any"])
def test_a_wheel_that_promises_nothing(platform: str) -> None:
    assert brief(resolve(("auto",), wheel(platform), X86)) == [("manylinux_2_17_x86_64", "default", "x86_64")]


def test_the_default_of_each_architecture() -> None:
    resolution = resolve(("auto",), None, ("x86_64", "aarch64", "riscv64", "loongarch64", "x86_64"))
    assert brief(resolution) == [
        ("manylinux_2_17_x86_64", "default", "x86_64"),
        ("manylinux_2_17_aarch64", "default", "aarch64"),
        ("manylinux_2_31_riscv64", "default", "riscv64"),
        ("manylinux_2_36_loongarch64", "default", "loongarch64"),
    ]
    assert resolution.notes == (
        "no promise found: judged against manylinux2014 (glibc 2.17), the default",
        "no promise found: judged against manylinux_2_31 (glibc 2.31), the first manylinux profile of riscv64",
        "no promise found: judged against manylinux_2_36 (glibc 2.36), the first manylinux profile of loongarch64",
    )


def test_a_local_wheel_without_objects_goes_by_its_tag() -> None:
    assert brief(resolve(("auto",), wheel("linux_aarch64"), ())) == [("manylinux_2_17_aarch64", "default", "aarch64")]
    assert resolve(("auto",), wheel("any"), ()) == Resolution((), ())


def test_architectures_that_are_not_judged_are_passed_over() -> None:
    assert resolve(("auto", "2.17"), None, ("EM_MIPS", "EM_BPF")) == Resolution((), ())


@pytest.mark.parametrize("platforms", [("macosx_11_0_arm64",), ("win_amd64", "win32"), ("android_21_arm64_v8a",)])
def test_a_wheel_for_another_system(platforms: tuple[str, ...]) -> None:
    resolution = resolve(("auto",), wheel(*platforms), ())
    assert resolution.targets == ()
    assert resolution.notes == (f"made for {', '.join(platforms)}: no Linux system is promised",)


def test_the_promise_comes_first_and_the_options_on_top() -> None:
    resolution = resolve(("rhel8", "2.17"), wheel("manylinux_2_28_x86_64"), X86)
    assert brief(resolution) == [
        ("manylinux_2_28_x86_64", "wheel tag", "x86_64"),
        ("rhel8", "option", "x86_64"),
        ("2.17", "option", "x86_64"),
    ]


def test_an_option_that_repeats_the_promise_adds_nothing() -> None:
    resolution = resolve(("manylinux2014", "manylinux_2_17_x86_64"), wheel("manylinux_2_17_x86_64"), X86)
    assert brief(resolution) == [("manylinux_2_17_x86_64", "wheel tag", "x86_64")]


def test_an_option_takes_the_place_of_the_default() -> None:
    resolution = resolve(("rhel8",), wheel("linux_x86_64"), X86)
    assert brief(resolution) == [("rhel8", "option", "x86_64")]
    assert resolution.notes == ()


def test_auto_beside_an_option_adds_the_default() -> None:
    resolution = resolve(("rhel8", "auto"), None, X86)
    assert brief(resolution) == [("manylinux_2_17_x86_64", "default", "x86_64"), ("rhel8", "option", "x86_64")]
    promised = resolve(("auto", "rhel8"), wheel("manylinux_2_28_x86_64"), X86)
    assert [target.origin for target in promised.targets] == ["wheel tag", "option"]


def test_a_name_without_architecture_stands_for_each_one_found() -> None:
    assert brief(resolve(("manylinux_2_28", "2.28"), None, ("x86_64", "aarch64"))) == [
        ("manylinux_2_28_x86_64", "option", "x86_64"),
        ("manylinux_2_28_aarch64", "option", "aarch64"),
        ("2.28", "option", "x86_64"),
        ("2.28", "option", "aarch64"),
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("manylinux2014_aarch64", "manylinux_2_17_aarch64"),
        ("manylinux_2_17_aarch64", "manylinux_2_17_aarch64"),
        ("Manylinux-2.17-AArch64", "manylinux_2_17_aarch64"),
        ("musllinux_1_2_aarch64", "musllinux_1_2_aarch64"),
        ("2.17_aarch64", "2.17"),
        ("rhel8-aarch64", "rhel8"),
        ("ubuntu 20.04 aarch64", "ubuntu20.04"),
    ],
)
def test_a_name_with_an_architecture_stands_for_that_one(name: str, expected: str) -> None:
    assert brief(resolve((name,), None, ("x86_64", "riscv64"))) == [(expected, "option", "aarch64")]


def test_what_the_kinds_of_targets_promise() -> None:
    release, profile, distribution = (only(resolve((name,), None, X86)) for name in ("2.17", "manylinux2014", "rhel8"))
    assert release.ceilings == {"GLIBC": "2.17"}
    assert {"GLIBC", "GLIBCXX", "CXXABI", "GCC", "ZLIB", "LIBATOMIC"} == set(profile.ceilings)
    assert distribution.ceilings == {"GLIBC": "2.28", "GLIBCXX": "3.4.25", "CXXABI": "1.3.11", "GCC": "7.0.0"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("glibc2.17", "2.17"),
        ("glibc_2_17", "2.17"),
        ("GLIBC_2.17", "2.17"),
        (" 2.17 ", "2.17"),
        ("el8", "rhel8"),
        ("rhel 8", "rhel8"),
        ("focal", "ubuntu20.04"),
        ("bookworm", "debian12"),
        ("MANYLINUX1", "manylinux_2_5_x86_64"),
    ],
)
def test_names_are_understood_as_people_write_them(name: str, expected: str) -> None:
    assert only(resolve((name,), None, X86)).name == expected


@pytest.mark.parametrize(
    ("name", "near"),
    [("ubunut20.04", "ubuntu20.04"), ("rhel88", "rhel8"), ("manylinx2014", "manylinux2014"), ("debain12", "debian12")],
)
def test_an_unknown_name_is_answered_with_near_ones(name: str, near: str) -> None:
    with pytest.raises(TargetError) as caught:
        resolve((name,), None, X86)
    message = str(caught.value)
    assert message.startswith(f"unknown target '{name}'; did you mean ")
    assert near in message
    assert (
        "a glibc release (2.17), a manylinux or musllinux profile (manylinux_2_28) or a distribution (rhel8)" in message
    )


@pytest.mark.parametrize("architectures", [(), X86])
@pytest.mark.parametrize(
    "name", ["", "nonsense", "manylinux", "x86_64", "manylinux_2_50", "2.50", "musllinux_1_9", "2.4"]
)
def test_names_are_judged_even_without_objects(name: str, architectures: tuple[str, ...]) -> None:
    with pytest.raises(TargetError):
        resolve((name,), None, architectures)


def test_a_hostile_name_stays_one_short_plain_line() -> None:
    with pytest.raises(TargetError) as caught:
        resolve(("\u202e\x1b[31m\n::error::" + "x" * 100_000,), None, X86)
    message = str(caught.value)
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 400


@pytest.mark.parametrize(
    ("name", "architecture", "message"),
    [
        ("rhel7", "riscv64", "Red Hat Enterprise Linux 7 does not exist for riscv64, only for x86_64, aarch64, "),
        ("manylinux2014", "riscv64", "manylinux_2_17 does not exist for riscv64: the first .* is manylinux_2_31"),
        ("2.17", "loongarch64", "glibc 2.17 does not exist for loongarch64: the first release there is 2.36"),
        ("fedora44", "armv7l", "Fedora 44 does not exist for armv7l"),
    ],
)
def test_a_target_that_an_architecture_does_not_have(name: str, architecture: str, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        resolve((name,), None, ("x86_64", architecture))


@pytest.mark.parametrize(
    "platform", ["manylinux_2_50_x86_64", "manylinux2014_riscv64", "manylinux_2_17_mips64", "manylinux2_28_x86_64"]
)
def test_a_promise_that_cannot_be_judged_is_not_a_pass(platform: str) -> None:
    with pytest.raises(TargetError, match="the wheel's own tag cannot be judged: "):
        resolve(("auto",), wheel(platform), X86)


def test_every_known_name_is_a_target() -> None:
    names = all_names()
    assert names[0] == "auto"
    assert len(names) == len(set(names))
    assert {"2.5", "2.44", "manylinux2014", "manylinux_2_28", "musllinux_1_2", "rhel8", "focal"} <= set(names)
    for name in names:
        assert resolve((name,), None, ("x86_64",)).targets, name


def answer(name: str, architectures: Sequence[str]) -> Resolution | str:
    try:
        return resolve((name,), None, architectures)
    except TargetError as error:
        return str(error)


@given(
    st.text(max_size=80) | st.text(alphabet="manyuslix_-.0123456789 ghebcr", max_size=30),
    st.sets(st.sampled_from(glibc.ARCHITECTURES)),
)
def test_any_name_is_a_target_or_a_plain_refusal(name: str, architectures: set[str]) -> None:
    found = answer(name, sorted(architectures))
    if isinstance(found, str):
        assert found.isprintable()
    else:
        assert {target.arch for target in found.targets} <= set(glibc.ARCHITECTURES)


def test_importing_the_room_costs_little() -> None:
    code = "import sys, glibc_guard.targets; print(sorted({'difflib', 'packaging'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"
