"""A real container engine and a real old system to build in, under the name of an image that cannot be pulled here."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from building import CACHE
from e2e.conftest import ROOT, tool

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Debian 11 with glibc 2.31 in truth; see ``scripts/make_build_image.sh``.
IMAGE: Final = f"quay.io/pypa/manylinux2014_{platform.machine()}"
IMAGE_GLIBC: Final = "2.31"
_RECIPE: Final = ROOT / "scripts" / "make_build_image.sh"
#: What podman needs where it runs in a virtual machine of its own kind: no crun, no raised limits.
_CONFIGURATION: Final = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
"""
_PATIENCE: Final = 30  # seconds for the service to answer


@contextlib.contextmanager
def engine() -> Iterator[dict[str, str]]:
    """The variables by which ``docker`` reaches an engine: none where one answers already, else podman's service."""
    docker = tool("docker")
    if subprocess.run([docker, "version"], check=False, capture_output=True).returncode == 0:
        yield {}
        return
    podman = tool("podman")
    with tempfile.TemporaryDirectory(prefix="engine-") as name:
        folder = Path(name)
        (folder / "containers.conf").write_text(_CONFIGURATION, encoding="utf-8")
        (folder / "containers.conf").chmod(0o644)
        variables = {"DOCKER_HOST": f"unix://{folder}/podman.sock"}
        service = subprocess.Popen(
            [podman, "system", "service", "--time", "0", variables["DOCKER_HOST"]],
            env={**os.environ, "CONTAINERS_CONF": str(folder / "containers.conf")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            _wait(docker, variables, service)
            yield variables
        finally:
            service.terminate()
            service.wait()


def _wait(docker: Path, variables: dict[str, str], service: subprocess.Popen[bytes]) -> None:
    for _ in range(_PATIENCE * 5):
        probe = subprocess.run([docker, "version"], check=False, capture_output=True, env={**os.environ, **variables})
        if probe.returncode == 0:
            return
        if service.poll() is not None:
            break
        time.sleep(0.2)
    pytest.fail(f"the service of podman does not answer: {service.stderr.read() if service.poll() else probe.stderr!r}")


def import_image(variables: dict[str, str]) -> None:
    """See that the engine has the image; its file system is made once a version of the recipe and kept."""
    key = hashlib.sha256(_RECIPE.read_bytes()).hexdigest()[:16]
    docker = [str(tool("docker"))]
    environment = {**os.environ, **variables}
    label = '{{index .Config.Labels "glibc-guard"}}'
    known = subprocess.run(
        [*docker, "image", "inspect", "--format", label, IMAGE],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    if known.stdout.strip() == key:
        return
    archive = CACHE / f"build-image-{platform.machine()}-{key}.tar.gz"
    if not archive.exists():
        tool("debootstrap")
        archive.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([_RECIPE, archive], check=True)
    changes = [
        "--change",
        f"LABEL glibc-guard={key}",
        "--change",
        f"ENV AUDITWHEEL_PLAT=manylinux_2_31_{platform.machine()}",
    ]
    with archive.open("rb") as stream:
        subprocess.run(
            [*docker, "import", *changes, "-", IMAGE], check=True, stdin=stream, env=environment, capture_output=True
        )
