#!/usr/bin/env bash
# Writes the checksums of all files of a folder into SHA256SUMS beside them: `sha256sum --check SHA256SUMS` reads it.
# usage: checksums.sh FOLDER
set -euo pipefail

cd "$1"
rm -f SHA256SUMS
files=(*)
sha256sum -- "${files[@]}" >SHA256SUMS
