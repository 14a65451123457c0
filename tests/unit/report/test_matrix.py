from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from building import compile_with_gcc, compile_with_zig, library, make_wheel
from glibc_guard.guard import check
from glibc_guard.model import Report
from glibc_guard.report import markdown, matrix
from glibc_guard.settings import Settings

OLD = library("malloc(1)", glibc="2.17")
NEW = library("pow(x, 2.5)", glibc="2.29")


def judged(*paths: Path) -> Report:
    return check([str(path) for path in paths], Settings())


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(
        tmp_path, {"pkg/new.so": NEW, "pkg/old.so": OLD, "pkg/older.so": OLD}, tag="cp312-cp312-linux_x86_64"
    )


def cells(found: matrix.Matrix, row: matrix.Row) -> dict[str, matrix.Cell]:
    return dict(zip((column.id for column in found.columns), row.cells, strict=True))


def test_one_artifact_is_shown_by_object_the_worst_first(wheel: Path) -> None:
    found = matrix.of_report(judged(wheel))
    assert found.noun == "object"
    assert [(row.name, row.stands_for) for row in found.rows] == [("pkg/new.so", 1), ("all others", 2)]
    new, others = (cells(found, row) for row in found.rows)
    assert (new["rhel8"], new["debian11"]) == ("refused", "loads")
    assert set(others.values()) == {"loads"}
    assert found.rows[0].reach is not None
    assert 0.9 < found.rows[0].reach < 1
    assert found.rows[1].reach == 1


def test_the_columns_go_by_glibc(wheel: Path) -> None:
    found = matrix.of_report(judged(wheel))
    assert [release for release, _ in found.releases][:3] == ["2.17", "2.22", "2.26"]
    assert sum(width for _, width in found.releases) == len(found.columns)
    assert found.columns[0].short_name == "RHEL 7"


def test_several_artifacts_are_rows_by_their_file_names(tmp_path: Path, wheel: Path) -> None:
    other = make_wheel(tmp_path, {"m.so": OLD}, tag="cp312-cp312-linux_x86_64", name="other")
    found = matrix.of_report(judged(wheel, other))
    assert found.noun == "artifact"
    assert [row.name for row in found.rows] == [wheel.name, other.name]


def test_a_distribution_without_the_architecture_is_neither(tmp_path: Path) -> None:
    arm = compile_with_zig("int pow2(void) { return 0; }", "-shared", arch="armv7l", glibc="2.28")
    found = matrix.of_report(judged(make_wheel(tmp_path, {"a.so": arm, "b.so": NEW}, tag="cp312-cp312-linux_x86_64")))
    row = next(row for row in found.rows if "a.so" in row.name or row.stands_for > 1)
    assert cells(found, row)["rhel8"] == "no such architecture"
    assert cells(found, row)["debian10"] == "loads"


def test_all_that_load_everywhere_are_shown_where_there_is_nothing_else(tmp_path: Path) -> None:
    found = matrix.of_report(judged(make_wheel(tmp_path, {"a.so": OLD, "b.so": OLD}, tag="cp312-cp312-linux_x86_64")))
    assert [row.name for row in found.rows] == ["a.so", "b.so"]


def test_of_very_many_objects_the_rest_is_one_row_and_no_better_than_its_worst(wheel: Path) -> None:
    artifact = judged(wheel).artifacts[0]
    new = next(item for item in artifact.objects if item.path == "pkg/new.so")
    many = replace(artifact, objects=tuple(replace(new, path=f"{number:03}.so") for number in range(100)))
    found = matrix.of_artifact(many)
    assert len(found.rows) == matrix.ROWS_SHOWN + 1
    assert found.rows[-1].stands_for == 60
    assert cells(found, found.rows[-1])["rhel8"] == "refused"


def test_what_loads_nowhere_reaches_nobody(tmp_path: Path) -> None:
    musl = compile_with_zig('#include <stdio.h>\nint f(void) { return puts(""); }', "-shared", glibc=None)
    path = tmp_path / "m.so"
    path.write_bytes(musl)
    found = matrix.of_report(judged(path))
    assert [(set(row.cells), row.reach) for row in found.rows] == [({"refused"}, None)]


def test_without_native_code_there_is_no_row(tmp_path: Path) -> None:
    found = matrix.of_report(judged(make_wheel(tmp_path, {"m.py": b""}, tag="py3-none-any")))
    assert found.rows == ()


def test_the_summary_shows_it_in_squares_where_something_is_refused(tmp_path: Path, wheel: Path) -> None:
    shown = markdown.render(judged(wheel))
    assert "| loads on glibc | 2.17 | 2.22 | 2.26 | 2.27 | 2.28 | 2.31 |" in shown
    assert "| `pkg/new.so` | 🟥 | 🟥 | 🟥 | 🟥 | 🟥 | 🟩 |" in shown
    assert "| `all others` (2) | 🟩 |" in shown
    fine = make_wheel(tmp_path, {"a.so": OLD}, tag="cp312-cp312-linux_x86_64", name="fine")
    assert "loads on glibc" not in markdown.render(judged(fine))


def test_what_was_not_promised_is_no_refusal(tmp_path: Path) -> None:
    new = make_wheel(tmp_path, {"a.so": NEW}, tag="cp312-cp312-manylinux_2_31_x86_64")
    found = matrix.of_report(judged(new))
    assert cells(found, found.rows[0])["rhel8"] == "not promised"
    assert cells(found, found.rows[0])["debian11"] == "loads"
    assert "refused" not in found.cells
    both = matrix.of_report(check([str(new)], Settings(targets=("rhel8",))))
    assert (cells(both, both.rows[0])["rhel8"], cells(both, both.rows[0])["rhel7"]) == ("refused", "not promised")
    squares = markdown.render(judged(new))
    assert "| `a.so` | ⬜ | ⬜ | ⬜ | ⬜ | ⬜ | 🟩 |" in squares
    joined = matrix.by_release(both, both.rows[0])  # Debian 10 and RHEL 8 are both of 2.28
    assert joined[:6] == ["not promised"] * 4 + ["refused", "loads"]


def test_names_lose_the_folders_that_all_share() -> None:
    assert matrix.short_names(["/b/dist/one.whl", "/b/dist/sub/two.whl"]) == ["one.whl", "sub/two.whl"]
    assert matrix.short_names(["dist/one.whl"]) == ["one.whl"]
    assert matrix.short_names(["one.whl", "dist/two.whl"]) == ["one.whl", "dist/two.whl"]
    assert matrix.short_names(["/one.whl", "two.whl"]) == ["/one.whl", "two.whl"]
    assert matrix.short_names([]) == []


def test_an_error_that_no_distribution_shows_is_still_seen(tmp_path: Path) -> None:
    """The table has no system as old as glibc 2.5: all is green in it, and the check fails."""
    found = matrix.of_report(check([str(make_wheel(tmp_path, {"a.so": OLD, "b.so": NEW}))], Settings(targets=("2.5",))))
    assert [(row.name, row.errors) for row in found.rows] == [("b.so", 1), ("a.so", 0)]
    stack = compile_with_gcc("int f(void) { return 0; }", "-shared", "-fPIC", "-nostdlib", "-Wl,-z,execstack")
    files = {"a.so": OLD, "c.so": stack, "d.so": OLD}
    other = matrix.of_report(judged(make_wheel(tmp_path, files, tag="cp312-cp312-manylinux2014_x86_64", name="other")))
    assert [(row.name, row.errors, row.loads_everywhere) for row in other.rows] == [
        ("c.so", 1, True),
        ("all others", 0, True),
    ]
    assert other.fails_otherwise
    assert not found.fails_otherwise
