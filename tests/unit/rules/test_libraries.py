from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

import pytest

from building import compile_with_gcc, compile_with_zig, library, make_wheel
from glibc_guard.model import Finding
from glibc_guard.targets.glibc_symbols import ZIG_TARGETS
from unit.rules.crafting import dynamic_entry, put
from unit.rules.judging import judged, of_rule, rules_of, written

ARCHITECTURES = ("x86_64", "aarch64", "s390x")
PAGES = "-Wl,-z,max-page-size=65536"


def provider(soname: str, *, arch: str = "x86_64") -> bytes:
    source = "int provided(void) { return 1; }"
    return compile_with_zig(source, "-shared", "-fPIC", "-s", PAGES, f"-Wl,-soname,{soname}", arch=arch)


def user(soname: str, *flags: str, arch: str = "x86_64") -> bytes:
    """A library that needs ``soname``."""
    source = "int provided(void); int f(void) { return provided(); }"
    beside = {soname: provider(soname, arch=arch)}
    return compile_with_zig(source, "-shared", "-fPIC", "-s", PAGES, *flags, f"./{soname}", arch=arch, beside=beside)


def findings(wheel: Path) -> list[tuple[str, str, str | None]]:
    return [(finding.rule, finding.severity, finding.object) for finding in judged(wheel).findings]


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_library_that_the_profile_does_not_promise(tmp_path: Path, arch: str) -> None:
    tag = f"cp312-cp312-manylinux_2_17_{arch}"
    module = user("libssl.so.3", arch=arch)
    (finding,) = judged(make_wheel(tmp_path, {"m.so": module}, tag=tag)).findings
    assert (finding.rule, finding.library) == ("library-not-allowed", "libssl.so.3")
    assert finding.message == (
        f"needs libssl.so.3, which manylinux_2_17_{arch} does not promise and the artifact does not carry"
    )
    assert findings(make_wheel(tmp_path, {"m.so": user("libz.so.1", arch=arch)}, tag=tag)) == []
    assert rules_of(tmp_path, module, "2.17") == set()


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_library_that_the_artifact_carries(tmp_path: Path, arch: str) -> None:
    module = user("libssl-1a2b3c4d.so.3", "-Wl,-rpath,$ORIGIN/../pkg.libs", arch=arch)
    files = {"pkg/m.so": module, "pkg.libs/libssl-1a2b3c4d.so.3": provider("libssl-1a2b3c4d.so.3", arch=arch)}
    assert findings(make_wheel(tmp_path, files, tag=f"cp312-cp312-manylinux_2_17_{arch}")) == []


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_carried_library_out_of_reach(tmp_path: Path, arch: str) -> None:
    module = user("libx.so.1", "-Wl,-rpath,$ORIGIN/lib", arch=arch)
    files = {"pkg/m.so": module, "pkg.libs/libx.so.1": provider("libx.so.1", arch=arch)}
    (finding,) = judged(make_wheel(tmp_path, files, tag=f"cp312-cp312-manylinux_2_17_{arch}")).findings
    assert (finding.rule, finding.severity, finding.object) == ("library-missing", "error", "pkg/m.so")
    assert finding.message == "needs libx.so.1, which lies at pkg.libs/libx.so.1: its search path does not lead there"


def test_a_library_that_another_object_brings_into_the_process(tmp_path: Path) -> None:
    files = {
        "pkg/a.so": user("libx.so.1", "-Wl,-rpath,$ORIGIN/../pkg.libs"),
        "pkg/b.so": user("libx.so.1"),
        "pkg.libs/libx.so.1": provider("libx.so.1"),
    }
    (finding,) = judged(make_wheel(tmp_path, files)).findings
    assert (finding.severity, finding.object) == ("warning", "pkg/b.so")
    assert "it loads only after another object that finds it" in finding.message


def test_a_library_that_the_package_loads_itself(tmp_path: Path) -> None:
    files = {
        "pkg/__init__.py": b"import ctypes\nctypes.CDLL(__path__[0] + '/../pkg.libs/libx.so.1')\n",
        "pkg/m.so": user("libx.so.1"),
        "pkg.libs/libx.so.1": provider("libx.so.1"),
    }
    (finding,) = judged(make_wheel(tmp_path, files)).findings
    assert (finding.rule, finding.severity) == ("library-missing", "warning")
    assert "the package calls CDLL when it is imported" in finding.message


def test_rpath_is_inherited_and_runpath_is_not(tmp_path: Path) -> None:
    middle = compile_with_zig(
        "int provided(void); int between(void) { return provided(); }",
        *("-shared", "-fPIC", "-s", "-Wl,-soname,libmiddle.so.1", "./libx.so.1"),
        beside={"libx.so.1": provider("libx.so.1")},
    )

    def top(*flags: str) -> bytes:
        source = "int between(void); int f(void) { return between(); }"
        beside = {"libmiddle.so.1": middle, "libx.so.1": provider("libx.so.1")}
        return compile_with_zig(source, "-shared", "-fPIC", "-s", *flags, "./libmiddle.so.1", beside=beside)

    libraries = {"l/libmiddle.so.1": middle, "l/libx.so.1": provider("libx.so.1")}
    inherited = top("-Wl,-rpath,$ORIGIN/l", "-Wl,--disable-new-dtags")
    assert findings(make_wheel(tmp_path, {"m.so": inherited, **libraries})) == []
    own = top("-Wl,-rpath,$ORIGIN/l", "-Wl,--enable-new-dtags")
    assert findings(make_wheel(tmp_path, {"m.so": own, **libraries})) == [
        ("library-missing", "error", "l/libmiddle.so.1")
    ]


def test_runpath_cuts_off_what_is_inherited(tmp_path: Path) -> None:
    middle = compile_with_zig(
        "int provided(void); int between(void) { return provided(); }",
        *("-shared", "-fPIC", "-s", "-Wl,-soname,libmiddle.so.1", "-Wl,-rpath,$ORIGIN/plugins", "./libx.so.1"),
        beside={"libx.so.1": provider("libx.so.1")},
    )
    top = compile_with_zig(
        "int between(void); int f(void) { return between(); }",
        *("-shared", "-fPIC", "-s", "-Wl,-rpath,$ORIGIN/l", "-Wl,--disable-new-dtags", "./libmiddle.so.1"),
        beside={"libmiddle.so.1": middle, "libx.so.1": provider("libx.so.1")},
    )
    files = {"m.so": top, "l/libmiddle.so.1": middle, "l/libx.so.1": provider("libx.so.1")}
    assert findings(make_wheel(tmp_path, files)) == [("library-missing", "error", "l/libmiddle.so.1")]


def test_a_wheel_has_no_default_folders(tmp_path: Path) -> None:
    files = {"pkg/m.so": user("libx.so.1"), "lib/libx.so.1": provider("libx.so.1")}
    assert findings(make_wheel(tmp_path, files)) == [("library-missing", "error", "pkg/m.so")]


def test_links_are_names_of_libraries_too(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    (folder / "opt").mkdir(parents=True)
    (folder / "opt/libx.so.1.0.0").write_bytes(provider("libx.so.1"))
    (folder / "opt/libx.so.1").symlink_to("libx.so.1.0.0")
    (folder / "opt/m.so").write_bytes(user("libx.so.1", "-Wl,-rpath,$ORIGIN"))
    assert judged(folder, "2.17").findings == ()


def test_a_wheel_is_judged_as_it_is_installed(tmp_path: Path) -> None:
    """What lies in NAME.data/platlib goes into site-packages, beside the packages."""
    files = {
        "sample-1.0.data/platlib/pkg/m.so": user("libx.so.1", "-Wl,-rpath,$ORIGIN/../sample.libs"),
        "sample.libs/libx.so.1": provider("libx.so.1"),
    }
    assert findings(make_wheel(tmp_path, files)) == []


def test_a_grafted_library_that_is_not_there(tmp_path: Path) -> None:
    module = user("libssl-1a2b3c4d.so.3")
    (finding,) = judged(make_wheel(tmp_path, {"m.so": module})).findings
    assert finding.rule == "library-missing"
    assert "a copy that a repair tool made: the artifact does not carry it" in finding.message


def test_libraries_of_a_package_lie_where_the_loader_looks(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    (folder / "usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    (folder / "usr/lib/x86_64-linux-gnu/libx.so.1").write_bytes(provider("libx.so.1"))
    (folder / "usr/lib/m.so").write_bytes(user("libx.so.1"))
    assert judged(folder, "2.17").findings == ()


@pytest.mark.parametrize("arch", ZIG_TARGETS)
def test_the_loader_itself_is_promised(tmp_path: Path, arch: str) -> None:
    glibc = {"riscv64": "2.35", "loongarch64": "2.36"}.get(arch, "2.17")
    source = "__thread int x; int *f(void) { return &x; }"
    module = compile_with_zig(source, "-shared", "-fPIC", "-s", PAGES, arch=arch, glibc=glibc)
    profile = {"riscv64": "manylinux_2_35", "loongarch64": "manylinux_2_36"}.get(arch, "manylinux_2_17")
    assert of_rule(judged(written(tmp_path, module), profile), "library-not-allowed") == []


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "ppc64le"])
def test_a_version_need_whose_library_is_not_loaded(tmp_path: Path, arch: str) -> None:
    data = library("pow(x, 2.5)", "malloc(1)", arch=arch, glibc="2.29")
    orphaned = data
    for tag in (1,):  # the first DT_NEEDED becomes a tag that nobody knows
        orphaned = put(orphaned, dynamic_entry(orphaned, tag), "<q", 0x6000_0001)
    expected = _needed_first(data)
    found = of_rule(judged(written(tmp_path, orphaned), "2.29"), "orphan-version-need")
    assert [finding.library for finding in found] == ([expected] if expected != "libc.so.6" else [])
    assert of_rule(judged(written(tmp_path, data), "2.29"), "orphan-version-need") == []


def _needed_first(data: bytes) -> str:
    from unit.elf.test_reader import read  # noqa: PLC0415  # only here

    return read(data).needed[0]


FOREIGN = "names a folder that only the machine that built it is sure to have"


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("$ORIGIN/../../..", "leaves the artifact: what lies there is not of its making"),
        ("/home/builder/lib", f"{FOREIGN} (somebody's home)"),
        ("/home/runner/work/pkg/pkg/build", f"{FOREIGN} (of a GitHub runner)"),
        ("/var/lib/pip-req-build-x/lib", f"{FOREIGN} (a temporary one: anybody may put a library there)"),
        ("/io/build/lib", f"{FOREIGN} (mounted into a build container)"),
        ("/root/.cargo/lib", f"{FOREIGN} (of a Rust build)"),
        ("/root/miniconda3/envs/build/lib", f"{FOREIGN} (of a conda environment)"),
        ("/opt/rh/lib", f"{FOREIGN} (of software that is installed there by hand)"),
        ("/srv/lib", FOREIGN),
        ("pkg.libs", "is searched in whatever folder the program is started from"),
        ("$ORIGIN/../pkg.libs", None),
        ("/usr/lib64", None),
    ],
)
def test_search_paths(tmp_path: Path, entry: str, complaint: str | None) -> None:
    data = compile_with_zig("int f(void) { return 1; }", "-shared", "-fPIC", "-s", f"-Wl,-rpath,{entry}")
    found = of_rule(judged(make_wheel(tmp_path, {"a/m.so": data})), "runpath-escapes")
    assert [finding.message for finding in found] == ([f"RUNPATH entry “{entry}” {complaint}"] if complaint else [])
    assert all(finding.severity == "warning" for finding in found)


def rewritten(wheel: Path, path: str, *, data: bytes | None = None, drop_record: bool = False) -> Path:
    """Pack ``wheel`` again with another content of ``path``, or without its line in RECORD."""
    with zipfile.ZipFile(wheel) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if data is not None:
        members[path] = data
    if drop_record:
        record = next(name for name in members if name.endswith("/RECORD"))
        lines = members[record].decode().splitlines(keepends=True)
        members[record] = "".join(line for line in lines if not line.startswith(path)).encode()
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return wheel


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_records(tmp_path: Path, arch: str) -> None:
    data = compile_with_zig("int f(void) { return 1; }", "-shared", "-fPIC", "-s", PAGES, arch=arch)
    other = compile_with_zig("int g(void) { return 2; }", "-shared", "-fPIC", "-s", PAGES, arch=arch)
    tag = f"cp312-cp312-manylinux_2_17_{arch}"

    def problem(wheel: Path) -> Finding:
        (finding,) = judged(wheel).findings
        assert (finding.rule, finding.severity, finding.object) == ("record-mismatch", "error", "m.so")
        return finding

    assert findings(make_wheel(tmp_path, {"m.so": data, "n.py": b""}, tag=tag)) == []
    changed = rewritten(make_wheel(tmp_path, {"m.so": data}, tag=tag), "m.so", data=other)
    digest = base64.urlsafe_b64encode(hashlib.sha256(other).digest()).rstrip(b"=").decode()
    assert f"has another hash than RECORD says: sha256={digest}" in problem(changed).message
    unlisted = rewritten(make_wheel(tmp_path, {"m.so": data}, tag=tag), "m.so", drop_record=True)
    assert "is not listed in RECORD" in problem(unlisted).message


def test_what_another_program_finds_does_not_help_a_program(tmp_path: Path) -> None:
    """Each starts a process of its own: for the one that does not find the library, the system's counts."""
    flags = ("-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libstdc++.so.6", "-Wl,--version-script=map")
    runtime = compile_with_gcc("int x(void) { return 1; }", *flags, beside={"map": b"GLIBCXX_3.4.99 { x; };"})
    source = "int x(void); int main(void) { return x(); }"
    folder = tmp_path / "app"
    for name in ("bin", "lib"):
        (folder / name).mkdir(parents=True)
    (folder / "lib/libstdc++.so.6").write_bytes(runtime)
    for name, search in (("p", ()), ("q", ("-Wl,-rpath,$ORIGIN/../lib",))):
        program = compile_with_gcc(source, "./libstdc++.so.6", *search, beside={"libstdc++.so.6": runtime})
        (folder / "bin" / name).write_bytes(program)
    found = of_rule(judged(folder, "manylinux_2_36"), "symbol-version-too-new")
    assert {finding.object for finding in found} == {"bin/p"}


def test_a_folder_that_is_a_link_is_another_name_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    (folder / "lib").mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "lib64").symlink_to("lib")
    (folder / "lib/libx.so.1").write_bytes(provider("libx.so.1"))
    (folder / "bin/m.so").write_bytes(user("libx.so.1", "-Wl,-rpath,$ORIGIN/../lib64"))
    assert judged(folder, "2.17").findings == ()


def test_parts_of_one_glibc_may_share_private_symbols(tmp_path: Path) -> None:
    flags = ("-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libc.so.6", "-Wl,--version-script=map")
    libc = compile_with_gcc("void inner(void) {}", *flags, beside={"map": b"GLIBC_PRIVATE { inner; };"})
    source = "void inner(void); void f(void) { inner(); }"
    part = compile_with_gcc(source, "-shared", "-fPIC", "-nostdlib", "./libc.so.6", beside={"libc.so.6": libc})
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "libnss_x.so.2").write_bytes(part)
    assert of_rule(judged(folder, "2.36"), "private-symbol") != []
    (folder / "libc.so.6").write_bytes(libc)
    assert of_rule(judged(folder, "2.36"), "private-symbol") == []
