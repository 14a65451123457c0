from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from building import compile_with_gcc, compile_with_zig, make_wheel
from glibc_guard.guard import check
from glibc_guard.model import Finding
from glibc_guard.settings import Settings
from unit.rules.judging import of_rule

RED_HAT_10 = "GCC: (GNU) 10.2.1 20210130 (Red Hat 10.2.1-11)"
RED_HAT_4 = "GCC: (GNU) 4.8.5 20150623 (Red Hat 4.8.5-44)"
UBUNTU = "GCC: (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0"
ALPINE = "GCC: (Alpine 14.2.0) 14.2.0"
UPSTREAM = "GCC: (GNU) 14.2.1 20240805"
CROSSTOOL = "GCC: (crosstool-NG 1.25.0) 7.5.0"
RUST = "rustc version 1.92.0 (ded5c06cf 2025-12-08)"
FEDORA_CLANG = "clang version 17.0.6 (Red Hat 17.0.6-5.el9)"
SOURCE = "#include <stdlib.h>\nvoid *f(void) { return malloc(1); }"
PAGES = "-Wl,-z,max-page-size=65536"


def noted(
    *notes: str, arch: str = "x86_64", folder: str = "", glibc: str | None = "2.17", program: bool = False
) -> bytes:
    """An object with these compiler notes beside those of zig's clang, and debug information of ``folder``."""
    lines = "".join(f'__asm__(".ident \\"{note}\\"");\n' for note in notes)
    source = f"{lines}{SOURCE}\n" + ("int main(void) { return f() == 0; }" if program else "")
    debug = ("-g", f"-fdebug-compilation-dir={folder}") if folder else ("-s",)
    return compile_with_zig(source, *(() if program else ("-shared", "-fPIC")), PAGES, *debug, arch=arch, glibc=glibc)


def found(
    folder: Path, files: Mapping[str, bytes], *expected: str, tag: str = "cp312-cp312-manylinux_2_17_x86_64"
) -> list[Finding]:
    wheel = make_wheel(folder, files, tag=tag)
    (report,) = check([str(wheel)], Settings(expect_toolchain=expected)).artifacts
    return of_rule(report, "foreign-toolchain")


def paths(findings: list[Finding]) -> list[tuple[str, str | None]]:
    return [(finding.severity, finding.object) for finding in findings]


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "s390x"])
def test_an_object_of_another_distribution(tmp_path: Path, arch: str) -> None:
    image, host = noted(RED_HAT_10, arch=arch), noted(UBUNTU, arch=arch)
    files = {"a/b.so": image, "a/c.so": noted(RED_HAT_10, RED_HAT_4, arch=arch), "a/host.so": host}
    tag = f"cp312-cp312-manylinux_2_17_{arch}"
    (finding,) = found(tmp_path, files, tag=tag)
    assert (finding.severity, finding.object) == ("note", "a/host.so")
    assert finding.message == f"was built by “{UBUNTU}”, but a/b.so and 1 other by “{RED_HAT_10}”"
    assert found(tmp_path, {"a/b.so": image, "a/c.so": noted(RED_HAT_4, arch=arch)}, tag=tag) == []


def test_the_compiler_of_this_machine_beside_an_image(tmp_path: Path) -> None:
    here = compile_with_gcc(SOURCE, "-shared", "-fPIC")
    files = {"a/b.so": noted(ALPINE), "a/c.so": noted(ALPINE), "a/host.so": here}
    assert paths(found(tmp_path, files)) == [("note", "a/host.so")]


@pytest.mark.parametrize(
    ("first", "second", "differs"),
    [
        ((RED_HAT_10,), (UBUNTU,), True),
        ((RED_HAT_10, RED_HAT_4), (RED_HAT_10, UBUNTU), False),  # start files of the one, libraries of the other
        ((RED_HAT_10, RUST), (RED_HAT_4,), False),
        ((RED_HAT_10,), (RED_HAT_10.replace("10.2.1", "14.2.1"),), False),  # an image has several compilers
        ((RED_HAT_10,), (RUST,), False),  # rustc, clang, lld and Go tell nothing of the machine
        ((RED_HAT_10,), (), False),
        ((RED_HAT_10,), (FEDORA_CLANG,), False),
        ((RED_HAT_10,), (UPSTREAM,), True),
        ((UPSTREAM,), (CROSSTOOL,), False),
        ((UPSTREAM, UBUNTU), (UBUNTU,), False),
        (("Ubuntu clang version 14.0.0-1ubuntu1.1",), (ALPINE,), True),
    ],
)
def test_what_is_compared(tmp_path: Path, first: tuple[str, ...], second: tuple[str, ...], *, differs: bool) -> None:
    files = {"a/1.so": noted(*first), "a/2.so": noted(*first), "a/3.so": noted(*second)}
    assert paths(found(tmp_path, files)) == ([("note", "a/3.so")] if differs else [])


@pytest.mark.parametrize(
    "path",
    [
        "sample.libs/libx-1a2b3c4d.so.1",
        "a/.libs/libx.so.1",
        "a/lib/libgomp.so.1",
        "a/lib/libstdc++.so.6.0.30",
        "a/lib/libmkl_core.so.2",
        "a/lib/libcudart.so.12",
        "a/_vendor/x/m.so",
        "a/thirdparty_files/m.so",
    ],
)
def test_what_others_built_is_left_alone(tmp_path: Path, path: str) -> None:
    files = {"a/1.so": noted(RED_HAT_10), "a/2.so": noted(RED_HAT_10), path: noted(UBUNTU)}
    assert found(tmp_path, files) == []
    assert found(tmp_path, files, "Red Hat") == []


def test_objects_of_another_architecture_or_libc_are_another_build(tmp_path: Path) -> None:
    files = {
        "a/1.so": noted(RED_HAT_10),
        "a/2.so": noted(RED_HAT_10),
        "a/arm.so": noted(UBUNTU, arch="aarch64"),
        "a/musl.so": noted(ALPINE, glibc=None),
        "a/tool": noted(ALPINE, glibc=None, program=True),
    }
    assert found(tmp_path, files) == []


def test_several_installed_packages_are_several_builds(tmp_path: Path) -> None:
    folder = tmp_path / "site-packages"
    for name, data in {
        "a/1.so": noted(RED_HAT_10), "a/2.so": noted(RED_HAT_10), "b/3.so": noted(UBUNTU),
        "a-1.0.dist-info/METADATA": b"", "b-1.0.dist-info/METADATA": b"",
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (report,) = check([str(folder)], Settings(targets=("2.17",))).artifacts
    assert of_rule(report, "foreign-toolchain") == []


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "i686"])
def test_an_object_that_was_built_at_home(tmp_path: Path, arch: str) -> None:
    image, host = noted(arch=arch, folder="/project/src"), noted(arch=arch, folder="/home/me/ray")
    files = {"a/1.so": image, "a/2.so": image, "a/host.so": host}
    (finding,) = found(tmp_path, files, tag=f"cp312-cp312-manylinux_2_17_{arch}")
    assert (finding.severity, finding.object) == ("note", "a/host.so")
    assert finding.message == "was built in /home/me/ray, but a/1.so and 1 other in /project/src"


@pytest.mark.parametrize(
    ("first", "second", "differs"),
    [
        ("/project", "/home/me/src", True),
        ("/home/me/src", "/io", True),
        ("/home/me/src", "/home/me/other", False),
        ("/home/me/src", "/home/you/src", True),
        ("/home/runner/work/a", "/project", True),
        ("/project", "/io", False),  # two containers
        ("/project", "/builddir/pip-1", False),  # any machine has it
        ("/project", "/root/src", False),
        ("/project", "/home/buildozer/aports/main/musl/src", False),  # Alpine's start files
        ("/project", "/usr/src/debug", False),
        ("/projects/a", "/home/me", False),
    ],
)
def test_which_folders_tell(tmp_path: Path, first: str, second: str, *, differs: bool) -> None:
    files = {"a/1.so": noted(folder=first), "a/2.so": noted(folder=first), "a/3.so": noted(folder=second)}
    assert paths(found(tmp_path, files)) == ([("note", "a/3.so")] if differs else [])


def test_both_signs_are_one_finding(tmp_path: Path) -> None:
    image = noted(RED_HAT_10, folder="/project")
    (finding,) = found(tmp_path, {"a/1.so": image, "a/2.so": image, "a/3.so": noted(UBUNTU, folder="/home/me/x")})
    assert finding.message == (
        f"was built by “{UBUNTU}”, but a/1.so and 1 other by “{RED_HAT_10}”; "
        "was built in /home/me/x, but a/1.so and 1 other in /project"
    )


@pytest.mark.parametrize("name", ["libcustom.so", "libnvault.so", "libcurve.so.1", "libcudawrap.so", "libnvx-1.so"])
def test_libraries_with_names_like_those_of_nvidia_are_own(tmp_path: Path, name: str) -> None:
    files = {"a/1.so": noted(RED_HAT_10), "a/2.so": noted(RED_HAT_10), f"a/{name}": noted(UBUNTU)}
    assert paths(found(tmp_path, files)) == [("note", f"a/{name}")]
    assert paths(found(tmp_path, files, "Red Hat")) == [("error", f"a/{name}")]


@pytest.mark.parametrize(
    "name",
    [
        "libcudart.so.12", "libcublasLt.so.12", "libcudnn_ops_infer.so.8", "libnvrtc-builtins.so.12.4", "libnccl.so.2",
        "libnvJitLink.so.12", "libcusparseLt.so.0", "libnvshmem_host.so.3", "libcufile_rdma.so.1",
        "libcudart-d0da41ae.so.11.0",
    ],
)  # fmt: skip
def test_libraries_of_nvidia(tmp_path: Path, name: str) -> None:
    files = {"a/1.so": noted(RED_HAT_10), "a/2.so": noted(RED_HAT_10), f"a/{name}": noted(UBUNTU)}
    assert found(tmp_path, files) == []


# --- expect-toolchain -------------------------------------------------------------------------------------------------


def test_an_object_without_the_expected_note(tmp_path: Path) -> None:
    files = {"a/1.so": noted(RED_HAT_10), "a/2.so": noted(UBUNTU)}
    (finding,) = found(tmp_path, files, "Red Hat 10.*")
    assert (finding.severity, finding.object) == ("error", "a/2.so")
    assert finding.message == f"was built by “{UBUNTU}”, and expected is “Red Hat 10.*”"
    assert found(tmp_path, files, "Red Hat 10.*", "GCC: (Ubuntu*11.4.0") == []
    assert paths(found(tmp_path, files, "red hat")) == [("error", "a/1.so"), ("error", "a/2.so")]
    assert found(tmp_path, files, "GCC*") == []


def test_an_object_that_tells_nothing(tmp_path: Path) -> None:
    bare = compile_with_gcc(SOURCE, "-shared", "-fPIC", "-fno-ident", "-nostartfiles")
    (finding,) = found(tmp_path, {"a/1.so": noted(RED_HAT_10), "a/2.so": bare}, "Red Hat")
    assert (finding.severity, finding.object) == ("note", "a/2.so")
    assert finding.message == (
        "carries no compiler notes (.comment): nothing tells whether it comes from the expected “Red Hat”"
    )


def test_a_part_that_comes_from_elsewhere(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, {"a/1.so": noted(RED_HAT_10, UBUNTU)}, "Red Hat")
    assert (finding.severity, finding.object) == ("note", "a/1.so")
    assert finding.message.startswith(f"carries “{UBUNTU}” beside the expected “Red Hat”")
    assert found(tmp_path, {"a/1.so": noted(RED_HAT_10, RUST)}, "Red Hat") == []


def test_nothing_that_is_held_against_it(tmp_path: Path) -> None:
    files = {"sample.libs/libx-1a2b3c4d.so.1": noted(UBUNTU), "a/_vendor/m.so": noted(UBUNTU)}
    (finding,) = found(tmp_path, files, "Red Hat")
    assert (finding.severity, finding.object) == ("note", None)
    assert finding.message == (
        "nothing was held against expect-toolchain: 2 objects look like what others built (a/_vendor/m.so)"
    )
    assert found(tmp_path, files) == []
    assert found(tmp_path, {"a/m.py": b""}, "Red Hat") == []
