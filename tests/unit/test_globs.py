from __future__ import annotations

import pytest

from glibc_guard.globs import glob_matches


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("**/raylet", "ray/core/raylet", True),
        ("**/raylet", "raylet", True),
        ("**/raylet", "xraylet", False),
        ("ray/ray/**", "ray/ray/a/b.so", True),
        ("ray/ray/**", "ray/ray", False),
        ("ray/*.so", "ray/a.so", True),
        ("ray/*.so", "ray/a/b.so", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("a.c", "abc", False),
        ("[ab].so", "[ab].so", True),
        ("a**c", "a/b/c", True),
        ("*", "std::terminate()", True),
        ("**", "line\nbreak", True),
    ],
)
def test_globs(pattern: str, text: str, expected: bool) -> None:  # noqa: FBT001  # a column of the table
    assert glob_matches(pattern, text) is expected
