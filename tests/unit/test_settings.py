from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from glibc_guard.model import Shard
from glibc_guard.settings import ConfigError, Ignore, Settings


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"fail_on": "warnings"}, 'fail_on is \'warnings\': write "error", "warning" or "never"'),
        ({"fail_on": None}, 'fail_on is None: write "error", "warning" or "never"'),
        ({"targets": "2.17"}, "targets is '2.17': write a tuple of strings, like (\"this\",)"),
        ({"targets": ("2.17", 2.28)}, "targets is ('2.17', 2.28): write a tuple of strings"),
        ({"targets": 2.17}, "targets is 2.17: write a tuple of strings"),
        ({"forbid": "**/*.a"}, "forbid is '**/*.a': write a tuple of strings"),
        ({"forbid": ("/x",)}, '"/x" matches no member'),
        ({"require": ("x/",)}, '"x/" matches no member'),
        ({"expect_toolchain": ("*",)}, '"*" accepts any toolchain'),
        ({"allow_empty": "no"}, "allow_empty is 'no': write True or False"),
        ({"together": 0}, "together is 0: write True or False"),
        ({"explain": None}, "explain is None: write True or False"),
        ({"baseline_required": "false"}, "baseline_required is 'false': write True or False"),
        ({"jobs": 0}, "jobs is 0: write a number of threads, or None for one a processor"),
        ({"jobs": "2"}, "jobs is '2': write a number of threads"),
        ({"baseline": Path("old.whl")}, ': write a string, like "dist/old.whl" or "pypi:NAME"'),
        ({"severities": {"floor-raised": "fatal"}}, "severities: 'fatal' of 'floor-raised' is none of error, warning"),
        ({"severities": {"wheel-tag-dishonest": "note"}}, '"wheel-tag-dishonest" is no rule whose severity can be'),
        ({"max_size": {"*.whl": 1}}, "max_size is {"),
        ({"max_size": (("*.whl", "60MB"),)}, "write a tuple of globs with bytes"),
        ({"max_size": (("/x", 1),)}, '"/x" matches no member'),
        ({"debug_dirs": ("debug",)}, "debug_dirs is ('debug',): write a tuple of pathlib.Path"),
        ({"ignores": Ignore("x", "y")}, "ignores is "),
        ({"shard": "1/2"}, "shard is '1/2': write Shard(INDEX, COUNT)"),
        ({"size_jump_ratio": "2"}, "size_jump_ratio is '2': write a number"),
        ({"size_jump_bytes": None}, "size_jump_bytes is None: write a number"),
        ({"limits": {"members": 2}}, "write Limits(…)"),
    ],
)
def test_what_would_be_taken_for_something_else_is_refused(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Settings(**chosen)
    assert message in str(raised.value)


def test_what_is_meant_is_taken() -> None:
    lists: dict[str, Any] = {"targets": ["2.17"], "forbid": ["**/*.a"], "debug_dirs": [Path("debug")]}
    assert [*Settings(fail_on="warning", jobs=1, size_jump_ratio=2, **lists).targets] == ["2.17"]
    Settings(max_size=(("*.whl", 1),), severities={"floor-raised": "error"}, shard=Shard(2, 2), baseline="pypi:x")
