import pytest
from markdown_it import MarkdownIt
from msgspec.structs import replace

from glibc_guard.model import ArtifactReport, Changes, FloorChange, ObjectEntry, Report, RunsOn, Site, Target, Verdict
from glibc_guard.report import overview
from unit.github.reports import artifact, finding, report

TARGET = Target("manylinux_2_17_x86_64", "wheel tag", "x86_64", "glibc", {})
HOSTILE = "</details><img src=x>|`@octocat` [a](http://b) \x1b[2K\u202e ##[error]x\n::error::y"


def changes(verdict_before: Verdict | None = None) -> Changes:
    return Changes(
        baseline="old/ray-2.0.whl",
        version_before="2.0",
        version_after="2.1",
        size_before=41_000_000,
        size_after=155_000_000,
        tags_before=("cp312-cp312-manylinux_2_17_x86_64",),
        tags_after=("cp312-cp312-manylinux_2_17_x86_64",),
        floor=(FloorChange("GLIBC", "2.17", "2.29"),),
        libraries_added=("libm.so.6",),
        libraries_gone=(),
        imports_added=("pow@GLIBC_2.29",),
        imports_gone=("secure_getenv@GLIBC_2.17",),
        objects_added=(ObjectEntry("ray/_new.so", "shared", 5),),
        objects_gone=(),
        objects=(),
        distros_lost=(RunsOn("rhel7", "x86_64", loads=False),),
        distros_gained=(),
        downloads_lost_before=0.005,
        downloads_lost_after=0.064,
        verdict_before=verdict_before,
    )


def shown(*artifacts: ArtifactReport, limit: int = 65_535, fixed: bool = False) -> str:
    about = overview.About(head="a" * 40, url="https://github.com/o/r/actions/runs/1")
    return overview.render(report(*artifacts), limit=limit, about=about, fixed=fixed)


def test_before_and_after_with_a_baseline() -> None:
    text = shown(replace(artifact(finding()), targets=(TARGET,), changes=changes("pass")), artifact(path="other.whl"))
    assert "|  | artifact | promised | before | now |\n" in text
    assert (
        "| ❌ | `dist/ray.whl` | `manylinux_2_17_x86_64` | ✅ pass, glibc 2\\.17 | fail, glibc 2\\.29 |\n"
        "| ✅ | `other.whl` | - | - | pass, glibc 2\\.29 |\n"
    ) in text
    assert "- Since `2.0`: glibc 2\\.17 → 2\\.29, " in text
    assert "downloads lost 0\\.5 % → 6\\.4 %" in text
    assert "- No longer loads on: Red Hat Enterprise Linux 7\n" in text
    assert "- Symbols added: `pow@GLIBC_2.29`\n- Symbols gone: `secure_getenv@GLIBC_2.17`\n" in text
    assert text.endswith('\n<sub>commit aaaaaaaaaaaa, <a href="https://github.com/o/r/actions/runs/1">run</a></sub>\n')


def test_wheels_of_a_baseline_were_not_judged() -> None:
    assert "| glibc 2\\.17 | fail, glibc 2\\.29 |" in shown(replace(artifact(finding()), changes=changes()))


def test_without_a_baseline() -> None:
    lost = (RunsOn("rhel7", "x86_64", loads=False),)
    text = shown(replace(artifact(finding()), runs_on=lost, downloads_lost=0.064))
    assert "|  | artifact | promised | now |\n" in text
    assert "- Does not load on: Red Hat Enterprise Linux 7\n" in text
    assert "- Downloads lost: 6.4 % of x86_64 package downloads\n" in text


def test_one_way_out_of_several_findings_and_where_they_are() -> None:
    site = Site("ray::core::Score(double)", "src/score.cc", 6)
    members = [finding(symbol, sites=(site,), hint="build in manylinux2014") for symbol in ("pow", "exp")]
    assert (
        "- `symbol-version-too-new` (`pow@GLIBC_2.29`, `exp@GLIBC_2.29`)<br>Fix: build in manylinux2014<br>"
        "Used by `ray::core::Score(double)`, `src/score.cc:6`\n"
    ) in shown(artifact(*members))


@pytest.mark.parametrize(
    ("judged", "news"),
    [
        (report(artifact()), False),
        (report(artifact(finding())), True),
        (replace(report(artifact(finding(severity="warning"))), verdict="pass"), True),
        (report(replace(artifact(), changes=changes())), True),
        (report(replace(artifact(), changes=replace(changes(), floor=()))), True),
        (
            report(
                replace(
                    artifact(),
                    changes=replace(changes(), floor=(), distros_lost=()),
                )
            ),
            False,
        ),
        (replace(report(artifact(finding(severity="note"))), verdict="pass"), False),
    ],
    ids=["nothing", "a finding", "a warning", "a floor", "a distribution", "an import alone", "a note"],
)
def test_news(judged: Report, news: bool) -> None:  # noqa: FBT001
    assert overview.is_news(judged) is news


def test_turned_green() -> None:
    assert shown(artifact(), fixed=True).startswith("### ✅ glibc-guard: fixed, 1 artifact passed\n")


def test_a_run_that_failed_is_never_shown_as_fixed() -> None:
    about = overview.About(has_failed=True)
    for fixed in (False, True):
        text = overview.render(report(artifact()), limit=9999, about=about, fixed=fixed)
        assert text.startswith("### ⚠️ glibc-guard: the run failed; its report names no finding\n")
    text = overview.render(report(artifact(finding())), limit=9999, about=about)
    assert text.startswith("### ❌ glibc-guard: 1 of 1 artifact failed")


def test_jobs_of_a_matrix_are_told_apart() -> None:
    text = overview.render(report(artifact()), limit=9999, about=overview.About("x86_64, <b>"))
    assert text.startswith("### ✅ glibc-guard (x86\\_64, \\<b\\>): 1 artifact passed\n")


def test_who_wrote_the_report_is_said() -> None:
    text = overview.render(report(artifact()), limit=9999, about=overview.About(is_foreign=True))
    assert "<sub>names and messages are those of a report that the code of the pull request could write</sub>" in text


@pytest.mark.parametrize("limit", [1000, 3000, 20_000, 65_535])
def test_what_is_too_long_is_cut_in_time_and_said_to_be(limit: int) -> None:
    findings = [finding(f"{n}_{'x' * 300}", item=f"{n}.so", hint=f"way {n}") for n in range(500)]
    text = shown(*(artifact(*findings, path=f"{n}.whl") for n in range(40)), limit=limit)
    assert len(text.encode()) <= limit
    assert text.count("The report is cut here") >= 1
    assert text.count("<details>") == text.count("</details>")
    assert text.endswith("</sub>\n")


def test_a_hostile_artifact_forges_nothing() -> None:
    site = Site(HOSTILE, HOSTILE, 1)
    hostile = finding(HOSTILE, HOSTILE, item=HOSTILE, message=HOSTILE, hint=HOSTILE, sites=(site,), rule=HOSTILE)
    told = replace(
        changes(), baseline=HOSTILE, version_before=HOSTILE, imports_added=(HOSTILE,), libraries_added=(HOSTILE,)
    )
    target = replace(TARGET, name=HOSTILE)
    judged = replace(
        artifact(hostile, path=HOSTILE), changes=told, targets=(target,), floor={"GLIBC": HOSTILE}, notes=(HOSTILE,)
    )
    text = shown(judged)
    assert "\x1b" not in text
    assert "\u202e" not in text
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert "<img" not in html
    assert html.count("<a ") == 1
    assert html.count("</details>") == 1
    assert "##[" not in text
