"""Which artifact of a baseline each artifact is compared with."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from glibc_guard.baseline.errors import UnavailableError
from glibc_guard.baseline.names import WheelName, wheel_name, without_version
from glibc_guard.baseline.pypi import PackageIndex
from glibc_guard.baseline.source import Source
from glibc_guard.model import ArtifactReport
from glibc_guard.settings import PYPI

SHOWN: Final = 3  # names that a remark lists
DOWNLOADS: Final = 4  # at a time
HOLDERS: Final = frozenset({"folder", "zip", "tar"})

Reader: TypeAlias = Callable[[str], Sequence[ArtifactReport]]  # a path → the reports of what is there, not judged
Key: TypeAlias = Callable[[ArtifactReport], Hashable | None]


@dataclass(frozen=True, slots=True)
class Counterpart:
    """What an artifact is compared with, or why there is nothing; neither where there is nothing to compare."""

    report: ArtifactReport | None = None
    missing: str | None = None


def counterparts(
    source: Source, reports: Sequence[ArtifactReport], read: Reader, index: PackageIndex
) -> tuple[list[Counterpart], tuple[str, ...]]:
    """Return the counterpart of each of ``reports``, in order, and what of the baseline was compared with nothing."""
    if source.requirement is not None:
        with ThreadPoolExecutor(DOWNLOADS) as pool:
            return list(pool.map(lambda report: _from_index(source, report, read, index), reports)), ()
    former = source.report.artifacts if source.report is not None else read(source.given)
    return _paired(source.given, [report for report in former if not _holds(report, former)], reports)


def _from_index(source: Source, report: ArtifactReport, read: Reader, index: PackageIndex) -> Counterpart:
    if source.requirement is None or report.kind in HOLDERS:
        return Counterpart() if not report.objects else Counterpart(missing=f"{source.given} is for wheels alone")
    wheel = wheel_name(report.path)
    if wheel is None:
        return Counterpart(missing=f"{source.given} is for wheels alone")
    try:
        path = index.fetch(source.requirement, wheel)
    except UnavailableError as error:
        return Counterpart(missing=f"{source.given}: {error}")
    return Counterpart(replace(read(str(path))[0], path=f"{PYPI}{path.name}"))


def _paired(
    given: str, former: Sequence[ArtifactReport], reports: Sequence[ArtifactReport]
) -> tuple[list[Counterpart], tuple[str, ...]]:
    compared = [report for report in reports if not _holds(report, reports)]
    found: dict[int, ArtifactReport] = {}
    if len(former) == len(compared) == 1 and _comparable(former[0]):
        found[id(compared[0])] = former[0]
    for key in (_same_wheel, _only_wheel, _file_name, _name):
        old, new = _once(key, [*filter(_comparable, former)]), _once(key, compared)
        for name, report in new.items():
            if name in old:
                found.setdefault(id(report), old[name])
    reason = "no counterpart of it" if any(map(_comparable, former)) else "no program, no library and no wheel"
    result = [
        Counterpart(found.get(id(report)), None if id(report) in found else f"{given} holds {reason}")
        if any(report is one for one in compared)
        else Counterpart()
        for report in reports
    ]
    used = {id(report) for report in found.values()}
    return result, _left_over([report for report in former if id(report) not in used and _comparable(report)])


def _left_over(former: Sequence[ArtifactReport]) -> tuple[str, ...]:
    if not former:
        return ()
    names = ", ".join(posixpath.basename(report.path) for report in former[:SHOWN])
    more = f" and {len(former) - SHOWN} more" if len(former) > SHOWN else ""
    return (f"in the baseline, and compared with nothing here: {names}{more}",)


def _comparable(report: ArtifactReport) -> bool:
    """Tell whether there is something to compare with: an empty folder is no baseline."""
    unread = any(finding.rule == "unreadable" for finding in report.findings)
    return report.kind == "wheel" or bool(report.objects) or unread


def _holds(report: ArtifactReport, reports: Sequence[ArtifactReport]) -> bool:
    """Tell whether the artifact only holds others of ``reports``, as a folder of wheels does."""
    if report.kind not in HOLDERS or report.objects:
        return False
    return any(other.path.startswith(f"{report.path}/") for other in reports)


def _once(key: Key, reports: Sequence[ArtifactReport]) -> dict[Hashable, ArtifactReport]:
    """Return ``reports`` by ``key``, without those that share one."""
    found: dict[Hashable, list[ArtifactReport]] = {}
    for report in reports:
        name = key(report)
        if name is not None:
            found.setdefault(name, []).append(report)
    return {name: entries[0] for name, entries in found.items() if len(entries) == 1}


def _same_wheel(report: ArtifactReport) -> Hashable | None:
    wheel = wheel_name(report.path)
    return wheel and (wheel.name, frozenset(wheel.interpreters), frozenset(wheel.abis), wheel.systems)


def _only_wheel(report: ArtifactReport) -> Hashable | None:
    """Return what a single wheel keeps when it is made for another Python, or for the stable ABI."""
    wheel: WheelName | None = wheel_name(report.path)
    return wheel and (wheel.name, wheel.systems)


def _file_name(report: ArtifactReport) -> Hashable | None:
    return None if report.kind == "wheel" else posixpath.basename(report.path.rstrip("/"))


def _name(report: ArtifactReport) -> Hashable | None:
    return None if report.kind == "wheel" else without_version(report.path)
