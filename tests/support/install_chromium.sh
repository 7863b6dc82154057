#!/bin/sh
# Installs Debian's Chromium, which tests of the page drive, where it is missing and this is root; they skip without it.
set -eu
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || command -v chromium >/dev/null; then
    exit 0
fi
echo "Installing chromium"
export DEBIAN_FRONTEND=noninteractive
install="apt-get install -qq -y --no-install-recommends chromium"
$install >/dev/null || { apt-get update -qq && $install >/dev/null; }
