"""The steps of the reusable workflow that are no step of another action: ``python3 scripts/build STEP``.

Standard library only, since nothing is installed for it; CPython 3.10 or newer, as on every runner of GitHub.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Final

import build_result
import hand_over
import run_build
from step import StepError, report_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STEPS: Final[Mapping[str, Callable[[Mapping[str, str]], None]]] = {
    "prepare": run_build.prepare,
    "run": run_build.run,
    "clear-up": run_build.clear_up,
    "hand-over": hand_over.hand_over,
    "result": build_result.result,
}


def main() -> int:
    """Run the step that the command line names and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]  # names may be no text
    # A runner that a script started in the background ignores SIGINT (POSIX, "Signals and Error Handling"), and so does
    # whatever it starts; Python takes that for a wish.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        STEPS[sys.argv[1]](os.environ)
    except StepError as problem:
        return report_failure(str(problem))
    except KeyboardInterrupt:  # the runner sends SIGINT first
        return report_failure("The build was stopped: the job was cancelled, or ran longer than timeout-minutes")
    except OSError as problem:
        return report_failure(f"{problem.filename or 'A file'}: {problem.strerror or problem}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
