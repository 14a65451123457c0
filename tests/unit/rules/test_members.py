from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from building import library, make_wheel
from glibc_guard.config import Settings
from glibc_guard.guard import check
from glibc_guard.model import ArtifactReport, Finding
from glibc_guard.rules.whereabouts import whereabouts
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


def test_a_hostile_depth_is_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "deep.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/" * 20_000 + "x.so", b"")
        archive.writestr("m.so", OBJECT)
    report = judged(path, require=("a/x.so", "b/*.so"), forbid=("b", "a/a"), allow_empty=True)
    assert [finding.rule for finding in report.findings if finding.rule != "unreadable"] == [
        "missing-member", "missing-member", "forbidden-member",
    ]  # fmt: skip
