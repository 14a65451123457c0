"""Prints the bill of materials (CycloneDX 1.6, JSON) of what the Action installs, from its lock file.

The same lock and version give the same bytes; no network is asked.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
LOCK: Final = ROOT / "scripts" / "action" / "requirements.txt"
NAME: Final = "glibc-guard"
#: "name==1.0 ; marker \", the lines with its hashes, and the comments that say who wants it.
ENTRY: Final = re.compile(
    r"^(?P<name>[a-z0-9.-]+)==(?P<version>[^ ;\\\n]+)(?: ; (?P<marker>[^\\\n]+?))? \\\n"
    r"(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)(?P<via>(?:    #.*\n)*)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Entry:
    """A locked package."""

    name: str
    version: str
    marker: str | None  # of PEP 508: where it is installed
    hashes: tuple[str, ...]  # SHA-256 of each distribution that pip may take
    wanted_by: tuple[str, ...]

    @property
    def purl(self) -> str:
        """The package URL, which is unique in the file: of one name there may be a version for each Python."""
        return f"pkg:pypi/{self.name}@{self.version}"


def locked(lock: str) -> Iterator[Entry]:
    """Yield every package of the lock file; raises ValueError where a line is of no known form."""
    rest = "\n".join(line for line in ENTRY.sub("", lock).splitlines() if line.strip() and not line.startswith("#"))
    if rest:
        raise ValueError(f"not understood in the lock file: {rest.splitlines()[0]}")
    for found in ENTRY.finditer(lock):
        hashes = tuple(re.findall(r"[0-9a-f]{64}", found["hashes"]))
        wanted_by = tuple(re.findall(r"^    #(?: via|  ) +(\w[\w.-]*)", found["via"], re.MULTILINE))
        yield Entry(found["name"], found["version"], found["marker"], hashes, wanted_by)


def bill(lock: str, version: str) -> dict[str, Any]:
    """Return the document."""
    entries = [*locked(lock)]
    own = f"pkg:pypi/{NAME}@{version}"
    wanted: dict[str, list[str]] = {own: []}
    for entry in entries:
        wanted.setdefault(entry.purl, [])
    for entry in entries:
        for user in entry.wanted_by:
            users = [own] if user == NAME else [one.purl for one in entries if one.name == user]
            for purl in users:
                wanted[purl].append(entry.purl)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": NAME,
                "version": version,
                "purl": own,
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": [_component(entry) for entry in entries],
        "dependencies": [{"ref": ref, "dependsOn": sorted(names)} for ref, names in wanted.items()],
    }


def _component(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": entry.purl,
        "name": entry.name,
        "version": entry.version,
        "purl": entry.purl,
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in entry.hashes],
    }
    if entry.marker is not None:
        found["properties"] = [{"name": f"{NAME}:marker", "value": entry.marker}]
    return found


def main() -> None:
    """Command line."""
    source = (ROOT / "src" / "glibc_guard" / "__init__.py").read_text(encoding="utf-8")
    (version,) = re.findall(r'^__version__ = "([^"]+)"', source, re.MULTILINE)
    json.dump(bill(LOCK.read_text(encoding="utf-8"), version), sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
