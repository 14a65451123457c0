"""C++ culprits from the object to what a reader sees: nested artifacts, every report, damaged debug information."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from debug_building import compiler, line_of
from glibc_guard.cli import main
from glibc_guard.github import repository
from glibc_guard.github.annotations import annotate
from glibc_guard.guard import check
from glibc_guard.model import Report, Site
from glibc_guard.report import json as json_report
from glibc_guard.report import markdown, overview, sarif, text
from glibc_guard.settings import Settings
from provisions import needed

SOURCE = """\
#include <cmath>
#include <cstdlib>
namespace growth {
template <class T> struct Curve {
  T rate;
  inline double at(T time) const {
    return std::pow(static_cast<double>(rate), time); /* inlined */
  }
};
namespace {
__attribute__((noinline)) void *room(std::size_t count) {
  return reallocarray(nullptr, count, 8); /* anonymous */
}
}
__attribute__((noinline)) double total(const Curve<double> &curve) {
  double sum = 0;
  sum += curve.at(3); /* caller */
  return sum;
}
}
extern "C" void *start(double rate) {
  double rounded = growth::total(growth::Curve<double>{rate});
  return growth::room(static_cast<std::size_t>(rounded));
}
"""
PLACES = {  # symbol → what is told where debug information is, and where only the symbol table is
    "pow": (("growth::Curve<double>::at", "inlined"), "growth::total(growth::Curve<double> const&)"),
    "reallocarray": (("growth::(anonymous namespace)::room", "anonymous"), "growth::(anonymous namespace)::room"),
}
CXX = ("g++", "clang++")
SPELLED = sys.version_info >= (3, 11)


def built(folder: Path, name: str, *flags: str) -> Path:
    """Compile SOURCE as ``folder/src/growth.cc``."""
    (folder / "src").mkdir()
    (folder / "src" / "growth.cc").write_text(SOURCE)
    command = [*compiler(name), "-shared", "-fPIC", "-fno-builtin", "-Wl,--build-id", *flags]
    subprocess.run([*command, "src/growth.cc", "-o", "growth.so"], check=True, cwd=folder)
    return folder / "growth.so"


def judged(path: Path, root: Path, **chosen: object) -> Report:
    return check([str(path)], Settings(targets=("2.17",), repository=root, **chosen))  # type: ignore[arg-type]


def sites(report: Report) -> dict[str, Site]:
    found = {one.symbol: one.sites for artifact in report.artifacts for one in artifact.findings}
    assert all(len(found[symbol]) == 1 for symbol in PLACES)
    return {symbol: found[symbol][0] for symbol in PLACES}


@pytest.mark.parametrize("dwarf", ["-gdwarf-4", "-gdwarf-5"])
@pytest.mark.parametrize("flags", ["-O0", "-O1", "-O2", "-O3", "-O2 -flto", "-O2 -fno-plt", "-O2 -gz=zlib"])
@pytest.mark.parametrize("name", CXX)
def test_names_and_lines_of_cxx(name: str, flags: str, dwarf: str, tmp_path: Path) -> None:
    if name == "clang++" and "-flto" in flags:
        needed("ld.lld", "apt-get install lld")
        flags += " -fuse-ld=lld"
    found = sites(judged(built(tmp_path, name, dwarf, *flags.split()), tmp_path))
    for symbol, ((function, mark), _) in PLACES.items():
        site = found[symbol]
        assert (site.file, site.line, site.in_repository) == ("src/growth.cc", line_of(mark, SOURCE), True), symbol
        if SPELLED:
            assert (site.function or "").startswith(function.partition("<")[0] if symbol == "pow" else function)
            assert site.package == "growth"
    outer = found["pow"].frames[-1:] if flags != "-O0" else ()
    assert [frame.line for frame in outer] == [line_of("caller", SOURCE)] * len(outer)


@pytest.mark.parametrize("name", CXX)
def test_names_of_cxx_without_debug_information(name: str, tmp_path: Path) -> None:
    found = sites(judged(built(tmp_path, name, "-O2", "-g0"), tmp_path))
    for symbol, (_, function) in PLACES.items():
        assert not SPELLED or (found[symbol].function or "").startswith(function)
        assert (found[symbol].file, found[symbol].line, found[symbol].package) == (None, None, "growth")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return built(tmp_path, "g++", "-O2", "-g")


def wheel_of(data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("growth/growth.so", data)
        archive.writestr("growth-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-linux_x86_64\n")
        archive.writestr("growth-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: growth\nVersion: 1\n")
        archive.writestr("growth-1.dist-info/RECORD", "")
    return stream.getvalue()


def tar_of(name: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def deb_of(data: bytes) -> bytes:
    found = b"!<arch>\n"
    for name, content in {"debian-binary": b"2.0\n", "data.tar.gz": tar_of("./usr/lib/growth.so", data)}.items():
        found += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content
        found += b"\n" * (len(content) % 2)
    return found


@pytest.mark.parametrize("kind", ["whl", "tar.gz", "deb", "wheel in a tar.gz", "folder"])
def test_inside_of_artifacts(kind: str, library: Path, tmp_path: Path) -> None:
    data = library.read_bytes()
    name = "growth-1-py3-none-linux_x86_64.whl"
    (tmp_path / "dist").mkdir()
    contents = {
        "whl": (name, wheel_of(data)),
        "tar.gz": ("growth.tar.gz", tar_of("growth-1/lib/growth.so", data)),
        "deb": ("growth_1_amd64.deb", deb_of(data)),
        "wheel in a tar.gz": ("all.tar.gz", tar_of(f"all/{name}", wheel_of(data))),
        "folder": ("growth.so", data),
    }
    file, content = contents[kind]
    (tmp_path / "dist" / file).write_bytes(content)
    found = sites(judged(tmp_path / "dist" if kind == "folder" else tmp_path / "dist" / file, tmp_path))
    for symbol, ((_, mark), _) in PLACES.items():
        assert (found[symbol].file, found[symbol].line) == ("src/growth.cc", line_of(mark, SOURCE))


def test_every_report_leads_to_the_line(library: Path, tmp_path: Path) -> None:
    report = judged(library, tmp_path)
    line = line_of("inlined", SOURCE)
    shown = [text.render(report, color=False, width=None), markdown.render(report), overview.render(report, limit=9999)]
    assert all(f"src/growth.cc:{line}" in one for one in shown)
    data = json.loads(json_report.render(report))
    (site,) = next(one for one in data["artifacts"][0]["findings"] if one["symbol"] == "pow")["sites"]
    assert (site["file"], site["line"]) == ("src/growth.cc", line)
    results = json.loads(sarif.render(report))["runs"][0]["results"]
    locations = [one["locations"][0]["physicalLocation"] for one in results]
    regions = {(one["artifactLocation"]["uri"], one["region"]["startLine"]) for one in locations}
    expected = {("src/growth.cc", line_of(mark, SOURCE)) for (_, mark), _ in PLACES.values()}
    assert regions >= expected
    annotations = annotate(report, repository.find(tmp_path, tmp_path, {}), more="more")
    assert {(one.file, one.line) for one in annotations} >= expected


def stripped(library: Path) -> None:
    subprocess.run([needed("strip", "apt-get install binutils"), library], check=True)


def test_a_debug_folder_that_is_not_there(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["check", "--debug-dir", str(library.parent / "none"), str(library)])
    assert exit_.value.code == 2
    assert capsys.readouterr().err == f"glibc-guard: --debug-dir {library.parent / 'none'}: no such folder\n"


def test_truncated_debug_information_gives_no_line_and_no_other_verdict(library: Path, tmp_path: Path) -> None:
    debug = tmp_path / "debug"
    debug.mkdir()
    objcopy = needed("objcopy", "apt-get install binutils")
    subprocess.run([objcopy, "--only-keep-debug", library, debug / "growth.debug"], check=True)
    subprocess.run([objcopy, "--add-section", ".unused=/dev/null", "--strip-debug", library], check=True)
    whole = sites(judged(library, tmp_path, debug_dirs=(debug,)))
    assert whole["pow"].line == line_of("inlined", SOURCE)
    data = (debug / "growth.debug").read_bytes()
    for part in range(1, 10):
        (debug / "growth.debug").write_bytes(data[: len(data) * part // 10])
        report = judged(library, tmp_path, debug_dirs=(debug,))
        assert report.verdict == "fail"
        assert {site.line for site in sites(report).values()} <= {None, *(one.line for one in whole.values())}


def test_a_stripped_library_says_so_in_every_report(library: Path, tmp_path: Path) -> None:
    stripped(library)
    report = judged(library, tmp_path)
    assert {(site.file, site.line) for site in sites(report).values()} == {(None, None)}
    assert "src/growth.cc" not in text.render(report, color=False, width=None)
    assert all(
        one.file != "src/growth.cc" for one in annotate(report, repository.find(tmp_path, tmp_path, {}), more="more")
    )
