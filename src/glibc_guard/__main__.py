"""``python -m glibc_guard``."""

from glibc_guard.cli import main

main()
