"""The pipeline of ``fix``: check, repair a copy as far as that is provably safe, check that, and only then keep it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from glibc_guard import __version__
from glibc_guard.artifacts import ArtifactError, Limits, Member, open_artifact
from glibc_guard.guard import EXIT_CLEAN, EXIT_FINDINGS, UsageError, check
from glibc_guard.limits import beyond
from glibc_guard.model import FIXABLE_KINDS, NOT_LOADED, Artifact, ArtifactReport, Finding, Report, Tool
from glibc_guard.reading import Progress, Reader
from glibc_guard.repair import FixReport, Outcome, Refusal, Repair, RepairedObject, RepairError, Wish, repaired
from glibc_guard.repair.copies import NewContent, Surroundings, write_copy
from glibc_guard.repair.executable_stack import RULE as EXECUTABLE_STACK
from glibc_guard.repair.version_needs import RULE as VERSION_TOO_NEW
from glibc_guard.repair.version_needs import Need
from glibc_guard.settings import Settings
from glibc_guard.urls import is_url, shown
from glibc_guard.verdict import failing

#: Rules whose message tells a number that a repair may change: of findings, or of the bytes of the artifact.
COUNTING_RULES: Final = frozenset({"wheel-tag-dishonest", "member-too-large", "forbidden-member"})
NOT_OF_A_FILE: Final = {
    "tar": "tar archives are not rewritten: unpack it, repair the folder, and pack that",
    "sdist": "a source distribution is not repaired: repair the wheel that is built of it",
    "deb": "Debian packages are not rewritten: repair what is packed, and build the package of that",
    "conda": "conda packages are not rewritten: repair what is packed, and build the package of that",
}


class NotFixedError(Exception):
    """The artifact cannot be read in full, or its copy does not pass as it must; nothing was written."""


class Request(Struct, frozen=True):
    """What is asked of ``fix``."""

    path: str
    out: str | None  # None with dry_run alone
    clear_executable_stack: bool = False
    dry_run: bool = False


def fix(request: Request, settings: Settings, *, progress: Progress | None = None) -> FixReport:
    """Repair a copy of an artifact, and tell what was done, what was not and why, and what remains.

    Raises:
        UsageError: the request cannot be carried out on this artifact, or not to that place.
        TargetError: as of `check`.
        NotFixedError: something cannot be read, or the check of the copy does not agree. Nothing is left behind.
    """
    if is_url(request.path):
        raise UsageError(f"{shown(request.path)}: is not on this machine: download it and repair that")
    settings = replace(settings, baseline=None, baseline_required=False, together=False, explain=False)
    before = check([request.path], settings, progress=progress)
    judged = before.artifacts[0]
    _refuse_unread(before)
    if judged.kind not in FIXABLE_KINDS:
        raise UsageError(f"{request.path}: {NOT_OF_A_FILE.get(judged.kind, 'is of a kind that is not repaired')}")
    place = _place(request, judged)
    wishes, refusals = _wishes(before, request)
    contents, results = _repaired(judged, request.path, wishes, settings.limits) if wishes else ({}, [])
    repairs = tuple(repair for result in results for repair in result.repairs)
    remaining = _failing(before, settings)
    keep = place if not request.dry_run and (repairs or not remaining) else None
    if repairs or keep is not None:
        # A dry run that was given no place makes its copy in the temporary folder.
        with _aside(place) as folder:
            copy = folder / (place.name if place is not None else Path(request.path).absolute().name)
            _write(judged, request.path, copy, contents)
            after = _renamed(check([str(copy)], settings, progress=progress), str(copy), request.path)
            _refuse_disagreement(before, after, repairs, request.path)
            remaining = _failing(after, settings)
            if keep is not None:
                _keep(copy, keep)
    return FixReport(
        tool=Tool("glibc-guard", __version__),
        path=judged.path,
        output=str(keep) if keep is not None else None,
        dry_run=request.dry_run,
        outcome=_outcome(repairs, remaining),
        repairs=repairs,
        refusals=(*refusals, *(refusal for result in results for refusal in result.refusals)),
        remaining=_not_told_to_fix(remaining, request),
        notes=tuple(before.notes),
    )


def _not_told_to_fix(findings: Sequence[Finding], request: Request) -> tuple[Finding, ...]:
    """Return ``findings`` without the advice to repair what was just refused; what was not asked for may be."""
    from glibc_guard.explain.advice import without_repair  # noqa: PLC0415  # lazy: reads the knowledge table

    tried = {VERSION_TOO_NEW, *([EXECUTABLE_STACK] if request.clear_executable_stack else [])}
    return tuple(without_repair(finding) if finding.rule in tried else finding for finding in findings)


def fix_status(report: FixReport) -> int:
    """Return 0 where nothing that fails the check remains, else 1."""
    return EXIT_FINDINGS if report.remaining else EXIT_CLEAN


def _outcome(repairs: Sequence[Repair], remaining: Sequence[Finding]) -> Outcome:
    if repairs:
        return "partly fixed" if remaining else "fixed"
    return "not fixed" if remaining else "nothing to fix"


# --- where it goes ----------------------------------------------------------------------------------------------------


def _place(request: Request, judged: ArtifactReport) -> Path | None:
    """Return the path of the copy; refuses the input itself, and whatever is there already where that is no file."""
    if request.out is None:
        if not request.dry_run:
            raise UsageError("where does the repaired copy go? Add -o OUT (or --dry-run, to see what would be done)")
        return None
    if not request.out or "\0" in request.out:
        raise UsageError("-o is empty or no path: is a variable not set?")
    source, out = Path(request.path), Path(request.out)
    if judged.kind == "folder":
        return _place_of_folder(source, out)
    if out.is_dir() or request.out.endswith("/"):
        out /= source.name
    if judged.kind == "wheel" and out.name != source.name:
        raise UsageError(
            f"{out}: a wheel keeps its file name: name a folder ({out}/), or a path that ends in {source.name}"
        )
    if _real(out) == _real(source) or (out.exists() and out.samefile(source)):
        raise UsageError(f"{out}: is the input itself; the repaired copy goes to another place")
    if os.path.lexists(out) and not out.is_file():
        raise UsageError(f"{out}: exists and is no file")
    return out


def _place_of_folder(source: Path, out: Path) -> Path:
    if os.path.lexists(out):
        raise UsageError(f"{out}: exists; the copy of a folder goes to a folder that does not exist yet")
    if _real(out).is_relative_to(_real(source)):
        raise UsageError(f"{out}: lies in the folder that is to be copied: name a place outside of it")
    return out


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # Path.resolve fails on links in a circle before Python 3.13


@contextmanager
def _aside(place: Path | None) -> Iterator[Path]:
    """Give a folder beside ``place``, from where a copy can be renamed at one stroke; removed at the end."""
    with contextlib.ExitStack() as cleaning:
        if place is not None:
            _make(place.parent, cleaning)
        try:
            made = tempfile.mkdtemp(prefix=".glibc-guard.", dir=place.parent if place is not None else None)
        except OSError as error:
            raise UsageError(
                f"{place or 'the temporary folder'}: cannot be written: {error.strerror or error}"
            ) from error
        cleaning.callback(shutil.rmtree, made, ignore_errors=True)
        # Named as the user named the place: from Python 3.12 on mkdtemp gives an absolute path.
        yield place.parent / Path(made).name if place is not None else Path(made)


def _make(folder: Path, cleaning: contextlib.ExitStack) -> None:
    """Make ``folder``; what was not there before and is empty at the end goes again."""
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        try:
            missing.mkdir(exist_ok=True)
        except OSError as error:
            raise UsageError(f"{missing}: cannot be made: {error.strerror or error}") from error
        cleaning.callback(_remove_empty, missing)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # something was put there
        folder.rmdir()


def _write(judged: ArtifactReport, source: str, copy: Path, contents: Mapping[str, NewContent]) -> None:
    try:
        write_copy(judged.kind, Path(source), copy, contents)
    except RepairError as error:
        raise UsageError(f"{source}: {error}") from error
    except OSError as error:
        raise UsageError(f"{source}: cannot be copied to {copy.parents[1]}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    """Return why a file cannot be copied; of a folder (``shutil.Error``) the first of the reasons."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        return str(error.args[0][0][2])
    return error.strerror or str(error)


def _keep(copy: Path, place: Path) -> None:
    try:
        copy.replace(place)
    except OSError as error:
        raise UsageError(f"{place}: cannot be written: {error.strerror or error}") from error


# --- what is repaired -------------------------------------------------------------------------------------------------


def _wishes(before: Report, request: Request) -> tuple[dict[str, Wish], list[Refusal]]:
    """Return what is to be repaired by object; what lies in a wheel inside the artifact is refused."""
    needs: dict[str, dict[Need, None]] = {}
    stacks: dict[str, None] = {}
    refusals: list[Refusal] = []
    for number, artifact in enumerate(before.artifacts):
        musl = {target.name for target in artifact.targets if target.libc == "musl"}
        for finding in artifact.findings:
            if finding.rule not in {VERSION_TOO_NEW, EXECUTABLE_STACK} or finding.object is None:
                continue
            reason = None
            if number:
                reason = "lies in a wheel inside the artifact: repair that wheel by itself"
            elif finding.target in musl:
                reason = "is built for glibc, and the target is musl: build it on musl"
            elif finding.rule == EXECUTABLE_STACK and not request.clear_executable_stack:
                reason = (
                    "is taken back only on request: add --clear-executable-stack, if you know that no code needs it"
                )
            if reason is not None:
                path = f"{artifact.path}/{finding.object}" if number else finding.object
                refusals.append(Refusal(finding.rule, path, reason, finding.library, finding.version, finding.symbol))
            elif finding.rule == EXECUTABLE_STACK:
                stacks[finding.object] = None
            elif finding.library is not None and finding.version is not None:
                needs.setdefault(finding.object, {})[Need(finding.library, finding.version)] = None
    objects = sorted({*needs, *stacks})
    return {path: Wish(tuple(needs.get(path, ())), path in stacks) for path in objects}, refusals


def _repaired(
    judged: ArtifactReport, path: str, wishes: Mapping[str, Wish], limits: Limits
) -> tuple[dict[str, NewContent], list[RepairedObject]]:
    """Repair each object that there is a wish for, in memory."""
    with ThreadPoolExecutor(1) as pool:
        facts = Reader(limits, pool).read(path)[0]
    contents: dict[str, NewContent] = {}
    results: list[RepairedObject] = []
    defined = _definer(facts)
    for name, data in _objects(judged, path, wishes, limits):
        if isinstance(data, str):
            results.append(RepairedObject(b"", (), tuple(_refused(name, wishes[name], data))))
            continue
        (item,) = (one for one in facts.objects if one.path == name)
        try:
            result = repaired(data, item, wishes[name], lambda symbol, name=name: defined(symbol, name))  # type: ignore[misc]
        except RepairError as error:
            raise NotFixedError(str(error)) from error
        results.append(result)
        if result.repairs:
            contents[name] = NewContent(data, result.data)
    return contents, results


def _refused(name: str, wish: Wish, reason: str) -> Iterator[Refusal]:
    for need in wish.needs:
        yield Refusal(VERSION_TOO_NEW, name, reason, need.library, need.version)
    if wish.executable_stack:
        yield Refusal(EXECUTABLE_STACK, name, reason)


def _objects(
    judged: ArtifactReport, path: str, wishes: Mapping[str, Wish], limits: Limits
) -> Iterator[tuple[str, bytes | str]]:
    """Yield path and content of each object that there is a wish for; in place of the content, why there is none."""
    try:
        surroundings = Surroundings.of(judged.kind, Path(path))
        with open_artifact(path, limits) as opened:
            for member in opened.members():
                if member.path not in wishes or member.wheel is not None:
                    continue
                reason = surroundings.why_not(member.path, opened.archives)
                if member.size > limits.sequential_object_bytes:
                    what = f"has {member.size} bytes, and is repaired in memory"
                    reason = beyond(what, "sequential_object_bytes", limits.sequential_object_bytes)
                yield member.path, reason or _content(member)
    except (ArtifactError, RepairError) as error:
        raise NotFixedError(f"{path}: {error}") from error


def _content(member: Member) -> bytes:
    with contextlib.closing(member.open()) as content:
        data = content.read(0, member.size)
        content.verify()
        return data


def _definer(facts: Artifact) -> Callable[[str, str], str | None]:
    """Return what tells which object defines a symbol."""

    def defined(symbol: str, user: str) -> str | None:
        architecture = next(one.architecture for one in facts.objects if one.path == user)
        holders = (one for one in facts.objects if one.architecture == architecture and one.kind not in NOT_LOADED)
        return next((one.path for one in holders if symbol in one.defined), None)

    return defined


# --- whether it is right ----------------------------------------------------------------------------------------------


def _refuse_unread(before: Report) -> None:
    if before.verdict == "unreadable":
        reasons = [
            f"{finding.object or artifact.path}: {finding.message}"
            for artifact in before.artifacts
            for finding in artifact.findings
            if finding.rule in {"unreadable", "nothing-to-check"}
        ]
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        raise NotFixedError(f"{reasons[0] if reasons else before.artifacts[0].path}{more}; nothing was written")


def _failing(report: Report, settings: Settings) -> tuple[Finding, ...]:
    """Return the findings that fail the check, those of wheels inside too."""
    return failing(_findings(report), settings.fail_on)


def _refuse_disagreement(before: Report, after: Report, repairs: Sequence[Repair], source: str) -> None:
    """Raise NotFixedError unless the findings that were repaired are gone and no other has come."""
    come = [*(Counter(map(_identity, _findings(after))) - Counter(map(_identity, _findings(before))))]
    if come:
        what = come[0][-1] or come[0][0]
        raise NotFixedError(f"{source}: the check of the repaired copy finds what was not there before: {what}")
    gone = {(repair.rule, repair.object, repair.library, repair.version) for repair in repairs}
    for finding in _findings(after):
        if (finding.rule, finding.object, finding.library, finding.version) in gone:
            raise NotFixedError(f"{source}: the check of the repaired copy still finds: {finding.message}")


def _findings(report: Report) -> Iterator[Finding]:
    for artifact in report.artifacts:
        yield from artifact.findings


def _identity(finding: Finding) -> tuple[str | None, ...]:
    message = None if finding.rule in COUNTING_RULES else finding.message
    return (
        *(finding.rule, finding.severity, finding.object),
        *(finding.symbol, finding.version, finding.library, message),
    )


def _renamed(report: Report, copy: str, source: str) -> Report:
    """Return the report of ``copy`` as if it were that of ``source``: a bare file's object is called like the file."""

    def renamed(finding: Finding) -> Finding:
        return replace(
            finding,
            object=source if finding.object == copy else finding.object,
            message=finding.message.replace(copy, source),
        )

    artifacts = (replace(one, findings=tuple(map(renamed, one.findings))) for one in report.artifacts)
    return replace(report, artifacts=tuple(artifacts))
