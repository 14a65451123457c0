"""Write src/glibc_guard/data/manylinux_policies.json from the policies of the installed auditwheel.

Run it after raising the version of auditwheel in pyproject.toml: ``python scripts/update_manylinux_policies.py``.
With ``--check`` nothing is written, and the exit status is 1 if the table is not what would be written.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from glibc_guard.targets import glibc, symbol_version

TABLE: Final = Path(__file__).parent.parent / "src" / "glibc_guard" / "data" / "manylinux_policies.json"
POLICY_FILES: Final = ("manylinux-policy.json", "musllinux-policy.json")
NONE_AT_ALL: Final = "0"  # an empty list in a policy: no version of this namespace is promised


def policy_folder() -> Path:
    """Find the policies of auditwheel without importing it, since it imports on Linux only."""
    spec = find_spec("auditwheel")
    if spec is None or spec.origin is None:
        raise SystemExit("auditwheel is not installed: pip install -e '.[dev]'")
    return Path(spec.origin).parent / "policy"


def build(folder: Path) -> dict[str, Any]:
    """Reduce the policies to the ceilings, names, libraries and symbols that are judged."""
    policies = [policy for file in POLICY_FILES for policy in _load(folder / file) if policy["name"] != "linux"]
    return {
        "source": f"auditwheel {version('auditwheel')} (MIT), auditwheel/policy/: {', '.join(POLICY_FILES)}",
        "policies": [_reduce(policy) for policy in policies],
    }


def render(table: dict[str, Any]) -> str:
    """Write the table as it is kept in the repository: every change is a readable difference."""
    return json.dumps(table, indent=1) + "\n"


def _load(path: Path) -> list[dict[str, Any]]:
    policies: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return sorted(policies, key=lambda policy: -int(policy["priority"]))


def _reduce(policy: dict[str, Any]) -> dict[str, Any]:
    versions = {
        arch: policy["symbol_versions"][arch] for arch in glibc.ARCHITECTURES if arch in policy["symbol_versions"]
    }
    named = {arch: _named(namespaces) for arch, namespaces in versions.items()}
    return {
        "name": policy["name"],
        "aliases": policy["aliases"],
        "ceilings": {arch: _ceilings(namespaces) for arch, namespaces in versions.items()},
        "named_versions": {arch: namespaces for arch, namespaces in named.items() if namespaces},
        "libraries": sorted(policy["lib_whitelist"]),
        "forbidden_symbols": {library: sorted(symbols) for library, symbols in sorted(policy["blacklist"].items())},
    }


def _ceilings(namespaces: dict[str, list[str]]) -> dict[str, str]:
    return {
        namespace: max(filter(_is_number, versions), key=_comparable, default=NONE_AT_ALL)
        for namespace, versions in sorted(namespaces.items())
    }


def _named(namespaces: dict[str, list[str]]) -> dict[str, list[str]]:
    named = {
        namespace: sorted(version for version in versions if not _is_number(version))
        for namespace, versions in sorted(namespaces.items())
    }
    return {namespace: versions for namespace, versions in named.items() if versions}


def _is_number(version: str) -> bool:
    return symbol_version.significant_numbers(version) is not None


def _comparable(version: str) -> tuple[int, ...]:
    return symbol_version.significant_numbers(version) or ()


def main() -> int:
    """Write the table, or compare it."""
    text = render(build(policy_folder()))
    if "--check" in sys.argv[1:]:
        same = TABLE.read_text(encoding="utf-8") == text
        print(f"{TABLE.name} is {'up to date' if same else 'out of date: run this script without --check'}")
        return 0 if same else 1
    TABLE.write_text(text, encoding="utf-8")
    print(f"wrote {TABLE} ({len(text)} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
