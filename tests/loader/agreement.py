"""Holds what the rules say of one object against what the real loader says, and explains each difference, or not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from glibc_guard.artifacts.member import MemoryFile, PlainContent
from glibc_guard.elf import read_object
from glibc_guard.model import Artifact, ElfObject, Finding, Target
from glibc_guard.rules import judge
from glibc_guard.rules.linkage import Linkage, is_glibc_library
from glibc_guard.settings import Settings
from glibc_guard.targets import glibc_symbols
from loader.judge import Glibc, LoaderVerdict

VERSION_RULES: Final = frozenset({"symbol-version-too-new", "private-symbol", "loader-marker"})
SYMBOL_RULES: Final = frozenset({*VERSION_RULES, "symbol-missing"})


@dataclass
class Agreement:
    """What came of many comparisons: agreements, differences that a known limit explains, and all others."""

    objects: int = 0
    refused: int = 0  # objects about which the loader and the rules both complain
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        limits = "".join(f"\n    {count:6} {limit}" for limit, count in sorted(self.explained.items()))
        return f"{self.objects} objects, {self.refused} refused by both, {len(self.unexplained)} unexplained{limits}"


def read(path: Path) -> ElfObject:
    data = path.read_bytes()
    return read_object(str(path), len(data), PlainContent(MemoryFile(data)))


def findings_of(item: ElfObject, release: str, artifact: Artifact | None = None) -> tuple[Finding, ...]:
    """Judge one object for a plain glibc release, by itself or as part of ``artifact``."""
    whole = artifact or Artifact(item.path, "elf", item.size, None, 1, (item,))
    target = Target(release, "option", item.architecture, "glibc", {"GLIBC": release})
    return tuple(
        finding for finding in judge(whole, (target,), Settings(allow_empty=True)) if finding.object == item.path
    )


def compare(
    item: ElfObject,
    glibc: Glibc,
    verdict: LoaderVerdict,
    agreement: Agreement,
    *,
    stubs: bool,
    artifact: Artifact | None = None,
) -> None:
    """Compare the missing versions and the missing symbols of one object, and file each difference."""
    findings = findings_of(item, glibc.release, artifact)
    agreement.objects += 1
    if verdict.fatal is not None and not verdict.missing_libraries:
        _compare_refusal(item, verdict, findings, agreement)
        return
    versions = {(f.library, f.version) for f in findings if f.rule in VERSION_RULES and f.library and f.version}
    symbols = {(f.symbol, f.version) for f in findings if f.rule in SYMBOL_RULES and f.symbol}
    agreement.refused += bool(versions & set(verdict.missing_versions))
    linkage = Linkage.of(artifact, item.architecture) if artifact else Linkage((item,), kind="elf")
    context = _Context(item, glibc, verdict, findings, linkage, stubs)
    for library, version in sorted(versions ^ set(verdict.missing_versions)):
        ours = (library, version) in versions
        _file(
            agreement,
            context,
            context.explain_version(library or "", version or "", ours=ours),
            (library, version),
            ours=ours,
        )
    for symbol, of_version in sorted(symbols ^ set(verdict.missing_symbols), key=str):
        ours = (symbol, of_version) in symbols
        limit = context.explain_symbol(symbol or "", of_version, ours=ours)
        _file(agreement, context, limit, (symbol, of_version), ours=ours)


def _compare_refusal(
    item: ElfObject, verdict: LoaderVerdict, findings: tuple[Finding, ...], agreement: Agreement
) -> None:
    """A refusal ends the loader's work, so that only the kind of it can be compared."""
    fatal = verdict.fatal or ""
    rules = {finding.rule for finding in findings}
    expected = {
        "DT_RELR": "relr-without-marker",
        "Inconsistency": "orphan-version-need",
        "page-aligned": "page-alignment",
    }
    for word, rule in expected.items():
        if word in fatal and rule in rules:
            agreement.refused += 1
            return
    if item.kind in {"static", "debug"} or not item.needed:
        agreement.explained["objects without libraries crash a trace"] += 1
    else:
        agreement.unexplained.append(f"{item.path}: the loader says {fatal}, the rules {sorted(rules)}")


def _file(
    agreement: Agreement, context: _Context, limit: str | None, what: tuple[str | None, str | None], *, ours: bool
) -> None:
    if limit is not None:
        agreement.explained[limit] += 1
    else:
        who = "the rules alone" if ours else "the loader alone"
        agreement.unexplained.append(f"{context.item.path} on {context.glibc.name}: {who}: {what}")


@dataclass
class _Context:
    item: ElfObject
    glibc: Glibc
    verdict: LoaderVerdict
    findings: tuple[Finding, ...]
    linkage: Linkage
    stubs: bool

    def explain_version(self, library: str, version: str, *, ours: bool) -> str | None:
        """Name the limit of the method that a difference about a version comes from; None where there is none."""
        limits = {
            "the loader itself is the host's, so that needs on it are met": (
                ours and self.stubs and library.startswith("ld-linux")
            ),
            "GLIBC_PRIVATE is there in every glibc, but another one": (
                ours and not self.stubs and version == "GLIBC_PRIVATE"
            ),
            "a marker that this distribution backported": (
                ours and not self.stubs and version.startswith("GLIBC_ABI_")
            ),
            "versions of a library that is not on this machine are not checked": (
                ours and library in self.verdict.missing_libraries
            ),
            "a glibc library without symbol lists is the host's": (
                ours and self.stubs and glibc_symbols.judged_by_number(library)
            ),
            "the look-up before 2.30 is stricter than this machine's loader": (
                ours and (library, version) in self.verdict.weak_versions and self._before_2_30()
            ),
            "a library outside of glibc: a release as target says nothing of it": (
                not ours and not is_glibc_library(library)
            ),
        }
        return next((limit for limit, applies in limits.items() if applies), None)

    def explain_symbol(self, symbol: str, version: str | None, *, ours: bool) -> str | None:
        """Name the limit of the method that a difference about a symbol comes from; None where there is none."""
        return self._ours_alone(symbol, version) if ours else self._loader_alone(symbol, version)

    def _before_2_30(self) -> bool:
        return tuple(map(int, self.glibc.release.split("."))) < (2, 30)

    def _ours_alone(self, symbol: str, version: str | None) -> str | None:
        finding = next(
            f for f in self.findings if (f.symbol, f.version) == (symbol, version) and f.rule in SYMBOL_RULES
        )
        by_version = version and self.explain_version(finding.library or "", version, ours=True)
        mentioned = any(s.relocated for s in self.item.undefined if (s.name, s.version) == (symbol, version))
        limits = {
            "weak symbols are never listed by the loader; their version is": finding.binding == "weak",
            f"symbol: {by_version}": bool(by_version),
            "no relocation mentions the symbol; its version is asked for all the same": not mentioned,
            "the look-up before 2.30 is stricter than this machine's loader": (
                "before 2.30 does not look further" in finding.message
            ),
            "a later release took the symbol away, and a target means every later release": (
                "and later" in finding.message
            ),
            "a library of unknown content meets it": finding.severity == "warning" and version is None,
        }
        return next((limit for limit, applies in limits.items() if applies), None)

    def _loader_alone(self, symbol: str, version: str | None) -> str | None:
        definitions = self._table().definitions(symbol)
        symbols = [s for s in self.item.undefined if (s.name, s.version) == (symbol, version)]
        library = symbols[0].library if symbols else None
        if version is not None and library is not None and not is_glibc_library(library):
            return "a symbol of a library outside of glibc"
        if version is None and not definitions and self.item.kind == "shared":
            return "an unversioned symbol that glibc never had: the program that loads the library brings it"
        _, complete = self.linkage.closure(self.item)
        if version is None and not definitions and not complete:
            return "an unversioned symbol of a library outside of glibc"
        if version is None and self.item.kind == "shared":
            return "an unversioned symbol of a glibc library that is not needed: the program that loads it has it"
        if self.verdict.missing_libraries:
            return "a library is not on this machine, so that nothing in it is found"
        return None

    def _table(self) -> glibc_symbols.SymbolTable:
        return glibc_symbols.load(self.item.architecture)
