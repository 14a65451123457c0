"""The compatibility matrix: what loads on which distribution, as a picture that is understood at a glance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os.path import commonpath
from typing import Final, Literal

from msgspec import Struct

from glibc_guard.model import NOT_LOADED, ArtifactReport, Report, RunsOn
from glibc_guard.report.grouping import by_object, errors_in
from glibc_guard.targets import distros
from glibc_guard.targets.symbol_version import at_most
from glibc_guard.verdict import report_of_object

#: What is said of a row and a distribution: of several, the first of these that holds. Only "refused" breaks a promise.
Cell = Literal["refused", "not promised", "loads", "no such architecture"]
_WORST_FIRST: Final[tuple[Cell, ...]] = ("refused", "not promised", "loads", "no such architecture")

ROWS_SHOWN: Final = 40  # of artifacts or objects; the others are counted

_OTHERS: Final = "all others"
#: What their makers call them for short; in a picture there is no room for more.
_SHORT: Final = {"Red Hat Enterprise Linux": "RHEL", "SUSE Linux Enterprise Server": "SLES", "openSUSE Leap": "Leap"}


class Column(Struct, frozen=True):
    """A distribution."""

    id: str
    name: str
    glibc: str

    @property
    def short_name(self) -> str:
        """The name with its maker's abbreviation."""
        found = next((name for name in _SHORT if self.name.startswith(name)), None)
        return self.name if found is None else self.name.replace(found, _SHORT[found])


class Row(Struct, frozen=True):
    """An artifact or an object; ``cells`` go with the columns."""

    name: str
    cells: tuple[Cell, ...]
    reach: float | None  # share (0…1) of x86_64 downloads whose systems load it; None where not known
    errors: int = 0  # as reports show them, of whatever rule: what loads by its versions may fail for another reason
    stands_for: int = 1  # how many artifacts or objects it stands for

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to see here."""
        return self.loads_everywhere and not self.errors

    @property
    def loads_everywhere(self) -> bool:
        """Whether no distribution refuses it, promised or not."""
        return not {"refused", "not promised"} & set(self.cells)


class Matrix(Struct, frozen=True):
    """Rows, the worst first, by columns, the oldest glibc first."""

    noun: str  # what a row is: "artifact" or "object"
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def fails_otherwise(self) -> bool:
        """Whether there are errors, none of which the table can show."""
        return "refused" not in self.cells and any(row.errors for row in self.rows)

    @property
    def cells(self) -> frozenset[Cell]:
        """What there is to explain."""
        return frozenset(cell for row in self.rows for cell in row.cells)

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
    return _matrix("artifact", [(name, one, _errors(one)) for name, one in zip(names, judged, strict=True)])


def of_artifact(artifact: ArtifactReport) -> Matrix:
    """Return the matrix of the objects of ``artifact``."""
    if not artifact.runs_on:
        return _matrix("object", [])
    loaded = [item for item in artifact.objects if item.kind not in NOT_LOADED]
    groups = by_object(artifact.findings)
    rows = [(item.path, report_of_object(artifact, item), errors_in(groups.get(item.path, ()))) for item in loaded]
    return _matrix("object", rows)


def by_release(matrix: Matrix, row: Row) -> list[Cell]:
    """Return the cells of ``row`` joined by glibc release: refused by one distribution of it is refused."""
    found: dict[str, list[Cell]] = {}
    for column, cell in zip(matrix.columns, row.cells, strict=True):
        found.setdefault(column.glibc, []).append(cell)
    return [_worst(cells) for cells in found.values()]


def short_names(paths: Sequence[str]) -> list[str]:
    """Return ``paths`` without the folders that all of them share."""
    folders = {path.rpartition("/")[0] for path in paths}
    if len({folder.startswith("/") for folder in folders}) != 1:
        return list(paths)
    shared = commonpath(folders).rstrip("/")
    return [path[len(shared) + 1 :] if shared and path.startswith(f"{shared}/") else path for path in paths]


def _errors(artifact: ArtifactReport) -> int:
    return sum(map(errors_in, by_object(artifact.findings).values()))


def _matrix(noun: str, members: Sequence[tuple[str, ArtifactReport, int]]) -> Matrix:
    known = {entry.distro for _, member, _ in members for entry in member.runs_on}
    columns = tuple(Column(entry.id, entry.name, entry.glibc) for entry in distros.distributions() if entry.id in known)
    rows = sorted((_row(*member, columns) for member in members), key=_worst_first)
    return Matrix(noun, columns, tuple(_shortened(rows)))


def _row(name: str, member: ArtifactReport, errors: int, columns: Iterable[Column]) -> Row:
    loads = _by_distribution(member.runs_on)
    cells = tuple(_cell(loads.get(column.id), promised=_is_promised(member, column)) for column in columns)
    known = member.downloads_lost is not None and "loads" in cells  # a musl library loads on none, whatever its floor
    return Row(name, cells, 1 - (member.downloads_lost or 0) if known else None, errors)


def _cell(loads: bool | None, *, promised: bool) -> Cell:  # noqa: FBT001  # what the report says
    if loads is None:
        return "no such architecture"
    return "loads" if loads else "refused" if promised else "not promised"


def _is_promised(member: ArtifactReport, column: Column) -> bool:
    """Tell whether some target of ``member`` is as old as the glibc of ``column``, or older; all targets must hold."""
    architectures = {item.arch for item in member.objects}
    ceilings = [target.ceilings.get("GLIBC") for target in member.targets if target.arch in architectures]
    return any(ceiling is not None and at_most(ceiling, column.glibc) for ceiling in ceilings)


def _by_distribution(entries: Iterable[RunsOn]) -> dict[str, bool]:
    """Return whether each distribution loads it; one that refuses it on any architecture does not."""
    found: dict[str, bool] = {}
    for entry in entries:
        found[entry.distro] = found.get(entry.distro, True) and entry.loads
    return found


def _worst_first(row: Row) -> tuple[int, bool, int, str]:
    return -row.cells.count("refused"), not row.errors, -row.cells.count("not promised"), row.name


def _shortened(rows: Sequence[Row]) -> list[Row]:
    """Return the worst rows; what is clean is one row where there is anything else to see, or too much."""
    plenty = len(rows) > ROWS_SHOWN or any(not row.is_clean for row in rows)
    shown = [row for row in rows if not (plenty and row.is_clean)][:ROWS_SHOWN]
    left = [row for row in rows if row not in shown]
    if len(left) == 1:
        return [*shown, left[0]]
    return [*shown, *_joined(left)]


def _joined(left: Sequence[Row]) -> list[Row]:
    if not left:
        return []
    cells = tuple(_worst(cells) for cells in zip(*(row.cells for row in left), strict=True))
    reach = min((row.reach for row in left if row.reach is not None), default=None)
    return [Row(_OTHERS, cells, reach, sum(row.errors for row in left), stands_for=len(left))]


def _worst(cells: Iterable[Cell]) -> Cell:
    return min(cells, key=_WORST_FIRST.index)
