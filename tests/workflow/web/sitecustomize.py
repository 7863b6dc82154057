"""Every Python that starts with this folder on its path knows the source of tests/web_source.py."""

import sys
from pathlib import Path

if sys.orig_argv[1:2] == ["-m"] and sys.orig_argv[2] in ("snakemake", "pipeline"):
    sys.path[:0] = [str(Path(__file__).parents[3]), str(Path(__file__).parents[2])]
    from web_source import register

    del sys.path[:2]
    register()
