#!/usr/bin/env bash
# Renews tests/requirements.txt: the project's own dependencies and its extras, for every Python from 3.10, with hashes.
# usage: lock_tests.sh UV
set -euo pipefail

"$1" pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url --no-header \
    --extra github --extra dev pyproject.toml --output-file tests/requirements.txt "${@:2}"
