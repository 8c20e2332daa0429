#!/bin/sh
# Start `aml` with the kernels that the image brings. Numba only reads a folder that it can write to, so they are copied
# (10 MB) to where NUMBA_CACHE_DIR points, which may be a file system in memory.
set -eu
mkdir -p "$NUMBA_CACHE_DIR"
cp -R /opt/aml/kernels/. "$NUMBA_CACHE_DIR"
exec aml "$@"
