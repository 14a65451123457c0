from __future__ import annotations

import pytest

from glibc_guard.baseline.objects import paired, steady
from glibc_guard.model import ObjectSummary
from measured import costs_less_than


def entry(path: str, arch: str = "x86_64", size: int = 1) -> ObjectSummary:
    return ObjectSummary(path, arch, "shared", size, None, (), {}, ())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("n.libs/libgfortran-040039e1.so.5.0.0", "n.libs/libgfortran-83c28eba-468e71e5.so.5.1.0"),
        ("n/libarrow.so.2100", "n/libarrow.so.2200.1.0"),
        ("n/_c.cpython-312-x86_64-linux-gnu.so", "n/_c.cpython-313t-x86_64-linux-gnu.so"),
        ("n/_c.cpython-312-x86_64-linux-gnu.so", "n/_c.abi3.so"),
        ("n/_c.abi3.so", "n/_c.abi3t.so"),
        ("n/_c.pypy310-pp73-x86_64-linux-gnu.so", "n/_c.so"),
        ("n-1.2.data/platlib/n/_c.so", "n/_c.so"),
        ("n-1.2.data/scripts/tool", "n-1.3.data/scripts/tool"),
        ("tool-1.2.3/bin/tool", "tool-1.3.0rc1/bin/tool"),
        ("tool_1.2-1/bin/tool", "tool_1.3-2/bin/tool"),
        ("n.libs/libopenblasp-r0-23e5df77.3.21.dev.so", "n.libs/libopenblasp-r0-5c2b7639.3.23.so"),
        ("n.libs/libboost_python-1a2b3c4d.1.74.0.so", "n.libs/libboost_python-9a2b3c4d.1.75.0.so"),
        ("n/libicu.74.1.so", "n/libicu.74.2.so"),
        ("n/libprotobuf-3.21.so", "n/libprotobuf-4.22.1.so"),
        ("usr/lib/python3.11/_c.so", "usr/lib/python3.12/_c.so"),
    ],
)
def test_what_changes_from_build_to_build_is_not_seen(before: str, after: str) -> None:
    assert steady(before) == steady(after)
    pairs = paired([entry(before)], [entry(after)])
    assert [(old.path, new.path, moved) for old, new, moved in pairs.both] == [(before, after, False)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("n/_c.cpython-312-x86_64-linux-gnu.so", "n/_d.cpython-312-x86_64-linux-gnu.so"),
        ("n/libfoo64_-12345678.so", "n/libfoo-12345678.so"),
        ("n/lib-cafe.so", "n/lib-beef.so"),  # too short for a hash
        ("n/x86_64.so", "n/x86_32.so"),
    ],
)
def test_other_names_are_other_objects(before: str, after: str) -> None:
    pairs = paired([entry(before)], [entry(after)])
    assert (pairs.both, [one.path for one in pairs.gone], [one.path for one in pairs.added]) == ((), [before], [after])


def test_a_moved_object_is_told_as_moved() -> None:
    pairs = paired([entry("ray/_raylet.so"), entry("ray/core")], [entry("ray/ray/_raylet.so"), entry("ray/core")])
    assert [(old.path, new.path, moved) for old, new, moved in pairs.both] == [
        ("ray/core", "ray/core", False),
        ("ray/_raylet.so", "ray/ray/_raylet.so", True),
    ]


def test_where_two_could_be_meant_nothing_is_called_moved() -> None:
    pairs = paired([entry("a/_c.so"), entry("b/_c.so")], [entry("c/_c.so")])
    assert (pairs.both, len(pairs.gone), len(pairs.added)) == ((), 2, 1)


def test_an_object_of_another_architecture_has_not_moved() -> None:
    pairs = paired([entry("x/_c.so", "x86_64")], [entry("y/_c.so", "aarch64")])
    assert (len(pairs.both), len(pairs.gone), len(pairs.added)) == (0, 1, 1)


def test_copies_of_one_library_are_paired_in_order() -> None:
    old = [entry("n.libs/libz-11111111.so.1"), entry("n.libs/libz-22222222.so.1"), entry("n.libs/libz-33333333.so.1")]
    new = [entry("n.libs/libz-44444444.so.1"), entry("n.libs/libz-55555555.so.1")]
    pairs = paired(old, new)
    assert (len(pairs.both), len(pairs.gone), pairs.added) == (2, 1, ())


def test_hostile_names_cost_no_time() -> None:
    names = ["-1.1" * 20_000, "1" * 60_000, "-" + "a1" * 30_000 + ".so", ("-" + "f" * 64) * 900 + ".so", "_v1" * 20_000]
    names.append("x" + "-aaaaaaaa" * 400_000 + ".so")
    with costs_less_than(5):
        paired([entry(name) for name in names], [entry(f"{name}x") for name in names])
