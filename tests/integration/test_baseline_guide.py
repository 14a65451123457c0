"""The figures in docs/choosing-a-baseline.md are those that the code computes from its tables."""

from __future__ import annotations

import re
from pathlib import Path

from glibc_guard.targets import distros, symbol_version
from glibc_guard.targets.resolution import resolve

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "choosing-a-baseline.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `?([\w. ]+?)`? \| ([\d.]+|-) \| (.+?) \| ([\d.]+ %) \|$", re.MULTILINE)


def lost(glibc: str | None) -> str:
    share = distros.downloads_lost(glibc, "x86_64")
    assert share is not None
    return f"{100 * share:.1f} %"


def oldest_systems(glibc: str) -> set[str]:
    """The names of the distributions with the least glibc that will do."""
    loading = {
        entry.distro for entry in distros.runs_on({"GLIBC": glibc}, "x86_64") if entry.loads
    }  # the ids, the oldest first in the table
    known = [entry for entry in distros.distributions() if entry.id in loading]
    return {entry.name for entry in known if entry.glibc == known[0].glibc}


def test_the_table_is_what_the_code_computes() -> None:
    rows = ROW.findall(GUIDE)
    assert len(rows) == 8
    for name, glibc, systems, share in rows:
        if glibc == "-":
            assert (name, share) == ("static musl", lost(None))
            continue
        (target,) = resolve([name], None, ["x86_64"]).targets
        assert target.ceilings["GLIBC"] == glibc, name
        assert share == lost(glibc), name
        assert set(systems.split(", ")) <= oldest_systems(glibc), name


def test_the_prose_says_the_same() -> None:
    text = " ".join(GUIDE.split())
    assert f"It loses {lost('2.28')} of downloads, nearly all of them (5.5 %) from Amazon Linux 2" in text
    only_amazon = (distros.downloads_lost("2.27", "x86_64") or 0) - (distros.downloads_lost("2.26", "x86_64") or 0)
    assert f"{100 * only_amazon:.1f}" == "5.5"
    more = (distros.downloads_lost("2.34", "x86_64") or 0) - (distros.downloads_lost("2.28", "x86_64") or 0)
    assert f"loses another {100 * more:.1f} %" in text
    assert f"no container, and {lost('2.35')} lost" in text
    assert f"know the {lost('2.28')}" in text


def test_the_dates_are_those_of_the_tables() -> None:
    ends = {entry.id: entry.end_of_life.isoformat() for entry in distros.distributions()}
    assert f"Red Hat Enterprise Linux 7 had their last update on {ends['rhel7']}" in GUIDE
    assert f"whose support ended on {ends['amazonlinux2']}" in GUIDE
    releases = [symbol_version.significant_numbers(entry.glibc) for entry in distros.distributions()]
    assert releases[0] == (2, 17)  # nothing older is known, so 2.17 loses nobody that is
