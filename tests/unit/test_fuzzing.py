"""What the fuzzer starts from: every reader reads its seeds, and they are no longer than what it may try."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.one import INSTRUMENTED
from fuzz.readers import READERS, read_config, read_edited_report
from fuzz.seeds import SEEDS
from measured import costs_less_than


@pytest.mark.parametrize("name", READERS)
def test_seeds(name: str) -> None:
    seeds = SEEDS[name]()
    assert seeds
    for seed in seeds:
        assert len(seed) <= READERS[name].largest
        READERS[name].read(seed)


def test_names() -> None:
    assert READERS.keys() == SEEDS.keys()
    assert INSTRUMENTED.keys() <= READERS.keys()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=16))
def test_a_report_that_is_put_together_anyhow(edits: bytes) -> None:
    with costs_less_than(5):
        read_edited_report(edits)


KEYS = st.sampled_from(
    ["target", "fail-on", "limits", "max-size", "ignore", "severity", "jobs", "require", "size-jump-bytes", "x"]
)
VALUES = st.sampled_from(
    [
        '""',
        '"2.17"',
        "0",
        "-1",
        "1e999",
        "nan",
        "[]",
        "[[]]",
        "{}",
        "{members = 1}",
        "{a = {}}",
        "true",
        "2027-01-01",
        '"\\u0000"',
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_a_configuration_of_any_shape(table: dict[str, str]) -> None:
    with costs_less_than(5):
        read_config("\n".join(f"{key} = {value}" for key, value in table.items()).encode())
