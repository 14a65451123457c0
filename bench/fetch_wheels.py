"""Fetches the wheels of wheels.toml from PyPI by pip, each the very file that was pinned, and keeps them in the cache.

``python -m bench.fetch_wheels`` fetches what is not there yet. To add a wheel, write its file name into wheels.toml
without ``sha256`` and run it: the message says what to record.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import msgspec

LIST: Final = Path(__file__).parent / "wheels.toml"
CACHE: Final = Path(os.environ.get("GLIBC_GUARD_CACHE") or Path.home() / ".cache" / "glibc-guard")
FOLDER: Final = CACHE / "wheels"
ANY_PYTHON: Final = "312"  # for wheels that are not bound to one: pip asks their Requires-Python about it


class FetchError(Exception):
    """A wheel that cannot be fetched, or is not the file that was pinned; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """One pinned wheel, and what is true of it, as found by hand."""

    file: str
    sha256: str | None = None
    verdict: Literal["pass", "fail", "unreadable"] | None = None  # the true one, whatever the tool says
    floor: dict[str, str] = field(default_factory=dict)  # namespace → highest version that the system must provide
    remark: str | None = None  # why the verdict is what it is, or why auditwheel says something else

    @property
    def path(self) -> Path:
        """Where it lies once it was fetched."""
        return FOLDER / self.file


@dataclass(frozen=True, slots=True)
class _Listed:
    wheel: tuple[Wheel, ...]


def listed() -> tuple[Wheel, ...]:
    """Return the wheels of wheels.toml."""
    return msgspec.toml.decode(LIST.read_bytes(), type=_Listed).wheel


def fetch(wheel: Wheel) -> Path:
    """Return the path of ``wheel``, fetched unless the cache holds it, with the checksum that was recorded.

    Raises:
        FetchError: pip cannot fetch it, or there is no checksum to hold it against.
    """
    if wheel.path.is_file() and _sha256(wheel.path) == wheel.sha256:
        return wheel.path
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as aside:
        _download(wheel, Path(aside))
        fetched = Path(aside, wheel.file)
        if not fetched.is_file():
            others = ", ".join(path.name for path in Path(aside).glob("*.whl"))
            raise FetchError(f"{wheel.file}: pip took another file for these tags: {others or 'none'}")
        found = _sha256(fetched)
        if found != wheel.sha256:
            raise FetchError(f'{wheel.file}: record it in {LIST.name}: sha256 = "{found}"')
        fetched.replace(wheel.path)
    return wheel.path


def _download(wheel: Wheel, folder: Path) -> None:
    name, version, *_, interpreters, abis, platforms = wheel.file.removesuffix(".whl").split("-")
    requirements = folder / "requirements.txt"
    pinned = f" --hash=sha256:{wheel.sha256}" if wheel.sha256 else ""
    requirements.write_text(f"{name}=={version}{pinned}\n", encoding="utf-8")
    interpreter, abi = interpreters.split(".")[-1], abis.split(".")[0]
    python = ANY_PYTHON if abi in {"none", "abi3"} else interpreter[2:]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-cache-dir"]
    command += ["--retries", "1", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    command += ["--implementation", interpreter[:2], "--python-version", python, "--abi", abi]
    command += [option for platform in platforms.split(".") for option in ("--platform", platform)]
    done = subprocess.run([*command, "-r", str(requirements)], check=False, capture_output=True, text=True)
    if done.returncode:
        raise FetchError(f"{wheel.file}: pip cannot fetch it: {done.stderr.strip() or done.stdout.strip()}")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def main() -> int:
    """Fetch them all; the exit status is 1 if one could not be fetched."""
    fetched = [_fetched(wheel) for wheel in listed()]
    return 0 if all(fetched) else 1


def _fetched(wheel: Wheel) -> bool:
    try:
        print(fetch(wheel))
    except FetchError as error:
        print(error, file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
