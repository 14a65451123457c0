"""Goes back to the objects of findings, and adds the places that use the symbols. No verdict depends on it."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Final, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from glibc_guard.artifacts import ArtifactError, Fetched, Limits, Member, open_artifact, reported
from glibc_guard.elf import ElfError
from glibc_guard.explain.object_file import Memory, ObjectFile
from glibc_guard.explain.object_sites import ObjectSites, sites_in
from glibc_guard.explain.references import Wanted
from glibc_guard.faults import own_fault
from glibc_guard.model import ArtifactReport, Finding
from glibc_guard.settings import Settings

WAITING: Final = 4  # objects of a stream that are unpacked ahead, each held or in a temporary file meanwhile

#: Path of the wheel inside the artifact (None: the artifact itself), and of the object in it.
Place: TypeAlias = "tuple[str | None, str]"
Result: TypeAlias = "ObjectSites | str"  # or why there is none


class Reading(Struct, frozen=True):
    """How objects are read again."""

    settings: Settings
    limits: Limits
    pool: Executor
    fetched: Fetched | None = None  # of remote ones
    memory: Memory = field(default_factory=Memory)


def explained(reports: Sequence[ArtifactReport], origins: Sequence[str], reading: Reading) -> list[ArtifactReport]:
    """Return ``reports`` with the sites of every finding about a symbol of an object.

    Args:
        reports: What was judged.
        origins: For each report the path of the file or folder that it was read from.
        reading: How to read them again.
    """
    found: dict[str, dict[Place, Result]] = {}
    for origin in dict.fromkeys(origins):
        own = [report for report, path in zip(reports, origins, strict=True) if path == origin]
        wanted = _wanted(own, origin)
        found[origin] = _results(origin, wanted, reading) if wanted else {}
    pairs = zip(reports, origins, strict=True)
    return [_with_sites(report, _wheel(report, origin), found[origin]) for report, origin in pairs]


def is_about_symbols(finding: Finding) -> bool:
    """Tell whether code or data may be named that brings ``finding``: a symbol, or all symbols of a version."""
    return finding.object is not None and (finding.symbol is not None or finding.version is not None)


def _wanted(reports: Sequence[ArtifactReport], origin: str) -> dict[Place, set[Wanted]]:
    wanted: dict[Place, set[Wanted]] = {}
    for report in reports:
        for finding in filter(is_about_symbols, report.findings):
            place = (_wheel(report, origin), finding.object or "")
            wanted.setdefault(place, set()).add(Wanted(finding.symbol, finding.version))
    return wanted


def _wheel(report: ArtifactReport, origin: str) -> str | None:
    """Return the path of the wheel inside ``origin`` that ``report`` is about; None where it is about all of it."""
    return None if report.path == reported(origin) else report.path[len(reported(origin)) + 1 :]


def _with_sites(report: ArtifactReport, wheel: str | None, found: Mapping[Place, Result]) -> ArtifactReport:
    findings = tuple(_located(finding, found.get((wheel, finding.object or ""))) for finding in report.findings)
    remarks = [
        remark
        for (inside, path), result in found.items()
        if inside == wheel
        for remark in (_unknown(path, result) if isinstance(result, str) else result.remarks)
    ]
    return replace(report, findings=findings, notes=(*report.notes, *dict.fromkeys(remarks)))


def _unknown(path: str, reason: str) -> tuple[str, ...]:
    return (f"where {path} uses the symbols of its findings is not known: {reason}",)


def _located(finding: Finding, result: Result | None) -> Finding:
    if result is None or isinstance(result, str) or not is_about_symbols(finding):
        return finding
    found = result.found.get(Wanted(finding.symbol, finding.version))
    return finding if found is None else replace(finding, sites=found.sites, uses=found.uses)


def _results(origin: str, wanted: Mapping[Place, set[Wanted]], reading: Reading) -> dict[Place, Result]:
    found: dict[Place, Result] = {}
    try:
        with open_artifact(origin, reading.limits, reading.fetched) as opened:
            found.update(_looked_through(opened.members(), wanted, reading))
    except (ArtifactError, OSError) as error:
        return {place: found.get(place, _reason(error)) for place in wanted}
    except Exception as error:  # noqa: BLE001  # hostile input met a fault of ours: what was judged stays as it is
        return {place: found.get(place, _reason(error)) for place in wanted}
    return found


def _looked_through(
    members: Iterator[Member], wanted: Mapping[Place, set[Wanted]], reading: Reading
) -> Iterator[tuple[Place, Result]]:
    """Yield what each wanted object holds; of a stream the object is unpacked as it passes by."""
    waiting: deque[tuple[Place, Future[Result]]] = deque()
    left = set(wanted)
    while left and (member := next(members, None)) is not None:
        place = (None if member.wheel is None else member.wheel.path, member.path)
        if place not in left:
            continue
        left.remove(place)
        symbols = frozenset(wanted[place])
        if member.sequential:
            waiting.append((place, _of_stream(member, symbols, reading)))
        else:
            waiting.append((place, reading.pool.submit(_of_member, member, symbols, reading)))
        if len(waiting) > WAITING:
            first, future = waiting.popleft()
            yield first, future.result()
    yield from ((place, future.result()) for place, future in waiting)


def _of_stream(member: Member, symbols: frozenset[Wanted], reading: Reading) -> Future[Result]:
    try:
        file = ObjectFile.of_member(member, reading.memory)
    except (ArtifactError, OSError, ValueError) as error:
        failed: Future[Result] = Future()
        failed.set_result(_reason(error))
        return failed
    return reading.pool.submit(_of_file, file, member, symbols, reading.settings)


def _of_member(member: Member, symbols: frozenset[Wanted], reading: Reading) -> Result:
    try:
        file = ObjectFile.of_member(member, reading.memory)
    except (ArtifactError, OSError, ValueError) as error:
        return _reason(error)
    return _of_file(file, member, symbols, reading.settings)


def _of_file(file: ObjectFile, member: Member, symbols: frozenset[Wanted], settings: Settings) -> Result:
    with contextlib.ExitStack() as stack:
        stack.enter_context(file)
        try:
            return sites_in(file, member, symbols, settings)
        except (ElfError, OSError) as error:
            return _reason(error)
        except Exception as error:  # noqa: BLE001  # as above
            return _reason(error)


def _reason(error: Exception) -> str:
    if isinstance(error, (ArtifactError, ElfError)):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.strerror or error}"
    return own_fault(error)
