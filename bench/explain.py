"""What explaining costs: `check` of real wheels with findings, with and without it; time and memory of whole processes.

usage: python -m bench.explain [WHEEL ...]   (by default the large ones of bench/wheels.toml that are in the cache)
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

WHEELS: Final = Path(os.environ.get("GLIBC_GUARD_CACHE") or Path.home() / ".cache" / "glibc-guard") / "wheels"
LARGE: Final = (
    "ray-2.60",
    "polars_runtime_32-2",
    "grpcio-1.85.1-cp312-cp312-manylinux",
    "pyarrow-26.0.1-cp312-cp312-manylinux_2_28_x",
)
RUNS: Final = 3


def measured(wheel: Path, *options: str) -> tuple[float, int]:
    """Return the best of some runs in seconds, and the most memory in MiB."""
    command = [
        sys.executable,
        "-m",
        "glibc_guard",
        "check",
        "--target",
        "2.12",
        "--format",
        "json",
        *options,
        str(wheel),
    ]
    seconds, memory = [], 0
    for _ in range(RUNS):
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, _, usage = os.wait4(process.pid, 0)
        seconds.append(time.perf_counter() - start)
        memory = max(memory, usage.ru_maxrss // 1024)
    return min(seconds), memory


def main() -> None:
    """Command line."""
    wheels = [Path(name) for name in sys.argv[1:]] or [found for name in LARGE for found in WHEELS.glob(f"{name}*")]
    print("| wheel | check | with places | of it explaining | memory |\n|---|---|---|---|---|")
    for wheel in wheels:
        (plain, less), (whole, more) = measured(wheel, "--no-explain"), measured(wheel)
        print(f"| {wheel.name} | {plain:.2f} s | {whole:.2f} s | {(whole - plain) / plain:.1f}x  {less} / {more} MiB |")


if __name__ == "__main__":
    main()
