"""What leaves the job: the files that the gate judged and passed, the report, and one line of JSON for the last job."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from build_inputs import ARCHITECTURES
from step import StepError, plain, set_outputs, text, working_folder, workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Characters of a path that actions/upload-artifact would take for a pattern, or refuses.
_NOT_FOR_UPLOAD: Final = frozenset('*?[]!\\"<>|:\r\n')


#: What a processor runs beside its own code; the Arm servers of GitHub run no 32-bit code.
_ALSO_RUN: Final = {"x86_64": ("i686",), "aarch64": ()}
#: Kinds of object in a report that no loader maps as code of this machine.
_NOT_LOADED: Final = ("relocatable", "core", "device", "debug")


def hand_over(environment: Mapping[str, str]) -> None:
    """Set the outputs ``name``, ``paths``, ``report-name`` and, under the name of the architecture, what became of it.

    Raises:
        StepError: a file cannot be uploaded.
    """
    architecture, verdict = text(environment, "architecture"), text(environment, "verdict") or "error"
    if architecture not in ARCHITECTURES:
        raise StepError(f"The architecture {architecture!r} is none of {', '.join(ARCHITECTURES)}")
    # Both: with `fail-on: never` the gate goes on whatever the verdict is.
    passed = text(environment, "gate") == "success" and verdict == "pass"
    report = text(environment, "report")
    name = f"{text(environment, 'artifact-name')}-{architecture}"
    outcome = {
        "verdict": "error" if passed else verdict,
        "floor": text(environment, "floor"),
        "artifact": "",
        "report": f"report-{name}" if report else "",
    }
    # The report is uploaded also where something is refused below.
    set_outputs(environment, {"report-name": outcome["report"], architecture: json.dumps(outcome)})
    if not passed:
        kept = "Only the report is" if report else "Nothing is"
        why = f"the verdict of the gate is {plain(verdict)}" if report else "nothing was judged"
        print(f"{kept} handed over for {architecture}: {why}")
        return
    document: dict[str, Any] = json.loads(Path(report).read_text(encoding="utf-8"))
    _refuse_other_processors(document, architecture, name)
    paths = _judged(environment, document)
    outcome |= {"verdict": verdict, "artifact": name}
    print(f"Handed over as {name}: {plain(', '.join(paths))}")
    set_outputs(environment, {"name": name, "paths": "\n".join(paths), architecture: json.dumps(outcome)})


def _refuse_other_processors(document: Mapping[str, Any], architecture: str, name: str) -> None:
    """Raise StepError where an object is for another processor, unless that was found and ignored with a reason."""
    fitting = (architecture, *_ALSO_RUN[architecture])
    for artifact in document["artifacts"]:
        ignored = {
            entry["finding"]["object"]
            for entry in artifact["ignored"]
            if entry["finding"]["rule"] == "wrong-architecture"
        }
        for item in artifact["objects"]:
            if item["kind"] not in _NOT_LOADED and item["arch"] not in fitting and item["path"] not in ignored:
                raise StepError(
                    f"{artifact['path']}: {item['path']} is for {item['arch']}, and would be handed over as {name}: "
                    "each architecture is built on a runner of its own; check what holds several with the Action"
                )


def _judged(environment: Mapping[str, str], document: Mapping[str, Any]) -> list[str]:
    """Return the paths that the report is about: what is released is what was looked at."""
    root, folder = workspace(environment), working_folder(environment)
    found: dict[str, None] = {}
    for name in _outermost([artifact["path"] for artifact in document["artifacts"]]):
        path = folder / name
        if "\\" in name and not path.exists():  # the report shows such bytes in hexadecimal
            raise _no_utf_8(name)
        if not path.exists() or not path.resolve().is_relative_to(root):
            raise StepError(f"{name} is not a file of the repository's folder, and so cannot be uploaded")
        if ".." in path.parts:  # upload-artifact takes none
            path = path.resolve() if path.name == ".." else path.parent.resolve() / path.name
        if _NOT_FOR_UPLOAD & set(str(path)) or str(path) != str(path).strip():
            raise StepError(
                f'{name!r} cannot be uploaded: rename it, without * ? [ ] ! \\ " < > | : and white space at the ends'
            )
        _refuse_what_was_not_judged(name, path)
        found[str(path)] = None
    return list(found)


def _outermost(names: Sequence[str]) -> Iterator[str]:
    """Yield ``names`` without those inside another: the report tells of wheels in an archive or folder as well."""
    given = {Path(name) for name in names}
    for name in names:
        above = [parent for parent in Path(name).parents if parent.parts or ".." not in Path(name).parts]
        if given.isdisjoint(above):
            yield name


def _refuse_what_was_not_judged(name: str, top: Path) -> None:
    """Raise StepError where ``top`` holds what the gate does not read, while upload-artifact follows every link."""
    inside = top.resolve()
    if not top.is_dir():
        if not top.is_file():
            raise StepError(f"{name} is neither a file nor a folder, and so cannot be uploaded")
        return
    for parent, folders, files in os.walk(top, onerror=_cannot_be_read):
        for path in (Path(parent, entry) for entry in (*folders, *files)):
            shown = f"{name}/{os.fsencode(path.relative_to(top)).decode('utf-8', 'backslashreplace')}"
            if not _is_utf_8(path):
                raise _no_utf_8(shown)
            if path.is_symlink():
                _refuse_link_out(shown, path, inside)
            elif not stat.S_ISDIR(mode := path.lstat().st_mode) and not stat.S_ISREG(mode):
                raise StepError(f"{shown} is neither a file nor a folder, and so cannot be uploaded: remove it")


def _refuse_link_out(shown: str, path: Path, inside: Path) -> None:
    try:
        target = path.resolve()
    except (OSError, RuntimeError) as error:  # links in a circle, before Python 3.13
        raise StepError(f"{shown} is a link that cannot be followed, and so cannot be uploaded: remove it") from error
    if not target.is_relative_to(inside):
        raise StepError(
            f"{shown} is a link to {path.readlink()}, which is outside of what was judged, and so is not uploaded: "
            "copy the file into the folder (cp -L) or remove the link"
        )


def _is_utf_8(path: Path) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in str(path))


def _no_utf_8(shown: str) -> StepError:
    return StepError(
        f"{shown} cannot be uploaded: its name is no UTF-8 (bytes that are not are shown as \\x…): rename it"
    )


def _cannot_be_read(problem: OSError) -> None:
    raise problem
