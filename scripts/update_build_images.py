"""Writes ``scripts/build/images.json``: the images of the reusable workflow, by digest.

The digests are those that the newest cibuildwheel on PyPI pins (BSD-2-Clause, ``resources/pinned_docker_images.cfg``),
where the release of the image stands beside each. They are what its users build in every day.

usage: update_build_images.py
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).parent / "build" / "images.json"
#: The architectures that GitHub has native runners for.
ARCHITECTURES: Final = ("x86_64", "aarch64")
PROFILES: Final = ("manylinux2014", "manylinux_2_28", "manylinux_2_34", "musllinux_1_2")
PINS: Final = "cibuildwheel/resources/pinned_docker_images.cfg"
LINE: Final = re.compile(r"(\w+) = (quay\.io/pypa/\w+@sha256:[0-9a-f]{64})\s+# (\S+)")


def main() -> None:
    """Download the wheel, read its pins and write the table."""
    wheel = download()
    with zipfile.ZipFile(io.BytesIO(wheel.read_bytes())) as archive:
        text = archive.read(PINS).decode()
    images: dict[str, dict[str, str]] = {}
    releases: set[str] = set()
    architecture = ""
    for line in text.splitlines():
        if line.startswith("["):
            architecture = line.strip("[]")
        elif (match := LINE.fullmatch(line)) and architecture in ARCHITECTURES and match[1] in PROFILES:
            images.setdefault(match[1], {})[architecture] = match[2]
            releases.add(match[3])
    if any(set(images.get(profile, {})) != set(ARCHITECTURES) for profile in PROFILES):
        sys.exit(f"{wheel.name} does not pin all of {', '.join(PROFILES)} for {', '.join(ARCHITECTURES)}")
    source = f"{wheel.name.partition('-py3')[0]}: {PINS}, images of {', '.join(sorted(releases))}"
    table = {"source": source, "images": {profile: images[profile] for profile in PROFILES}}
    TABLE.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


def download() -> Path:
    """Return the newest wheel of cibuildwheel, fetched by pip."""
    folder = Path(tempfile.mkdtemp())
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", str(folder), "cibuildwheel"], check=True)
    return next(folder.glob("cibuildwheel-*.whl"))


if __name__ == "__main__":
    main()
