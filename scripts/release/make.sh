#!/usr/bin/env bash
# Makes all that a release holds, in dist/: packages/ (for PyPI), release/ (the same, the bill of materials, the checksums) and notes.md;
# all of it, or no dist/.
# usage: make.sh TAG; PYTHON is the Python to build with.
set -euo pipefail

cd "$(dirname "$0")/../.."
tag=$1
if [ -e dist ]; then
    echo "dist is there already: what lies in it would be released with the rest" >&2
    exit 1
fi
environment=$(mktemp -d)/environment
finished=
trap '[ -n "$finished" ] || rm -rf dist; rm -rf "${environment%/*}"' EXIT
scripts/make_environment.sh "${PYTHON:-python3}" "$environment" scripts/release/requirements.txt
mkdir dist
"$environment/bin/python" scripts/check_changelog.py "$tag" dist/notes.md
"$environment/bin/python" scripts/build_release.py dist/packages
mkdir dist/release
cp dist/packages/* dist/release/
"$environment/bin/python" scripts/make_sbom.py >dist/release/glibc-guard.cdx.json
scripts/release/checksums.sh dist/release
finished=1
