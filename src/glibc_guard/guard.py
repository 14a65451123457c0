"""The pipeline: paths become artifacts, artifacts become findings, findings become one report with one verdict."""

from __future__ import annotations

import atexit
import datetime
import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from glibc_guard import __version__
from glibc_guard.artifacts import Fetched, Limits
from glibc_guard.model import Artifact, ArtifactReport, Report, Shard, Tool, Verdict
from glibc_guard.reading import Progress, Reader
from glibc_guard.settings import FailOn, Settings
from glibc_guard.sharding import share, with_contents
from glibc_guard.urls import is_url, refused

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from glibc_guard.baseline import PackageIndex, Source
    from glibc_guard.comparing import Comparer
    from glibc_guard.ignores import IgnoreList

EXIT_CLEAN, EXIT_FINDINGS, EXIT_USAGE, EXIT_UNREADABLE = 0, 1, 2, 3
NO_BASELINE = "a baseline is required (baseline-required), and none is named: add --baseline OLD, or baseline = …"


class UsageError(Exception):
    """A request that cannot be carried out as asked; the message says what to change."""


def check(
    paths: Sequence[str | os.PathLike[str]],
    settings: Settings,
    *,
    today: datetime.date | None = None,
    progress: Progress | None = None,
    index: PackageIndex | None = None,
) -> Report:
    """Judge every path, or those of the shard, and return the report; what a fault of a rule concerns is unreadable.

    A path may be a URL, which is read over the network.

    Raises:
        UsageError: no path was given, or one does not exist, or it is no list of them; or the baseline is none.
        TargetError: a target is unknown, or does not exist for the architecture of an artifact.
    """
    own, shard = _requested(paths, settings)
    source = _required_baseline(settings)
    with _threads(settings.jobs) as pool, Fetched(settings.limits.remote_bytes) as fetched:
        work = _Work(settings, today, pool, progress, fetched)
        # Facts take more memory than reports: they are kept only as long as they are judged.
        for group in [own] if settings.together else [[path] for path in own]:
            work.judge(group, explain=source is None)  # a baseline brings findings of its own, at the end
        remarks = () if source is None else work.compare(source, index)
    report = _report(_advised(work.reports, work.comments), (*work.ignores.remarks(), *remarks))
    return report if shard is None else replace(report, shard=with_contents(shard, report.artifacts))


def _requested(paths: Sequence[str | os.PathLike[str]], settings: Settings) -> tuple[Sequence[str], Shard | None]:
    """Return the paths to judge, and the shard that they are; raises as `check` does, before anything is read."""
    if not isinstance(settings, Settings):
        raise UsageError(f"{settings!r:.200} is no Settings: write Settings(targets=…), or load(file, folder)")
    texts = _texts(paths)
    _refuse_missing(texts)
    _refuse_unknown(settings.targets)
    if settings.shard is None:
        return texts, None
    if settings.together:
        raise UsageError("a shard sees a part of the artifacts only, and cannot judge all of them together")
    return share(texts, settings.shard)


def _required_baseline(settings: Settings) -> Source | None:
    if settings.baseline is not None:
        return _opened(settings.baseline)
    if settings.baseline_required:
        raise UsageError(NO_BASELINE)
    return None


class _Work(Struct, frozen=True, dict=True):
    """What a check has to do, and what it has found so far."""

    settings: Settings
    today: datetime.date | None
    pool: Executor
    progress: Progress | None
    fetched: Fetched
    reports: list[ArtifactReport] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)  # of each report the path that it was read from
    comments: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)  # of artifacts, by object

    @cached_property
    def ignores(self) -> IgnoreList:
        """What is ignored; asked for when the first artifact was read, since it imports what judges."""
        from glibc_guard.ignores import IgnoreList  # noqa: PLC0415  # lazy, see _import_rules

        return IgnoreList(self.settings.ignores, self.today or datetime.datetime.now(datetime.timezone.utc).date())

    def judge(self, paths: Sequence[str], *, explain: bool) -> None:
        """Read and judge ``paths``, all of them as one process may load them."""
        settings = self.settings
        read = Reader(settings.limits, self.pool, self.progress, _import_rules, self.fetched, settings.digests).read
        found = [(path, artifact) for path in paths for artifact in read(path)]
        origins = [path for path, _ in found]
        judged = _judged([artifact for _, artifact in found], settings, self.ignores)
        if explain:
            judged = self._explained(judged, origins)
            self.fetched.close()
        self.reports.extend(judged)
        self.origins.extend(origins)
        for _, artifact in found:
            self.comments[artifact.path] = {item.path: item.comments for item in artifact.objects if item.comments}

    def compare(self, source: Source, index: PackageIndex | None) -> tuple[str, ...]:
        """Hold all reports against the baseline, and return remarks on it."""
        comparer = _comparer(source, _reader(self.settings.limits, self.pool, self.progress), index)
        compared, remarks = comparer.judged(self.reports, self.settings, self.ignores)
        self.reports[:] = self._explained(compared, self.origins)
        return remarks

    def _explained(self, reports: list[ArtifactReport], origins: Sequence[str]) -> list[ArtifactReport]:
        """Return ``reports`` with the places that use the symbols of their findings, where that is wanted."""
        wanted = any(one.version or one.symbol for report in reports for one in report.findings)
        if not (self.settings.explain and wanted):
            return reports
        from glibc_guard.explain.culprits import Reading, explained  # noqa: PLC0415  # lazy, wanted only with findings

        with _computing():
            return explained(reports, origins, Reading(self.settings, self.settings.limits, self.pool, self.fetched))


def diff(
    old: str | os.PathLike[str],
    new: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
    index: PackageIndex | None = None,
) -> Report:
    """Tell what changed from ``old`` to ``new``, without a judgement; the verdict is "unreadable" or "pass".

    Raises:
        UsageError: one of them does not exist, or is no artifact and no report.
    """
    old, new = _texts([old, new])
    source, other = _opened(old), _opened(new)
    if other.requirement is not None:
        raise UsageError(f"{new}: only the first of the two may come from an index")
    with _threads(jobs) as pool:
        read = _reader(limits, pool, progress)
        reports = read(new) if other.report is None else other.report.artifacts
        reports, remarks = _comparer(source, read, index).told(reports)
    return _report(reports, remarks)


def _texts(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Return ``paths`` as strings; raises UsageError where it is a single one, whose letters would be paths too."""
    if isinstance(paths, (str, bytes, os.PathLike)):
        raise UsageError(f"paths is {paths!r:.200}: write a list, […]")
    try:
        return [*map(os.fsdecode, paths)]
    except TypeError as error:
        wrong = next((path for path in paths if not isinstance(path, (str, bytes, os.PathLike))), paths)
        raise UsageError(f"{wrong!r:.200} is no path: write a list of strings or pathlib.Path") from error


def hurry() -> None:
    """Set the interpreter up for a check; for commands, whose process is all their own.

    It changes threads fifty times as often, since one that is done with a piece waits so long to go on. It looks for
    garbage more rarely, and not at all at its end: next to nothing here refers to itself, so that what is dropped is
    free at once.
    """
    sys.setswitchinterval(0.0001)  # seconds; the default is 0.005
    gc.set_threshold(100_000)  # objects; the default is 700
    atexit.register(gc.freeze)


@contextmanager
def _computing() -> Iterator[None]:
    """Let threads that wait for nothing be changed no more often than that: to change them is all that it would do."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(max(before, 0.002))  # seconds
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def _threads(jobs: int | None) -> Iterator[Executor]:
    """Give a pool; where the work ends early its threads are not waited for, and start nothing more."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # lazy: brings logging, 3 ms of --version

    pool = ThreadPoolExecutor(jobs or os.cpu_count() or 1)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _refuse_unknown(targets: Sequence[str]) -> None:
    """Raise TargetError for an unknown name, before anything is read."""
    if tuple(targets) != Settings().targets:
        from glibc_guard.targets.resolution import resolve  # noqa: PLC0415  # lazy, see _import_rules

        resolve(targets, None, ())


def _judged(artifacts: Sequence[Artifact], settings: Settings, ignores: IgnoreList) -> list[ArtifactReport]:
    from glibc_guard.judging import judged  # noqa: PLC0415  # lazy, see _import_rules

    return judged(artifacts, settings, ignores)


def _import_rules() -> None:
    """Import what judges, which takes as long as reading a small wheel, while the threads inflate."""
    import glibc_guard.judging  # noqa: F401, PLC0415


def _comparer(source: Source, read: Callable[[str], list[ArtifactReport]], index: PackageIndex | None) -> Comparer:
    from glibc_guard.baseline import PackageIndex  # noqa: PLC0415  # lazy, most checks have no baseline
    from glibc_guard.comparing import Comparer  # noqa: PLC0415  # lazy

    return Comparer(source, read, index or PackageIndex.of_this_machine())


def _opened(baseline: str) -> Source:
    from glibc_guard.baseline import BaselineError, opened  # noqa: PLC0415  # lazy

    try:
        return opened(baseline)
    except BaselineError as error:
        raise UsageError(str(error)) from error


def _reader(limits: Limits | None, pool: Executor, progress: Progress | None) -> Callable[[str], list[ArtifactReport]]:
    from glibc_guard.comparing import unjudged  # noqa: PLC0415  # lazy

    read = Reader(limits or Limits(), pool, progress).read
    return lambda path: [unjudged(artifact) for artifact in read(path)]


def _report(reports: Sequence[ArtifactReport], notes: tuple[str, ...]) -> Report:
    from glibc_guard.verdict import worst  # noqa: PLC0415  # lazy

    verdict = worst([report.verdict for report in reports] or ["pass"])  # of an empty shard
    return Report(Tool("glibc-guard", __version__), verdict, tuple(reports), notes=notes)


def _advised(
    reports: Sequence[ArtifactReport], comments: Mapping[str, Mapping[str, Sequence[str]]]
) -> list[ArtifactReport]:
    """Return ``reports`` with hints that say why a symbol is there, and how to be rid of it."""
    if not any(report.findings for report in reports):
        return [*reports]
    from glibc_guard.explain.advice import advised  # noqa: PLC0415  # lazy: reads the knowledge table

    return [advised(report, comments.get(report.path, {})) for report in reports]


def exit_status(report: Report, fail_on: FailOn) -> int:
    """Return 0 clean, 1 findings at or above ``fail_on``, 3 something could not be read; 3 wins over 1."""
    return status_of(report.verdict, fail_on)


def status_of(verdict: Verdict, fail_on: FailOn = "error") -> int:
    """Return the exit status that ``verdict`` makes."""
    if verdict == "unreadable":
        return EXIT_UNREADABLE
    return EXIT_FINDINGS if verdict == "fail" and fail_on != "never" else EXIT_CLEAN


def _refuse_missing(paths: Sequence[str]) -> None:
    if not paths:
        raise UsageError("nothing to check: name at least one wheel, archive, folder or ELF file")
    for path in paths:
        if not path:
            raise UsageError("a path is empty: is a variable not set?")
        if is_url(path):
            refusal = refused(path)
            if refusal is not None:
                raise UsageError(refusal)
            continue
        if not os.path.lexists(path):
            raise UsageError(f"{path}: no such file or folder{_hint_for_glob(path)}")


def _hint_for_glob(path: str) -> str:
    if any(wildcard in path for wildcard in "*?["):
        return " (the pattern matched nothing)"
    beside = Path(path).parent
    return "" if beside.is_dir() else f" (there is no folder {beside} either)"
