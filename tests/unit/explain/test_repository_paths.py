import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from glibc_guard.explain.repository_paths import Origin, RepositoryPaths, origin, site_of
from glibc_guard.model import Frame, Site

REGISTRY = "/home/somebody/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f"
RUSTC = "/rustc/59807616e1b2c3d4e5f60718293a4b5c6d7e8f90"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work space"
    files = (
        "src/main.rs",
        "src/lib.rs",
        "python/src/score.cc",
        "stdio.h",
        "library/std/src/fs.rs",
        "bits/time.h",
        "a/b.c",
    )
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("\n" * 9)
    return root.resolve()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("src/main.rs", "src/main.rs"),
        ("./src/main.rs", "src/main.rs"),
        ("stdio.h", "stdio.h"),  # made relative by -ffile-prefix-map or --remap-path-prefix
        ("../../src/main.rs", "src/main.rs"),
        ("../stdio.h", None),  # one component of a place that is not known
        ("/io/src/main.rs", "src/main.rs"),
        ("/io/stdio.h", "stdio.h"),
        ("/project/src/main.rs", "src/main.rs"),
        ("/project/build/../src/main.rs", "src/main.rs"),
        ("/project/stdio.h", "stdio.h"),
        ("/work/stdio.h", "stdio.h"),
        ("/github/workspace/stdio.h", "stdio.h"),
        ("/home/runner/work/hello/hello/stdio.h", "stdio.h"),
        ("/home/runner/work/hello/other/stdio.h", None),
        ("/__w/hello/hello/python/src/score.cc", "python/src/score.cc"),
        ("/home/me/somewhere/stdio.h", None),
        ("/home/me/somewhere/python/src/score.cc", None),  # it could be that of anyone
        ("/home/me/work space/python/src/score.cc", "python/src/score.cc"),
        ("C:\\a\\work space\\python\\src\\score.cc", "python/src/score.cc"),
        ("/project/third_party/python/src/score.cc", None),
        ("/usr/include/stdio.h", None),
        ("/usr/include/x86_64-linux-gnu/bits/time.h", None),
        ("/usr/lib/gcc/x86_64-linux-gnu/12/include/bits/time.h", None),
        ("/opt/rh/devtoolset-10/root/usr/include/c++/10/bits/time.h", None),
        ("/usr/bin/../lib/gcc/x86_64-linux-gnu/12/../../../../include/c++/12/bits/time.h", None),
        (f"{REGISTRY}/ring-0.17.8/src/lib.rs", None),
        ("/home/somebody/.cargo/git/checkouts/ring-0123456789abcdef/abcdef0/src/lib.rs", None),
        (f"{RUSTC}/library/std/src/fs.rs", None),
        ("library/std/src/fs.rs", None),
        ("/root/.rustup/toolchains/stable/lib/rustlib/src/rust/library/std/src/fs.rs", None),
        ("/opt/python/cp312/lib/python3.12/site-packages/numpy/src/lib.rs", None),
        ("/project/build/_deps/zlib-src/src/lib.rs", None),
        ("main.rs", None),
        ("/main.rs", None),
        ("src/main.rs\n::error::x", None),
        ("src/\0", None),
        ("src", None),
        ("/project/src", None),
        ("", None),
        ("/", None),
        (".", None),
        ("..", None),
        ("<built-in>", None),
        ("/io/" + "x" * 5000, None),
        ("/io/" + "x/" * 5000 + "a/b.c", None),
        ("/io/" + "x/" * 5000 + "work space/a/b.c", "a/b.c"),
        ("/app/src/main.rs", "src/main.rs"),
        ("/usr/src/hello/src/main.rs", "src/main.rs"),
        ("/home/me/other/src/main.rs", None),  # every crate has such a file
        ("/io/other/src/lib.rs", None),
        ("/src/main.rs", None),
        ("/home/me/work space/src/main.rs", "src/main.rs"),
    ],
)
def test_the_file_of_a_path_of_another_machine(root: Path, name: str, expected: str | None) -> None:
    paths = RepositoryPaths(root)
    assert paths.find(name) == expected
    assert paths.find(name) == expected  # from what is kept


def test_a_file_under_the_root_itself(root: Path) -> None:
    paths = RepositoryPaths(root)
    assert paths.find(str(root / "stdio.h")) == "stdio.h"
    assert paths.find(str(root / "target" / ".." / "stdio.h")) == "stdio.h"
    assert paths.find(str(root / "other" / "src" / "main.rs")) is None


def test_the_crates_kept_below_the_root_are_no_files_of_it(root: Path) -> None:
    file = root / ".cargo" / "registry" / "src" / "index.crates.io-1949cf8c6b5b557f" / "ring-0.17.8" / "src" / "lib.rs"
    file.parent.mkdir(parents=True)
    file.touch()
    assert RepositoryPaths(root).find(str(file)) is None


def test_a_project_beside_the_repository_is_none_of_it(root: Path, tmp_path: Path) -> None:
    beside = tmp_path / "beside" / "a" / "b.c"
    beside.parent.mkdir(parents=True)
    beside.write_text("/* another */")
    assert RepositoryPaths(root).find(str(beside)) is None
    beside.write_text("\n" * 9)  # a copy that was built instead
    assert RepositoryPaths(root).find(str(beside)) == "a/b.c"


@dataclass(frozen=True)
class Compiled:
    """What the debug information of an object tells of its files."""

    files: Mapping[str, bytes | None]  # path → MD5

    def sources(self) -> Iterable[str]:
        return self.files

    def digest(self, file: str) -> bytes | None:
        return self.files.get(file)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ((), None),
        (("a/b.c",), "python/src/score.cc"),
        (("a/b.c", "gone.c"), "python/src/score.cc"),
        (("gone.c",), None),
        (("a/b.c", "gone.c", "gone/too.c"), None),  # most of it is not here
    ],
)
def test_a_folder_elsewhere_is_the_root_if_most_of_it_is_here(
    root: Path, others: Sequence[str], expected: str | None
) -> None:
    place = "/home/me/somewhere"
    compiled = Compiled({f"{place}/{name}": None for name in ("python/src/score.cc", *others)} | {"/x/a/b.c": None})
    assert RepositoryPaths(root, (), compiled).find(f"{place}/python/src/score.cc") == expected


def test_a_file_of_other_content_is_another_one(root: Path) -> None:
    same, other = (hashlib.md5(content, usedforsecurity=False).digest() for content in (b"\n" * 9, b"other"))
    for digest, expected in ((same, "a/b.c"), (other, None)):
        for folder in ("/io", str(root), "/home/me/work space"):
            compiled = Compiled({f"{folder}/a/b.c": digest})
            assert RepositoryPaths(root, (), compiled).find(f"{folder}/a/b.c") == expected
    compiled = Compiled({"/home/me/gone/a/b.c": same})  # which is proof enough
    assert RepositoryPaths(root, (), compiled).find("/home/me/gone/a/b.c") == "a/b.c"


def test_a_line_that_the_file_has_not(root: Path) -> None:
    paths = RepositoryPaths(root)
    assert [paths.find("/io/a/b.c", line) for line in (1, 9, 10)] == ["a/b.c", "a/b.c", None]
    (root / "a" / "b.c").write_text("one\ntwo")
    assert [RepositoryPaths(root).find("a/b.c", line) for line in (2, 3)] == ["a/b.c", None]
    frames = (Frame("foo", "/io/a/b.c", 12), Frame("main", "/io/src/lib.rs", 3))
    assert site_of("main", frames, paths).file == "src/lib.rs"
    assert site_of("main", frames[:1], paths) == Site("foo", "/io/a/b.c", 12)


def test_vendored_crates_are_not_annotated(root: Path) -> None:
    for name in ("ring", "mine"):
        (root / "vendor" / name / "src").mkdir(parents=True)
        (root / "vendor" / name / "src" / "digest.rs").touch()
    (root / "vendor" / "ring" / ".cargo-checksum.json").touch()
    paths = RepositoryPaths(root)
    for before in ("/io", str(root), "/home/me/work space"):
        assert paths.find(f"{before}/vendor/ring/src/digest.rs") is None
        assert paths.find(f"{before}/vendor/mine/src/digest.rs") == "vendor/mine/src/digest.rs"


def test_a_root_that_a_link_leads_to(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    for name in (tmp_path / "link", root):
        assert RepositoryPaths(tmp_path / "link").find(str(name / "src" / "main.rs")) == "src/main.rs"


def test_never_outside_the_root(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.c").write_text("")
    (root / "src" / "link.c").symlink_to(tmp_path / "secret.c")
    (root / "up").symlink_to(tmp_path)
    (root / "src" / "circle.c").symlink_to(root / "src" / "circle.c")
    paths = RepositoryPaths(root, [("/x", ".."), ("/y", str(tmp_path)), ("/z", "")])
    for name in ("src/link.c", "/io/src/link.c", "up/secret.c", "/x/secret.c", "/y/secret.c", "src/circle.c"):
        assert paths.find(name) is None
    assert paths.find("/z/../secret.c") is None


def test_prefixes_of_the_user_come_first(root: Path) -> None:
    paths = RepositoryPaths(
        root, [("/build", "python"), ("/build/deep/", "."), ("/abs", str(root / "src")), ("gen", "a")]
    )
    assert paths.find("/build/src/score.cc") == "python/src/score.cc"
    assert paths.find("/build/deep/src/main.rs") == "src/main.rs"
    assert paths.find("/build/src/main.rs") is None  # the user said where it would be
    assert paths.find("/builds/x/y/src/main.rs") == "src/main.rs"
    assert paths.find("/abs/main.rs") == "src/main.rs"
    assert paths.find("gen/b.c") == "a/b.c"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"{REGISTRY}/aws-lc-sys-0.20.1/aws-lc/crypto/mem.c", Origin("crate", "aws-lc-sys", "0.20.1")),
        (f"{REGISTRY}/x-1.0.0-rc.1+b/src/lib.rs", Origin("crate", "x", "1.0.0-rc.1+b")),
        (
            "/home/u/.cargo/git/checkouts/polars-0123456789abcdef/1a2b3c4/crates/x/src/lib.rs",
            Origin("crate", "polars", "1a2b3c4"),
        ),
        (f"{RUSTC}/library/std/src/sys/pal/unix/fs.rs", Origin("rust std", "std")),
        (f"{RUSTC}/library/core/src/num/f64.rs", Origin("rust std", "core")),
        ("/usr/include/c++/12/cmath", Origin("system header")),
        ("/usr/lib/llvm-14/lib/clang/14.0.6/include/stddef.h", Origin("system header")),
        ("/x/site-packages/pybind11/include/pybind11/cast.h", Origin("dependency")),
        ("/project/src/include/mine.h", None),
        ("/home/u/usr/include/mine.h", None),
        ("src/main.rs", None),
        ("", None),
    ],
)
def test_where_a_foreign_file_comes_from(name: str, expected: Origin | None) -> None:
    assert origin(name) == expected


def test_the_site_is_the_innermost_frame_in_the_repository(root: Path) -> None:
    frames = (
        Frame("powf", f"{RUSTC}/library/std/src/f64.rs", 3),
        Frame("mine::score", "/io/src/lib.rs", 7),
        Frame("mine::main", "/io/src/main.rs", 9),
    )
    paths = RepositoryPaths(root)
    assert site_of("f", frames, paths) == Site(
        "mine::score", "src/lib.rs", 7, in_repository=True, frames=frames, through="std"
    )
    assert site_of("f", frames[:1], paths) == Site("powf", frames[0].file, 3)
    assert site_of("f", (), paths) == Site("f")


def test_outside_of_the_repository_a_crate_is_told_before_the_standard_library(root: Path) -> None:
    crate = Frame("grow::growth", f"{REGISTRY}/grow-1.0.0/src/lib.rs", 3)
    frames = (Frame("powf", f"{RUSTC}/library/std/src/f64.rs", 3), Frame("g", None, None), crate)
    assert site_of("f", frames, RepositoryPaths(root)) == Site(
        crate.function, crate.file, 3, frames=frames, through="std"
    )


def test_no_line_of_a_caller_is_that_of_code_that_was_moved(root: Path) -> None:
    paths = RepositoryPaths(root)
    moved, own, foreign = Frame("f", None, None), Frame("g", "/io/src/lib.rs", 7), Frame("h", "/x/y.c", 3)
    found = site_of("g", (moved, own), paths)
    assert found == Site("g", "src/lib.rs", None, in_repository=True, frames=(moved, own))
    assert site_of("h", (moved, foreign), paths) == Site("h", "/x/y.c", None, frames=(moved, foreign))


def test_the_crate_whose_inlined_code_asks_is_named(root: Path) -> None:
    std, own = Frame("powf", f"{RUSTC}/library/std/src/f64.rs", 3), Frame("mine::score", "/io/src/lib.rs", 7)
    crate, caller = (Frame("f", f"{REGISTRY}/{name}-1.0.0/src/lib.rs", 3) for name in ("grow", "run"))
    paths = RepositoryPaths(root)
    assert site_of("f", (std, crate, own), paths).through == "grow"
    assert site_of("f", (own, caller), paths).through is None  # what it was inlined into asks for nothing
    assert site_of("f", (Frame("inner", "/io/src/lib.rs", 5), own), paths).through is None


def test_the_function_of_the_site_is_that_of_its_frame(root: Path) -> None:
    inner, outer = Frame(None, "/io/src/lib.rs", 7), Frame(None, "/usr/include/x.h", 9)
    paths = RepositoryPaths(root)
    assert site_of("f", (inner,), paths).function == "f"
    assert site_of("f", (inner, outer), paths).function is None
    assert site_of("f", (outer, inner), paths) == Site("f", "src/lib.rs", 7, in_repository=True, frames=(outer, inner))


def test_a_short_name_is_completed_by_that_of_the_symbol(root: Path) -> None:
    frames = (Frame("at<int>", "/io/a/b.c", 7), Frame("room", "/io/a/b.c", 9))
    paths = RepositoryPaths(root)
    whole = "growth::(anonymous namespace)::room(unsigned long)"
    assert site_of(whole, frames[1:], paths).function == whole
    assert site_of(whole, frames, paths).function == "at<int>"  # which was inlined there
    assert site_of("mine::Of<T>::at", frames[:1], paths).function == "mine::Of<T>::at"
    assert site_of("growth::roomy()", frames[1:], paths).function == "room"


def test_a_lambda_is_named_by_what_is_around_it(root: Path) -> None:
    frames = (Frame("operator()", "/io/a/b.c", 7), Frame("total", "/io/a/b.c", 9))
    paths = RepositoryPaths(root)
    assert site_of("ray::total(double)", frames, paths).function == "operator() in ray::total(double)"
    assert site_of(None, frames, paths).function == "operator()"
    assert site_of("operator()", frames[:1], paths).function == "operator()"
