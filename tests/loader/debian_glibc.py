"""Debian's own glibc of several suites: the real thing, unpacked into a folder and never installed."""

from __future__ import annotations

import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from loader.judge import Glibc
from loader.provisions import cache_folder, kept, tool, unavailable

#: Suite → the glibc release in it. What moves (testing, unstable) has none.
SUITES: Final = {"bullseye": "2.31", "bookworm": "2.36", "trixie": "2.41", "sid": None}
PACKAGES: Final = ("libc6", "libcrypt1", "libgcc-s1", "libstdc++6", "zlib1g")
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRRORS: Final = ("http://deb.debian.org/debian", "http://archive.debian.org/debian")  # old suites move to the second

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

    What was downloaded once is kept under the version of its libc6 and used again, without a look at the network: remove
    the folder to have a newer one.
    """
    folder = cache_folder() / "debian"
    kept_before = sorted(folder.glob(f"{suite}-{architecture}-*"))
    root = kept_before[-1] if kept_before else _download(suite, architecture, folder)
    (loader,) = {path.resolve() for path in root.glob(f"**/{_TRIPLETS[architecture]}/{_LOADERS[architecture]}")}
    libraries = tuple(
        path
        for path in (root / "lib" / _TRIPLETS[architecture], root / "usr/lib" / _TRIPLETS[architecture])
        if path.is_dir()
    )
    emulator = None
    if platform.machine() != _MACHINES[architecture]:
        emulator = tool(_EMULATORS[architecture], "qemu-user")
    return Glibc(f"Debian {root.name}", loader, libraries, emulator)


def release_of(glibc: Glibc) -> str:
    """The glibc release of what `debian_glibc` gave: ``2.36`` of ``Debian bookworm-amd64-2.36-9+deb12u14``."""
    return glibc.name.split("-")[2]


def _download(suite: str, architecture: str, folder: Path) -> Path:
    tool("apt-get", "apt")
    tool("dpkg-deb", "dpkg")
    if not KEYRING.is_file():
        unavailable(f"{KEYRING} is not there: apt-get install debian-archive-keyring")
    failures = []
    for mirror in MIRRORS:
        with tempfile.TemporaryDirectory(prefix="glibc-guard-apt.") as work:
            try:
                packages = _packages(suite, architecture, mirror, Path(work))
            except subprocess.CalledProcessError as error:
                failures.append(f"{mirror}: {error.output.strip().splitlines()[-1:]}")
                continue
            (libc6,) = (package for package in packages if package.name.startswith("libc6_"))
            version = libc6.name.split("_")[1].replace("%3a", ":")
            return kept(folder / f"{suite}-{architecture}-{version}", lambda root: _unpack(packages, root))
    unavailable(f"Debian's libc6 of {suite} for {architecture} cannot be downloaded: {'; '.join(failures)}")


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
