#!/bin/sh
# Makes .venv from requirements.lock with uv. Needs python3 (3.11 or newer) and a package index, and nothing else: where
# Debian's python3 comes without pip and venv, the pip wheel of Debian's own archive stands in, unpacked and not installed.
# .venv/.installed is written last; a .venv without it was interrupted, may hold half a package, and is made anew.
set -eu
PYTHON=${PYTHON:-python3}

fail() {
    echo "error: $*" >&2
    exit 1
}

free_gb() {
    df -Pk . | awk 'NR == 2 { printf "%d", $4 / 1048576 }'
}

check_python() {
    command -v "$PYTHON" >/dev/null || fail "no $PYTHON here: install Python 3.11 or newer, or name one (make PYTHON=python3.12)"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$PYTHON is $("$PYTHON" --version 2>&1), 3.11 or newer is needed: name one (make PYTHON=python3.12)"
    # Not the python3 of .venv itself, which comes first on make's PATH and may be about to go.
    PYTHON=$("$PYTHON" -c 'import sys; print(sys._base_executable)')
}

# Debian's pip without installing anything, and so without root: where apt has no lists, they are fetched for this alone.
debian_pip() (
    cd "$scratch"
    mkdir -p lists cache
    own="-o Dir::State::Lists=$scratch/lists -o Dir::Cache=$scratch/cache"
    apt-get download python3-pip-whl || { apt-get $own update; apt-get $own download python3-pip-whl; } || return
    dpkg-deb -x python3-pip-whl_*.deb .
    mv usr/share/python-wheels/pip-*.whl pip.whl
)

# Any pip will do: it only has to bring uv.
find_pip() {
    if "$PYTHON" -m pip --version; then
        PIP_PYTHON=$PYTHON
    elif "$PYTHON" -m venv "$scratch/pip"; then
        PIP_PYTHON=$scratch/pip/bin/python
    elif debian_pip; then
        PIP_PYTHON=$PYTHON
        export PYTHONPATH="$scratch/pip.whl"
    else
        return 1
    fi
} >"$scratch/log" 2>&1

pip() {
    PIP_USER=no PIP_REQUIRE_VIRTUALENV=no PIP_ROOT_USER_ACTION=ignore "$PIP_PYTHON" -m pip --quiet --disable-pip-version-check "$@"
}

# Whoever has no uv has told at most pip where packages come from and which certificates to trust.
obey_pip_settings() {
    index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-$(pip config get global.index-url 2>/dev/null || :)}}}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
    certificates=${SSL_CERT_FILE:-${PIP_CERT:-$(pip config get global.cert 2>/dev/null || :)}}
    [ -z "$certificates" ] || export SSL_CERT_FILE="$certificates"
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}" # as Debian's pip: an inspecting proxy's certificate is there
}

find_uv() {
    UV=uv
    uv --version >/dev/null 2>&1 && return
    echo "Fetching uv"
    find_pip || fail "$PYTHON has neither pip nor venv: install python3-venv, then run make again"
    pip install --target "$scratch/uv" uv ||
        fail "pip got no uv from the package index (why: above); behind a mirror or a proxy, set PIP_INDEX_URL or HTTPS_PROXY"
    UV=$scratch/uv/bin/uv
    obey_pip_settings
    unset PYTHONPATH
}

check_python
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP

echo "Setting up .venv from requirements.lock (once: some minutes, 7 GB)"
if ! [ -e .venv/.installed ] || ! .venv/bin/python -c ''; then
    mkdir -p .venv
    find .venv/ -mindepth 1 -delete
fi
find_uv
[ -e .venv/.installed ] || "$UV" venv --quiet --python "$PYTHON" .venv
rm -f .venv/.installed
[ -t 2 ] && quiet= || quiet=--quiet # uv shows its progress on a terminal
"$UV" pip sync $quiet --python .venv/bin/python requirements.lock ||
    fail "uv could not install requirements.lock (why: above; .venv takes 7 GB, $(free_gb) GB are free): run make again"
[ "$UV" = uv ] || cp "$UV" .venv/bin/uv # for `make lock`, and the next time
touch .venv/.installed
echo "Set up .venv"
