#!/bin/sh
# Builds one wheel for each Python and repairs it; read by build.sh. The wheels end in wheelhouse/.

stage 'looking for the Pythons'
for tag in $GLIBC_GUARD_PYTHONS; do
    if [ ! -x "/opt/python/$tag/bin/python" ]; then
        echo "There is no /opt/python/$tag/bin/python in this image; it has:" /opt/python/*
        exit 1
    fi
done
if [ -e wheelhouse ]; then
    echo 'wheelhouse is there before anything was built: what lies in it would be released as well. Remove it from the repository.'
    exit 1
fi
mkdir wheelhouse
# Of the targets that which this image can build for; without one it is what the image says with AUDITWHEEL_PLAT.
platform=$GLIBC_GUARD_MANYLINUX
if has_musl; then
    platform=$GLIBC_GUARD_MUSLLINUX
fi

for tag in $GLIBC_GUARD_PYTHONS; do
    raw=$(mktemp -d)
    stage "pip wheel with $tag"
    "/opt/python/$tag/bin/python" -m pip wheel --no-deps --wheel-dir "$raw" .
    for wheel in "$raw"/*.whl; do
        name=${wheel##*/}
        # The stable ABI and pure Python give the same wheel for a second Python.
        if [ -e "wheelhouse/.built-$name" ]; then
            continue
        fi
        : >"wheelhouse/.built-$name"
        case $name in
            *-any.whl) cp "$wheel" wheelhouse/ ;;
            *)
                stage "auditwheel repair of $name"
                auditwheel repair ${platform:+--plat "$platform"} --wheel-dir wheelhouse "$wheel"
                ;;
        esac
    done
    rm -r "$raw"
done
rm wheelhouse/.built-*
