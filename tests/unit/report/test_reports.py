from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import msgspec
import pytest
from markdown_it import MarkdownIt
from msgspec.structs import replace

from building import compile_with_gcc, library, make_wheel
from glibc_guard.guard import check
from glibc_guard.model import ArtifactReport, Coverage, Finding, Report, Tool
from glibc_guard.report import json as json_report
from glibc_guard.report import markdown, text
from glibc_guard.report.grouping import by_object
from glibc_guard.report.remedies import Remedies
from glibc_guard.settings import Ignore, Settings
from glibc_guard.urls import page

ROOT = Path(__file__).parents[3]
NEW = library("reallocarray(0, 1, 2)", "pow(x, 2.5)", "exp(x)", glibc="2.29")
HOSTILE = "::error::forged##[error]forged\x1b[31m@octocat<img src=x>|`[x](y)"


@pytest.fixture
def failing(tmp_path: Path) -> Report:
    make_wheel(tmp_path, {"pkg/m.so": NEW, "pkg/bad.so": NEW[:300]}, tag="cp312-cp312-manylinux2014_x86_64")
    make_wheel(tmp_path, {"m.py": b""}, tag="py3-none-any", name="pure")
    ignore = Ignore("symbol-version-too-new", "looked up at run time", symbol="exp")
    unused = Ignore("private-symbol", "x")
    paths = sorted(map(str, tmp_path.glob("*.whl")))
    return check(paths, Settings(ignores=(ignore, unused)))


@pytest.fixture
def hostile(tmp_path: Path) -> Report:
    soname = f"-Wl,-soname,{HOSTILE.replace(',', '')}"
    data = compile_with_gcc("int x;", "-shared", "-fPIC", soname)
    user = compile_with_gcc(
        "extern int x; int *f(void) { return &x; }",
        "-shared",
        "-fPIC",
        "-nostdlib",
        "./lib.so",
        beside={"lib.so": data},
    )
    return check([str(make_wheel(tmp_path, {f"{HOSTILE}/m.so": NEW, "user.so": user, HOSTILE: NEW[:200]}))], Settings())


def test_the_text_says_the_verdict_first_and_names_all(failing: Report) -> None:
    shown = text.render(failing, color=False, width=None)
    lines = shown.splitlines()
    assert lines[0].startswith("PASS ")
    assert [line.split()[0] for line in lines if line.startswith(("PASS", "FAIL", "UNREADABLE"))] == [
        "PASS",
        "UNREADABLE",
    ]
    assert "GLIBC_2.29 of libm.so.6  pow  [symbol-version-too-new]" in shown
    assert "GLIBC_2.26 of libc.so.6  reallocarray  [symbol-version-too-new]" in shown
    assert "ignored: exp@GLIBC_2.29" in shown
    assert "looked up at run time" in shown
    assert "does not load on: Red Hat Enterprise Linux 7" in shown
    assert "of x86_64 package downloads come from older systems" in shown
    assert 'an ignore matched nothing and can go: rule = "private-symbol"' in shown
    assert lines[-1] == "1 of 2 artifacts could not be judged (4 errors)"
    assert "\x1b" not in shown


def test_colours_only_where_they_are_asked_for(failing: Report) -> None:
    assert "\x1b[" in text.render(failing, color=True, width=80)


def test_a_narrow_terminal_wraps_and_loses_nothing(failing: Report) -> None:
    narrow = text.render(failing, color=False, width=40)
    assert max(map(len, narrow.splitlines())) <= 40
    wide = text.render(failing, color=False, width=None)
    assert re.sub(r"\s+", "", narrow) == re.sub(r"\s+", "", wide)


def test_show_tells_the_needs(failing: Report) -> None:
    shown = text.render_needs(failing, color=False, width=None)
    assert "needs: glibc 2.29" in shown
    assert "from: " in shown
    assert "symbol-version-too-new" not in shown


def test_json_is_valid_by_the_shipped_schema_and_reads_back(failing: Report) -> None:
    encoded = json_report.render(failing)
    schema = json.loads((ROOT / "src/glibc_guard/data/report.schema.json").read_text())
    jsonschema.validate(json.loads(encoded), schema)
    assert msgspec.json.decode(encoded, type=Report) == failing
    assert json.loads(encoded)["schema_version"] == 1


def test_the_shipped_schema_is_in_step_with_the_code() -> None:
    shipped = json.loads((ROOT / "src/glibc_guard/data/report.schema.json").read_text())
    assert shipped == json.loads(json.dumps(json_report.schema()))


def test_json_holds_what_the_schema_promises(failing: Report) -> None:
    document = json.loads(json_report.render(failing))
    artifact = document["artifacts"][1]
    assert artifact["kind"] == "wheel"
    assert artifact["targets"][0] == {
        "name": "manylinux_2_17_x86_64", "origin": "wheel tag", "arch": "x86_64", "libc": "glibc",
        "ceilings": artifact["targets"][0]["ceilings"],
        "isa_level": 1,
    }  # fmt: skip
    assert artifact["targets"][0]["ceilings"]["GLIBCXX"] == "3.4.19"
    assert artifact["floor"] == {"GLIBC": "2.29"}
    assert {"distro": "rhel7", "arch": "x86_64", "loads": False} in artifact["runs_on"]
    assert artifact["coverage"] == {"members": 5, "elf": 1, "unread": 1}
    assert artifact["objects"][0]["path"] == "pkg/m.so"
    (pow_finding,) = [finding for finding in artifact["findings"] if finding["symbol"] == "pow"]
    assert pow_finding["message"] == "pow@GLIBC_2.29 (libm.so.6) is newer than glibc 2.17"


def test_markdown_names_all(failing: Report) -> None:
    shown = markdown.render(failing)
    assert shown.startswith("### ⚠️ glibc-guard: 1 of 2 artifacts could not be judged")
    assert "- error: `GLIBC_2.29` of `libm.so.6`: `pow` (`symbol-version-too-new`)" in shown
    assert "Does not load on: Red Hat Enterprise Linux 7" in shown


@pytest.mark.parametrize("limit", [300, 500, 1000])
def test_markdown_is_cut_in_time_and_says_so(failing: Report, limit: int) -> None:
    shown = markdown.render(failing, limit=limit)
    assert len(shown.encode()) <= limit
    assert "cut here" in shown


def test_nothing_is_forged_by_names_in_the_artifact(hostile: Report) -> None:
    shown = text.render(hostile, color=False, width=None)
    for line in (shown + markdown.render(hostile)).splitlines():
        assert not re.match(r"\s*::", line)
        assert "##[" not in line
        assert "\x1b" not in line
    assert "forged" in shown
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    inline = [child for token in parser.parse(markdown.render(hostile)) for child in token.children or ()]
    assert {token.content for token in inline if token.type == "html_inline"} <= {"<br>"}
    links = [token for token in inline if token.type in {"link_open", "image"}]
    assert {token.attrs["href"] for token in links} <= {page("building.md")}
    plain_text = " ".join(token.content for token in inline if token.type == "text")
    assert not re.search(r"(?<!\w)@\w", plain_text)


def test_of_very_many_symbols_the_first_are_shown() -> None:
    findings = tuple(
        Finding("symbol-missing", "error", "m.so", f"no f{n}", symbol=f"f{n}", version="GLIBC_2.2.5", hint=f"hint {n}")
        for n in range(20_000)
    )
    plain = tuple(replace(finding, version=None, hint="one") for finding in findings)
    for found in (findings, plain):
        artifact = ArtifactReport(
            "m.so", "elf", 1, None, "fail", (), {}, (), None, Coverage(1, 1, 0), (), findings=found
        )
        report = Report(Tool("glibc-guard", "0"), "fail", (artifact,))
        shown = text.render(report, color=False, width=None)
        assert "f199" in shown
        assert len(shown) < 5000
        assert re.search(r"and 19,(800|797) symbols more", shown)
        assert len(markdown.render(report)) < 5000


def test_a_hint_says_which_symbols_it_is_for_where_there_are_several() -> None:
    def found(symbol: str, hint: str) -> Finding:
        return Finding("symbol-version-too-new", "error", "m.so", "…", symbol=symbol, version="GLIBC_2.16", hint=hint)

    one = found("aligned_alloc", "call posix_memalign")
    others = [found(symbol, "build elsewhere") for symbol in ("getauxval", "timespec_get")]
    own = found("pow", "pow@GLIBC_2.2.5 exists")
    assert hints_of(one, *others, own) == (
        "aligned_alloc: call posix_memalign",
        "getauxval, timespec_get: build elsewhere",
        "pow@GLIBC_2.2.5 exists",
    )
    assert hints_of(*others) == ("build elsewhere",)


def hints_of(*findings: Finding) -> tuple[str, ...]:
    ((group,),) = by_object(findings).values()
    return tuple(line for _, line in Remedies([group]).own(group))
