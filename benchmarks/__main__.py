"""Runs every benchmark, one thread each, and prints one table: ours, the peer, the ratio, and what we promise."""

import argparse
import importlib
import os
import platform

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

from common_fate.tables import text_table  # noqa: E402

BENCHMARKS = (
    *("guidance", "flow_coding", "regions", "superpixels", "frames", "filters", "stages"),
    *("reading", "remote", "loader", "training", "grouping", "objects", "similarity"),
    *("tracking", "flow_networks", "matching", "plan", "page"),
)
COLUMNS = ("what", "ours", "peer", "ratio", "reach")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", default=BENCHMARKS, help=f"which ({', '.join(BENCHMARKS)}); all by default")
    names = parser.parse_args().names
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; one thread each\n")
    rows = [row for name in names for row in importlib.import_module(f"benchmarks.{name}").run()]
    print(text_table(COLUMNS, [[row[column] for column in COLUMNS] for row in rows]))


main()
