#!/bin/sh
# Makes .venv from requirements.lock. .venv/.installed is written last: a .venv without it was interrupted, may hold half
# a package, and is made anew; with it, what differs from a changed requirements.lock is put right.
set -eu
echo "Setting up .venv from requirements.lock (once: some minutes, 7 GB)"
. workflow/scripts/uv.sh

free_gb() {
    df -Pk . | awk 'NR == 2 { printf "%d", $4 / 1048576 }'
}

if ! [ -e .venv/.installed ] || ! .venv/bin/python -c ''; then
    mkdir -p .venv
    find .venv/ -mindepth 1 -delete
    "$UV" venv --quiet --python "$PYTHON" .venv
fi
rm -f .venv/.installed
[ -t 2 ] && quiet= || quiet=--quiet # uv shows its progress on a terminal
"$UV" pip sync $quiet --compile-bytecode --python .venv/bin/python requirements.lock ||
    fail "uv could not install requirements.lock (why: above; .venv takes 7 GB, $(free_gb) GB are free): run make again"
touch .venv/.installed
echo "Set up .venv"
