#!/bin/sh
# Installs what tests/support/cluster.py starts, where it is missing and this is root; the tests say what else is wrong.
set -eu
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    exit 0
fi
for program in munged mariadbd slurmdbd slurmctld slurmd; do
    command -v "$program" >/dev/null || missing=yes
done
[ "${missing:-}" ] || exit 0
echo "Installing munge, mariadb-server, slurm-wlm and slurmdbd"
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # installed, not started
packages="munge mariadb-server slurm-wlm slurmdbd"
apt-get install -qq -y $packages >/dev/null || { apt-get update -qq && apt-get install -qq -y $packages >/dev/null; }
