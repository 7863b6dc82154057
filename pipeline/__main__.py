"""`python -m pipeline`: one thread a job, since the work scales by running more jobs; set before any library loads."""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from pipeline.cli.app import main  # noqa: E402

main()
