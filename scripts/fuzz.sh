#!/usr/bin/env bash
# Fuzzes every reader in an environment of its own: atheris has wheels for CPython 3.10 to 3.13 on x86_64 alone.
# usage: fuzz.sh OPTION... (those of `python -m fuzz` in tests/)
set -euo pipefail

cd "$(dirname "$0")/.."
lock=tests/fuzz/requirements.txt
folder=.venv-fuzz
for python in $(scripts/find_pythons.sh); do
    case $("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') in
        3.10 | 3.11 | 3.12 | 3.13) break ;;
    esac
    python=""
done
if [ -z "${python:-}" ]; then
    echo "fuzz.sh: atheris needs a CPython from 3.10 to 3.13, and none is on this machine" >&2
    exit 1
fi
if [ ! "$folder/.ready" -nt "$lock" ] || [ ! "$folder/.ready" -nt pyproject.toml ]; then
    scripts/make_environment.sh "$python" "$folder" "$lock"
fi
PYTHONPATH=tests exec "$folder/bin/python" -m fuzz "$@"
