from __future__ import annotations

import re
import zipfile
from pathlib import Path

import msgspec.structs
import pytest

from building import compile_with_gcc, compile_with_zig, library, make_wheel, needs_libstdcxx
from glibc_guard.guard import check
from glibc_guard.model import ArtifactReport, Finding
from glibc_guard.report.changes import headline
from glibc_guard.rules.baseline import RULES
from glibc_guard.rules.catalogue import CATALOGUE
from glibc_guard.settings import RULES_OF_INTENT, Ignore, Settings
from unit.rules.crafting import unversioned
from unit.rules.judging import of_rule

ARCHITECTURES = ("x86_64", "aarch64", "s390x")
OLD = library("malloc(1)", "pow(x, 2.5)", glibc="2.17")
NEW = library("reallocarray(0, 1, 2)", "pow(x, 2.5)", glibc="2.34")
LARGE = compile_with_zig("char filling[3000000] = {1};", "-shared", "-fPIC", "-s")
BASELINE_RULES = {name for name in RULES_OF_INTENT if name in CATALOGUE}


def wheel(folder: Path, version: str, files: dict[str, bytes], tag: str = "manylinux_2_17_x86_64") -> str:
    folder.mkdir(exist_ok=True)
    python = "" if tag.count("-") else "cp312-cp312-"
    return str(make_wheel(folder, files, tag=f"{python}{tag}", version=version))


def compared(old: str, new: str, settings: Settings | None = None) -> ArtifactReport:
    (report,) = check([new], msgspec.structs.replace(settings or Settings(), baseline=old)).artifacts
    return report


def of_baseline(report: ArtifactReport) -> list[Finding]:
    return [finding for finding in report.findings if finding.rule in BASELINE_RULES]


def test_the_same_build_again_gives_no_finding(tmp_path: Path) -> None:
    files = {"p/_c.cpython-312-x86_64-linux-gnu.so": OLD, "p/__init__.py": b""}
    report = compared(wheel(tmp_path, "1.0", files), wheel(tmp_path, "1.1", files))
    assert of_baseline(report) == []
    assert report.changes is not None
    assert (report.changes.version_before, report.changes.version_after) == ("1.0", "1.1")
    assert (report.changes.objects, report.changes.floor) == ((), ())
    slightly_more = msgspec.structs.replace(report.changes, size_before=2149, size_after=2151)  # 2.1 kB and 2.2 kB
    assert headline(slightly_more) == "nothing changed"
    assert headline(msgspec.structs.replace(slightly_more, size_after=2250)) == "size 2.1 kB → 2.2 kB"


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_floor_raised_names_what_raises_it(tmp_path: Path, arch: str) -> None:
    before = library("malloc(1)", arch=arch, glibc="2.17")
    after = library("reallocarray(0, 1, 2)", arch=arch, glibc="2.34")
    old = wheel(tmp_path, "1.0", {"a.so": before, "b.so": before}, f"manylinux_2_17_{arch}")
    new = wheel(tmp_path, "1.1", {"a.so": before, "b.so": after}, f"manylinux_2_34_{arch}")
    (finding,) = of_rule(compared(old, new), "floor-raised")
    assert (finding.severity, finding.object, finding.version) == ("warning", "b.so", "GLIBC_2.26")
    assert finding.message.startswith("needs glibc 2.26, and ")
    assert finding.message.endswith(" was enough in 1.0: b.so (reallocarray@GLIBC_2.26)")
    assert of_rule(compared(new, old), "floor-raised") == []


def test_a_floor_within_the_old_promise_is_a_note(tmp_path: Path) -> None:
    newer = library("secure_getenv(0)", glibc="2.17")
    old, new = wheel(tmp_path, "1.0", {"a.so": OLD}), wheel(tmp_path, "1.1", {"a.so": newer})
    (finding,) = of_rule(compared(old, new), "floor-raised")
    assert (finding.severity, finding.version) == ("note", "GLIBC_2.17")
    bare = tmp_path / "bare.so", tmp_path / "other.so"
    bare[0].write_bytes(OLD)
    bare[1].write_bytes(newer)
    (finding,) = of_rule(compared(str(bare[0]), str(bare[1])), "floor-raised")
    assert finding.severity == "warning"  # nothing was promised


def test_each_namespace_has_a_floor_of_its_own(tmp_path: Path) -> None:
    before, after = needs_libstdcxx("GLIBCXX_3.4.9"), needs_libstdcxx("GLIBCXX_3.4.29")
    tag = "linux_x86_64"
    old, new = wheel(tmp_path, "1.0", {"a.so": before}, tag), wheel(tmp_path, "1.1", {"a.so": after}, tag)
    (finding,) = of_rule(compared(old, new), "floor-raised")
    assert (finding.version, finding.severity) == ("GLIBCXX_3.4.29", "warning")
    (first,) = of_rule(compared(wheel(tmp_path, "0.9", {"a.so": LARGE}, tag), new), "floor-raised")
    assert "needs GLIBCXX 3.4.29, and none was needed in 0.9" in first.message
    (added,) = of_rule(compared(wheel(tmp_path, "0.9", {"a.so": LARGE}, tag), new), "library-added")
    assert (added.severity, added.library, added.object) == ("note", "libstdc++.so.6", "a.so")
    assert of_rule(compared(old, new), "library-added") == []


def test_what_has_no_number_raises_the_floor_too(tmp_path: Path) -> None:
    """A late symbol without a version, a version that no symbol refers to, and the mark of packed relocations."""
    shared = ("-shared", "-fPIC")
    late = compile_with_gcc("int statx(void); int f(void) { return statx(); }", *shared, "-nostdlib")
    alone = unversioned(library("statx(0, 0, 0, 0, 0)", glibc="2.28", headers=("sys/stat.h",)), "statx")
    pointers = (
        "extern void *malloc(unsigned long); void *f(void) { return malloc(1); } static int a, b; int *p[] = {&a, &b};"
    )
    marked = compile_with_gcc(pointers, *shared, "-Wl,-z,pack-relative-relocs")
    cases = ((late, "statx without a version"), (alone, "GLIBC_2.28"), (marked, "GLIBC_ABI_DT_RELR"))
    for data, cause in cases:
        old, new = tmp_path / "old.so", tmp_path / "new.so"
        old.write_bytes(OLD)
        new.write_bytes(data)
        report = compared(str(old), str(new))
        (finding,) = of_rule(report, "floor-raised")
        assert finding.message.endswith(f": {new} ({cause})")
        assert report.changes is not None
        assert cause.partition(" ")[0] in {entry.lstrip("@") for entry in report.changes.imports_added}


def test_a_size_jump_needs_both_the_ratio_and_the_bytes(tmp_path: Path) -> None:
    small = compile_with_zig("char filling[30] = {1};", "-shared", "-fPIC", "-s")
    old, new = wheel(tmp_path, "1.0", {"a.so": small, "b.so": small}), tmp_path / "1.1.zip"
    with zipfile.ZipFile(new, "w") as archive:  # stored, so that the artifact grows as the object does
        archive.writestr("a.so", LARGE)
        archive.writestr("b.so", small)
    found = of_rule(compared(old, str(new)), "size-jump")
    assert [(finding.object, finding.severity) for finding in found] == [(None, "warning"), ("a.so", "warning")]
    assert re.fullmatch(r"the artifact has 3\.0 MB, [\d,]+ times the \d\.\d kB in 1\.0", found[0].message)
    assert found[0].hint == "what grew, unpacked: a.so (+3.0 MB)"
    assert re.fullmatch(r"it has 3\.0 MB, [\d,]+ times the \d\.\d kB in 1\.0", found[1].message)
    assert of_rule(compared(old, str(new), Settings(size_jump_bytes=3_100_000)), "size-jump") == []
    assert of_rule(compared(old, str(new), Settings(size_jump_ratio=9999.0)), "size-jump") == []
    assert of_rule(compared(str(new), old), "size-jump") == []


def test_of_a_bare_file_the_size_is_told_once(tmp_path: Path) -> None:
    old, new = tmp_path / "old.so", tmp_path / "new.so"
    old.write_bytes(OLD)
    new.write_bytes(LARGE)
    (finding,) = of_rule(compared(str(old), str(new)), "size-jump")
    assert finding.object == str(new)


def test_an_object_that_is_missing(tmp_path: Path) -> None:
    old = wheel(tmp_path, "1.0", {"p/a.so": OLD, "p/b.so": OLD, "p.libs/libz-12345678.so.1": OLD})
    new = wheel(tmp_path, "1.1", {"p/a.so": OLD})
    found = of_rule(compared(old, new), "object-gone")
    assert [(finding.severity, finding.object) for finding in found] == [
        ("warning", "p/b.so"),
        ("note", "p.libs/libz-12345678.so.1"),
    ]
    assert "was in 1.0 (" in found[0].message
    back = compared(new, old)
    assert of_rule(back, "object-gone") == []
    (added,) = of_rule(back, "object-added")
    assert (added.severity, added.object) == ("note", None)
    assert added.message == "2 objects are not in 1.1: p.libs/libz-12345678.so.1, p/b.so"


def test_an_object_one_folder_too_deep(tmp_path: Path) -> None:
    old = wheel(tmp_path, "1.0", {"ray/_raylet.so": OLD, "ray/core.so": OLD})
    new = wheel(tmp_path, "1.1", {"ray/ray/_raylet.so": NEW, "ray/core.so": OLD}, "manylinux_2_34_x86_64")
    report = compared(old, new)
    (finding,) = of_rule(report, "object-gone")
    assert (finding.severity, finding.object) == ("warning", "ray/_raylet.so")
    assert finding.message == "was there in 1.0, and lies at ray/ray/_raylet.so now"
    assert finding.hint == "was it copied one folder too deep? (ray/ was put before it)"
    assert of_rule(report, "object-added") == []


def test_a_folder_that_moved_is_one_finding(tmp_path: Path) -> None:
    old = wheel(tmp_path, "1.0", {f"n/core/{name}.so": OLD for name in "abcde"})
    new = wheel(tmp_path, "1.1", {f"n/_core/{name}.so": OLD for name in "abcde"})
    (finding,) = of_rule(compared(old, new), "object-gone")
    assert finding.message == (
        "5 objects lay in n/core in 1.0, and lie in n/_core now: a.so, b.so, c.so and 2 more objects"
    )


def test_many_that_are_gone_are_told_by_folder(tmp_path: Path) -> None:
    kept = {"n/a.so": OLD}
    old = wheel(tmp_path, "1.0", {**kept, **{f"n/{folder}/{name}.so": OLD for folder in "xy" for name in "abcdefg"}})
    found = of_rule(compared(old, wheel(tmp_path, "1.1", kept)), "object-gone")
    assert [(finding.severity, finding.object) for finding in found] == [("warning", "n/x"), ("warning", "n/y")]
    assert found[0].message == "7 objects of n/x were in 1.0 and are missing: a.so, b.so, c.so and 4 more objects"
    old = wheel(tmp_path, "2.0", {**kept, **{f"n/{number}/c.so": OLD for number in range(30)}})
    (finding,) = of_rule(compared(old, wheel(tmp_path, "2.1", kept)), "object-gone")
    assert (finding.object, finding.message[:32]) == ("n", "30 objects of n were in 2.0 and ")
    old = wheel(tmp_path, "3.0", {**kept, **{f"{number}/c.so": OLD for number in range(30)}})
    (finding,) = of_rule(compared(old, wheel(tmp_path, "3.1", kept)), "object-gone")
    assert (finding.object, finding.message[:37]) == (None, "30 objects were in 3.0 and are missin")


def test_many_that_moved_are_one_finding(tmp_path: Path) -> None:
    old = wheel(tmp_path, "1.0", {f"n/{number}/c{number:c}.so": OLD for number in range(97, 110)})
    new = wheel(tmp_path, "1.1", {f"m/{number}/c{number:c}.so": OLD for number in range(97, 110)})
    (finding,) = of_rule(compared(old, new), "object-gone")
    assert finding.message.startswith("13 objects lie in other folders than in 1.0: n/100/cd.so (now m/100/cd.so), ")


def test_what_cannot_be_read_now_is_not_called_gone(tmp_path: Path) -> None:
    old = wheel(tmp_path, "1.0", {"p/a.so": OLD, "p/b.so": OLD})
    new = wheel(tmp_path, "1.1", {"p/a.so": OLD, "p/b.so": OLD[:300]})
    report = compared(old, new)
    assert report.verdict == "unreadable"
    assert of_rule(report, "object-gone") == []
    assert of_rule(compared(new, old), "object-added") == []
    (finding,) = of_rule(compared(new, old), "baseline-missing")
    assert (finding.object, "cannot be read" in finding.message) == ("p/b.so", True)


@pytest.mark.parametrize(
    ("before", "after", "severity"),
    [
        ("manylinux_2_17_x86_64", "manylinux2014_x86_64.manylinux_2_17_x86_64", None),
        ("manylinux_2_17_x86_64", "manylinux_2_17_x86_64.manylinux_2_28_x86_64", None),
        ("manylinux_2_17_x86_64", "manylinux_2_28_x86_64", "warning"),
        ("manylinux_2_28_x86_64", "manylinux2014_x86_64", "note"),
        ("manylinux_2_17_x86_64", "linux_x86_64", "warning"),
        ("manylinux_2_17_x86_64", "musllinux_1_2_x86_64", "warning"),
        ("cp312-cp312-manylinux_2_17_x86_64", "cp39-abi3-manylinux_2_17_x86_64", "note"),
        ("cp39-abi3-manylinux_2_17_x86_64", "cp312-cp312-manylinux_2_17_x86_64", "warning"),
        ("cp39-abi3-manylinux_2_17_x86_64", "cp311-abi3-manylinux_2_17_x86_64", "warning"),
        ("cp313-cp313t-manylinux_2_17_x86_64", "cp39-abi3-manylinux_2_17_x86_64", "warning"),
        ("cp312-cp312-manylinux_2_17_x86_64", "cp312-cp312-manylinux_2_17_aarch64", "warning"),
        ("manylinux_2_17_x86_64", "macosx_11_0_arm64", "warning"),
        ("macosx_11_0_arm64", "macosx_11_0_arm64", None),
    ],
)
def test_tags(tmp_path: Path, before: str, after: str, severity: str | None) -> None:
    old, new = wheel(tmp_path, "1.0", {"a.so": OLD}, before), wheel(tmp_path, "1.1", {"a.so": OLD}, after)
    found = of_rule(compared(old, new), "tag-changed")
    assert [finding.severity for finding in found] == ([severity] if severity else [])


def test_tags_are_told_without_what_stayed(tmp_path: Path) -> None:
    old = wheel(tmp_path, "1.0", {"a.so": OLD}, "manylinux2014_x86_64.manylinux_2_17_x86_64")
    (finding,) = of_rule(compared(old, wheel(tmp_path, "1.1", {"a.so": OLD}, "manylinux_2_28_x86_64")), "tag-changed")
    assert finding.message == "the tag is manylinux_2_28_x86_64, and was manylinux_2_17_x86_64 in 1.0"


def test_any_ignore_and_any_severity_works_on_them(tmp_path: Path) -> None:
    old = wheel(tmp_path, "1.0", {"p/a.so": OLD, "p/b.so": OLD})
    new = wheel(tmp_path, "1.1", {"p/a.so": OLD})
    assert compared(old, new).verdict == "pass"
    strict = compared(old, new, Settings(severities={"object-gone": "error"}))
    assert (strict.verdict, of_rule(strict, "object-gone")[0].severity) == ("fail", "error")
    assert compared(old, new, Settings(fail_on="warning")).verdict == "fail"
    ignored = compared(
        old, new, Settings(fail_on="warning", ignores=(Ignore("object-gone", "merged into a", object="p/b.so"),))
    )
    assert (ignored.verdict, of_baseline(ignored)) == ("pass", [])
    assert ignored.ignored[0].reason == "merged into a"


def test_a_severity_can_be_chosen_for_every_rule_about_a_baseline() -> None:
    assert {rule.__name__.replace("_", "-") for rule in RULES} <= RULES_OF_INTENT
    assert set(RULES_OF_INTENT) <= set(CATALOGUE)


def test_changes_are_those_of_the_objects_and_of_the_whole(tmp_path: Path) -> None:
    old = wheel(tmp_path, "1.0", {"p/a.so": OLD})
    new = wheel(tmp_path, "1.1", {"p/a.so": NEW}, "manylinux_2_34_x86_64")
    changes = compared(old, new).changes
    assert changes is not None
    assert [msgspec.structs.astuple(entry) for entry in changes.floor] == [("GLIBC", "2.2.5", "2.29")]
    (item,) = changes.objects
    assert item.imports_added == changes.imports_added == ("pow@GLIBC_2.29", "reallocarray@GLIBC_2.26")
    assert item.imports_gone == changes.imports_gone == ("malloc@GLIBC_2.2.5", "pow@GLIBC_2.2.5")
    assert changes.libraries_added == ()
    assert {entry.distro for entry in changes.distros_lost} >= {"rhel7", "ubuntu18.04"}
    assert changes.distros_gained == ()
    assert changes.downloads_lost_before == 0
    assert (changes.downloads_lost_after or 0) > 0.05
