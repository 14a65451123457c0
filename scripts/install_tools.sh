#!/usr/bin/env bash
# Installs what the tests and the linters need and a new machine lacks: Debian packages, act, actionlint, the
# description of GitHub's API, Chromium and what steers it.
# (The examples want cargo 1.78 or newer, as trixie has it; a distribution with an older one needs rustup's.)
set -euo pipefail

act=github.com/nektos/act@v0.2.89
actionlint=github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
tools=${GLIBC_GUARD_TOOLS:-${GLIBC_GUARD_CACHE:-$HOME/.cache/glibc-guard}}

sudo=""
[ "$(id -u)" -eq 0 ] || sudo=sudo
declare -A packages=([cc]=build-essential [g++]=build-essential [git]=git [make]=make [readelf]=binutils [shellcheck]=shellcheck
    [xz]=xz-utils [qemu-aarch64]=qemu-user [unzip]=unzip [debootstrap]=debootstrap
    [groff]=groff-base [openssl]=openssl [busybox]=busybox-static [cargo]=cargo [node]=nodejs [npm]=npm [chromium]=chromium
    [clang]=clang [llvm-symbolizer]=llvm [ld.lld]=lld [dwz]=dwz [aarch64-linux-gnu-gcc]=gcc-aarch64-linux-gnu
    [patchelf]=patchelf [eu-elflint]=elfutils [bsdtar]=libarchive-tools)
missing=()
for command in "${!packages[@]}"; do
    command -v "$command" >/dev/null || missing+=("${packages[$command]}")
done
# An engine for containers: podman, with a `docker` in front of it, where none answers as GitHub's runners have one.
if ! docker version >/dev/null 2>&1; then
    command -v podman >/dev/null || missing+=(podman netavark iptables)
    command -v runc >/dev/null || missing+=(runc)
    command -v docker >/dev/null || missing+=(podman-docker)
fi
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
command -v go >/dev/null || [ -x /usr/local/go/bin/go ] || missing+=(golang-go)
if [ ${#missing[@]} -gt 0 ]; then
    echo "installing ${missing[*]}"
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
fi

PATH="$PATH:/usr/local/go/bin"
mkdir -p "$tools/bin"
for module in "$act" "$actionlint"; do
    name=$(basename "${module%@*}")
    if [ ! -x "$tools/bin/$name-${module#*@}" ]; then
        echo "building $module"
        GOBIN="$tools/bin" go install "$module"
        cp "$tools/bin/$name" "$tools/bin/$name-${module#*@}"
    fi
done

# GitHub's own description of its REST API, its recorded events, and Prism, which judges by the description; Playwright's core,
# which steers Debian's Chromium (--ignore-scripts: it brings no browser of its own), and axe, which judges pages: what
# package-lock.json names, by hash.
from=$(dirname "$0")/../tests/node
node=$tools/node-$(sha256sum "$from/package-lock.json" | cut -c 1-16)
if [ ! -d "$node" ]; then
    echo "installing Prism, the description of GitHub's API, Playwright's core and axe"
    aside=$(mktemp -d "$tools/node-XXXXXX")
    cp "$from"/package.json "$from"/package-lock.json "$aside"
    npm ci --prefix "$aside" --ignore-scripts --no-audit --no-fund --silent
    # Of the descriptions one is read; the others are 370 MB.
    find "$aside/node_modules/@octokit/openapi/generated" -name '*.json' ! -name api.github.com.json -delete
    mv -T "$aside" "$node"
fi
