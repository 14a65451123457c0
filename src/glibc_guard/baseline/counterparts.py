"""Which artifact of a baseline each artifact is compared with."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from glibc_guard.baseline.errors import UnavailableError
from glibc_guard.baseline.fitting import Fit, fitting
from glibc_guard.baseline.holders import HOLDERS, apart, holders, is_unread, unread
from glibc_guard.baseline.names import wheel_name
from glibc_guard.baseline.pypi import PackageIndex
from glibc_guard.baseline.source import Source
from glibc_guard.model import ArtifactReport
from glibc_guard.settings import PYPI

SHOWN: Final = 3  # names that a remark lists
DOWNLOADS: Final = 4  # at a time

ReportsAt: TypeAlias = Callable[[str], Sequence[ArtifactReport]]  # a path → the reports of what is there, not judged


class Counterpart(Struct, frozen=True):
    """What an artifact is compared with, or why there is nothing; neither where there is nothing to compare."""

    report: ArtifactReport | None = None
    missing: str | None = None
    damaged: bool = False  # missing, and it may be what is there and cannot be read


def counterparts(
    source: Source, reports: Sequence[ArtifactReport], read: ReportsAt, index: PackageIndex
) -> tuple[list[Counterpart], tuple[str, ...]]:
    """Return the counterpart of each of ``reports``, in order, and what of the baseline was compared with nothing."""
    holding = holders([*reports, *(wheel for report in reports for wheel in apart(report)[1])])
    compared = [report for report in reports if id(report) not in holding]
    found, remarks = _found(source, compared, read, index)
    return [_of_holder(report) if id(report) in holding else found[id(report)] for report in reports], remarks


def _found(
    source: Source, compared: Sequence[ArtifactReport], read: ReportsAt, index: PackageIndex
) -> tuple[dict[int, Counterpart], tuple[str, ...]]:
    if source.requirement is None:
        return _paired(source, source.report.artifacts if source.report is not None else read(source.given), compared)
    with ThreadPoolExecutor(DOWNLOADS) as pool:
        found = pool.map(lambda report: _from_index(source, report, read, index), compared)
        return {id(report): one for report, one in zip(compared, found, strict=True)}, ()


def _of_holder(report: ArtifactReport) -> Counterpart:
    """Return what became of a folder of wheels: those of them that cannot be read have no report of their own."""
    damaged = apart(report)[1]
    return Counterpart(missing=f"{damaged[0].path} cannot be read") if damaged else Counterpart()


def _from_index(source: Source, report: ArtifactReport, read: ReportsAt, index: PackageIndex) -> Counterpart:
    wheel = None if report.kind in HOLDERS else wheel_name(report.path)
    if _has_nothing(report):
        return Counterpart()
    if source.requirement is None or wheel is None:
        return Counterpart(missing=f"{source.given} is for wheels alone")
    try:
        path = index.fetch(source.requirement, wheel)
    except UnavailableError as error:
        return Counterpart(missing=f"{source.given}: {error}")
    return Counterpart(replace(read(str(path))[0], path=f"{PYPI}{path.name}"))


def _paired(
    source: Source, given: Sequence[ArtifactReport], compared: Sequence[ArtifactReport]
) -> tuple[dict[int, Counterpart], tuple[str, ...]]:
    whole = [part for report in given for one, wheels in [apart(report)] for part in (one, *wheels)]
    holding = holders(whole)
    former = [report for report in whole if id(report) not in holding and _comparable(report)]
    with_something = [report for report in compared if not _has_nothing(report)]
    found = fitting(former, compared)
    if len(with_something) == 1 and _is_meant(source, given, former, with_something[0]):
        found[id(with_something[0])] = (former[0],)
    used = {one.path for fit in found.values() for one in fit}
    unread_parts = [report for report in whole if report.path not in used and unread(report)]
    missing = _missing(source.given, former, unread_parts)
    pairs = {id(report): _counterpart(report, found.get(id(report), ()), missing) for report in compared}
    return pairs, _remarks([report for report in former if not _is_used(report, used)], unread_parts)


def _is_meant(
    source: Source, given: Sequence[ArtifactReport], former: Sequence[ArtifactReport], report: ArtifactReport
) -> bool:
    """Tell whether the user named one artifact as the baseline, and not a folder or a report of some."""
    if not former or former[0].path != given[0].path or (source.report is not None and len(given) > 1):
        return False
    if len(former) > 1:
        return former[0].kind == "wheel"  # which holds others
    return is_unread(former[0]) or report.kind != "elf" or former[0].kind == "elf"


def _counterpart(report: ArtifactReport, fit: Fit, missing: Counterpart) -> Counterpart:
    if len(fit) == 1:
        return Counterpart(fit[0])
    if fit:
        return Counterpart(missing=f"{len(fit)} of the baseline fit, name one: {_names(fit)}")
    return Counterpart() if _has_nothing(report) else missing


def _missing(given: str, former: Sequence[ArtifactReport], unread_parts: Sequence[ArtifactReport]) -> Counterpart:
    """Return what is said of an artifact without a counterpart: it may be what cannot be read."""
    for report in unread_parts:
        for finding in unread(report) if report.kind in HOLDERS or is_unread(report) else ():
            place = report.path if finding.object is None else f"{report.path}/{finding.object}"
            return Counterpart(missing=f"the baseline {place} cannot be read: {finding.message}", damaged=True)
    reason = "no counterpart of it" if former else "no program, no library and no wheel"
    return Counterpart(missing=f"{given} holds {reason}")


def _has_nothing(report: ArtifactReport) -> bool:
    """Tell whether there is nothing to compare: a source distribution has no native code."""
    return report.kind == "sdist" and not report.objects and not unread(report)


def _is_used(report: ArtifactReport, used: set[str]) -> bool:
    return report.path in used or any(f"{report.path}/{item.path}" in used for item in report.objects)


def _remarks(left_over: Sequence[ArtifactReport], unread_parts: Sequence[ArtifactReport]) -> tuple[str, ...]:
    kinds = (("compared with nothing here", left_over), ("not read to its end", unread_parts))
    return tuple(f"in the baseline, and {what}: {_names(reports)}" for what, reports in kinds if reports)


def _names(reports: Sequence[ArtifactReport]) -> str:
    names = ", ".join(posixpath.basename(report.path.rstrip("/")) for report in reports[:SHOWN])
    return f"{names} and {len(reports) - SHOWN} more" if len(reports) > SHOWN else names


def _comparable(report: ArtifactReport) -> bool:
    """Tell whether there is something to compare with: an empty folder is no baseline."""
    return report.kind == "wheel" or bool(report.objects) or bool(unread(report))
