#!/usr/bin/env bash
# Renews the hash-locked requirements of the tests: tests/requirements.txt, the project's own dependencies and its extras for every
# Python from 3.10; in tests/fuzz with the fuzzer; in tests/e2e those of the tools that build the examples, and of the image that stands in for PyPA's; in scripts/docs what
# builds the documentation, in scripts/release what builds a release.
# usage: lock_tests.sh UV
set -euo pipefail

lock() {
    "$uv" pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header "$@"
}

uv=$1
lock --python-version 3.10 --extra github --extra dev pyproject.toml --output-file tests/requirements.txt "${@:2}"
lock --python-version 3.10 --extra github --extra dev pyproject.toml tests/fuzz/requirements.in --output-file tests/fuzz/requirements.txt "${@:2}"
lock --python-version 3.9 tests/e2e/build_image.in --output-file tests/e2e/build_image.txt "${@:2}"
lock --python-version 3.11 tests/e2e/example_tools.in --output-file tests/e2e/example_tools.txt "${@:2}"
lock --python-version 3.10 scripts/docs/requirements.in --output-file scripts/docs/requirements.txt "${@:2}"
lock --python-version 3.10 scripts/release/requirements.in --output-file scripts/release/requirements.txt "${@:2}"
