#!/bin/sh
# Runs the step that $STEP names. -I keeps PYTHON* variables, the user's site-packages and the working folder out, -S .pth files.
set -eu
exec python3 -I -S -B -X utf8 "${0%/*}" "$STEP"
