"""Fetches the wheel of a former release by pip itself, with the user's own settings, into a cache."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from glibc_guard.baseline.errors import UnavailableError
from glibc_guard.baseline.names import WheelName
from glibc_guard.targets import glibc

if TYPE_CHECKING:
    from packaging.requirements import Requirement

PATIENCE: Final = 600  # seconds for one download
LONGEST_REASON: Final = 300  # characters of what pip said
NEWEST_MUSLLINUX: Final = 9  # musllinux_1_9: there is no such tag yet, and none in use was ever withdrawn
LEGACY: Final = ("manylinux2014", "manylinux2010", "manylinux1")
#: Where pip looks: a wheel from one index is not taken for that of another.
PLACES: Final = ("PIP_CONFIG_FILE", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_NO_INDEX")
INTERPRETER: Final = re.compile(r"([a-z]+)(\d*)")


class PackageIndex(Struct, frozen=True):
    """Where pip of this machine finds packages, and where what it fetched is kept."""

    python: str  # the interpreter whose pip is asked first
    cache: Path
    environment: Mapping[str, str]

    @classmethod
    def of_this_machine(cls) -> PackageIndex:
        """Take the running interpreter, and the cache folder of the XDG Base Directory Specification."""
        given = os.environ.get("XDG_CACHE_HOME", "")
        folder = Path(given) if os.path.isabs(given) else Path(os.path.expanduser("~")) / ".cache"  # noqa: PTH111, PTH117  # expanduser never fails here
        return cls(sys.executable, folder / "glibc-guard" / "baseline", os.environ)

    def fetch(self, requirement: Requirement, wheel: WheelName) -> Path:
        """Return a wheel of ``requirement`` for the Python, the libc and the architecture of ``wheel``.

        An exact version comes from the cache where it is there. Otherwise it is the newest release that fits, without
        the version of ``wheel`` itself where none was asked for.

        Raises:
            UnavailableError: pip has no such wheel, or there is no pip.
        """
        wanted = _wanted(requirement, wheel)
        kept = self.cache / self._key(wanted, wheel)
        if _is_exact(requirement):
            for path in kept.glob("*.whl"):
                return path
        try:
            kept.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".part-", dir=kept) as aside:
                self._download(wanted, wheel, aside)
                for found in Path(aside).glob("*.whl"):
                    return found.replace(kept / found.name)
        except OSError as error:
            reason = error.strerror or error
            raise UnavailableError(f"the cache {kept} cannot be written: {reason}; set XDG_CACHE_HOME") from error
        raise UnavailableError("pip reports success and brought no wheel")

    def _key(self, wanted: str, wheel: WheelName) -> str:
        places = [self.environment.get(name, "") for name in PLACES]
        parts = repr([wanted, wheel.interpreters, wheel.abis, wheel.platforms, places])
        return f"{wheel.name}-{hashlib.sha256(parts.encode()).hexdigest()[:24]}"

    def _download(self, wanted: str, wheel: WheelName, folder: str) -> None:
        arguments = ["download", "-vv", "--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "--no-input"]
        arguments += ["--disable-pip-version-check", *_tag_options(wheel), "-d", folder, wanted]
        for pip in self._pips():
            done = self._run([*pip, *arguments])
            if done.returncode == 0:
                return
            if "No module named pip" not in done.stderr:
                raise UnavailableError(_reason(wanted, wheel, f"{done.stdout}\n{done.stderr}"))
        raise UnavailableError(
            f"pip is needed to fetch it, and {self.python or 'this Python'} has none, nor has PATH: install pip, or "
            "give a path as baseline"
        )

    def _pips(self) -> Iterator[list[str]]:
        # -I: in the working folder there may be a pip.py, which is no pip
        if self.python:
            yield [self.python, "-I", "-m", "pip"]
        other = shutil.which("pip", path=self.environment.get("PATH", ""))
        if other is not None:
            yield [other]

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, "PIP_REQUIRE_VIRTUALENV": "0", "NO_COLOR": "1"}
        try:
            return subprocess.run(
                command,
                check=False,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired as error:
            raise UnavailableError(f"pip did not finish within {PATIENCE // 60} minutes") from error
        except OSError as error:
            raise UnavailableError(f"{command[0]} cannot be started: {error.strerror or error}") from error


def _is_exact(requirement: Requirement) -> bool:
    (specifier, *more) = [*requirement.specifier] or [None]
    return specifier is not None and not more and specifier.operator == "==" and not specifier.version.endswith(".*")


def _wanted(requirement: Requirement, wheel: WheelName) -> str:
    """Return what pip is asked for: without a version, any but the one that is checked."""
    from packaging.utils import canonicalize_name  # noqa: PLC0415  # lazy, with the rest of packaging

    name = canonicalize_name(requirement.name)
    if not requirement.specifier and name == wheel.name:
        return f"{name}!={wheel.version}"
    return f"{name}{requirement.specifier}"


def _tag_options(wheel: WheelName) -> list[str]:
    interpreter = INTERPRETER.fullmatch(wheel.interpreters[-1])
    implementation, version = (interpreter[1], interpreter[2]) if interpreter else ("py", "3")
    options = ["--implementation", implementation, "--python-version", version or "3", "--abi", wheel.abis[-1]]
    return [*options, *(f"--platform={platform}" for platform in _platforms(wheel))]


def _platforms(wheel: WheelName) -> list[str]:
    """Return the wheel's own platforms, then all of the same libc and architecture, the newest first."""
    found = [*wheel.platforms]
    for libc, arch in wheel.systems:
        if libc == "glibc":
            found += [f"manylinux_2_{number}_{arch}" for number in range(glibc.NEWEST[1], 4, -1)]
            found += [f"{name}_{arch}" for name in (*LEGACY, "linux")]
        elif libc == "musl":
            found += [f"musllinux_1_{number}_{arch}" for number in range(NEWEST_MUSLLINUX, -1, -1)]
    return [*dict.fromkeys(found)]


def _reason(wanted: str, wheel: WheelName, said: str) -> str:
    """Say in one line why pip fetched nothing."""
    tags = f"{wheel.interpreters[-1]}-{wheel.abis[-1]} on {_systems(wheel)}"
    versions = re.search(r"\(from versions: (.+?)\)", said)
    if versions is not None and versions[1] != "none":
        return _shortened(f"the index has no release that is {wanted} for {tags}, only {versions[1]}")
    if "Skipping link: none of the wheel's tags" in said:
        return f"the index has {wanted.partition('!')[0].partition('=')[0]}, but no wheel for {tags}"
    if re.search(r"^ *Ignoring indexes: ", said, re.MULTILINE):
        return "pip is told to ask no index (PIP_NO_INDEX, or no-index in pip.conf)"
    unread = re.findall(r"Could not fetch URL \S+: (.+?)(?: - skipping)?$", said, re.MULTILINE)
    if unread and all(reason.startswith("404 ") for reason in unread):
        return "the index does not know that project"
    if versions is not None and (unread or "Retrying (" in said):
        return _shortened(f"the index cannot be reached: {_cause((unread or ['no connection'])[-1])}")
    errors = re.findall(r"^ERROR: (.+)$", said, re.MULTILINE)
    return _shortened(f"pip could not fetch it: {(errors or ['it does not say why'])[0]}")


def _cause(said: str) -> str:
    """Return the innermost cause of what urllib3 tells: "… (Caused by NewConnectionError('<… object at 0x…>: …'))"."""
    causes = re.findall(r"Caused by \w+\((?:.{0,200}? object at 0x[0-9a-f]+>: |['\"])?([^'\"]+)", said)
    return causes[-1].strip() if causes else said


def _shortened(text: str) -> str:
    """Cut ``text`` between words."""
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON].rpartition(' ')[0]} …"


def _systems(wheel: WheelName) -> str:
    return " and ".join(f"{arch} {libc}".strip() for libc, arch in wheel.systems)
