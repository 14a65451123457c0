#!/bin/sh
# Runs the step that $STEP names. -I keeps PYTHON* variables, the user's site-packages and the working folder out, -S .pth files.
set -eu
if ! command -v python3 >/dev/null; then
    echo '::error title=glibc-guard build::There is no python3 on PATH: a runner for this workflow needs Python 3.10 or newer'
    exit 1
fi
exec python3 -I -S -B -X utf8 "${0%/*}" "$STEP"
