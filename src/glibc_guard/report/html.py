"""The report as one HTML file that asks no other host for anything and is whole without a script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape
from msgspec import Struct

from glibc_guard.model import NOT_LOADED, ArtifactReport, Finding, ObjectSummary, Report, Verdict
from glibc_guard.report import matrix
from glibc_guard.report.changes import alike, baseline_name, distributions, headline, rows
from glibc_guard.report.grouping import (
    Group,
    by_object,
    count,
    floor_in_words,
    lost,
    percent,
    promise_in_words,
    summary_line,
)
from glibc_guard.report.neutral import plain
from glibc_guard.report.remedies import Remedies
from glibc_guard.report.sites import SHOWN as SITES_SHOWN
from glibc_guard.report.sites import function_of, named, package_in_words, places_in_all, uses_of, where
from glibc_guard.report.spelling import first_findings, first_of, readable, spelled
from glibc_guard.report.svg import CLASSES
from glibc_guard.sizes import size_in_words
from glibc_guard.targets.symbol_version import at_most, parse
from glibc_guard.urls import OWN_PAGE, page
from glibc_guard.verdict import WORST_FIRST

VERDICTS: Final[dict[Verdict, str]] = {"pass": "Passes", "fail": "Fails", "unreadable": "Could not be judged"}
#: A mark and what it says.
MARKS: Final[dict[matrix.Cell, tuple[str, str]]] = {
    "loads": ("✓", "loads"),
    "refused": ("✗", "promised, and does not load"),
    "not promised": ("\N{EN DASH}", "does not load, and was not promised"),
    "no such architecture": ("", "no such architecture"),
}
RULE_PAGES: Final = page("rules/")
SYMBOLS_SHOWN: Final = 40  # of a group, and of a version of an object; the JSON report has all
OTHER: Final = "without a version"
MUCH: Final = 25  # artifacts: more are folded


class Bar(Struct, frozen=True):
    """How many symbols an object takes of one version; ``symbols`` are the first of them."""

    version: str
    count: int
    symbols: tuple[str, ...]
    too_new: bool  # above what some target promises


class Needs(Struct, frozen=True):
    """The versions of one namespace that an object needs, the oldest first."""

    namespace: str
    bars: tuple[Bar, ...]

    @property
    def most(self) -> int:
        """The largest count."""
        return max(bar.count for bar in self.bars)


def render(report: Report) -> str:
    """Return the whole file."""
    style, script = _asset("report.css"), _asset("report.js")
    return _template().render(
        report=report,
        artifacts=_worst_first(report),
        matrix=matrix.of_report(report),
        style=Markup(style),  # noqa: S704  # ours, no part of an artifact
        script=Markup(script),  # noqa: S704  # likewise
        policy=_policy(style, script),
        fold=len(report.artifacts) > MUCH,
    )


def _worst_first(report: Report) -> list[tuple[str, ArtifactReport]]:
    """Return the artifacts, those that fail first, each with a name as short as it can be."""
    named = zip(matrix.short_names([artifact.path for artifact in report.artifacts]), report.artifacts, strict=True)
    return sorted(named, key=lambda entry: WORST_FIRST.index(entry[1].verdict))


def needs(item: ObjectSummary, artifact: ArtifactReport) -> list[Needs]:
    """Return what ``item`` takes of the system by release, glibc first."""
    found: dict[str, dict[str, list[str]]] = {}
    for entry in item.imports:
        symbol, _, version = entry.partition("@")
        parsed = parse(version)
        namespace = parsed.namespace if parsed else OTHER
        found.setdefault(namespace, {}).setdefault(version or OTHER, []).append(symbol or "(the version alone)")
    return [
        Needs(namespace, tuple(_bar(version, versions[version], artifact) for version in sorted(versions, key=_oldest)))
        for namespace, versions in sorted(found.items(), key=lambda entry: (entry[0] != "GLIBC", entry[0]))
    ]


def _bar(version: str, symbols: Sequence[str], artifact: ArtifactReport) -> Bar:
    parsed = parse(version)
    ceilings = [target.ceilings.get(parsed.namespace) for target in artifact.targets] if parsed else []
    number = ".".join(map(str, parsed.numbers)) if parsed else ""
    too_new = any(ceiling is not None and not at_most(number, ceiling) for ceiling in ceilings)
    return Bar(version, len(symbols), tuple(map(spelled, first_of(symbols, SYMBOLS_SHOWN))), too_new)


def _oldest(version: str) -> tuple[tuple[int, ...], str]:
    parsed = parse(version)
    return (parsed.numbers if parsed else ()), version


def _loaded(artifact: ArtifactReport) -> list[ObjectSummary]:
    """Return the objects that a loader maps, those with findings first."""
    worst = {path: place for place, path in enumerate(by_object(artifact.findings))}
    shown = [item for item in artifact.objects if item.kind not in NOT_LOADED]
    return sorted(shown, key=lambda item: worst.get(item.path, len(worst)))


def _groups(artifact: ArtifactReport) -> Iterator[tuple[str | None, Group]]:
    for path, groups in by_object(artifact.findings).items():
        for group in groups:
            yield path, group


def _messages(group: Group) -> list[str]:
    return list(dict.fromkeys(readable(finding.message) for finding in group.in_full))


def _named(findings: Sequence[Finding]) -> list[tuple[str, bool]]:
    """Return the names that are shown, and whether each is weak."""
    shown = first_findings([finding for finding in findings if finding.symbol], SYMBOLS_SHOWN)
    return [(spelled(finding.symbol or ""), finding.binding == "weak") for finding in shown]


def _remedies(artifact: ArtifactReport) -> Remedies:
    return Remedies([group for _, group in _groups(artifact)])


def _linked(text: str) -> Markup:
    """Return ``text`` as `plain` does, with links where it names pages of our documentation."""
    shown = OWN_PAGE.sub(lambda page: f'<a href="{page[0]}">{page[0]}</a>', str(escape(plain(text))))
    return Markup(shown)  # noqa: S704  # escaped, and what is in the pattern needs no escape


def _policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy: nothing is fetched, and nothing runs but our own script."""
    own = f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _asset(name: str) -> str:
    return (resources.files("glibc_guard.report") / "templates" / name).read_text(encoding="utf-8")


#: Every text that may come from an artifact passes through `plain`: no control character, nothing of endless length.
FILTERS: Final[Mapping[str, Any]] = {
    "plain": plain,
    "linked": _linked,
    "readable": readable,
    "percent": percent,
    "size": size_in_words,
    "floor": floor_in_words,
}
#: What the template may call and look up, by the names that it has there.
NAMES: Final[Mapping[str, Any]] = {
    "CLASSES": CLASSES,
    "MARKS": MARKS,
    "VERDICTS": VERDICTS,
    "RULE_PAGES": RULE_PAGES,
    "SITES_SHOWN": SITES_SHOWN,
    "alike": alike,
    "baseline_name": baseline_name,
    "changed_distributions": distributions,
    "count": count,
    "function_of": function_of,
    "groups": _groups,
    "headline": headline,
    "loaded": _loaded,
    "lost": lost,
    "matrix_of": matrix.of_artifact,
    "messages": _messages,
    "named": _named,
    "needs": needs,
    "package_in_words": package_in_words,
    "places_in_all": places_in_all,
    "promise": promise_in_words,
    "remedies_of": _remedies,
    "rows": rows,
    "summary_line": summary_line,
    "symbols_at": named,
    "uses_of": uses_of,
    "where": where,
}


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("glibc_guard.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    environment.globals.update(NAMES)
    return environment.get_template("report.html.jinja")
