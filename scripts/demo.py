"""Shows `glibc-guard demo` and succeeds when its report is the one that is expected: a demo that fails for a reason."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

DEMO: Final = [sys.executable, "-m", "glibc_guard", "demo"]
EXPECTED: Final = {
    ("grow", "reallocarray", "GLIBC_2.26"),
    ("libthread_exit.so", "__cxa_thread_atexit_impl", "GLIBC_2.18"),
}
FINDINGS: Final = 1  # the exit status of a check that found something


def main() -> None:
    """Run the demo twice: for the reader, and for the comparison."""
    shown = subprocess.run(DEMO, check=False)
    report = json.loads(subprocess.run([*DEMO, "--format", "json"], check=False, capture_output=True).stdout)
    found = {(f["object"], f["symbol"], f["version"]) for f in report["artifacts"][0]["findings"]}
    if shown.returncode != FINDINGS or found != EXPECTED:
        sys.exit(
            f"this is not the report that the demo must give: exit status {shown.returncode}, findings {sorted(found)}"
        )
    print("The check failed, as it must: the sample asks for more than glibc 2.17 has. Its sources lie beside it, in")
    print("src/glibc_guard/data/sample. Now try: .venv-demo/bin/glibc-guard check PATH...")


if __name__ == "__main__":
    main()
