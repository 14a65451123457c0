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

from building import CACHE
from e2e.conftest import ROOT, tool

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Debian 11 with glibc 2.31 in truth; see ``scripts/make_build_image.sh``. It has a name of its own, since whoever runs
#: the tests may have the real image, and go on to build with it.
IMAGE: Final = f"localhost/glibc-guard-tests/manylinux2014_{platform.machine()}"
IMAGE_GLIBC: Final = "2.31"
#: What the images of PyPA have in their environment.
_VARIABLES: Final = (
    f"AUDITWHEEL_PLAT=manylinux_2_31_{platform.machine()}",
    "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
)
_RECIPE: Final = ROOT / "scripts" / "make_build_image.sh"
_PACKAGES: Final = Path(__file__).with_name("build_image.txt")  # `make lock` renews it
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
    """The variables by which ``docker`` reaches an engine: podman's service where no other answers."""
    docker = tool("docker")
    with tempfile.TemporaryDirectory(prefix="engine-") as name:
        configuration = Path(name) / "containers.conf"
        configuration.write_text(_CONFIGURATION, encoding="utf-8")
        variables = {"CONTAINERS_CONF": str(configuration)}  # read where docker is podman itself
        if _answers(docker, variables):
            yield variables
            return
        variables["DOCKER_HOST"] = f"unix://{name}/podman.sock"
        command = [str(tool("podman")), "system", "service", "--time", "0", variables["DOCKER_HOST"]]
        service = subprocess.Popen(
            command,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + _PATIENCE
            while not _answers(docker, variables):
                assert service.poll() is None, f"the service of podman ended with {service.returncode}"
                assert time.monotonic() < deadline, "the service of podman does not answer"
                time.sleep(0.2)
            yield variables
        finally:
            service.terminate()
            service.wait()


def _answers(docker: Path, variables: dict[str, str]) -> bool:
    environment = {**os.environ, **variables}
    return subprocess.run([docker, "version"], check=False, capture_output=True, env=environment).returncode == 0


def import_image(variables: dict[str, str]) -> None:
    """See that the engine has the image; its file system is made once a version of the recipe and kept."""
    docker, environment = str(tool("docker")), {**os.environ, **variables}
    recipe = hashlib.sha256(_RECIPE.read_bytes() + _PACKAGES.read_bytes()).hexdigest()[:16]
    label = f"{recipe} {' '.join(_VARIABLES)}"
    inspect = [docker, "image", "inspect", "--format", '{{index .Config.Labels "glibc-guard"}}', IMAGE]
    known = subprocess.run(inspect, check=False, capture_output=True, text=True, env=environment)
    if known.stdout.strip() == label:
        return
    archive = CACHE / f"build-image-{platform.machine()}-{recipe}.tar.gz"
    if not archive.exists():
        tool("debootstrap")
        archive.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([_RECIPE, archive], check=True)
    changes = ["--change", f'LABEL "glibc-guard"="{label}"']
    for variable in _VARIABLES:
        changes += ["--change", f"ENV {variable}"]
    with archive.open("rb") as stream:
        subprocess.run(
            [docker, "import", *changes, "-", IMAGE], check=True, capture_output=True, env=environment, stdin=stream
        )
