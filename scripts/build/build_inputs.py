"""The inputs of the build: checked before anything is started, each wrong one with what it may be."""

from __future__ import annotations

import json
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from step import StepError, lines, text, words, working_folder, workspace

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS: Final = ("wheel", "rust", "command")
#: The architectures that GitHub has native runners for; nothing is emulated.
ARCHITECTURES: Final = ("x86_64", "aarch64")
IMAGES: Final = Path(__file__).with_name("images.json")

#: The policies of auditwheel; ``scripts/update_manylinux_policies.py`` makes the table, which names its source.
POLICIES: Final = Path(__file__).parents[2] / "src" / "glibc_guard" / "data" / "manylinux_policies.json"

_IMAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PYTHON_TAG: Final = re.compile(r"[a-z]+\d+\w*(-[a-z]+\d+\w*)?")
_PROFILE: Final = re.compile(r"(manylinux(?:1|2010|2014)|(?:many|musl)linux_\d+_\d+)(?:_[a-z]\w*)?")
_GLIBC: Final = re.compile(r"2\.\d+")
#: PEP 600 names what the older profiles are aliases of.
_ALIASES: Final = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


@dataclass(frozen=True)
class BuildInputs:
    """What is built, in what and how."""

    kind: str
    architecture: str
    image: str
    pythons: tuple[str, ...]  # folders of /opt/python
    build_command: str
    before: str
    artifacts: tuple[str, ...]  # globs as the gate takes them
    platforms: Mapping[str, str]  # manylinux, musllinux → what `auditwheel repair --plat` is asked for in such an image
    toolchain: str  # empty: as the project's rust-toolchain.toml says, else stable
    profile: str
    folder: Path
    workspace: Path


def read(environment: Mapping[str, str]) -> BuildInputs:
    """Return the inputs of this step.

    Raises:
        StepError: an input has a value that it must not have.
    """
    architecture = _one_of(environment, "architecture", ARCHITECTURES)
    if architecture != platform.machine():
        raise StepError(f"The architecture {architecture} is not that of this runner, which is {platform.machine()}")
    if _NAME.fullmatch(text(environment, "artifact-name")) is None:
        raise StepError("The input artifact-name may hold letters, digits, dots, dashes and underscores")
    result = BuildInputs(
        kind=_one_of(environment, "kind", KINDS),
        architecture=architecture,
        image=_image(text(environment, "image"), architecture),
        pythons=tuple(_python_tag(tag) for tag in words(environment, "python")),
        build_command=text(environment, "build-command"),
        before=text(environment, "before"),
        artifacts=lines(environment, "artifacts"),
        platforms=_platforms(words(environment, "target"), architecture),
        toolchain=_name(environment, "rust-toolchain"),
        profile=_name(environment, "rust-profile"),
        folder=working_folder(environment),
        workspace=workspace(environment),
    )
    _refuse_contradictions(result)
    return result


def _refuse_contradictions(given: BuildInputs) -> None:
    if given.kind == "wheel" and not given.pythons:
        raise StepError("kind: wheel needs the input python: folders of /opt/python in the image, such as cp312-cp312")
    if given.kind == "wheel" and given.build_command:
        raise StepError("kind: wheel builds with pip wheel; use before to prepare, or kind: command")
    if given.kind == "command" and not given.build_command:
        raise StepError("kind: command needs the input build-command")
    if given.build_command and not given.artifacts:
        raise StepError(
            "Where a build-command is given, the input artifacts has to say what it makes, such as build/mytool"
        )


def _one_of(environment: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = text(environment, name)
    if value not in allowed:
        raise StepError(f"The input {name} is {value!r}; it may be {', '.join(allowed)}")
    return value


def _name(environment: Mapping[str, str], name: str) -> str:
    value = text(environment, name)
    if value and _NAME.fullmatch(value) is None:
        raise StepError(f"The input {name} is {value!r}; it may hold letters, digits, dots, dashes and underscores")
    return value


def _image(value: str, architecture: str) -> str:
    pinned: Mapping[str, Mapping[str, str]] = json.loads(IMAGES.read_text(encoding="utf-8"))["images"]
    if value in pinned:
        return pinned[value][architecture]
    name = value.replace("{arch}", architecture)
    if _IMAGE.fullmatch(name) is None:
        raise StepError(
            f"The input image is {value!r}; it may be {', '.join(pinned)} (pinned by digest), or an image by its name, "
            "in which {arch} stands for the architecture"
        )
    return name


def _python_tag(tag: str) -> str:
    if _PYTHON_TAG.fullmatch(tag) is None:
        raise StepError(f"The input python: {tag!r} is no folder of /opt/python; those are called cp312-cp312")
    # Free-threaded CPython is another ABI of the same version: cp314-cp314t.
    return tag if "-" in tag else f"{tag.removesuffix('t')}-{tag}"


def _platforms(targets: tuple[str, ...], architecture: str) -> dict[str, str]:
    """Return the platform tag of the oldest target that is a profile or a glibc release: one for each family named."""
    known: dict[str, list[tuple[int, ...]]] = {}
    for target in targets:
        if match := _PROFILE.fullmatch(target):
            family = "musllinux" if match[1].startswith("musl") else "manylinux"
            version = _ALIASES.get(match[1]) or tuple(int(number) for number in match[1].split("_")[1:])
            known.setdefault(family, []).append(version)
        elif _GLIBC.fullmatch(target):
            known.setdefault("manylinux", []).append(tuple(map(int, target.split("."))))
    return {family: _policy(family, min(versions), architecture) for family, versions in known.items()}


def _policy(family: str, version: tuple[int, ...], architecture: str) -> str:
    """Return the tag of the newest policy that promises no more than ``version``; auditwheel takes no other tag."""
    policies = json.loads(POLICIES.read_text(encoding="utf-8"))["policies"]
    versions = [
        tuple(map(int, policy["name"].split("_")[1:]))
        for policy in policies
        if policy["name"].startswith(f"{family}_") and architecture in policy["ceilings"]
    ]
    chosen = max((known for known in versions if known <= version), default=version)
    return f"{family}_{'_'.join(map(str, chosen))}_{architecture}"
