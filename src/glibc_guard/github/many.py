"""The steps of the workflow check-many.yml: list the artifacts, judge one shard of them, join the reports of all."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actions_toolkit import core
from msgspec.structs import replace

from glibc_guard import __version__, guard
from glibc_guard.github import artifact_paths, inputs, repository, step, summary
from glibc_guard.listing import DEFAULT_MATCH, GitHub, ListingError, listing
from glibc_guard.merging import MergeError, Total, merge
from glibc_guard.model import ArtifactReport, Report, Tool
from glibc_guard.report import json, markdown
from glibc_guard.report.grouping import count
from glibc_guard.report.neutral import plain
from glibc_guard.sharding import ShardError, listed, shard_of
from glibc_guard.urls import is_url

if TYPE_CHECKING:
    from glibc_guard.github.annotations import Repository

MOST_JOBS: Final = 256  # of a matrix, GitHub's limit
LEAST_OF_A_SHARD: Final = 25  # artifacts: to start a job takes as long as to judge about so many (docs/scale.md)
SHOWN: Final = 100  # artifacts in the job summary
NAMED: Final = 3  # artifacts in the annotation
LONGEST_REASON: Final = 300  # characters


def main() -> int:
    """Run the step that GLIBC_GUARD_STEP names and return its exit status."""
    chosen = STEPS[os.environ["GLIBC_GUARD_STEP"]]
    return step.in_workspace(lambda workspace, place: _told(chosen, workspace, place))


def _told(chosen: Callable[[Path], int], workspace: Path, place: Repository) -> int:
    try:
        return chosen(workspace)
    except ShardError as problem:
        return step.stop(str(problem), guard.EXIT_USAGE, place)
    except (ListingError, MergeError) as problem:
        return step.stop(str(problem), guard.EXIT_UNREADABLE, place)


# --- the list -------------------------------------------------------------------------------------


def _list(workspace: Path) -> int:
    """Write the list of the artifacts, and tell how many shards it is parted into."""
    given = inputs.read(workspace)
    token = core.get_input("token")
    os.chdir(given.working_folder)
    stores = [line for line in given.artifacts if is_url(line) or line.startswith("release:")]
    globs = [line for line in given.artifacts if line not in stores]
    found: set[str] = set()
    if globs or not stores:
        found.update(artifact_paths.expand(globs, given.working_folder))
    if stores:
        match = inputs.lines("match") or DEFAULT_MATCH
        of_stores = listing(stores, match, GitHub(os.environ.get("GITHUB_API_URL") or GitHub().api, token))
        core.info(f"{of_stores.left_out:,} other files of the stores do not match {plain(' '.join(match))}")
        found.update(of_stores.artifacts)
    if any("\n" in path or "\r" in path for path in found):
        raise inputs.InputError("The input artifacts: a file has a line break in its name")
    number = min(_most_shards(), -(-len(found) // LEAST_OF_A_SHARD))
    path = _temporary("glibc-guard-list.txt")
    path.write_text("".join(f"{one}\n" for one in sorted(found)), encoding="utf-8", errors="surrogateescape")
    core.info(f"glibc-guard: {count(len(found), 'artifact')} in {count(number, 'shard')}")
    shards = f"[{', '.join(map(str, range(1, number + 1)))}]"
    step.set_outputs({"list": str(path), "shards": shards, "count": str(number)})
    return guard.EXIT_CLEAN


def _most_shards() -> int:
    text = core.get_input("shards")
    if not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_JOBS:
        raise inputs.InputError(f"The input shards is {text!r}; it may be 1 to {MOST_JOBS}, the most jobs of a matrix")
    return int(text)


# --- one shard ------------------------------------------------------------------------------------


def _check(workspace: Path) -> int:
    """Judge a shard; what is found does not fail it, since the verdict is that of all shards."""
    given = inputs.read(workspace)
    root = repository.top(workspace, given.working_folder)
    settings = replace(inputs.settings(given), repository=root, shard=shard_of(core.get_input("shard")))
    paths = listed(str(workspace / core.get_input("list")))
    os.chdir(given.working_folder)
    report = guard.check(paths, settings)
    path = _temporary(f"shard-{core.get_input('shard').replace('/', '-of-')}.json")
    path.write_bytes(json.render(report))
    total = Total()
    for artifact in report.artifacts:
        total.add(artifact)
        if artifact.verdict != "pass":
            core.info(_line(artifact))
    core.info(f"glibc-guard: {plain(_sentence(total))}")
    step.set_outputs({"report": str(path)})
    return guard.EXIT_CLEAN


# --- all of them ----------------------------------------------------------------------------------


def _merge(workspace: Path) -> int:
    """Join the reports; the exit status is that of a check of all artifacts."""
    given = inputs.read(workspace)
    settings = inputs.settings(given)
    folder = workspace / core.get_input("reports")
    paths = sorted(folder.rglob("*.json")) if folder.is_dir() else []
    if not paths:
        raise MergeError("There is no report: the list could not be made, or no shard could be judged; see their logs")
    path = _temporary("glibc-guard-report.json")
    floors: set[str] = set()
    shown: list[ArtifactReport] = []

    def see(artifact: ArtifactReport) -> None:
        floors.add(step.floor([artifact]))
        if artifact.verdict != "pass":
            core.info(_line(artifact))
            if len(shown) < SHOWN:
                shown.append(artifact)

    total = merge(paths, path, see)
    step.set_outputs(
        {
            "verdict": total.verdict,
            "artifacts": str(total.artifacts),
            "findings": str(total.findings),
            "floor": max(floors, key=step.release),
            "report": str(path),
        }
    )
    step.add_summary(lambda taken: summary.within(_blocks(total, shown), taken=taken))
    status = guard.status_of(total.verdict, settings.fail_on)
    if status != guard.EXIT_CLEAN:
        named = ", ".join(plain(artifact.path) for artifact in shown[:NAMED]) + (" …" if len(shown) > NAMED else "")
        step.error(f"{_sentence(total)}: {named}. The job summary has more")
    core.info(f"glibc-guard: {_sentence(total)}; JSON report: {plain(str(path))}")
    return status


def _blocks(total: Total, shown: Sequence[ArtifactReport]) -> Iterator[str]:
    yield f"### {markdown.ICONS[total.verdict]} glibc-guard: {_sentence(total)}\n\n"
    if not shown:
        return
    yield from markdown.table(shown)
    others = total.artifacts - total.verdicts["pass"] - len(shown)
    if others:
        yield f"\n{others:,} others that did not pass are in the JSON report.\n"
    yield from markdown.all_details(Report(Tool("glibc-guard", __version__), total.verdict, tuple(shown)))


def _sentence(total: Total) -> str:
    """Return how many passed, failed and could not be judged."""
    number = total.verdicts
    parts = [f"{number['pass']:,} of {count(total.artifacts, 'artifact')} passed"]
    parts += [f"{number['fail']:,} failed"] if number["fail"] else []
    parts += [f"{number['unreadable']:,} could not be judged"] if number["unreadable"] else []
    return ", ".join(parts)


def _line(artifact: ArtifactReport) -> str:
    messages = [finding.message for finding in artifact.findings if finding.severity == "error"]
    why = plain(messages[0], LONGEST_REASON) if messages else ""
    more = f" and {count(len(messages) - 1, 'error')} more" if len(messages) > 1 else ""
    return f"{artifact.verdict.upper()}  {plain(artifact.path)}: {why}{more}"


def _temporary(name: str) -> Path:
    """Return where a file of this step goes."""
    return step.temporary_folder() / name


STEPS: Final[Mapping[str, Callable[[Path], int]]] = {
    "list-many": _list,
    "check-shard": _check,
    "merge-shards": _merge,
}

if __name__ == "__main__":
    sys.exit(main())
