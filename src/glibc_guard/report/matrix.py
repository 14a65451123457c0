"""The compatibility matrix: what loads on which distribution, as a picture that is understood at a glance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from glibc_guard.model import NOT_LOADED, ArtifactReport, Report, RunsOn
from glibc_guard.targets import distros
from glibc_guard.verdict import report_of_object

ROWS_SHOWN: Final = 40  # of artifacts or objects; the others are counted

_OTHERS: Final = "all others"
#: What their makers call them for short; in a picture there is no room for more.
_SHORT: Final = {"Red Hat Enterprise Linux": "RHEL", "SUSE Linux Enterprise Server": "SLES", "openSUSE Leap": "Leap"}


@dataclass(frozen=True, slots=True)
class Column:
    """A distribution."""

    id: str
    name: str
    glibc: str

    @property
    def short_name(self) -> str:
        """The name with its maker's abbreviation."""
        found = next((name for name in _SHORT if self.name.startswith(name)), None)
        return self.name if found is None else self.name.replace(found, _SHORT[found])


@dataclass(frozen=True, slots=True)
class Row:
    """An artifact or an object; ``cells`` go with the columns, None where the distribution has no such architecture."""

    name: str
    cells: tuple[bool | None, ...]
    reach: float | None  # share (0…1) of x86_64 downloads whose systems load it; None where not known
    stands_for: int = 1  # how many artifacts or objects it stands for

    @property
    def loads_everywhere(self) -> bool:
        """Whether no distribution refuses it."""
        return False not in self.cells


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows, the worst first, by columns, the oldest glibc first."""

    noun: str  # what a row is: "artifact" or "object"
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def releases(self) -> tuple[tuple[str, int], ...]:
        """The glibc releases of the columns, in order, each with how many columns have it."""
        found: dict[str, int] = {}
        for column in self.columns:
            found[column.glibc] = found.get(column.glibc, 0) + 1
        return tuple(found.items())


def of_report(report: Report) -> Matrix:
    """Return the matrix of the artifacts, or of the objects where there is one artifact."""
    judged = [artifact for artifact in report.artifacts if artifact.runs_on]
    if len(judged) == 1:
        return of_artifact(judged[0])
    names = short_names([artifact.path for artifact in judged])
    return _matrix("artifact", list(zip(names, judged, strict=True)))


def of_artifact(artifact: ArtifactReport) -> Matrix:
    """Return the matrix of the objects of ``artifact``."""
    if not artifact.runs_on:
        return _matrix("object", [])
    loaded = [item for item in artifact.objects if item.kind not in NOT_LOADED]
    return _matrix("object", [(item.path, report_of_object(artifact, item)) for item in loaded])


def by_release(matrix: Matrix, row: Row) -> list[bool | None]:
    """Return the cells of ``row`` joined by glibc release: refused by one distribution of it is refused."""
    found: dict[str, list[bool | None]] = {}
    for column, cell in zip(matrix.columns, row.cells, strict=True):
        found.setdefault(column.glibc, []).append(cell)
    return [_worst(cells) for cells in found.values()]


def short_names(paths: Sequence[str]) -> list[str]:
    """Return ``paths`` without the folder that all of them share."""
    folders = {path.rpartition("/")[0] for path in paths}
    return [path.rpartition("/")[2] for path in paths] if len(folders) == 1 else list(paths)


def _matrix(noun: str, members: Sequence[tuple[str, ArtifactReport]]) -> Matrix:
    known = {entry.distro for _, member in members for entry in member.runs_on}
    columns = tuple(Column(entry.id, entry.name, entry.glibc) for entry in distros.distributions() if entry.id in known)
    rows = sorted((_row(name, member, columns) for name, member in members), key=_worst_first)
    return Matrix(noun, columns, tuple(_shortened(rows)))


def _row(name: str, member: ArtifactReport, columns: Iterable[Column]) -> Row:
    loads = _by_distribution(member.runs_on)
    cells = tuple(loads.get(column.id) for column in columns)
    known = member.downloads_lost is not None and True in cells  # a musl library loads on none, whatever its floor
    return Row(name, cells, 1 - (member.downloads_lost or 0) if known else None)


def _by_distribution(entries: Iterable[RunsOn]) -> dict[str, bool]:
    """Return whether each distribution loads it; one that refuses it on any architecture does not."""
    found: dict[str, bool] = {}
    for entry in entries:
        found[entry.distro] = found.get(entry.distro, True) and entry.loads
    return found


def _worst_first(row: Row) -> tuple[int, str]:
    return -row.cells.count(False), row.name


def _shortened(rows: Sequence[Row]) -> list[Row]:
    """Return the worst rows; what loads everywhere is one row where there is anything else to see, or too much."""
    plenty = len(rows) > ROWS_SHOWN or any(not row.loads_everywhere for row in rows)
    shown = [row for row in rows if not (plenty and row.loads_everywhere)][:ROWS_SHOWN]
    left = rows[len(shown) :]
    if len(left) == 1:
        return [*shown, left[0]]
    return [*shown, *_joined(left)]


def _joined(left: Sequence[Row]) -> list[Row]:
    if not left:
        return []
    cells = tuple(_worst(cells) for cells in zip(*(row.cells for row in left), strict=True))
    reach = min((row.reach for row in left if row.reach is not None), default=None)
    return [Row(_OTHERS, cells, reach, stands_for=len(left))]


def _worst(cells: Iterable[bool | None]) -> bool | None:
    known = [cell for cell in cells if cell is not None]
    return all(known) if known else None
