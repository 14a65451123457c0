#!/bin/sh
# Brings rustup and the toolchain, runs `before`, and builds with cargo; read by build.sh. What was built is in the notes, in cargo's own
# words.

# Prints the sha256 of rustup-init 1.29.0 for the platform $1; the sums are those that static.rust-lang.org has beside the files.
checksum_of() {
    case $1 in
        x86_64-unknown-linux-gnu) echo 4acc9acc76d5079515b46346a485974457b5a79893cfb01112423c89aeb5aa10 ;;
        x86_64-unknown-linux-musl) echo 9cd3fda5fd293890e36ab271af6a786ee22084b5f6c2b83fd8323cec6f0992c1 ;;
        aarch64-unknown-linux-gnu) echo 9732d6c5e2a098d3521fca8145d826ae0aaa067ef2385ead08e6feac88fa5792 ;;
        aarch64-unknown-linux-musl) echo 88761caacddb92cd79b0b1f939f3990ba1997d701a38b3e8dd6746a562f2a759 ;;
    esac
}

# Says whether the project names its toolchain, in its folder or above (the rustup book, "Overrides").
has_toolchain_file() {
    folder=$GLIBC_GUARD_FOLDER
    while :; do
        if [ -f "$folder/rust-toolchain.toml" ] || [ -f "$folder/rust-toolchain" ]; then
            return 0
        fi
        [ "$folder" != "$GLIBC_GUARD_WORKSPACE" ] || return 1
        folder=${folder%/*}
    done
}

# Installs rustup, unless the image has it, and the toolchain.
bring_rust() {
    if ! command -v rustup >/dev/null; then
        stage 'installing rustup'
        libc=gnu
        has_musl && libc=musl
        platform=$(uname -m)-unknown-linux-$libc
        curl --proto '=https' --tlsv1.2 --fail --silent --show-error --location --retry 3 --output /tmp/rustup-init \
            "https://static.rust-lang.org/rustup/archive/1.29.0/$platform/rustup-init"
        echo "$(checksum_of "$platform")  /tmp/rustup-init" | sha256sum -c -
        chmod +x /tmp/rustup-init
        # Without what it says to people, of profiles and shells. What goes wrong it says on the other stream.
        /tmp/rustup-init -y --quiet --no-modify-path --profile minimal --default-toolchain none >/dev/null
    fi
    stage 'installing the toolchain'
    if [ -n "$GLIBC_GUARD_TOOLCHAIN" ]; then
        rustup toolchain install --no-self-update --profile minimal "$GLIBC_GUARD_TOOLCHAIN"
        export RUSTUP_TOOLCHAIN="$GLIBC_GUARD_TOOLCHAIN"
    elif has_toolchain_file; then
        rustup toolchain install --no-self-update
    else
        rustup toolchain install --no-self-update --profile minimal stable
        export RUSTUP_TOOLCHAIN=stable
    fi
    rustc --version
}

# `before` may want rustup, to add a target say. It comes first only where it has to bring what fetches rustup.
if command -v rustup >/dev/null || command -v curl >/dev/null; then
    bring_rust
    prepare
else
    prepare
    bring_rust
fi

if [ -n "$GLIBC_GUARD_COMMAND" ]; then
    stage 'build-command'
    run_script "$GLIBC_GUARD_COMMAND"
else
    stage 'cargo build'
    # `--profile release` is what `--release` means.
    cargo build --profile "$GLIBC_GUARD_PROFILE" --locked --message-format json-render-diagnostics >"$GLIBC_GUARD_NOTES/cargo.json"
fi
