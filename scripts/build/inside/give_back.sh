#!/bin/sh
# Gives every file in the folders $2… to the owner of $1. This is a container of its own, since only root may do so, and since the one
# that built may have been stopped, or have changed its own programs. Under a rootless engine the owner is root, as seen from here.
set -eu
like=$1
shift
chown -hR "$(stat -c %u:%g "$like")" "$@"
