#!/bin/sh
# Makes .venv from requirements.lock with uv. Needs python3 (3.11 or newer) and a package index, and nothing else: where
# Debian's python3 comes without pip and venv, the pip wheel of Debian's own archive stands in, unpacked and not installed.
set -eu
PYTHON=${PYTHON:-python3}

fail() {
    echo "error: $*" >&2
    exit 1
}

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$PYTHON is $("$PYTHON" --version 2>&1); Common Fate needs Python 3.11 or newer (set PYTHON=python3.12, say)"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Any pip will do: it only has to bring uv.
find_pip() {
    "$PYTHON" -m pip --version >/dev/null 2>&1 && return
    if "$PYTHON" -m venv "$scratch/pip" >/dev/null 2>&1; then
        PYTHON_WITH_PIP=$scratch/pip/bin/python
        return
    fi
    command -v apt-get >/dev/null && (
        cd "$scratch"
        apt-get download python3-pip-whl || { apt-get update && apt-get download python3-pip-whl; }
        dpkg-deb -x python3-pip-whl_*.deb unpacked
    ) >"$scratch/log" 2>&1 || fail "this Python has neither pip nor venv: install python3-venv, then run make again"
    PYTHONPATH=$(echo "$scratch"/unpacked/usr/share/python-wheels/pip-*.whl)
    export PYTHONPATH
}

echo "Setting up .venv (once; some minutes and 7 GB)"
if command -v uv >/dev/null; then
    UV=uv
else
    PYTHON_WITH_PIP=$PYTHON
    find_pip
    "$PYTHON_WITH_PIP" -m pip install --quiet --disable-pip-version-check --target "$scratch/uv" uv
    unset PYTHONPATH
    UV=$scratch/uv/bin/uv
fi
"$UV" venv --quiet --allow-existing --python "$(command -v "$PYTHON")" .venv
"$UV" pip sync --quiet --python .venv/bin/python requirements.lock
