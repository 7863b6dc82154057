# To be sourced: leaves Python 3.11 or newer in $PYTHON, a uv in $UV, and in $scratch a folder that goes at the end. Needs
# python3 and a package index and nothing else: pip brings uv, and where Debian's python3 comes without pip and venv, the
# pip wheel of Debian's own archive stands in, unpacked and not installed.
set -eu
PYTHON=${PYTHON:-python3}

fail() {
    echo "error: $*" >&2
    exit 1
}

check_python() {
    command -v "$PYTHON" >/dev/null || fail "there is no $PYTHON: install Python 3.11 or newer, or say make PYTHON=..."
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$PYTHON is $("$PYTHON" --version 2>&1) and 3.11 or newer is needed: say make PYTHON=python3.12, for example"
    # The Python behind that of .venv, which comes first on make's PATH and may be about to go.
    PYTHON=$("$PYTHON" -c 'import os, sys; print(os.path.realpath(sys._base_executable))')
}

# No root needed: where apt has no lists of packages, this gets its own.
download_debian_pip() (
    apt_alone() {
        apt-get -o Dir::State::Lists="$scratch/lists" -o Dir::Cache="$scratch/cache" "$@"
    }
    cd "$scratch" && mkdir lists cache || return
    apt-get download python3-pip-whl || { apt_alone update; apt_alone download python3-pip-whl; } || return
    dpkg-deb -x python3-pip-whl_*.deb .
)

# Leaves in $PIP a folder to run; any pip will do.
find_pip() {
    if PIP=$("$PYTHON" -c 'import pip; print(pip.__path__[0])'); then
        return
    elif "$PYTHON" -m venv "$scratch/venv"; then
        PIP=$(echo "$scratch"/venv/lib/python3*/site-packages/pip)
    elif download_debian_pip; then
        PIP=$(echo "$scratch"/usr/share/python-wheels/pip-*.whl)/pip
    else
        return 1
    fi
} >"$scratch/log" 2>&1

# Who has no uv of their own has told at most pip where packages come from and which certificates to trust.
obey_pip_settings() {
    setting() {
        # Not `config get`, which overlooks the file that PIP_CONFIG_FILE names.
        "$PYTHON" "$PIP" config list 2>/dev/null | sed -n "s/^global\\.$1='\\(.*\\)'\$/\\1/p"
    }
    index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-$(setting index-url)}}}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
    certificates=${SSL_CERT_FILE:-${PIP_CERT:-$(setting cert)}}
    [ -z "$certificates" ] || export SSL_CERT_FILE="$certificates"
}

find_uv() {
    UV=uv
    uv --version >/dev/null 2>&1 && return
    echo "Fetching uv"
    find_pip || fail "$PYTHON has no pip and none could be fetched: check the network or install python3-venv, then run make again"
    PIP_USER=no PIP_REQUIRE_VIRTUALENV=no PIP_ROOT_USER_ACTION=ignore \
        "$PYTHON" "$PIP" install --quiet --disable-pip-version-check --target "$scratch/uv" uv ||
        fail "pip got no uv from the package index (why: above); behind a mirror or proxy, set PIP_INDEX_URL or HTTPS_PROXY"
    UV=$scratch/uv/bin/uv
    obey_pip_settings
}

export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}" # as Debian's pip: a network may have certificates of its own
check_python
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP
find_uv
