#!/bin/sh
# Runs in the container, as its root, since images and `before` expect that: prepares, and builds by kind. All values arrive as
# GLIBC_GUARD_* variables. $1 is the folder of the scripts.
set -eu
scripts=$1

# The last thing: without it the build did not come to its end, whatever the engine says of the container.
note_status() {
    status=$?
    trap - EXIT
    rm -rf "$GLIBC_GUARD_NOTES/status"
    printf '%s\n' "$status" >"$GLIBC_GUARD_NOTES/status"
    exit "$status"
}
trap note_status EXIT
trap 'exit 143' INT TERM

# Notes what is done next; where it fails, the step says so.
stage() {
    printf '%s\n' "$1" >"$GLIBC_GUARD_NOTES/stage"
    printf '\n=== %s\n' "$1"
}

# Says whether the libc of this image is musl.
has_musl() {
    for loader in /lib/ld-musl-*; do
        [ ! -e "$loader" ] || return 0
    done
    return 1
}

# Runs the shell script $1 with the best shell of the image, in a shell of its own.
run_script() {
    if command -v bash >/dev/null; then
        bash --noprofile --norc -e -o pipefail -c "$1"
    else
        sh -e -c "$1"
    fi
}

# Runs the script `before`, where there is one.
prepare() {
    if [ -n "$GLIBC_GUARD_BEFORE" ]; then
        stage 'before'
        run_script "$GLIBC_GUARD_BEFORE"
    fi
}

# These go with the container, but for the downloads that are mounted in the first two. pip takes a cache only from its own user.
mkdir -p /glibc-guard/pip /glibc-guard/cargo /glibc-guard/rustup
chown 0:0 /glibc-guard/pip
export PIP_CACHE_DIR=/glibc-guard/pip PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
export CARGO_HOME=/glibc-guard/cargo RUSTUP_HOME=/glibc-guard/rustup
export PATH="$CARGO_HOME/bin:$PATH"
# git refuses a checkout that belongs to another user (CVE-2022-24765); in here there is only this one.
mkdir -p "${HOME:=/root}"
printf '[safe]\n\tdirectory = *\n' >>"$HOME/.gitconfig"

cd "$GLIBC_GUARD_FOLDER"
case $GLIBC_GUARD_KIND in
    wheel)
        prepare
        # shellcheck source=scripts/build/inside/wheel.sh
        . "$scripts/wheel.sh"
        ;;
    rust)
        # shellcheck source=scripts/build/inside/rust.sh
        . "$scripts/rust.sh"
        ;;
    command)
        prepare
        stage 'build-command'
        run_script "$GLIBC_GUARD_COMMAND"
        ;;
esac
