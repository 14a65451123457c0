"""Times the source lines of 100 addresses all over the code of an object: `python bench/source_lines.py OBJECT`."""

from __future__ import annotations

import random
import resource
import sys
import time
from pathlib import Path

from glibc_guard.explain.debug_files import DebugFiles, read
from glibc_guard.explain.source_lines import SourceLines

ADDRESSES = 100


def main(path: Path) -> None:
    """Print how long it takes, of how many addresses something is known, and the memory at its highest."""
    elf = read(path)
    if elf is None:
        raise SystemExit(f"{path} is no ELF file")
    text = elf.sections[".text"]
    chance = random.Random(1)  # noqa: S311  # the same addresses each time
    addresses = sorted(chance.sample(range(text.address, text.address + text.size), ADDRESSES))
    began = time.perf_counter()
    lines = SourceLines(elf.data, path.name, DebugFiles((), path))
    known = sum(bool(lines.frames(address)) for address in addresses)
    seconds = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{known} of {ADDRESSES} addresses known in {seconds:.1f} s, {memory} MB", *lines.remarks, sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
