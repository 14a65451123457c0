#!/usr/bin/env bash
# Makes the file system of an old system to build in: Debian 11 (glibc 2.31) with gcc, git, curl, CPython 3.9 under /opt/python, uv and
# auditwheel, as the manylinux images have them. The tests import it under the name of such an image, which they cannot pull.
# Needs root (or sudo) and debootstrap. usage: make_build_image.sh TARGET.tar.gz
set -euo pipefail

target=$1
mirror=${GLIBC_GUARD_DEBIAN_MIRROR:-http://deb.debian.org/debian}
packages_of_pip=$(dirname "$0")/../tests/e2e/build_image.txt # for CPython 3.9

sudo=""
[ "$(id -u)" -eq 0 ] || sudo=sudo
folder=$($sudo mktemp -d)
trap '$sudo umount "$folder/proc" 2>/dev/null || true; $sudo rm -rf "$folder"' EXIT

packages=ca-certificates,curl,g++,gcc,git,libc6-dev,make,python3-dev,python3-pip,python3-setuptools,python3-wheel
$sudo debootstrap --variant=minbase --include="$packages" bullseye "$folder" "$mirror" >"$target.log" 2>&1 || {
    tail -20 "$target.log" >&2
    exit 1
}
# What this machine trusts, a container on it trusts: there may be a proxy between.
$sudo cp /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/ca-certificates.crt"
$sudo cp /etc/resolv.conf "$folder/etc/resolv.conf"
$sudo mount -t proc proc "$folder/proc"
$sudo cp "$packages_of_pip" "$folder/tmp/requirements.txt"
$sudo chroot "$folder" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    python3 -m pip install --quiet --no-cache-dir --require-hashes -r /tmp/requirements.txt
$sudo umount "$folder/proc"
$sudo mkdir -p "$folder/opt/python/cp39-cp39/bin"
$sudo ln -s /usr/bin/python3.9 "$folder/opt/python/cp39-cp39/bin/python"
$sudo ln -s /usr/bin/pip3 "$folder/opt/python/cp39-cp39/bin/pip"
$sudo rm -rf "$folder/var/cache/apt" "$folder/var/lib/apt/lists" "$folder/usr/share/doc" "$folder/usr/share/locale"
$sudo mkdir -p "$folder/var/cache/apt/archives/partial" "$folder/var/lib/apt/lists/partial"
$sudo tar -C "$folder" -c . | gzip -1 >"$target.part"
mv "$target.part" "$target"
