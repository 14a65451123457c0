"""What the fuzzer starts from: every reader reads its seeds, and they are no longer than what it may try."""

from __future__ import annotations

import pytest

from fuzz.one import INSTRUMENTED
from fuzz.readers import READERS
from fuzz.seeds import SEEDS


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
