"""Symbol versions: what is a number of a namespace, and how numbers compare."""

from __future__ import annotations

import itertools
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glibc_guard.targets.symbol_version import SymbolVersion, at_most, highest, parse, significant_numbers


@pytest.mark.parametrize(
    ("text", "namespace", "numbers"),
    [
        ("GLIBC_2.17", "GLIBC", (2, 17)),
        ("GLIBC_2.2.5", "GLIBC", (2, 2, 5)),
        ("GLIBCXX_3.4.19", "GLIBCXX", (3, 4, 19)),
        ("CXXABI_1.3.7", "CXXABI", (1, 3, 7)),
        ("GCC_4.8.0", "GCC", (4, 8, 0)),
        ("LIBATOMIC_1.0", "LIBATOMIC", (1, 0)),
        ("ZLIB_1.2.3.4", "ZLIB", (1, 2, 3, 4)),
        ("NETTLE_8", "NETTLE", (8,)),
    ],
)
def test_numbered_versions_are_read_and_printed_back(text: str, namespace: str, numbers: tuple[int, ...]) -> None:
    version = parse(text)
    assert version is not None
    assert (version.namespace, version.numbers) == (namespace, numbers)
    assert str(version) == text
    assert f"{namespace}_{version.number}" == text


@pytest.mark.parametrize(
    "text",
    [
        "GLIBC_PRIVATE",
        "GLIBC_ABI_DT_RELR",
        "GLIBC_ABI_GNU2_TLS",
        "CXXABI_FLOAT128",
        "CXXABI_TM_1",
        "CXXABI_ARM_1.3.3",
        "GLIBCXX_LDBL_3.4",
        "GLIBCXX_IEEE128_3.4.29",
        "Base",
        "",
        "_",
        "GLIBC",
        "GLIBC_",
        "_2.17",
        "2.17",
        "GLIBC_2.9999999999999999999999",
        "GLIBC_2..3",
        "GLIBC_2.",
        "GLIBC_.2",
        "GLIBC_2.\u0662",
        "GLIBC_\u0662",
        "GLIBC_2.017",
        "GLIBC_-2.17",
        "GLIBC_+2.17",
        "GLIBC_2.1_7",
        "GLIBC_2.17\n",
        " GLIBC_2.17",
        "GLIBC_2.17\x00",
        "GLIBC_1.2.3.4.5.6.7",
        "G" * 40 + "_2",
        "GLIBC_2" + ".1" * 10_000,
    ],
)
def test_other_names_are_no_numbers(text: str) -> None:
    assert parse(text) is None


@given(st.text() | st.from_regex(r"[A-Z]{1,6}_[0-9.]{0,40}", fullmatch=True))
def test_any_text_is_read_without_an_error(text: str) -> None:
    version = parse(text)
    assert version is None or str(version) == text


@given(st.lists(st.integers(min_value=0, max_value=999_999_999), min_size=1, max_size=6))
def test_every_sane_number_survives_the_round_trip(numbers: list[int]) -> None:
    text = f"GLIBC_{'.'.join(map(str, numbers))}"
    assert parse(text) == SymbolVersion("GLIBC", tuple(numbers))


def test_numbers_compare_as_numbers() -> None:
    texts = ["GLIBC_2.2.5", "GLIBC_2.3", "GLIBC_2.3.4", "GLIBC_2.4", "GLIBC_2.17", "GLIBC_2.28", "GLIBC_2.100"]
    versions = [parse(text) for text in texts]
    assert [str(version) for version in sorted(version for version in reversed(versions) if version)] == texts


def test_trailing_zeros_do_not_count() -> None:
    short, long = SymbolVersion("GCC", (16, 0)), SymbolVersion("GCC", (16, 0, 0))
    assert short == long
    assert hash(short) == hash(long)
    assert short <= long <= short
    assert short >= long >= short
    assert not short < long
    assert not short > long
    assert SymbolVersion("GCC", (4, 8)) != SymbolVersion("GCC", (4, 80))


def test_namespaces_are_not_comparable() -> None:
    glibc, gcc = SymbolVersion("GLIBC", (2, 17)), SymbolVersion("GCC", (2, 17))
    assert glibc != gcc
    for compare in (operator.lt, operator.le, operator.gt, operator.ge):
        with pytest.raises(TypeError):
            compare(glibc, gcc)


def test_any_two_compare_as_their_numbers_do() -> None:
    older, newer = SymbolVersion("GLIBC", (2, 4)), SymbolVersion("GLIBC", (2, 17))
    for compare in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
        for one, other in itertools.product((older, newer), repeat=2):
            assert compare(one, other) is compare(one.numbers, other.numbers)


def test_a_version_is_no_plain_text() -> None:
    assert SymbolVersion("GLIBC", (2, 17)) != "GLIBC_2.17"


def test_the_highest_of_each_namespace() -> None:
    texts = ("GLIBC_2.4", "GCC_3.0", "GLIBC_2.17", "GLIBC_2.2.5", "GCC_4.2.0")
    found = highest(version for version in map(parse, texts) if version is not None)
    assert {namespace: version.number for namespace, version in found.items()} == {"GLIBC": "2.17", "GCC": "4.2.0"}
    assert highest([]) == {}


@pytest.mark.parametrize(
    ("number", "ceiling", "expected"),
    [
        ("2.17", "2.17", True),
        ("2.17", "2.28", True),
        ("2.28", "2.17", False),
        ("2.4", "2.17", True),
        ("14.0.0", "14.0", True),
        ("1.0", "0", False),
        ("0", "0", True),
        ("nonsense", "2.17", False),
        ("2.17", "nonsense", False),
        ("2" * 200, "2.17", False),
    ],
)
def test_at_most(number: str, ceiling: str, expected: bool) -> None:  # noqa: FBT001 - a column of the table above
    assert at_most(number, ceiling) is expected


def test_bare_numbers() -> None:
    assert significant_numbers("2.17") == (2, 17)
    assert significant_numbers("2.17.0") == (2, 17)
    assert significant_numbers("GLIBC_2.17") is None
