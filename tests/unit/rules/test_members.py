from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from building import library, make_wheel
from glibc_guard.guard import check
from glibc_guard.model import ArtifactReport, Finding
from glibc_guard.rules.whereabouts import whereabouts
from glibc_guard.settings import Settings
from measured import costs_less_than
from unit.rules.judging import of_rule

OBJECT = library("malloc(1)", glibc="2.17")


def judged(path: Path, **settings: object) -> ArtifactReport:
    return check([str(path)], Settings(**settings)).artifacts[0]  # type: ignore[arg-type]


def missing(path: Path, *globs: str) -> list[str]:
    return [finding.message for finding in of_rule(judged(path, require=globs), "missing-member")]


# --- require ----------------------------------------------------------------------------------------------------------


def test_a_member_that_is_there(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"ray/_raylet.so": OBJECT, "ray/py.typed": b"", "ray/__init__.py": b""})
    assert (
        judged(wheel, require=("ray/_raylet.so", "ray/*.so", "**/*.so", "ray/py.typed", "**/__init__.py")).findings
        == ()
    )


def test_a_member_one_folder_too_deep(tmp_path: Path) -> None:
    report = judged(make_wheel(tmp_path, {"ray/ray/_raylet.so": OBJECT}), require=("ray/_raylet.so",))
    (finding,) = report.findings
    assert (finding.rule, finding.severity, finding.object, report.verdict) == ("missing-member", "error", None, "fail")
    assert finding.message == "ray/_raylet.so is missing; found ray/ray/_raylet.so: copied one folder too deep?"


@pytest.mark.parametrize(
    ("glob", "names", "told"),
    [
        ("a/b/x.so", ["a/b/c/d/x.so"], "found a/b/c/d/x.so: copied 2 folders too deep?"),
        ("x.so", ["build/lib/x.so", "pkg/x.so"], "found pkg/x.so: copied one folder too deep?"),
        ("a/b/x.so", ["a/x.so"], "found a/x.so: copied one folder too high?"),
        ("a/b/c/x.so", ["x.so"], "found x.so: copied 3 folders too high?"),
        ("a/x.so", ["b/x.so", "c/d/x.so"], "found elsewhere: b/x.so, c/d/x.so"),
        ("a/x*.so", ["a/a/x1.so", "a/a/x2.so"], "found a/a/x1.so, a/a/x2.so: copied one folder too deep?"),
        ("a/_core.so", ["a/_Core.so"], "found a/_Core.so: another spelling, in upper and lower case"),
        (
            "a/_core.cpython-312-x86_64-linux-gnu.so",
            ["a/_core.cpython-311-x86_64-linux-gnu.so", "b/_core.cpython-310-x86_64-linux-gnu.so"],
            "found a/_core.cpython-311-x86_64-linux-gnu.so: built for Python 3.11 instead of 3.12?",
        ),
        (
            "a/_core.cpython-312-*.so",
            ["a/_core.cpython-313t-x86_64-linux-gnu.so"],
            "found a/_core.cpython-313t-x86_64-linux-gnu.so: built for Python 3.13t instead of 3.12?",
        ),
        ("a/_core.abi3.so", ["a/_core.so"], "found a/_core.so: the same name with another suffix"),
        ("a/_core.so", ["a/_core.cp312-win_amd64.pyd"], "found a/_core.cp312-win_amd64.pyd: built for Windows?"),
        ("a/_core.so", ["a/_core.cpython-312-darwin.so"], "found a/_core.cpython-312-darwin.so: built for macOS?"),
        ("a/libx.so.2", ["a/libx.so.1"], "found a/libx.so.1: another version of the library?"),
        ("a/_raylet.so", ["a/_raylett.so", "a/b.py"], "similar: a/_raylett.so"),
        ("a/core", ["a/core/x.so"], "it is a folder here: for anything in it write a/core/**"),
        ("a/x.so", ["b/" * 40 + "x.so"], f"found elsewhere: {'b/' * 40}x.so"),
        ("a/x.so", ["b/c.py"], "nothing of a similar name among 1 file"),
        ("a/*", ["b/c.py", "b/d.py"], "nothing of a similar name among 2 files"),
    ],
)
def test_where_a_member_may_have_gone(glob: str, names: list[str], told: str) -> None:
    assert whereabouts(glob, names) == told


def test_many_members_of_that_name_are_cut() -> None:
    told = whereabouts("a/x.so", [f"a/{number}/x.so" for number in range(1000)])
    assert told == "found a/0/x.so, a/1/x.so, a/10/x.so and 997 more: copied one folder too deep?"


def test_a_glob_without_a_match(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"ray/core/src/ray/raylet": OBJECT})
    assert missing(wheel, "ray/core/*let") == [
        "no member matches ray/core/*let; found ray/core/src/ray/raylet: copied 2 folders too deep?"
    ]


def test_an_empty_member(tmp_path: Path) -> None:
    (finding,) = of_rule(
        judged(make_wheel(tmp_path, {"a/model.bin": b"", "a/m.so": OBJECT}), require=("a/model.bin",)), "missing-member"
    )
    assert (finding.object, finding.message) == ("a/model.bin", "a/model.bin is there, but empty (0 bytes)")
    assert missing(make_wheel(tmp_path, {"a/1.bin": b"", "a/2.bin": b"x", "a/m.so": OBJECT}), "a/*.bin") == []


def test_what_a_wheel_installs_into_the_root(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"sample-1.0.data/platlib/ray/_raylet.so": OBJECT})
    assert missing(wheel, "ray/_raylet.so") == []
    deeper = make_wheel(tmp_path, {"sample-1.0.data/platlib/ray/ray/_raylet.so": OBJECT})
    assert missing(deeper, "ray/_raylet.so") == [
        "ray/_raylet.so is missing; found ray/ray/_raylet.so: copied one folder too deep?"
    ]


def test_a_pure_wheel_misses_it_too(tmp_path: Path) -> None:
    report = judged(make_wheel(tmp_path, {"ray/a.py": b""}, tag="py3-none-any"), require=("ray/_raylet.so",))
    assert [(finding.rule, finding.severity) for finding in report.findings] == [("missing-member", "error")]
    assert report.verdict == "fail"


def test_an_artifact_without_native_code_is_not_told_to_allow_it(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"ray/a.py": b""})
    report = judged(wheel, require=("ray/_raylet.so",))
    assert {finding.rule for finding in report.findings} == {"missing-member", "nothing-to-check"}
    assert not any("--allow-empty" in (finding.hint or "") for finding in report.findings)
    assert "--allow-empty" in (judged(wheel).findings[0].hint or "")
    assert [finding.rule for finding in judged(wheel, require=("ray/_raylet.so",), allow_empty=True).findings] == [
        "missing-member"
    ]


def test_links_are_members(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib/libx.so.1").write_bytes(OBJECT)
    (folder / "lib/libx.so").symlink_to("libx.so.1")
    (folder / "lib64").symlink_to("lib")
    assert missing(folder, "lib/libx.so", "lib64/libx.so.1", "lib64/libx*") == []
    assert len(missing(folder, "lib64/liby.so")) == 1


def tarred(folder: Path, files: dict[str, bytes], links: dict[str, str]) -> Path:
    path = folder / "tree.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, target in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return path


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("liby.so", "lib/link.so is a link to lib/liby.so, which is not there"),
        ("../lib64/liby.so", "lib/link.so is a link to lib/liby.so, which is not there"),
        ("empty.so.txt.bin", "lib/link.so is a link to lib/empty.so.txt.bin, which is there, but empty (0 bytes)"),
        ("link.so", "lib/link.so is a link to lib/link.so, which leads in a circle"),
        ("../../usr/lib/libz.so", "lib/link.so is a link to ../usr/lib/libz.so, which is not there"),
        ("libx.so.1", None),
        ("../lib64/libx.so.1", None),
        ("other.so", None),
        ("../py", None),
        ("../py/__init__.py", None),
    ],
)
def test_a_link_is_worth_what_it_leads_to(tmp_path: Path, link: str, told: str | None) -> None:
    files = {"lib/libx.so.1": OBJECT, "lib/empty.so.txt.bin": b"", "py/__init__.py": b""}
    path = tarred(tmp_path, files, {"lib/link.so": link, "lib/other.so": "libx.so.1", "lib64": "lib"})
    assert missing(path, "lib/link.so") == ([told] if told else [])
    assert missing(path, "lib/*.so") == []
    assert len(missing(path, "lib64/link.so")) == (1 if told else 0)


def test_a_link_in_a_folder_that_leads_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib/libx.so.1").write_bytes(OBJECT)
    (folder / "lib/liby.so").symlink_to("liby.so.1")
    assert missing(folder, "lib/liby.so") == ["lib/liby.so is a link to lib/liby.so.1, which is not there"]


@pytest.mark.parametrize(
    ("name", "empty"),
    [
        ("housekeep", True),
        ("x.keep", True),
        (".gitkeep", False),
        (".keep", False),
        ("py.typed", False),
        ("x.bin", True),
    ],
)
def test_what_may_be_empty(tmp_path: Path, name: str, *, empty: bool) -> None:
    wheel = make_wheel(tmp_path, {f"pkg/{name}": b"", "pkg/m.so": OBJECT})
    assert missing(wheel, f"pkg/{name}") == ([f"pkg/{name} is there, but empty (0 bytes)"] if empty else [])


def test_many_empty_members_and_one_that_is_not(tmp_path: Path) -> None:
    files = {f"pkg/{number:03}.bin": b"" for number in range(300)}
    assert missing(make_wheel(tmp_path, {**files, "m.so": OBJECT, "pkg/z.bin": b"1"}), "pkg/*.bin") == []
    (told,) = missing(make_wheel(tmp_path, {**files, "m.so": OBJECT}), "pkg/*.bin")
    assert told.startswith("pkg/")
    assert "are there, but empty (0 bytes)" in told


def test_a_data_folder_of_another_name_is_not_spread_everywhere(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"foo.data/platlib/pkg/_c.so": OBJECT})
    assert len(missing(wheel, "pkg/_c.so")) == 1
    assert missing(wheel, "foo.data/platlib/pkg/_c.so") == []
    assert [one.object for one in forbidden(wheel, "pkg")] == ["foo.data/platlib/pkg/_c.so"]  # pip spreads it


# --- wheels inside ----------------------------------------------------------------------------------------------------


def carrying(
    folder: Path, inner: Path, files: dict[str, bytes], tag: str = "cp312-cp312-manylinux_2_17_x86_64"
) -> Path:
    return make_wheel(folder, {**files, f"outer/wheels/{inner.name}": inner.read_bytes()}, name="outer", tag=tag)


def test_a_wheel_inside_a_wheel_is_its_data(tmp_path: Path) -> None:
    inner = make_wheel(tmp_path, {"fs/_core.so": OBJECT}, name="fs")
    lost = carrying(tmp_path, inner, {"fs/__init__.py": b""})
    outer, packed = check([str(lost)], Settings(require=("fs/_core.so",))).artifacts
    assert {finding.rule for finding in outer.findings} == {"missing-member", "nothing-to-check"}
    assert packed.findings == ()
    assert outer.verdict == "unreadable"
    whole = carrying(tmp_path, inner, {"outer/_core.so": OBJECT})
    assert [report.findings for report in check([str(whole)], Settings(require=("outer/_core.so",))).artifacts] == [
        (),
        (),
    ]


def test_a_pure_wheel_that_carries_a_wheel(tmp_path: Path) -> None:
    inner = make_wheel(tmp_path, {"fs/_core.so": OBJECT}, name="fs")
    path = carrying(tmp_path, inner, {"outer/__init__.py": b""}, tag="py3-none-any")
    outer, _ = check([str(path)], Settings(require=("outer/__init__.py",))).artifacts
    assert (outer.verdict, outer.findings) == ("pass", ())
    assert [note.partition(":")[0] for note in outer.notes] == [
        "holds 1 wheel, judged separately by what each promises itself", "pure Python",
    ]  # fmt: skip
    assert len(of_rule(judged(path, require=("x",)), "missing-member")) == 1


def test_wheels_in_an_archive_are_held_against_it_one_by_one(tmp_path: Path) -> None:
    good, bad = make_wheel(tmp_path, {"a/m.so": OBJECT}), make_wheel(tmp_path, {"b/m.so": OBJECT}, name="bad")
    path = tmp_path / "dist.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(good, good.name)
        archive.write(bad, bad.name)
    reports = check([str(path)], Settings(require=("a/m.so",))).artifacts
    assert {Path(one.path).name: len(one.findings) for one in reports} == {"dist.zip": 0, good.name: 0, bad.name: 1}


def sdist(folder: Path) -> Path:
    path = folder / "ray-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("ray-1.0/PKG-INFO", "ray-1.0/secret.key"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return path


def test_a_source_distribution_is_not_built_yet(tmp_path: Path) -> None:
    path = sdist(tmp_path)
    assert judged(path, require=("ray/_raylet.so",), forbid=("**",), max_size=(("**", 1), ("*.gz", 1))).findings == ()


def test_a_single_file_holds_nothing_and_has_a_name(tmp_path: Path) -> None:
    path = tmp_path / "raylet"
    path.write_bytes(OBJECT)
    assert judged(path, require=("ray/_raylet.so",)).findings == ()
    (forbidden,) = judged(path, forbid=("ray*",)).findings
    assert (forbidden.rule, forbidden.object) == ("forbidden-member", str(path))
    (large,) = judged(path, max_size=(("raylet", 100),)).findings
    assert (large.rule, large.object) == ("member-too-large", str(path))
    assert judged(path, forbid=("ray/*",), max_size=(("raylet", 10_000_000),)).findings == ()


def test_a_carrier_of_wheels_is_not_asked_for_their_members(tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    dist.mkdir()
    make_wheel(dist, {"ray/_raylet.so": OBJECT})
    make_wheel(dist, {"ray/ray/_raylet.so": OBJECT}, name="wrong")
    sdist(dist)
    reports = check([str(dist)], Settings(require=("ray/_raylet.so",))).artifacts
    assert [(report.path.rpartition("/")[2].partition("-")[0], len(report.findings)) for report in reports] == [
        ("dist", 0), ("sample", 0), ("wrong", 1),
    ]  # fmt: skip
    (dist / "tool").write_bytes(OBJECT)
    outer = check([str(dist)], Settings(require=("ray/_raylet.so",))).artifacts[0]
    assert [finding.rule for finding in outer.findings] == ["missing-member"]


def test_what_could_not_be_read_to_its_end_may_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("a.so")
        info.size = len(OBJECT)
        archive.addfile(info, io.BytesIO(OBJECT))
    path.write_bytes(path.read_bytes()[:3000])
    assert {finding.rule for finding in judged(path, require=("b.so",)).findings} == {"unreadable"}


# --- forbid -----------------------------------------------------------------------------------------------------------


def forbidden(path: Path, *globs: str) -> list[Finding]:
    return of_rule(judged(path, forbid=globs), "forbidden-member")


def test_forbidden_members(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"ray/_raylet.so": OBJECT, "ray/ray/_raylet.so": OBJECT, "ray/libx.a": b"!<arch>\n"})
    assert forbidden(wheel, "ray/*.so.1", "*.so", "raylet", "ray/r") == []
    assert [(one.object, one.message) for one in forbidden(wheel, "ray/ray", "**/*.a", "ray/libx.a")] == [
        ("ray/libx.a", "matches **/*.a, which is forbidden"),
        ("ray/libx.a", "is forbidden"),
        ("ray/ray/_raylet.so", "matches ray/ray, which is forbidden"),
    ]


def test_many_forbidden_members_are_one_finding(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {**{f"ray/ray/{number}.h": b"x" * 100 for number in range(500)}, "m.so": OBJECT})
    (finding,) = forbidden(wheel, "ray/ray/**")
    assert finding.object is None
    assert finding.message.startswith("500 members match ray/ray/**, which is forbidden: ray/ray/")
    assert finding.message.endswith(" and 497 more (50.0 kB)")
    assert len(finding.message) < 150


def test_no_spelling_of_a_path_evades(tmp_path: Path) -> None:
    files = {"./pkg/secret.key": b"k" * 5000, "pkg//b.key": b"k", "pkg/sub/../c.key": b"k", "pkg/m.so": OBJECT}
    wheel = make_wheel(tmp_path, files)
    expected = ["pkg/b.key", "pkg/c.key", "pkg/secret.key"]
    assert sorted(one.object or "" for one in forbidden(wheel, "pkg/*.key")) == expected
    assert [path for path, _ in too_large(wheel, **{"pkg/secret.key": 10})] == ["pkg/secret.key"]
    assert missing(wheel, "pkg/secret.key") == []


def test_two_spellings_of_one_path(tmp_path: Path) -> None:
    report = judged(make_wheel(tmp_path, {"pkg/m.so": OBJECT, "./pkg/m.so": OBJECT}))
    assert report.verdict == "unreadable"
    assert {finding.message for finding in of_rule(report, "unreadable")} == {
        "two members have this name: installers differ in which of them they take"
    }


@pytest.mark.parametrize("name", ["../m.so", "/usr/lib/m.so", "a/../../m.so"])
def test_a_member_that_leads_out_of_the_wheel(tmp_path: Path, name: str) -> None:
    report = judged(make_wheel(tmp_path, {"pkg/m.so": OBJECT, name: OBJECT}))
    assert report.verdict == "unreadable"
    (finding,) = of_rule(report, "unreadable")
    assert "installers refuse the archive" in finding.message


def test_record_knows_a_member_by_its_path(tmp_path: Path) -> None:
    assert judged(make_wheel(tmp_path, {"./pkg//m.so": OBJECT})).findings == ()


# --- max-size ---------------------------------------------------------------------------------------------------------


def too_large(path: Path, **limits: int) -> list[tuple[str | None, str]]:
    settings = {"max_size": tuple(limits.items())}
    return [(one.object, one.message) for one in of_rule(judged(path, **settings), "member-too-large")]


def test_a_member_beyond_its_limit(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"a/t.bin": bytes(250_000), "a/m.so": OBJECT})
    assert too_large(wheel, **{"a/*.bin": 250_000, "b/*": 1, "*.bin": 1}) == []
    assert too_large(wheel, **{"a/*.bin": 100_000, "**/*.bin": 200_000}) == [
        ("a/t.bin", "has 250.0 kB: 150.0 kB more than the 100.0 kB that max-size allows for a/*.bin, 2.5 times as much")
    ]
    assert too_large(wheel, **{"a/t.bin": 249_999}) == [
        ("a/t.bin", "has 250.0 kB: 1 byte more than the 250.0 kB that max-size allows for a/t.bin")
    ]
    assert too_large(wheel, **{"a/t.bin": 200 * 1024}) == [
        (
            "a/t.bin",
            "has 244.1 KiB: 44.1 KiB more than the 200.0 KiB that max-size allows for a/t.bin, 1.2 times as much",
        )
    ]


def test_the_artifact_itself(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"a/m.so": OBJECT})
    size = wheel.stat().st_size
    assert too_large(wheel, **{"*.whl": size, "**": 1_000_000, "sample-*.whl": size}) == []
    (found,) = too_large(wheel, **{"sample-1.0-*.whl": 1000})
    assert found[0] is None
    assert found[1].startswith("the artifact has ")
    assert [path for path, _ in too_large(wheel, **{"**": 1000})] == ["a/m.so"]


def test_many_large_members(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path, {**{f"a/{number:03}.bin": bytes(2000 + number) for number in range(100)}, "m.so": OBJECT}
    )
    found = too_large(wheel, **{"a/*.bin": 1000})
    assert [path for path, _ in found] == [None, "a/097.bin", "a/098.bin", "a/099.bin"]
    assert found[0][1] == (
        "beside these, 97 smaller members beyond the limit for a/*.bin: a/096.bin, a/095.bin, a/094.bin and 94 more"
    )


def test_a_wheel_inside_is_bounded_once(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"a/m.so": OBJECT})
    path = tmp_path / "dist.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(wheel, wheel.name)
    reports = check([str(path)], Settings(max_size=(("*.whl", 1000),))).artifacts
    assert [len(report.findings) for report in reports] == [0, 1]


def test_a_wheel_that_is_none_is_a_member(tmp_path: Path) -> None:
    inner = make_wheel(tmp_path, {"a/m.so": OBJECT})
    path = tmp_path / "dist.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, inner.name)
        archive.writestr("fake.whl", "x" * 5000)
    outer, _ = check([str(path)], Settings(max_size=(("fake*", 1000), ("**", 4000)))).artifacts
    assert [one.object for one in of_rule(outer, "member-too-large")] == ["fake.whl"]


@pytest.mark.parametrize(
    ("glob", "bounds"), [("sample-1*", True), ("sample-*", True), ("sample*", False), ("*", False)]
)
def test_which_globs_bound_the_artifact(tmp_path: Path, glob: str, *, bounds: bool) -> None:
    found = too_large(make_wheel(tmp_path, {"a/m.so": OBJECT}), **{glob: 10})
    assert [path for path, _ in found] == ([None] if bounds else [])


def test_what_to_do_about_a_text(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"a/t.txt": b"x" * 5000, "a/m.so": OBJECT})
    found = of_rule(judged(wheel, max_size=(("a/*", 1000),)), "member-too-large")
    by_path = {one.object: one.hint or "" for one in found}
    assert "readelf" in by_path["a/m.so"]
    assert "readelf" not in by_path["a/t.txt"]


def test_a_hostile_depth_is_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "deep.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/" * 20_000 + "x.so", b"")
        archive.writestr("m.so", OBJECT)
    report = judged(path, require=("a/x.so", "b/*.so"), forbid=("b", "a/a"), allow_empty=True)
    assert [finding.rule for finding in report.findings if finding.rule != "unreadable"] == [
        "missing-member", "missing-member", "forbidden-member",
    ]  # fmt: skip


def test_hostile_paths_cost_little(tmp_path: Path) -> None:
    path = tmp_path / "deep.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20):
            archive.writestr(f"{number}/" + "a/" * 15_000 + "x", b"")
        for number in range(1000):
            archive.writestr(f"d{number}/" + "x/" * 40 + "core.so.txt", b"")
        archive.writestr("m.so", OBJECT)
    with costs_less_than(20):
        globs = ("**/a/**/b", "**/b/**/a/**", "b/core.so.txt")
        report = judged(path, require=globs, forbid=globs, max_size=(("**/a/**/b", 1),), allow_empty=True)
    assert len(of_rule(report, "missing-member")) == 3
