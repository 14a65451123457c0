#!/bin/sh
# Finds a Python that can run the gate and hands over to it; without one the gate fails and says what to add.
set -u

here=${0%/*}
rejected=''
# Old syntax: every Python that knows -I has to understand it.
probe='
import sys
if sys.version_info < (3, 10):
    print("is %d.%d" % sys.version_info[:2])
elif sys.implementation.name != "cpython":
    print("is " + sys.implementation.name)
'

# Writes the outputs and the annotation of a run that could not start. $1 is the message: one line.
fail() {
    if [ -n "${GITHUB_OUTPUT:-}" ]; then
        printf '%s\n' 'verdict=error' 'findings=' 'floor=' 'report=' >>"$GITHUB_OUTPUT"
    fi
    printf '::error title=glibc-guard::%s\n' "$(printf '%s' "$1" | tr '\r\n' '  ' | sed 's/%/%25/g')"
    exit 2
}

# Hands over to the Python $1 if it fits, and does not return then. -I keeps PYTHON* variables, the user's site-packages and the
# working folder out; -S keeps out .pth files and whatever else is installed for that Python.
try() {
    reason=$("$1" -I -c "$probe" 2>/dev/null </dev/null) || reason='does not run as Python 3'
    if [ -z "$reason" ] && ! "$1" -I -m pip --version >/dev/null 2>&1 </dev/null; then
        reason='has no working pip'
    fi
    if [ -z "$reason" ]; then
        exec "$1" -I -S -X utf8 "$here/bootstrap.py"
    fi
    rejected="$rejected; $1 $reason"
}

if [ -n "${INPUT_PYTHON:-}" ]; then
    try "$INPUT_PYTHON"
    fail "The input python does not fit:${rejected#;}. Name a CPython 3.10 or newer with pip."
fi

# Every folder of PATH, not only the first hit: a virtual environment without pip may hide a Python that has it.
old_ifs=$IFS
IFS=:
set -f
for folder in $PATH; do
    case $folder in
        /*) ;;
        *) continue ;; # the working folder is no place for programs
    esac
    for name in python3 python; do
        if [ -f "$folder/$name" ] && [ -x "$folder/$name" ]; then
            try "$folder/$name"
        fi
    done
done
set +f
IFS=$old_ifs

# Prints the paths among $@ that exist, the newest version first: the folder named 3.12.1 or cp312-cp312 decides.
newest_first() {
    for path in "$@"; do
        [ -x "$path" ] || continue
        version=$(printf '%s\n' "$path" | sed -n \
            -e 's#.*/Python/\([0-9.]*\)/.*#\1#p' \
            -e 's#.*/cp\([0-9]\)\([0-9]*\)-cp[0-9]*/bin/.*#\1.\2#p')
        [ -n "$version" ] && printf '%s %s\n' "$version" "$path"
    done | sort -t . -k 1,1nr -k 2,2nr -k 3,3nr | cut -d ' ' -f 2-
}

# A backslash would be an escape character in a glob.
cache=$(printf '%s' "${RUNNER_TOOL_CACHE:-}" | tr '\134' '/')
candidates=$(
    if [ -n "$cache" ]; then
        newest_first "$cache"/Python/*/x64/bin/python3 "$cache"/Python/*/arm64/bin/python3 \
            "$cache"/Python/*/x64/python.exe "$cache"/Python/*/arm64/python.exe
    fi
    newest_first /opt/python/cp*/bin/python3
)
IFS='
'
set -f
for path in $candidates; do
    try "$path"
done

fail "glibc-guard needs CPython 3.10 or newer with pip and found none. Add a step with actions/setup-python before this one, or \
install python3 and python3-pip in the image, or name one with the input python. Looked on PATH, in the tool cache and under \
/opt/python${rejected}."
