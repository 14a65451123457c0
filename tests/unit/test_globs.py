from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glibc_guard.globs import WILDCARDS, glob_matches, glob_matches_within
from measured import costs_less_than


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


def by_expression(pattern: str, text: str) -> bool:
    """The meaning of a glob, in the words of ``re``."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return re.fullmatch("".join(WILDCARDS.get(p) or re.escape(p) for p in parts), text, re.DOTALL) is not None


PATTERNS = st.lists(st.sampled_from(["a", "b", "/", "*", "**", "**/", "?"]), max_size=6).map("".join)


@given(PATTERNS, st.text("ab/", min_size=10, max_size=12))
def test_many_wildcards_mean_the_same(pattern: str, text: str) -> None:
    """Five wildcards more, and the text is gone through step by step."""
    assert glob_matches("**" * 5 + pattern, text) is by_expression("**" * 5 + pattern, text)


@given(PATTERNS, st.text("ab/", max_size=12), st.sampled_from(["", "b/" * 9]))
def test_a_path_or_a_folder_of_it(pattern: str, text: str, before: str) -> None:
    text = before + text
    folders = [text[: place.start()] for place in re.finditer("/", text)]
    assert glob_matches_within(pattern, text) is any(by_expression(pattern, one) for one in (text, *folders))


@pytest.mark.parametrize("pattern", ["**/b/**/c", "**/a/**/a/**/a/**/x", "*a*a*a*a*x", "**a**a**a**x"])
def test_hostile_paths_cost_little(pattern: str) -> None:
    with costs_less_than(10):
        for text in ("a/" * 15_000, "a" * 30_000, "a/" * 15_000 + "y"):
            assert not glob_matches(pattern, text)
            assert not glob_matches_within(pattern, text)
    assert glob_matches("**/a/**/x", "a/" * 15_000 + "x")
    assert glob_matches_within("**/x", "a/" * 15_000 + "x/y")
