#!/usr/bin/env bash
# Makes the release of a tag on GitHub with all files of a folder; one that is there already gets the files anew.
# usage: publish.sh TAG FOLDER NOTES; wants `gh` and GH_TOKEN.
set -euo pipefail

tag=$1 folder=$2 notes=$3
if gh release view "$tag" >/dev/null 2>&1; then
    gh release upload "$tag" --clobber "$folder"/*
    exit
fi
kind=()
[[ $tag =~ ^v[0-9]+\.[0-9]+\.[0-9]+$ ]] || kind=(--prerelease)
gh release create "$tag" --verify-tag --title "$tag" --notes-file "$notes" "${kind[@]}" "$folder"/*
