#!/usr/bin/env bash
# Runs shellcheck over every shell script; where it is not installed that is a failure in CI and a loud skip elsewhere.
set -euo pipefail

if ! command -v shellcheck >/dev/null; then
    echo "shellcheck is not installed (Debian: apt-get install shellcheck): the shell scripts were NOT checked" >&2
    [ -z "${CI:-}" ]
    exit
fi
mapfile -t scripts < <(git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run)
shellcheck "${scripts[@]}"
