#!/usr/bin/env bash
# Snakemake runs this in the new environment. ptlflow brings opencv-python, which needs system OpenGL and is installed over
# the headless build's files: it goes, and they are put back.
set -euo pipefail
version=$(python -c 'from importlib.metadata import version; print(version("opencv-contrib-python-headless"))')
python -m pip uninstall --yes opencv-python
python -m pip install --no-deps --force-reinstall "opencv-contrib-python-headless==$version"
