"""Fuzzes one reader in this process: ``python -m fuzz.one READER [OPTION OF LIBFUZZER…]``. Needs atheris."""

from __future__ import annotations

import sys

#: By name, since the readers may only be imported under instrumentation.
INSTRUMENTED = {"zip": ["zipfile"], "wheel": ["zipfile"], "tar": ["tarfile"], "deb": ["tarfile"], "config": ["tomllib"]}


def main() -> None:
    """Run until libFuzzer ends the process."""
    import atheris  # noqa: PLC0415  # absent where only the seeds are tested

    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=["glibc_guard", *INSTRUMENTED.get(name, [])]):
        from fuzz.readers import READERS  # noqa: PLC0415  # see above
    atheris.Setup(sys.argv, READERS[name].read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
