#!/usr/bin/env bash
# Makes a virtual environment from a hash-locked requirements file, with this project in it, editable.
# usage: make_environment.sh PYTHON FOLDER REQUIREMENTS
set -euo pipefail

python=$1 folder=$2 requirements=$3
rm -rf "$folder"
"$python" -m venv "$folder"
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$folder/bin/python" -m pip install --quiet --require-hashes --only-binary :all: -r "$requirements"
# A .pth file is all that an editable install of a pure Python project needs: no build backend has to be fetched.
site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$PWD/src" >"$site/glibc_guard.pth"
printf '#!/bin/sh\nexec "%s/bin/python" -m glibc_guard "$@"\n' "$PWD/$folder" >"$folder/bin/glibc-guard"
chmod +x "$folder/bin/glibc-guard"
touch "$folder/.ready"
