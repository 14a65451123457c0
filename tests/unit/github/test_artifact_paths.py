from pathlib import Path

import pytest

from glibc_guard.github.artifact_paths import expand
from glibc_guard.github.inputs import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("dist/a-1.whl", "dist/a-1-musllinux.whl", "dist/notes [1].txt", "build/lib/x.so", "build/y z.so"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["dist/a-1.whl"], ["dist/a-1.whl"]),
        (["dist/*.whl"], ["dist/a-1-musllinux.whl", "dist/a-1.whl"]),
        (["dist/*.whl", "dist/a-1.whl"], ["dist/a-1-musllinux.whl", "dist/a-1.whl"]),
        (["build/**/*.so"], ["build/lib/x.so", "build/y z.so"]),
        (["dist/*.whl", "!dist/*musl*"], ["dist/a-1.whl"]),
        (["!dist/*musl*", "dist/*.whl", "! nothing"], ["dist/a-1.whl"]),
        (["dist/notes [1].txt"], ["dist/notes [1].txt"]),
        (["build/y z.so"], ["build/y z.so"]),
        (["build"], ["build"]),
        (["build/**"], ["build/lib/x.so", "build/y z.so"]),
        (["build/l*"], ["build/lib"]),
    ],
)
def test_lines_become_paths(folder: Path, lines: list[str], expected: list[str]) -> None:
    assert expand(lines, folder) == expected


def test_absolute_globs(folder: Path) -> None:
    assert expand([f"{folder}/build/*.so"], folder / "dist") == [f"{folder}/build/y z.so"]


def test_a_line_without_match_says_where_it_looked_and_what_is_there(folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        expand(["dist/*.whl", "wheelhouse/*.whl"], folder)
    assert str(caught.value) == (
        f"The input artifacts: wheelhouse/*.whl matches nothing in {folder}, which holds build/, dist/"
    )


def test_a_full_folder_is_listed_briefly(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number:02}").touch()
    with pytest.raises(InputError, match=r"holds 00, 01, .*, 09 and 2 more$"):
        expand(["*.whl"], tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds nothing$"):
        expand(["*.whl"], tmp_path)


@pytest.mark.parametrize("lines", [[], ["!dist/*"]])
def test_no_line_to_look_for(folder: Path, lines: list[str]) -> None:
    with pytest.raises(InputError, match="is empty"):
        expand(lines, folder)


def test_everything_taken_out(folder: Path) -> None:
    with pytest.raises(InputError, match="take out all"):
        expand(["dist/*.whl", "!dist/**"], folder)
