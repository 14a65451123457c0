"""SARIF: valid by the published schema, within what code scanning takes, and the same alerts after a rebuild.

``sarif-schema-2.1.0.json`` is OASIS's schema (github.com/oasis-tcs/sarif-spec, Schemata/), as the crate serde-sarif
0.8.0 (MIT) carries it; only its white space is taken out.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from msgspec.structs import replace

from building import library, make_wheel
from glibc_guard.guard import check
from glibc_guard.model import Finding, Report, Severity, Site
from glibc_guard.report import sarif
from glibc_guard.rules.catalogue import CATALOGUE
from glibc_guard.settings import Settings
from scripts.update_rule_help import document
from unit.github.reports import artifact, finding, report

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads(Path(__file__).with_name("sarif-schema-2.1.0.json").read_text(encoding="utf-8"))
NEW = library("reallocarray(0, 1, 2)", "pow(x, 2.5)", "exp(x)", glibc="2.29")
HOSTILE = "::error::x##[error]x\x1b[31m@octocat <img src=x> [x](https://y) {0} \u202e\ud800 `" + "n" * 10_000


def rendered(shown: Report, **options: Any) -> dict[str, Any]:  # noqa: ANN401  # options of render
    """The one run, after the whole file was held against the schema."""
    log = json.loads(sarif.render(shown, **options))
    jsonschema.Draft7Validator(SCHEMA, format_checker=jsonschema.FormatChecker()).validate(log)
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def results(shown: Report, **options: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    found = rendered(shown, **options)["results"]
    assert isinstance(found, list)
    return found


def fingerprints(run: Sequence[dict[str, Any]]) -> set[str]:
    return {one["partialFingerprints"]["glibcGuard/v1"] for one in run}


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    members = {
        "pkg/m.cpython-312-x86_64-linux-gnu.so": NEW,
        "pkg.libs/libz-1a2b3c4d.so.1.2": NEW,
        "pkg/bad.so": NEW[:300],
    }
    return make_wheel(tmp_path, members, tag="cp312-cp312-manylinux2014_x86_64")


def test_a_real_wheel(wheel: Path) -> None:
    run = rendered(check([str(wheel)], Settings()), manifest="pyproject.toml")
    driver = run["tool"]["driver"]
    assert driver["name"] == "glibc-guard"
    assert [rule["id"] for rule in driver["rules"]] == ["symbol-version-too-new", "wheel-tag-dishonest", "unreadable"]
    assert run["results"][0]["ruleId"] == "unreadable"
    for one in run["results"]:
        assert driver["rules"][one["ruleIndex"]]["id"] == one["ruleId"]
        physical = one["locations"][0]["physicalLocation"]
        assert physical == {"artifactLocation": {"uri": "pyproject.toml"}}
        assert one["partialFingerprints"]["primaryLocationLineHash"]
    (power,) = [
        one
        for one in run["results"]
        if one["properties"].get("symbol") == "pow" and "libs" not in one["properties"]["object"]
    ]
    assert power["level"] == "error"
    assert power["message"]["text"].startswith(
        "pow@GLIBC_2.29 (libm.so.6) is newer than glibc 2.17\nIn pkg/m.cpython-312"
    )
    assert power["locations"][0]["logicalLocations"] == [
        {"fullyQualifiedName": "pkg/m.cpython-312-x86_64-linux-gnu.so", "kind": "module"}
    ]


def test_without_a_manifest_the_artifact_is_the_place(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(wheel.parent)
    for path, uri in ((wheel.name, wheel.name), (str(wheel), wheel.as_uri())):
        for one in results(check([path], Settings())):
            assert one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_an_alert_is_the_same_after_a_rebuild(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "next").mkdir()
    rebuilt = make_wheel(
        tmp_path / "next",
        {
            "pkg/m.cpython-313-x86_64-linux-gnu.so": NEW + b"\0" * 8,
            "pkg.libs/libz-99ffee00.so.1.3": NEW,
            "pkg/bad.so": NEW[:400],
        },
        tag="cp313-cp313-manylinux2014_x86_64",
        version="1.1",
    )
    before, after = (fingerprints(results(check([str(path)], Settings()))) for path in (wheel, rebuilt))
    assert before == after
    assert len(before) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"rule": "symbol-missing"},
        {"symbol": "exp"},
        {"version": "GLIBC_2.38"},
        {"library": "libc.so.6"},
        {"object": "ray/other.so"},
        {"object": None},
    ],
    ids=str,
)
def test_another_thing_is_another_alert(change: dict[str, Any]) -> None:
    one = finding()
    other = replace(one, **change)
    assert sarif.identity(one, artifact(one)) != sarif.identity(other, artifact(other))


@pytest.mark.parametrize(
    "change", [{"message": "in other words"}, {"hint": "x"}, {"target": "2.12"}, {"severity": "note"}]
)
def test_words_do_not_make_another_alert(change: dict[str, Any]) -> None:
    one = finding()
    assert sarif.identity(one, artifact(one)) == sarif.identity(replace(one, **change), artifact(one))


def test_the_hash_in_a_rust_symbol_makes_no_other_alert() -> None:
    one, other = (finding(f"_ZN3foo3bar17h{digits * 16}E") for digits in "0f")
    assert sarif.identity(one, artifact(one)) == sarif.identity(other, artifact(other))
    assert sarif.identity(one, artifact(one)) != sarif.identity(finding("_ZN3foo3baz17hE"), artifact())


def test_a_line_that_no_file_has_is_no_place() -> None:
    sites = tuple(Site("f", "src/a.c", line, in_repository=True) for line in (2**31, 0, 2**31 - 1))
    (result,) = results(report(artifact(finding(sites=sites))))
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 2**31 - 1}


def test_an_alert_lies_where_the_source_is_known() -> None:
    here = Site("Score(double)", "src/score.cc", 6, in_repository=True)
    also = Site("Rank()", "src/rank.cc", 9, in_repository=True)
    elsewhere = Site("std::sort", "/usr/include/c++/12/bits/stl_algo.h", 4, in_repository=False)
    (one,) = results(report(artifact(finding(sites=(elsewhere, here, also)))), manifest="pyproject.toml")
    (place,) = one["locations"]
    assert place["physicalLocation"] == {"artifactLocation": {"uri": "src/score.cc"}, "region": {"startLine": 6}}
    assert [name["fullyQualifiedName"] for name in place["logicalLocations"]] == ["ray/_raylet.so", "Score(double)"]
    (related,) = one["relatedLocations"]
    assert related["physicalLocation"] == {"artifactLocation": {"uri": "src/rank.cc"}, "region": {"startLine": 9}}
    assert related["message"]["text"] == "used by Rank()"
    assert set(one["partialFingerprints"]) == {"glibcGuard/v1"}  # the upload action hashes the line


def test_at_one_line_there_is_one_alert_and_nothing_is_lost() -> None:
    here = (Site("f", "src/f.c", 6, in_repository=True),)
    both = report(
        artifact(
            finding("pow", sites=here), finding("exp", sites=here), finding("log", sites=here, rule="symbol-missing")
        )
    )
    power, logarithm = results(both)
    assert "pow@GLIBC_2.29" in power["message"]["text"]
    assert "exp@GLIBC_2.29" in power["message"]["text"]
    assert logarithm["ruleId"] == "symbol-missing"


def test_builds_for_several_pythons_are_one_alert() -> None:
    names = [f"ray/_c.cpython-3{minor}-x86_64-linux-gnu.so" for minor in range(7, 15)]
    wheels = [
        artifact(finding(item=name), path=f"dist/ray-1-cp3{minor}-cp3{minor}-linux_x86_64.whl")
        for minor, name in enumerate(names, 7)
    ]
    (one,) = results(report(*wheels))
    assert one["message"]["text"].count("\nIn ") == 6
    assert "3 more places" in one["message"]["text"]


def severities(*given: Severity) -> Report:
    return report(artifact(*(finding(f"f{n}", severity=severity) for n, severity in enumerate(given))))


def test_levels_the_worst_first() -> None:
    assert [one["level"] for one in results(severities("note", "warning", "error"))] == ["error", "warning", "note"]


def test_of_too_many_the_worst_are_kept_and_the_rest_is_counted() -> None:
    notes: list[Severity] = ["note"] * 5000
    run = rendered(severities(*notes, "error", "error"))
    assert len(run["results"]) == sarif.MAXIMUM_RESULTS
    assert [one["level"] for one in run["results"][:3]] == ["error", "error", "note"]
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"] == "2 results left out: code scanning takes no more; the JSON report has all"


def test_what_gzip_cannot_pack_is_cut_to_the_size_that_is_taken() -> None:
    noise = random.Random(0)  # noqa: S311  # no secret
    names = ["".join(noise.choices(string.ascii_letters, k=400)) for _ in range(300)]
    shown = report(artifact(*map(finding, names)))
    limit = 100_000
    written = sarif.render(shown, maximum_bytes=limit)
    assert len(gzip.compress(written)) <= limit
    run = rendered(shown, maximum_bytes=limit)
    left = 300 - len(run["results"])
    assert 0 < left < 300
    assert f"{left} results left out" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


def test_locations_are_not_more_than_are_shown() -> None:
    sites = tuple(Site("f", "src/f.c", line, in_repository=True) for line in range(1, 500))
    (one,) = results(report(artifact(finding(sites=sites))))
    assert len(one["locations"]) + len(one["relatedLocations"]) <= 100


def test_hostile_names_stay_text() -> None:
    site = Site(HOSTILE, "src/a b%.c", 1, in_repository=True)
    bad = finding(HOSTILE, HOSTILE, item=HOSTILE, message=HOSTILE, hint=HOSTILE, sites=(site, replace(site, line=2)))
    whole = Finding("unreadable", "error", HOSTILE, HOSTILE)
    shown = replace(report(replace(artifact(bad, whole, path=HOSTILE), notes=(HOSTILE,))), notes=(HOSTILE,))
    run = rendered(shown)
    texts = [
        *(one["message"]["text"] for one in run["results"]),
        *(related["message"]["text"] for one in run["results"] for related in one["relatedLocations"]),
        *(note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]),
    ]
    assert len(texts) == 5
    for text in texts:
        assert all(line.isprintable() or "\u200b" in line for line in text.split("\n"))
        assert not re.search(r"(^|\s)::", text)
        assert "##[" not in text.replace("\\", "")
        assert not re.search(r"(?<!\\)[\[\]]", text)
        assert "{{0}}" in text
        assert not re.search(r"(?<!\w)@\w", text)
        assert "octocat" in text
        assert len(text) < 10_000
    for one in run["results"]:
        for value in [
            *one["properties"].values(),
            *(n["fullyQualifiedName"] for n in one["locations"][0]["logicalLocations"]),
        ]:
            assert value.isprintable()
            assert len(value) < 1100
        assert re.fullmatch(r"[\w./%~-]+", one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])
    assert {
        unquote(one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])[:10] for one in run["results"]
    } == {
        "src/a b%.c",
        HOSTILE[:10],
    }


def test_every_rule_has_what_code_scanning_asks_for() -> None:
    run = rendered(report(artifact(*(finding(rule=rule) for rule in CATALOGUE))))
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [*CATALOGUE]
    for rule in rules:
        assert rule["name"].isalpha()
        assert len(rule["shortDescription"]["text"]) <= 1024
        assert len(rule["fullDescription"]["text"]) <= 1024
        assert "## How to fix" in rule["help"]["markdown"]
        assert not re.search(r"\]\((?!https://)", rule["help"]["markdown"])
        assert (
            rule["helpUri"].removeprefix("https://github.com/org/glibc-guard/blob/main/")
            == f"docs/rules/{rule['id']}.md"
        )
        assert (ROOT / "docs" / "rules" / f"{rule['id']}.md").is_file()
        assert rule["defaultConfiguration"]["level"] in {"error", "warning", "note"}
        assert len(rule["properties"]["tags"]) <= 10


def test_the_help_is_in_step_with_the_pages() -> None:
    shipped = json.loads((ROOT / "src/glibc_guard/data/rule_help.json").read_text(encoding="utf-8"))
    assert shipped == document(), "run scripts/update_rule_help.py (or make data)"


def test_a_clean_report_is_a_valid_file_that_closes_all_alerts() -> None:
    run = rendered(report(artifact()))
    assert run["results"] == []
    assert run["tool"]["driver"]["rules"] == []
