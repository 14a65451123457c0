#!/usr/bin/env bash
# Moves the tag of the major version (v1), by which the Action is used, to the commit of a release: never to a release candidate, and never
# back, where a fix of an older line is released.
# usage: move_major_tag.sh TAG [REMOTE], in a checkout of the tag.
set -euo pipefail

tag=$1 remote=${2:-origin}
if ! [[ $tag =~ ^v([0-9]+)\.[0-9]+\.[0-9]+$ ]]; then
    echo "$tag is no final release: the tag of the major version stays where it is"
    exit
fi
major=v${BASH_REMATCH[1]}
newest=$(git ls-remote --tags --refs "$remote" "refs/tags/$major.*" | sed 's#.*refs/tags/##' |
    { grep -E '^v[0-9]+\.[0-9]+\.[0-9]+$' || true; } | sort --version-sort | tail -n 1)
if [ -z "$newest" ]; then
    echo "the remote has no tag $tag" >&2
    exit 1
fi
if [ "$newest" != "$tag" ]; then
    echo "$newest is newer than $tag: $major stays where it is"
    exit
fi
git push --force "$remote" "$(git rev-parse "HEAD^{commit}"):refs/tags/$major"
