"""Debian's own glibc of several suites: the real thing, unpacked into a folder and never installed."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

from building import CACHE
from loader.judge import Glibc
from provisions import kept, needed, unavailable

SUITES: Final = ("bullseye", "bookworm", "trixie", "sid")  # glibc 2.31, 2.36, 2.41, and a newer one
PACKAGES: Final = ("libc6", "libcrypt1", "libgcc-s1", "libstdc++6", "zlib1g")
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
#: A mirror of Debian to fetch from, for machines of another distribution.
MIRROR_VARIABLE: Final = "GLIBC_GUARD_DEBIAN_MIRROR"

_TRIPLETS: Final = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
_LOADERS: Final = {"amd64": "ld-linux-x86-64.so.2", "arm64": "ld-linux-aarch64.so.1"}
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
_EMULATORS: Final = {"amd64": "qemu-x86_64", "arm64": "qemu-aarch64"}

_CONFIGURATION: Final = """
Dir "{folder}/";
Dir::Etc::Parts "/dev/null";
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "{folder}/state";
Dir::State::Status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Bin::Methods "/usr/lib/apt/methods";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
"""


def debian_glibc(suite: str, architecture: str = "amd64") -> Glibc:
    """The glibc of a suite, with its own loader; for an architecture that is not the host's through qemu-user.

    What was downloaded once is kept under the version of its libc6 and used again, without a look at the network:
    remove the folder to have a newer one.
    """
    folder = CACHE / "debian"
    before = sorted(folder.glob(f"{suite}-{architecture}-*"))
    root = before[-1] if before else _download(suite, architecture, folder)
    triplet = _TRIPLETS[architecture]
    # Not the file that the link leads to: a loader calls itself by the name by which it was started.
    loader = min(root.glob(f"**/{triplet}/{_LOADERS[architecture]}"))
    libraries = tuple(path for path in (root / "lib" / triplet, root / "usr/lib" / triplet) if path.is_dir())
    emulator = None if platform.machine() == _MACHINES[architecture] else needed(_EMULATORS[architecture], "qemu-user")
    return Glibc(f"Debian {root.name}", root.name.split("-")[2], loader, libraries, emulator)


def _download(suite: str, architecture: str, folder: Path) -> Path:
    for program, package in (("apt-get", "apt"), ("dpkg-deb", "dpkg")):
        needed(program, package)
    if not KEYRING.is_file():
        unavailable(f"{KEYRING} is not there: apt-get install debian-archive-keyring")
    failures = []
    for mirror in _mirrors():
        with tempfile.TemporaryDirectory(prefix="glibc-guard-apt.") as work:
            try:
                packages = _packages(suite, architecture, mirror, Path(work))
            except subprocess.CalledProcessError as error:
                failures.append(f"{mirror}: {error.output.strip().splitlines()[-1:]}")
            else:
                (version,) = (path.name.split("_")[1] for path in packages if path.name.startswith("libc6_"))
                return kept(folder / f"{suite}-{architecture}-{version}", partial(_unpack, packages))
    return unavailable(f"Debian's libc6 of {suite} for {architecture} cannot be downloaded: {'; '.join(failures)}")


def _mirrors() -> list[str]:
    """The mirror that is named by the environment, else those that this machine's own apt uses."""
    named = os.environ.get(MIRROR_VARIABLE)
    if named:
        return [named]
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found = dict.fromkeys(line for line in lines if line.rstrip("/").endswith("/debian"))
    if not found:
        unavailable(f"apt knows no mirror of Debian: run apt-get update, or name a mirror in {MIRROR_VARIABLE}")
    return list(found)


def _packages(suite: str, architecture: str, mirror: str, work: Path) -> list[Path]:
    for name in ("state/lists/partial", "cache/archives/partial", "packages"):
        (work / name).mkdir(parents=True)
    (work / "status").touch()
    (work / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror} {suite} main\n", encoding="ascii")
    configuration = work / "apt.conf"
    configuration.write_text(_CONFIGURATION.format(folder=work, architecture=architecture), encoding="ascii")
    for arguments in (("update",), ("download", *PACKAGES)):
        subprocess.run(
            ["apt-get", "--quiet", *arguments],
            env={"APT_CONFIG": str(configuration), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
            cwd=work / "packages",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
    return sorted((work / "packages").glob("*.deb"))


def _unpack(packages: list[Path], root: Path) -> None:
    for package in packages:
        subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
