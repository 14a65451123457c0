#!/usr/bin/env bash
# Prints the path of every CPython 3.10 or newer on this machine, one a minor version; --first prints the preferred one only,
# --others the oldest and the newest of the rest.
set -euo pipefail

candidates() {
    type -a -P python3 python3.14 python3.13 python3.12 python3.11 python3.10 python 2>/dev/null || true
    printf '%s\n' "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python /opt/python/cp*/bin/python \
        "${RUNNER_TOOL_CACHE:-/opt/hostedtoolcache}"/Python/*/*/bin/python
}

declare -A seen=()
others=()
while IFS= read -r python; do
    version=$("$python" -c 'import sys
if sys.version_info >= (3, 10) and sys.implementation.name == "cpython" and not sys.flags.no_site:
    import venv, ssl
    print("%d.%d" % sys.version_info[:2], sys.executable)' 2>/dev/null) || continue
    if [ -z "$version" ] || [ -n "${seen[${version%% *}]:-}" ]; then
        continue
    fi
    seen[${version%% *}]=1
    if [ "${1:-}" = --others ]; then
        [ ${#seen[@]} -eq 1 ] || others+=("$version")
        continue
    fi
    echo "${version#* }"
    if [ "${1:-}" = --first ]; then
        exit 0
    fi
done < <(candidates)

if [ ${#seen[@]} -eq 0 ]; then
    echo "find_pythons.sh: there is no CPython 3.10 or newer (with venv and ssl) on this machine" >&2
    exit 1
fi
if [ ${#others[@]} -gt 0 ]; then
    printf '%s\n' "${others[@]}" | sort -V | sed -e '1p' -e '$p' -e d | cut -d ' ' -f 2- | uniq
fi
