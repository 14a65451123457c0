"""``python -m glibc_guard``."""

import sys
from pathlib import Path

# With -m the working folder is searched for modules first, and it may hold what is to be checked: a copy.so there would
# be loaded as Python's copy. It stays only where this package itself was found in it.
if sys.path and Path(sys.path[0] or ".").absolute() != Path(__file__).absolute().parents[1]:
    del sys.path[0]

from glibc_guard.cli import main

main()
