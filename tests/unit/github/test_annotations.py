import pytest

from glibc_guard.github.annotations import MAXIMUM_MESSAGE, Annotation, Repository, annotate, cut, problem_of
from glibc_guard.model import Finding, Severity, Site
from unit.github.reports import artifact, finding, report, unread

REPOSITORY = Repository(lambda name: "src/score.cc" if name.endswith("/score.cc") else None, "pyproject.toml")
HOSTILE = "x\r\n::set-output name=verdict::pass\x1b[2K##[error]y\u202egnp"


def shown(*findings: Finding, repository: Repository = REPOSITORY) -> list[Annotation]:
    return annotate(report(artifact(*findings)), repository, more="the job summary")


def test_one_finding_says_what_where_and_how_to_be_rid_of_it() -> None:
    site = Site("ray::core::Score(double)", "src/score.cc", 6, in_repository=True)
    assert shown(finding(sites=(site,), hint="pow@GLIBC_2.2.5 exists on x86_64")) == [
        Annotation(
            level="error",
            title="symbol-version-too-new: pow@GLIBC_2.29",
            message=(
                "pow@GLIBC_2.29 (libm.so.6) is newer than glibc 2.17\n"
                "in ray/_raylet.so (dist/ray.whl)\n"
                "used by ray::core::Score(double) at src/score.cc:6\n"
                "pow@GLIBC_2.2.5 exists on x86_64"
            ),
            file="src/score.cc",
            line=6,
        )
    ]


@pytest.mark.parametrize(
    ("site", "file", "line"),
    [
        (Site("f", "/elsewhere/other.cc", 6), "pyproject.toml", 1),
        (Site("f", "/gone/src/score.cc", 6), "pyproject.toml", 1),  # which was found to be another one
        (Site("f", None, None), "pyproject.toml", 1),
        (Site("f", "src/score.cc", None, in_repository=True), "src/score.cc", 1),
    ],
)
def test_a_place_in_the_repository(site: Site, file: str, line: int) -> None:
    (annotation,) = shown(finding(sites=(site,)))
    assert (annotation.file, annotation.line) == (file, line)


def test_no_place_at_all() -> None:
    (annotation,) = shown(finding(), repository=Repository(lambda _: None, None))
    assert (annotation.file, annotation.line) == (None, None)


def test_one_annotation_for_symbols_of_one_cause() -> None:
    hint = "the object fits CPython 3.8 and 3.9"
    symbols = [finding(f"_Py_{n}", None, rule="python-abi", hint=hint, message=f"_Py_{n} is gone") for n in range(50)]
    (annotation,) = shown(*symbols)
    assert annotation.title == "python-abi: _Py_0 and 49 more"
    assert annotation.message.splitlines()[3:] == ["47 more similar messages", "in ray/_raylet.so (dist/ray.whl)", hint]
    other = finding("_Py_0", None, rule="python-abi", hint="another", message="_Py_0 is gone")
    assert len(shown(*symbols, other)) == 2


def test_one_annotation_for_a_symbol_in_many_objects_and_artifacts() -> None:
    wheels = [artifact(*(finding(item=f"{name}.so") for name in "abc"), path=f"{number}.whl") for number in range(2)]
    (annotation,) = annotate(report(*wheels), REPOSITORY, more="")
    assert annotation.message.splitlines()[1:] == [
        "in a.so (0.whl)",
        "in b.so (0.whl)",
        "in c.so (0.whl)",
        "in 3 more objects",
    ]


def test_the_worst_first() -> None:
    versions = ("GLIBC_2.3", "GLIBC_2.3.4", None, "GLIBCXX_3.4.30", "GLIBC_2.29", "GLIBC_2.4")
    annotations = shown(*(finding("f", version) for version in versions))
    assert [annotation.title.partition("@")[2] for annotation in annotations] == [
        "GLIBC_2.29",
        "GLIBC_2.4",
        "GLIBC_2.3.4",
        "GLIBC_2.3",
        "GLIBCXX_3.4.30",
        "",
    ]


@pytest.mark.parametrize(("severity", "level"), [("error", "error"), ("warning", "warning"), ("note", "notice")])
def test_ten_of_a_level_and_the_last_says_how_many_more(severity: Severity, level: str) -> None:
    annotations = shown(*(finding(f"f{number}", severity=severity) for number in range(25)))
    assert [annotation.level for annotation in annotations] == [level] * 10
    assert annotations[-1].title == f"glibc-guard: 16 more {level}s"
    assert annotations[-1].message == f"16 more {level}s: see the job summary"
    assert annotations[-1].file == "pyproject.toml"


def test_exactly_ten_are_all_shown() -> None:
    annotations = shown(*(finding(f"f{number}") for number in range(10)))
    assert len(annotations) == 10
    assert not any("more" in annotation.title for annotation in annotations)


def test_errors_before_warnings_before_notices() -> None:
    severities: tuple[Severity, ...] = ("note", "error", "warning")
    annotations = shown(*(finding(severity, severity=severity) for severity in severities))
    assert [annotation.level for annotation in annotations] == ["error", "warning", "notice"]


def test_what_could_not_be_read_comes_first() -> None:
    missed = (unread("a.so", "truncated"), unread("b.so", "truncated"), unread(None, "no zip"))
    annotations = shown(finding(), *missed)
    assert [annotation.message for annotation in annotations[:2]] == [
        "truncated\nin a.so (dist/ray.whl)\nin b.so (dist/ray.whl)",
        "no zip\nin dist/ray.whl",
    ]
    assert annotations[0].level == "error"
    assert annotations[0].title == "unreadable"


def test_hostile_names_stay_on_their_line() -> None:
    bad = finding(HOSTILE, HOSTILE, item=HOSTILE, message=HOSTILE, hint=HOSTILE, sites=(Site(HOSTILE, HOSTILE, 1),))
    for annotation in annotate(report(artifact(bad, unread(HOSTILE, HOSTILE), path=HOSTILE)), REPOSITORY, more=HOSTILE):
        assert annotation.title.isprintable()
        for line in annotation.message.split("\n"):
            assert line.isprintable()
            assert not line.lstrip().startswith("::")
            assert "##[" not in line + annotation.title


def test_long_names_do_not_push_the_hint_out() -> None:
    (annotation,) = shown(
        *(finding("f" * 9000, item="o" * 9000 + str(number)) for number in range(9)), finding(hint="use g")
    )[1:]
    assert annotation.message.endswith("use g")
    long = shown(*(finding("f" * 9000, item="o" * 9000 + str(number), hint="use g") for number in range(9)))[0]
    assert len(long.message) <= MAXIMUM_MESSAGE
    assert len(long.title) <= 255
    assert long.message.endswith("use g")


def test_the_runner_counts_utf_16_units() -> None:
    message = cut("\U0001f600" * MAXIMUM_MESSAGE)
    assert len(message.encode("utf-16-le")) // 2 == MAXIMUM_MESSAGE - 1  # half a pair would be no character
    assert message.endswith("\U0001f600…")
    assert cut("a" * MAXIMUM_MESSAGE) == "a" * MAXIMUM_MESSAGE


def test_a_run_that_judged_nothing() -> None:
    assert problem_of("no such\n::file", REPOSITORY) == Annotation(
        "error", "glibc-guard", "no such\\x0a::file", "pyproject.toml", 1
    )


def test_nothing_to_say() -> None:
    assert shown() == []


def test_notices_leave_room_for_what_the_step_says_of_itself() -> None:
    symbols = [finding(f"f{n}", severity=severity) for n in range(12) for severity in ("error", "note")]
    found = annotate(report(artifact(*symbols)), REPOSITORY, more="the log", reserved=2)
    assert [one.level for one in found].count("notice") == 8
    assert [one.level for one in found].count("error") == 10
    assert found[-1].title == "glibc-guard: 5 more notices"


def test_a_line_that_no_file_has_is_the_first() -> None:
    (annotation,) = shown(finding(sites=(Site("f", "src/score.cc", 2**31, in_repository=True),)))
    assert (annotation.file, annotation.line) == ("src/score.cc", 1)
