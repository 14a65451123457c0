"""Distributions: that the table is sane, and what it answers."""

from __future__ import annotations

import csv
import re
from itertools import pairwise

import pytest

from glibc_guard.targets import distros, glibc, manylinux, symbol_version, tables
from glibc_guard.targets.distros import Distribution

ALL = distros.distributions()
NAMESPACES = ["GLIBC", "GLIBCXX", "CXXABI", "GCC"]


@pytest.fixture(params=ALL, ids=lambda entry: entry.id)
def distribution(request: pytest.FixtureRequest) -> Distribution:
    entry = request.param
    assert isinstance(entry, Distribution)
    return entry


def test_every_distribution_is_found_by_every_name(distribution: Distribution) -> None:
    for name in (distribution.id, *distribution.aliases):
        for spelling in (
            name,
            name.upper(),
            re.sub(r"(?<=[a-z])(?=[0-9])", "-", name),
            re.sub(r"(?<=[a-z])(?=[0-9])", " ", name),
        ):
            assert distros.find(spelling) is distribution


def test_every_entry_is_complete(distribution: Distribution) -> None:
    assert distribution.sources
    assert distribution.glibc in glibc.releases()
    for architecture, ceilings in distribution.ceilings.items():
        glibc.check_exists(distribution.glibc, architecture)
        assert list(ceilings) == NAMESPACES
        assert all(symbol_version.significant_numbers(number) for number in ceilings.values())


def test_sources_are_named_in_the_table() -> None:
    table = tables.distributions()
    for entry in table.distributions:
        for source in entry.sources:
            short = source.partition(":")[0]
            assert short in table.sources, (entry.id, source)


def test_no_name_stands_for_two_targets() -> None:
    keys = [re.sub(r"[-_. ]", "", name) for name in distros.names()]
    assert len(keys) == len(set(keys))
    assert not [name for name in distros.names() if manylinux.canonical(name) or glibc.find(name)]


def test_no_runtime_is_left_over() -> None:
    table = tables.distributions()
    assert {entry.gcc for entry in table.distributions} == set(table.compiler_runtimes)


def test_later_compilers_provide_no_less() -> None:
    for older, newer in pairwise(tables.distributions().compiler_runtimes.values()):
        assert symbol_version.at_most(older.glibcxx, newer.glibcxx)
        assert symbol_version.at_most(older.cxxabi, newer.cxxabi)
        for architecture, number in older.gcc.items():
            assert symbol_version.at_most(number, newer.gcc[architecture])


@pytest.mark.parametrize(
    "family",
    ["rhel", "amazonlinux", "debian", "ubuntu", "sles15", "fedora"],
)
def test_later_releases_of_a_distribution_provide_no_less(family: str) -> None:
    def release(entry: Distribution) -> list[int]:
        return [int(number) for number in re.findall(r"[0-9]+", entry.id)]

    entries = sorted((entry for entry in ALL if entry.id.startswith(family)), key=release)
    assert len(entries) > 1
    for older, newer in pairwise(entries):
        assert older.end_of_life < newer.end_of_life
        for architecture in set(older.architectures) & set(newer.architectures):
            for namespace, number in older.ceilings[architecture].items():
                assert symbol_version.at_most(number, newer.ceilings[architecture][namespace]), (newer.id, namespace)


def test_the_order_is_by_glibc_then_name() -> None:
    assert [entry.id for entry in ALL[:2]] == ["rhel7", "sles12sp5"]
    assert ALL[-1].id == "fedora45"
    keys = [(symbol_version.significant_numbers(entry.glibc), entry.name) for entry in ALL]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("name", "architecture", "expected"),
    [
        ("rhel7", "x86_64", ["2.17", "3.4.19", "1.3.7", "4.8.0"]),
        ("rhel7", "aarch64", ["2.17", "3.4.19", "1.3.7", "4.7.0"]),
        ("rhel8", "x86_64", ["2.28", "3.4.25", "1.3.11", "7.0.0"]),
        ("rhel9", "aarch64", ["2.34", "3.4.29", "1.3.13", "11.0"]),
        ("amazonlinux2", "x86_64", ["2.26", "3.4.24", "1.3.11", "7.0.0"]),
        ("debian12", "x86_64", ["2.36", "3.4.30", "1.3.13", "12.0.0"]),
        ("debian12", "ppc64le", ["2.36", "3.4.30", "1.3.13", "7.0.0"]),
        ("ubuntu20.04", "x86_64", ["2.31", "3.4.28", "1.3.12", "7.0.0"]),
        ("sles15sp5", "x86_64", ["2.31", "3.4.30", "1.3.13", "12.0.0"]),
        ("fedora44", "s390x", ["2.43", "3.4.35", "1.3.17", "16.0.0"]),
    ],
)
def test_what_distributions_provide(name: str, architecture: str, expected: list[str]) -> None:
    entry = distros.find(name)
    assert entry is not None
    assert list(entry.ceilings[architecture].values()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("el8", "rhel8"),
        ("rhel-8", "rhel8"),
        ("RHEL 8", "rhel8"),
        ("almalinux8", "rhel8"),
        ("rocky9", "rhel9"),
        ("centos7", "rhel7"),
        ("CentOS Stream 9", "rhel9"),
        ("oraclelinux10", "rhel10"),
        ("focal", "ubuntu20.04"),
        ("ubuntu-20.04", "ubuntu20.04"),
        ("Ubuntu2004", "ubuntu20.04"),
        ("bookworm", "debian12"),
        ("debian-12", "debian12"),
        ("amzn2023", "amazonlinux2023"),
        ("al2", "amazonlinux2"),
        ("SLES 15 SP6", "sles15sp6"),
        ("sles-15.6", "sles15sp6"),
        ("leap-15.6", "opensuse15.6"),
        ("fc44", "fedora44"),
    ],
)
def test_names_that_people_use(text: str, expected: str) -> None:
    entry = distros.find(text)
    assert entry is not None
    assert entry.id == expected


@pytest.mark.parametrize("text", ["", "rhel", "rhel8.10", "ubuntu", "debian99", "windows11", "2.17"])
def test_unknown_names(text: str) -> None:
    assert distros.find(text) is None


def loads(floor: dict[str, str], arch: str = "x86_64") -> dict[str, bool]:
    return {entry.distro: entry.loads for entry in distros.runs_on(floor, arch)}


def test_runs_on_by_glibc() -> None:
    found = loads({"GLIBC": "2.29"})
    assert not found["rhel8"]
    assert found["ubuntu20.04"]
    assert len(found) == len(ALL)


def test_runs_on_by_the_compiler_runtime() -> None:
    found = loads({"GLIBC": "2.17", "GLIBCXX": "3.4.29"})
    assert not found["ubuntu20.04"]
    assert found["rhel9"]
    assert not loads({"GCC": "12.0.0"})["rhel9"]
    assert loads({"GCC": "12.0.0"})["debian12"]


def test_a_namespace_that_the_table_lacks_says_nothing() -> None:
    assert all(loads({"GLIBC": "2.17", "OPENSSL": "99.0"}).values())
    assert all(loads({}).values())


def test_what_is_no_number_does_not_load() -> None:
    assert not any(loads({"GLIBC": "PRIVATE"}).values())


def test_runs_on_names_only_what_exists_for_the_architecture() -> None:
    riscv = loads({"GLIBC": "2.27"}, "riscv64")
    assert "rhel7" not in riscv
    assert riscv["debian13"]
    assert loads({"GLIBC": "2.36"}, "loongarch64") == {}
    assert {entry.arch for entry in distros.runs_on({}, "aarch64")} == {"aarch64"}


def test_downloads_lost_is_what_comes_from_older_systems() -> None:
    with (tables.DATA / "reach-2026-07.csv").open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.reader(lines) if row[0] == "x86_64"]
    below = sum(float(share) for _, release, share in rows if release in {"2.17", "2.23", "2.24", "2.26", "2.27"})
    assert distros.downloads_lost("2.28", "x86_64") == pytest.approx(below)
    assert 0.06 < below < 0.07


def test_downloads_lost_at_the_ends() -> None:
    assert distros.downloads_lost(None, "x86_64") == 0.0
    assert distros.downloads_lost("2.17", "x86_64") == 0.0
    everything = distros.downloads_lost("2.44", "x86_64")
    assert everything is not None
    assert 0.98 < everything <= 1.0


def test_downloads_lost_is_unknown_elsewhere() -> None:
    assert distros.downloads_lost("2.28", "aarch64") is None
    assert distros.downloads_lost("PRIVATE", "x86_64") is None


def test_downloads_lost_never_falls() -> None:
    shares = [distros.downloads_lost(release, "x86_64") for release in glibc.releases()]
    known = [share for share in shares if share is not None]
    assert len(known) == len(shares)
    assert known == sorted(known)


def test_the_tables_stay_small() -> None:
    names = ("distros.json", "manylinux_policies.json", "reach-2026-07.csv")
    assert sum((tables.DATA / name).stat().st_size for name in names) < 200_000
