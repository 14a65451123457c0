from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from building import library, make_wheel
from glibc_guard.guard import UsageError, check
from glibc_guard.merging import MergeError, merge, merged
from glibc_guard.model import Report, Shard
from glibc_guard.output import OutputError
from glibc_guard.report import json as json_report
from glibc_guard.settings import Ignore, Settings
from glibc_guard.sharding import ShardError, shard_of, share, with_contents

OLD = library("malloc(1)", glibc="2.17")
NEW = library("reallocarray(0, 1, 2)", glibc="2.26")


def wheels(folder: Path, number: int = 5) -> list[str]:
    """Wheels of which the third breaks its promise."""
    made = []
    for index in range(number):
        place = folder / f"w{index}"
        place.mkdir(parents=True)
        made.append(str(make_wheel(place, {"m.so": NEW if index == 2 else OLD})))
    return made


def report_file(folder: Path, name: str, report: Report) -> Path:
    path = folder / name
    path.write_bytes(json_report.render(report))
    return path


def shards(folder: Path, paths: list[str], count: int, **settings: Any) -> list[Path]:  # noqa: ANN401
    return [
        report_file(folder, f"{index}.json", check(paths, Settings(shard=Shard(index, count), **settings)))
        for index in range(1, count + 1)
    ]


def loaded(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_the_shards_of_a_check_make_the_report_of_the_whole(tmp_path: Path, count: int) -> None:
    paths = wheels(tmp_path)
    parts = shards(tmp_path, paths, count)
    parts = [*reversed(parts[1:]), parts[0]]
    total = merge(parts, tmp_path / "all.json")
    whole = json.loads(json_report.render(check(sorted(paths), Settings())))
    found = loaded(tmp_path / "all.json")
    assert sorted(found.pop("artifacts"), key=lambda one: str(one["path"])) == whole.pop("artifacts")
    assert found == whole
    assert found["verdict"] == "fail"
    assert (total.artifacts, total.verdict) == (5, "fail")


def test_what_is_streamed_is_what_would_be_rendered_at_once(tmp_path: Path) -> None:
    parts = shards(tmp_path, wheels(tmp_path), 8)  # three of them are empty
    merge(parts, tmp_path / "all.json")
    assert (tmp_path / "all.json").read_bytes() == json_report.render(merged(parts))


def test_a_merged_report_can_be_merged_again(tmp_path: Path) -> None:
    first = shards(tmp_path, wheels(tmp_path), 2)
    merge(first, tmp_path / "all.json")
    other = report_file(tmp_path, "other.json", check(wheels(tmp_path / "other", 1), Settings()))
    total = merge([tmp_path / "all.json", other], tmp_path / "both.json")
    assert total.artifacts == 6


def test_notes_hold_for_the_whole(tmp_path: Path) -> None:
    used = Ignore("symbol-version-too-new", "known", symbol="reallocarray")
    unused = Ignore("symbol-version-too-new", "known", symbol="nothing")
    parts = shards(tmp_path, wheels(tmp_path), 5, ignores=(used, unused))
    report = merged(parts)
    assert report.notes == (
        'an ignore matched nothing and can go: rule = "symbol-version-too-new", symbol = "nothing"',
    )


def test_lost_and_doubled_shards(tmp_path: Path) -> None:
    parts = shards(tmp_path, wheels(tmp_path), 3)
    with pytest.raises(MergeError, match=r"^1 of 3 shards are missing: 2\. What they hold was not judged$"):
        merge([parts[0], parts[2]], tmp_path / "all.json")
    copy = tmp_path / "copy.json"
    copy.write_text(json.dumps(loaded(parts[0])), encoding="utf-8")  # other bytes, the same shard
    with pytest.raises(MergeError, match=r"shard 1/3 too, as .*its artifacts would be counted twice"):
        merge([*parts, copy], tmp_path / "all.json")
    with pytest.raises(MergeError, match="the same report as"):
        merge([*parts, parts[1]], tmp_path / "all.json")
    assert not (tmp_path / "all.json").exists()
    assert not list(tmp_path.glob(".all*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda own, _: own[:-1], r"/2\.json: a damaged JSON report: it has 1 artifacts, and was written with 2"),
        (lambda _, __: [], r"it has 0 artifacts, and was written with 2"),
        (lambda own, _: [*own, own[0]], r"it has 3 artifacts, and was written with 2"),
        (lambda own, _: [own[0], own[0]], r"its artifacts are not those that it was written with"),
        (lambda _, other: other[:2], r"/2\.json: .*w0.*\.whl is in .*/1\.json too: it would be counted twice"),
    ],
)
def test_artifacts_lost_doubled_and_swapped_inside_a_shard(
    tmp_path: Path, change: Callable[[list[Any], list[Any]], list[Any]], message: str
) -> None:
    parts = shards(tmp_path, [path for path in wheels(tmp_path) if "w2" not in path], 2)
    first, second = map(loaded, parts)
    parts[1].write_text(json.dumps(second | {"artifacts": change(second["artifacts"], first["artifacts"])}))
    for join in (lambda: merge(parts, tmp_path / "all.json"), lambda: merged(parts)):
        with pytest.raises(MergeError, match=message):
            join()
    assert not (tmp_path / "all.json").exists()


@pytest.mark.parametrize("field", ["artifacts", "artifacts_sha256"])
def test_a_shard_that_does_not_say_what_it_has(tmp_path: Path, field: str) -> None:
    (part,) = shards(tmp_path, wheels(tmp_path), 1)
    report = loaded(part)
    del report["shard"][field]
    part.write_text(json.dumps(report), encoding="utf-8")
    with pytest.raises(MergeError, match="the shard does not say which artifacts it has"):
        merged([part])


def test_a_report_that_was_indented_anew_is_still_the_same(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "m.so").write_bytes(OLD)
    for name, paths in (("wheels", wheels(tmp_path)), ("folder", [str(tmp_path / "folder")])):
        good = report_file(tmp_path, f"{name}.json", check(paths, Settings(targets=("2.17",))))
        copy = tmp_path / "copy.json"
        copy.write_text(json.dumps(loaded(good), indent=7), encoding="utf-8")
        with pytest.raises(MergeError, match=r"is in .*\.json too: it would be counted twice"):
            merged([good, copy])


def test_an_artifact_that_was_judged_for_two_systems_is_no_double(tmp_path: Path) -> None:
    paths = wheels(tmp_path, 1)
    parts = [
        report_file(tmp_path, f"{name}.json", check(paths, Settings(targets=(name,)))) for name in ("rhel8", "rhel9")
    ]
    assert len(merged(parts).artifacts) == 2
    again = report_file(tmp_path, "again.json", check([*paths, *paths], Settings()))  # asked for twice
    assert len(merged([again]).artifacts) == 2


def test_wheels_in_an_archive_are_artifacts_of_their_shard(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for index, path in enumerate(wheels(tmp_path)):
            archive.write(path, f"{index}/{Path(path).name}")
    parts = shards(tmp_path, [str(tmp_path / "all.zip"), *wheels(tmp_path / "more", 1)], 2)
    assert [loaded(part)["shard"]["artifacts"] for part in parts] == [6, 1]
    assert len(merged(parts).artifacts) == 7


def test_reports_that_do_not_belong_together(tmp_path: Path) -> None:
    paths = wheels(tmp_path)
    (tmp_path / "2").mkdir()
    (tmp_path / "3").mkdir()
    of_two, of_three = shards(tmp_path / "2", paths, 2), shards(tmp_path / "3", paths, 3)
    whole = report_file(tmp_path, "whole.json", check(paths, Settings()))
    with pytest.raises(MergeError, match="shards of different checks"):
        merge([of_two[0], of_three[1]], None)
    with pytest.raises(MergeError, match=r"whole\.json: no shard, while"):
        merge([*of_two, whole], None)
    (tmp_path / "4").mkdir()
    of_more = shards(tmp_path / "4", [*paths, *wheels(tmp_path / "more", 1)], 2)
    with pytest.raises(MergeError, match="are parts of different lists of paths"):
        merge([of_two[0], of_more[1]], None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "a report of schema 2, and this glibc-guard knows schema 1"),
        ({"schema_version": 0}, "a damaged JSON report"),
        ({"tool": {"name": "glibc-guard", "version": "9.9"}}, "written by glibc-guard 9.9, and this is"),
        ({"tool": {"name": "auditwheel", "version": "6"}}, "another tool wrote it"),
        ({"verdict": "pass"}, "its verdict is not that of its artifacts"),
        ({"verdict": "fine"}, "a damaged JSON report"),
        ({"artifacts": []}, "a report of no artifact, and no shard"),
        ({"shard": {"index": 3, "count": 2}}, "there is no shard 3 of 2"),
        ({"shard": {"index": 1, "count": 10**9}}, "there is no shard 1 of"),
        ({"artifacts": [{"path": "x"}]}, "a damaged JSON report: artifact 1"),
    ],
)
def test_a_report_that_is_none(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    good = report_file(tmp_path, "good.json", check(wheels(tmp_path), Settings()))
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(loaded(good) | change), encoding="utf-8")
    with pytest.raises(MergeError, match=message):
        merge([bad], tmp_path / "all.json")
    assert not (tmp_path / "all.json").exists()


def test_an_artifact_that_claims_to_pass_with_an_error(tmp_path: Path) -> None:
    good = report_file(tmp_path, "good.json", check(wheels(tmp_path), Settings()))
    report = loaded(good)
    for artifact in report["artifacts"]:
        artifact["verdict"] = "pass"
    good.write_text(json.dumps(report | {"verdict": "pass"}), encoding="utf-8")
    with pytest.raises(MergeError, match="has findings that its verdict does not tell"):
        merge([good], tmp_path / "all.json")


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(MergeError, match="cannot be read"):
        merge([tmp_path / "none.json"], tmp_path / "all.json")
    good = report_file(tmp_path, "good.json", check(wheels(tmp_path, 1), Settings()))
    with pytest.raises(OutputError, match="cannot be written"):
        merge([good], tmp_path / "no" / "all.json")


def test_memory_stays_flat(tmp_path: Path) -> None:
    """Eight times as many reports take no more memory; each is some megabytes."""
    report = check(wheels(tmp_path, 1), Settings())
    (artifact,) = report.artifacts
    paths = []
    for index in range(1, 33):
        many = tuple(replace(artifact, path=f"{index}/{number}.whl", notes=("x" * 2000,)) for number in range(400))
        shard = with_contents(Shard(index, 32), many)
        path = report_file(tmp_path, f"part{index}.json", replace(report, artifacts=many, shard=shard))
        paths.append(path)
    few = [tmp_path / f"few{index}.json" for index in range(1, 5)]
    for path, source in zip(few, paths, strict=False):
        found = loaded(source)
        path.write_text(json.dumps(found | {"shard": {**found["shard"], "count": 4}}), encoding="utf-8")
    small, large = (_peak(files, tmp_path / "out.json") for files in (few, paths))
    assert (tmp_path / "out.json").stat().st_size > 20_000_000
    assert large < small + 4 * 1024  # KiB


def _peak(files: list[Path], output: Path) -> int:
    """The largest resident set of `merge`, in KiB."""
    command = [
        sys.executable,
        "-m",
        "glibc_guard",
        "merge",
        "--format",
        "json",
        "--output",
        str(output),
        *map(str, files),
    ]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return usage.ru_maxrss


def test_shards_part_the_sorted_paths() -> None:
    paths = [f"{number:02}" for number in range(20)]
    found = [share(list(reversed(paths)), Shard(index, 8)) for index in range(1, 9)]
    assert found[2][0] == ["02", "10", "18"]
    assert sorted(path for part, _ in found for path in part) == paths
    assert len({shard.paths_sha256 for _, shard in found}) == 1
    assert share(["b", "a", "b"], Shard(1, 1)) == (["a", "b"], share(["a", "b"], Shard(1, 1))[1])
    assert share(["a\nb"], Shard(1, 1))[0] == ["a\nb"]
    assert share(["\udcff"], Shard(1, 1))[0] == ["\udcff"]  # a name of a file that is no UTF-8


@pytest.mark.parametrize("text", ["0/8", "9/8", "3", "3/", "/8", "a/b", "-1/8", "1/0", "1/1000000", "٣/٨", ""])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(ShardError, match="write INDEX/COUNT"):
        shard_of(text)


def test_a_shard_cannot_judge_all_together(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot judge all of them together"):
        check(wheels(tmp_path), Settings(together=True, shard=Shard(1, 2)))
