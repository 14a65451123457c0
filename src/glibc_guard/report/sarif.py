"""The report as SARIF 2.1.0, for code scanning: an alert for each thing that is wrong, the same one after a rebuild.

What GitHub makes of a file, and where it stops reading, is told in its pages "SARIF support for code scanning" and
"SARIF results exceed one or more limits".
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import PurePath
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import msgspec
from msgspec import Struct

from glibc_guard.baseline.names import wheel_name, without_version
from glibc_guard.baseline.objects import steady
from glibc_guard.model import SEVERITIES, ArtifactReport, Finding, Report, Severity, Site
from glibc_guard.report.grouping import count
from glibc_guard.report.neutral import plain
from glibc_guard.report.sites import LARGEST_LINE
from glibc_guard.report.spelling import readable
from glibc_guard.rules.catalogue import CATALOGUE
from glibc_guard.urls import page

Json: TypeAlias = dict[str, Any]

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
PROJECT: Final = "https://github.com/org/glibc-guard"
MAXIMUM_RESULTS: Final = 5000  # of a run; code scanning shows no more, and refuses a file with more than 25,000
MAXIMUM_BYTES: Final = 10 * 1000 * 1000  # of the file when gzip has packed it
MAXIMUM_DESCRIPTION: Final = 1024  # characters
MAXIMUM_RELATED: Final = 50  # locations of a result; 100 are shown, the first of them the place itself
MAXIMUM_URI: Final = 4096  # characters of a path before they are encoded; PATH_MAX of Linux
RUST_HASH: Final = re.compile(r"17h[0-9a-f]{16}(?=E)")  # at the end of a mangled name
LISTED: Final = 5

_RECOMMENDATION: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "note": "recommendation"}


class _Alert(Struct, frozen=True):
    """Findings that are one to a reader: the same thing in the builds for several Pythons, or at the same line."""

    identity: str
    site: Site | None  # of the first finding, where it is in the repository
    findings: tuple[tuple[Finding, ArtifactReport], ...]

    @property
    def first(self) -> Finding:
        return self.findings[0][0]

    @property
    def severity(self) -> Severity:
        return min((finding.severity for finding, _ in self.findings), key=SEVERITIES.index)


def render(report: Report, *, manifest: str | None = None, maximum_bytes: int = MAXIMUM_BYTES) -> bytes:
    """Return ``report`` as a SARIF file with one run: the worst of it, if it is more than code scanning takes.

    Args:
        report: What to show.
        manifest: The file of the repository, relative to its root, that stands for what no line of its sources is known
            of: an alert is shown only at a file of the repository. None: the artifact itself, as it was named.
        maximum_bytes: How large the file may be when gzip has packed it.
    """
    alerts = sorted(_alerts(report), key=_rank)
    shown = alerts[:MAXIMUM_RESULTS]
    while True:
        rendered = (
            msgspec.json.format(msgspec.json.encode(_log(report, shown, len(alerts), manifest)), indent=1) + b"\n"
        )
        if len(shown) <= 1 or len(gzip.compress(rendered, 6)) <= maximum_bytes:
            return rendered
        shown = shown[: len(shown) // 2]


def identity(finding: Finding, artifact: ArtifactReport) -> str:
    """Return what stays the same of ``finding`` from build to build: no version, hash, tag of a Python or address."""
    wheel = wheel_name(artifact.path)
    where = None if finding.object is None or finding.object == artifact.path else steady(finding.object)
    parts = (
        finding.rule,
        finding.symbol and RUST_HASH.sub("", finding.symbol),
        finding.version,
        finding.library and steady(finding.library),
        wheel.name if wheel else without_version(artifact.path),
        where,
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _alerts(report: Report) -> list[_Alert]:
    groups: dict[tuple[str, ...], list[tuple[Finding, ArtifactReport]]] = {}
    for artifact in report.artifacts:
        for finding in artifact.findings:
            site = _site(finding)
            # Of two results of one rule at one line code scanning would show one: it goes by a hash of the line alone.
            key = (finding.rule, f"{site.file}", f"{site.line}") if site else (identity(finding, artifact),)
            groups.setdefault(key, []).append((finding, artifact))
    return [_Alert(identity(*group[0]), _site(group[0][0]), tuple(group)) for group in groups.values()]


def _site(finding: Finding) -> Site | None:
    """Return the first site that an alert can be shown at."""
    return next(filter(_is_shown, finding.sites), None)


def _is_shown(site: Site) -> bool:
    return site.in_repository and bool(site.file) and 0 < (site.line or 0) <= LARGEST_LINE


def _rank(alert: _Alert) -> tuple[int, bool]:
    """The worst first; within a severity as in the report, what could not be read before all."""
    return SEVERITIES.index(alert.severity), alert.first.rule != "unreadable"


def _log(report: Report, alerts: Sequence[_Alert], total: int, manifest: str | None) -> Json:
    rules = sorted({alert.first.rule for alert in alerts}, key=[*CATALOGUE].index)
    helps: dict[str, str] = json.loads((resources.files("glibc_guard") / "data" / "rule_help.json").read_text("utf-8"))
    left = total - len(alerts)
    notes = [f"{count(left, 'result')} left out: code scanning takes no more; the JSON report has all"] if left else []
    notes += [*report.notes, *(f"{artifact.path}: {note}" for artifact in report.artifacts for note in artifact.notes)]
    driver = {
        "name": "glibc-guard",
        "semanticVersion": report.tool.version,
        "informationUri": PROJECT,
        "rules": [_rule(rule, helps.get(rule, "")) for rule in rules],
    }
    invocation = {
        "executionSuccessful": True,
        "toolExecutionNotifications": [
            {"level": "note", "message": _message(note)} for note in notes[:MAXIMUM_RESULTS]
        ],
    }
    results = [_result(alert, rules.index(alert.first.rule), manifest) for alert in alerts]
    run = {"tool": {"driver": driver}, "invocations": [invocation], "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: str, text: str) -> Json:
    severity, description = CATALOGUE[rule]
    level = next(level for level in SEVERITIES if level == severity.partition(",")[0])
    address = page(f"rules/{rule}.md")
    meaning = text.removeprefix("## What it means").partition("\n## ")[0].strip().partition("\n\n")[0]
    return {
        "id": rule,
        "name": rule.title().replace("-", ""),
        "shortDescription": {"text": _sentence(description)},
        "fullDescription": {"text": _sentence(" ".join(meaning.split()) or description)},
        "helpUri": address,
        "help": {
            "text": f"{_sentence(description)} See {address}",
            "markdown": f"{text}\n\n[All about {rule}]({address})\n",
        },
        "defaultConfiguration": {"level": level},
        "properties": {
            "tags": ["glibc", "portability"],
            "precision": "very-high",
            "problem.severity": _RECOMMENDATION[level],
        },
    }


def _sentence(text: str) -> str:
    bare = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text).replace("`", "").replace("**", "").rstrip(".:")
    return f"{bare[:1].upper()}{bare[1 : MAXIMUM_DESCRIPTION - 1]}."


def _result(alert: _Alert, rule_index: int, manifest: str | None) -> Json:
    finding, artifact = alert.findings[0]
    fingerprints = {"glibcGuard/v1": alert.identity}
    if alert.site is None:
        # Code scanning goes by this one. Where there is a line the upload action makes it of the line's text, and warns
        # of any other; where there is none it leaves ours alone (github/codeql-action, src/fingerprints.ts).
        fingerprints["primaryLocationLineHash"] = f"{alert.identity}:1"
    properties = {
        "artifact": artifact.path,
        "object": finding.object,
        "symbol": finding.symbol,
        "version": finding.version,
        "library": finding.library,
        "target": finding.target,
    }
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": alert.severity,
        "message": _message(*_lines(alert)),
        "locations": [_location(alert, manifest)],
        "relatedLocations": [_related(number, site) for number, site in enumerate(_others(alert), 1)],
        "partialFingerprints": fingerprints,
        "properties": {name: plain(value) for name, value in properties.items() if value is not None},
    }


def _lines(alert: _Alert) -> Iterable[str]:
    yield from _listed([readable(finding.message) for finding, _ in alert.findings], "similar messages")
    yield from (f"In {place}" for place in _listed([_place(*one) for one in alert.findings], "places"))
    yield from (
        f"Fix: {readable(hint)}" for hint in dict.fromkeys(finding.hint for finding, _ in alert.findings) if hint
    )


def _listed(texts: Sequence[str], noun: str) -> list[str]:
    different = [*dict.fromkeys(texts)]
    more = len(different) - LISTED
    return different if more <= 0 else [*different[:LISTED], f"{more:,} more {noun}"]


def _place(finding: Finding, artifact: ArtifactReport) -> str:
    path = artifact.path
    return path if finding.object is None or finding.object == path else f"{finding.object} ({path})"


def _message(*lines: str) -> Json:
    """Return the lines as a plain text message, in which brackets would make links and braces stand for arguments.

    SARIF 2.1.0, 3.11.5 and 3.11.6.
    """
    text = "\n".join(map(plain, lines[: 3 * LISTED]))
    text = re.sub(r"([\\\[\]])", r"\\\1", text).replace("{", "{{").replace("}", "}}")
    return {"text": re.sub(r"(?<!\w)@", "@\u200b", text, flags=re.ASCII)}  # no mention, should it be shown as Markdown


def _location(alert: _Alert, manifest: str | None) -> Json:
    finding, artifact = alert.findings[0]
    names = [{"fullyQualifiedName": plain(finding.object or artifact.path), "kind": "module"}]
    if alert.site is not None and alert.site.function:
        names.append({"fullyQualifiedName": plain(alert.site.function), "kind": "function"})
    physical = _physical(alert.site) if alert.site else {"artifactLocation": {"uri": _uri(manifest or artifact.path)}}
    return {"physicalLocation": physical, "logicalLocations": names}


def _others(alert: _Alert) -> list[Site]:
    places: dict[tuple[str | None, int | None], Site] = {}
    for site in filter(_is_shown, (site for finding, _ in alert.findings for site in finding.sites)):
        places.setdefault((site.file, site.line), site)
    return [*places.values()][1 : 1 + MAXIMUM_RELATED]


def _related(number: int, site: Site) -> Json:
    message = _message(f"used by {site.function}" if site.function else "used here")
    return {"id": number, "physicalLocation": _physical(site), "message": message}


def _physical(site: Site) -> Json:
    return {"artifactLocation": {"uri": _uri(site.file or "")}, "region": {"startLine": site.line}}


def _uri(path: str) -> str:
    """Return a path as a URI reference, absolute where the path is."""
    posix = PurePath(path[:MAXIMUM_URI]).as_posix()
    encoded = quote(posix.encode("utf-8", "surrogatepass"), safe="/")
    return f"file://{encoded}" if posix.startswith("/") else encoded
